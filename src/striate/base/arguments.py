"""Arguments of public functions: one that a function does not have is refused with what was probably meant."""

import inspect
import os
from collections.abc import Callable, Collection, Iterator, Mapping
from difflib import get_close_matches
from functools import wraps
from typing import Any, ParamSpec, TypeVar

from striate.base import html_repr, notebook
from striate.base.errors import ArgumentError
from striate.base.phrases import plural

# What arguments are, by their names, where another type would end in an error of Python's
_KINDS: dict[str, tuple[Any, str]] = {
    "settings": (Mapping, "a dictionary"),
    "name": (str, "text"),
    "net": (str, "text: a name of striate nets, a line of layers, or file.py:Class"),
    "out": ((str, os.PathLike), "a path"),
    "draw": ((str, os.PathLike), "a path"),
}

P = ParamSpec("P")
R = TypeVar("R")


def named_arguments(*further: str, section: str | None = None) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Refuse by an ArgumentError keywords that a function does not have, and arguments of `_KINDS` of another type.

    In a notebook, a result that is a dictionary or a list is shown as a table, and progress as a bar unless `watch` is given.
    The function looks the same otherwise. `further` are those that it takes by `**`. A setting given as a keyword is shown as
    an entry of the argument `settings`, which holds those of one `section`, or of a whole run.
    """

    def decorate(function: Callable[P, R]) -> Callable[P, R]:
        parameters = inspect.signature(function).parameters.values()
        by_name = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
        names = [parameter.name for parameter in parameters]
        passed_as = [parameter.kind for parameter in parameters]
        most = passed_as.count(by_name[0])
        modules = {parameter.name for parameter in parameters if "Module" in str(parameter.annotation)}  # a net that is built
        known = {*(parameter.name for parameter in parameters if parameter.kind in by_name), *further} - {"self", "cls"}
        labels = " Give labels by name: labels=..." if "labels" in known else ""

        @wraps(function)
        def call(*args: P.args, **kwargs: P.kwargs) -> R:
            if unknown := [name for name in kwargs if name not in known]:
                hint = _hint(unknown[0], known, section)
                raise ArgumentError(f"{function.__qualname__}() has no argument {unknown[0]!r}; {hint}")
            if len(args) > most and inspect.Parameter.VAR_POSITIONAL not in passed_as:
                raise ArgumentError(
                    f"{function.__qualname__}() takes {plural(most, 'argument')} by position; got {len(args)}."
                    f"{labels or ' Give the others by name.'}"
                )
            for name, value in (*zip(names, args, strict=False), *kwargs.items()):
                kinds, expected = _KINDS.get(name, (object, ""))
                if value is not None and name not in modules and not isinstance(value, kinds):
                    got = f"{type(value).__name__} {value!r:.60}.{'' if name in kwargs else labels}"
                    raise ArgumentError(f"{function.__qualname__}() expects {name} to be {expected}; got {got}")
            if "watch" in names[len(args) :] and "watch" not in kwargs and notebook.in_kernel():
                with notebook.progress_shown() as watch:
                    kwargs["watch"] = watch
                    return html_repr.shown(function(*args, **kwargs))
            return html_repr.shown(function(*args, **kwargs))

        return call

    return decorate


def _hint(word: str, known: Collection[str], section: str | None) -> str:
    ways = {name: [name] for name in sorted(known)}
    if "settings" in known:
        for setting, entry in _entries(section):
            if setting not in known:
                ways.setdefault(setting, []).append(f"settings={entry}")
    last = word.rpartition(".")[2]  # of train.lr, as the command line has it
    close = [last] if last in ways else [name for name in ways if name.startswith(f"{last}_")]
    close = close or get_close_matches(last, ways, n=2)
    if close:
        return f"did you mean {' or '.join(way for name in close for way in ways[name])}?"
    return f"it has: {', '.join(sorted(known))}." if known else "it has none."


def _entries(section: str | None) -> Iterator[tuple[str, str]]:
    """Each setting with the dictionary that `settings` takes for it; of one section, or of a whole run with its groups."""
    from striate.base.settings import Run

    for group, field in Run.model_fields.items():
        inner = getattr(field.annotation, "model_fields", {})
        if section is None:
            yield group, f"{{{group!r}: ...}}"
            yield from ((name, f"{{{group!r}: {{{name!r}: ...}}}}") for name in inner)
        elif group == section:
            yield from ((name, f"{{{name!r}: ...}}") for name in inner)
