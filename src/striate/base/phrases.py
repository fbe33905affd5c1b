"""How sentences name times, shares and lists."""

from collections.abc import Sequence
from typing import Any


def format_duration(seconds: float) -> str:
    """A time in its usual unit: 42 s, 3 min, 2.5 h."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def percent(share: float, places: int = 2) -> str:
    """A share in percent: 0.969444 is 96.94 %."""
    return f"{100 * share:.{places}f} %"


def join_names(names: Sequence[str]) -> str:
    """Names as people list them: `a`; `a, b and c`."""
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def plural(count: int, what: str) -> str:
    """A number of things: 1 file; 2,000 files; 3 processes."""
    return f"{count:,} {what}{'' if count == 1 else 'es' if what.endswith('s') else 's'}"


def layers(name: str) -> str:
    """A layer, or several joined by +, for a title: conv5; 6 layers, conv1 to conv6."""
    names = name.split("+")
    return name if len(names) == 1 else f"{len(names)} layers, {names[0]} to {names[-1]}"


# Controls of a terminal, and those that turn the direction of text or break its lines
_CONTROLS = {code: f"\\x{code:02x}" for code in (*range(9), *range(11, 32), *range(127, 160))} | {
    code: f"\\u{code:04x}" for code in (0x061C, 0x200E, 0x200F, *range(0x2028, 0x202F), *range(0x2066, 0x206A))
}


def without_controls(text: str) -> str:
    """The text with what moves a terminal's cursor, changes its colors or turns the direction of text written as escapes."""
    return str(printable(text)).translate(_CONTROLS)


def printable(value: Any) -> Any:
    r"""The same text, or lists and dictionaries of text, with bytes that are no text written as escapes: `caf\udce9.png`."""
    if isinstance(value, str):
        return value.encode("utf-8", "backslashreplace").decode()
    if isinstance(value, dict):
        return {printable(name): printable(inner) for name, inner in value.items()}
    return [printable(inner) for inner in value] if isinstance(value, list | tuple) else value
