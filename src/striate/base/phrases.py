"""How sentences name times, shares and lists."""

from collections.abc import Sequence
from typing import Any


def format_duration(seconds: float) -> str:
    """A time as people say it.

    >>> format_duration(42.4), format_duration(200), format_duration(9000)
    ('42 s', '3 min', '2.5 h')
    """
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def percent(share: float) -> str:
    """A share in percent.

    >>> percent(0.969444)
    '96.94 %'
    """
    return f"{100 * share:.2f} %"


def join_names(names: Sequence[str]) -> str:
    """Names as people list them.

    >>> join_names(["a"]), join_names(["a", "b", "c"])
    ('a', 'a, b and c')
    """
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def plural(count: int, what: str) -> str:
    """A number of things.

    >>> plural(1, "file"), plural(2000, "file")
    ('1 file', '2,000 files')
    """
    return f"{count:,} {what}{'' if count == 1 else 's'}"


def printable(value: Any) -> Any:
    r"""The same text, or the same lists and dictionaries of text, with bytes that are no text written as escapes.

    >>> printable(["caf\udce9.png"])
    ['caf\\udce9.png']
    """
    if isinstance(value, str):
        return value.encode("utf-8", "backslashreplace").decode()
    if isinstance(value, dict):
        return {printable(name): printable(inner) for name, inner in value.items()}
    return [printable(inner) for inner in value] if isinstance(value, list | tuple) else value
