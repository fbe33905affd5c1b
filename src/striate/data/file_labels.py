"""Labels from paths of files: the folder that a file lies in, or what a regular expression takes from its name."""

import re
from collections.abc import Iterator, Sequence

from striate.base.child_process import Child
from striate.base.errors import DataError
from striate.data.examples_from_source import part_named

_AT_ONCE, _SECONDS = 500, 10.0


def of_paths(paths: Sequence[str], labels_from: str) -> list[str | None]:
    """The label of each path relative to the data folder, by `parent` or `name:EXPRESSION`; None without one."""
    if labels_from == "parent":
        return [_parent(path) for path in paths]
    names = [path.rpartition("/")[2] for path in paths]
    expression = labels_from.removeprefix("name:")
    return matches(names, expression, f"--labels-from '{labels_from}'")


def _parent(path: str) -> str | None:
    folders = path.split("/")[:-1]
    return folders[-1] if folders and not (len(folders) == 1 and part_named(folders[0])) else None


def matches(names: Sequence[str], expression: str, setting: str) -> list[str | None]:
    """What the expression's group is in each name, None where it does not match; in a child process, since some expressions
    would take years. `setting` is named where one does.
    """
    return [*_matched(names, expression, setting)]


def _matched(names: Sequence[str], expression: str, setting: str) -> Iterator[str | None]:
    with Child("striate.data.file_labels:match", seconds=_SECONDS, tries=1) as child:
        starts = range(0, len(names), _AT_ONCE)
        calls = [{"expression": expression, "names": [*names[start : start + _AT_ONCE]]} for start in starts]
        for answer in child.map(calls):
            if answer.error is not None or not isinstance(answer.value, list):
                raise DataError(
                    f"{setting} takes longer than {_SECONDS:.0f} s for {_AT_ONCE} names of files "
                    f"({answer.error}). Write it without a repetition inside of another, as (a+)+."
                )
            yield from answer.value


def match(call: dict[str, object]) -> tuple[list[str | None], bytes]:
    """In the child: the group in each name, anywhere in it; None where the expression does not match."""
    expression, names = re.compile(str(call["expression"])), call["names"]
    assert isinstance(names, list)
    hits = [expression.search(name) for name in names]
    return [(hit[1] or None) if hit else None for hit in hits], b""
