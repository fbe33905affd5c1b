"""What a disk may hold after a power cut, by the calls that were made until then and what of them was synced.

A write that no fsync of its file followed may be there, absent, there by half, or zeros; a name that was made, moved or removed
without an fsync of its folder may be as before or as after, each on its own. That is what POSIX leaves open; most file systems
promise more.
"""

import os
from collections.abc import Iterator, Sequence
from itertools import product
from pathlib import Path
from typing import NamedTuple

from faults.disk_calls import Call

Tree = dict[str, bytes | None]  # content by path relative to the folder; None for a folder
LOSSES = ("whole", "absent", "half", "zeros")
_MOST_LOST = 7  # names that are lost independently of each other; of more, all but the last ones are there


def tree_of(folder: Path) -> Tree:
    """What lies in a folder."""
    paths = sorted(folder.rglob("*"))
    return {path.relative_to(folder).as_posix(): None if path.is_dir() else path.read_bytes() for path in paths}


def lay_out(tree: Tree, folder: Path) -> Path:
    """A folder that holds this."""
    folder.mkdir(parents=True)
    for name, content in sorted(tree.items()):
        if content is None:
            (folder / name).mkdir()
        else:
            (folder / name).write_bytes(content)
    return folder


class _File:
    def __init__(self, content: bytes) -> None:
        self.synced, self.base, self.written = content, content, b""

    def current(self) -> bytes:
        return self.base + self.written

    def after(self, loss: str) -> bytes:
        if loss == "absent":
            return self.synced
        half = len(self.written) // 2
        kept = {"whole": self.written, "half": self.written[:half], "zeros": bytes(len(self.written))}
        return self.base + kept[loss]


class _Folder(dict[str, "_File | _Folder"]):
    """Entries by name, as they are on the disk for certain."""


class Entry(NamedTuple):
    folder: _Folder
    name: str
    node: "_File | _Folder | None"


class _Disk:
    """A folder whose durable state and pending changes follow from its calls."""

    def __init__(self, tree: Tree, root: str) -> None:
        self.root, self.top = root, _Folder()
        self.now: dict[int, dict[str, _File | _Folder]] = {id(self.top): {}}  # entries as processes see them
        self.pending: list[list[Entry]] = []
        for name, content in sorted(tree.items()):
            self._bind([(name, self._folder() if content is None else _File(content))])
            self._sync(self._at(os.path.dirname(name)))  # noqa: PTH120 - no path of this machine

    def _folder(self) -> _Folder:
        folder = _Folder()
        self.now[id(folder)] = {}
        return folder

    def _at(self, name: str) -> "_File | _Folder | None":
        node: _File | _Folder | None = self.top
        for part in filter(None, name.split("/")):
            node = self.now[id(node)].get(part) if isinstance(node, _Folder) else None
        return node

    def _bind(self, changes: Sequence[tuple[str, "_File | _Folder | None"]]) -> None:
        entries = []
        for name, node in changes:
            above, _, own = name.rpartition("/")
            folder = self._at(above)
            assert isinstance(folder, _Folder), name
            entries.append(Entry(folder, own, node))
            if node is None:
                self.now[id(folder)].pop(own)
            else:
                self.now[id(folder)][own] = node
        self.pending.append(entries)

    def _sync(self, node: "_File | _Folder | None") -> None:
        if isinstance(node, _File):
            node.synced = node.base = node.current()
            node.written = b""
            return
        for entries in [group for group in self.pending if any(entry.folder is node for entry in group)]:
            self.pending.remove(entries)
            _apply(entries)

    def make(self, call: Call) -> None:
        name, node = os.path.relpath(call.path, self.root), None
        name = "" if name == "." else name
        node = self._at(name)
        if call.kind == "create":
            if node is None:
                self._bind([(name, _File(b""))])
            elif call.target == "w":
                assert isinstance(node, _File)
                node.base, node.written = b"", b""
        elif call.kind == "write":
            assert isinstance(node, _File)
            node.written += call.data
        elif call.kind == "fsync":
            self._sync(node)
        elif call.kind == "mkdir" and node is None:
            self._bind([(name, self._folder())])
        elif call.kind in ("unlink", "rmdir") and node is not None:
            self._bind([(name, None)])
        elif call.kind in ("rename", "link"):
            target = os.path.relpath(call.target, self.root)
            self._bind([(target, node)] if call.kind == "link" else [(name, None), (target, node)])

    def after_power_cut(self) -> Iterator[Tree]:
        """Every state that the disk may be in now."""
        certain, uncertain = self.pending[:-_MOST_LOST], self.pending[-_MOST_LOST:]
        for there in product((True, False), repeat=len(uncertain)):
            chosen = [*certain, *(group for group, kept in zip(uncertain, there, strict=True) if kept)]
            names = self._names(chosen)
            open_files = [node for node in names.values() if isinstance(node, _File) and node.current() != node.synced]
            for losses in product(LOSSES, repeat=len(open_files)):
                lost = {id(file): loss for file, loss in zip(open_files, losses, strict=True)}
                yield {
                    name: node.after(lost.get(id(node), "whole")) if isinstance(node, _File) else None
                    for name, node in names.items()
                }

    def _names(self, chosen: list[list[Entry]]) -> dict[str, "_File | _Folder"]:
        after: dict[int, dict[str, _File | _Folder]] = {}
        for entry in (entry for group in chosen for entry in group):
            entries = after.setdefault(id(entry.folder), dict(entry.folder))
            _change(entries, entry)
        names: dict[str, _File | _Folder] = {}

        def walk(folder: _Folder, prefix: str) -> None:
            for own, node in after.get(id(folder), folder).items():
                names[prefix + own] = node
                if isinstance(node, _Folder):
                    walk(node, f"{prefix}{own}/")

        walk(self.top, "")
        return names


def _change(entries: "dict[str, _File | _Folder]", entry: Entry) -> None:
    if entry.node is None:
        entries.pop(entry.name, None)
    else:
        entries[entry.name] = entry.node


def _apply(group: list[Entry]) -> None:
    for entry in group:
        _change(entry.folder, entry)


def states(before: Tree, calls: Sequence[Call], root: Path) -> Iterator[tuple[bool, Tree]]:
    """What `root` may hold after a power cut before, between or after these calls, and whether it came after all of them.

    `before` is what it held before them, all of it synced. Each state comes once.
    """
    disk, seen = _Disk(before, str(root)), set()
    for number in range(len(calls) + 1):
        if number:
            disk.make(calls[number - 1])
        for tree in disk.after_power_cut():
            key = (number == len(calls), tuple(sorted(tree.items())))
            if key not in seen:
                seen.add(key)
                yield key[0], tree
