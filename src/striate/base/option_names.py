"""How a message names an option: as it is written on the command line, or in Python."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_commanded: ContextVar[bool] = ContextVar("commanded", default=False)


@contextmanager
def on_command_line() -> Iterator[None]:
    """Within the block, options are those of a command."""
    token = _commanded.set(True)
    try:
        yield
    finally:
        _commanded.reset(token)


def option(name: str, value: object = None) -> str:
    """The option `max_error`, with its value where one is given: `--max-error 0.02`, or `max_error=0.02` in Python."""
    shown = f"{value:g}" if isinstance(value, float) else str(value)
    if _commanded.get():
        flag = f"--{name.replace('_', '-')}"
        return flag if value is None or value is True else f"{flag} {shown}"
    return name if value is None else f"{name}={str(value).lower() if isinstance(value, bool) else shown}"


def setting(name: str, value: object = ...) -> str:
    """The setting `data.label_column` with a value: `--set data.label_column=class`, or in Python `settings={...}`.

    >>> setting("data.label_column", "class")
    "settings={'data': {'label_column': 'class'}}"
    """
    shown = "..." if value is ... else str(value)
    if _commanded.get():
        return f"--set {name}={str(value).lower() if isinstance(value, bool) else shown or chr(39) * 2}"
    section, _, key = name.partition(".")
    return f"settings={{{section!r}: {{{key!r}: {shown if value is ... else repr(value)}}}}}"
