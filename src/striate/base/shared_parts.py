"""Work in parts that any number of processes do together, of one machine or of several that share a file system.

Each process takes a part that none has, by a lock that the kernel gives back when its holder dies, and goes on until all are
there. A part is a folder that appears whole, by a rename: one that was begun by a process that was killed is made anew, by
whoever comes next, and what is whole is never made twice. The processes need not know of each other, nor start together.
"""

import shutil
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

from striate.base import files
from striate.base.errors import RunError

_WAIT_SECONDS = 0.5
_LOCK = ".lock"


def path_of(folder: Path, number: int) -> Path:
    """The folder of a part."""
    return folder / f"{number:06d}"


def missing(folder: Path, count: int) -> list[int]:
    """The parts that are not there yet."""
    return [number for number in range(count) if not path_of(folder, number).is_dir()]


def make(
    folder: Path, count: int, write: Callable[[int, Path], None], over: Callable[[], bool], wait: Callable[[], None]
) -> None:
    """Make every part of `folder` that no process has made or is making, then wait for those that others make.

    Args:
        folder: of the parts; made where it is not there.
        count: of parts.
        write: writes a part, by its number, into a new folder that is empty.
        over: whether the work that the parts are for is done already, so that none is needed any more.
        wait: called twice a second while other processes are making the last parts; may raise.

    """
    while not over() and (left := missing(folder, count)):
        finished = [number for number in left if _finish(folder, number, write, over)]
        if not finished:
            wait()
            time.sleep(_WAIT_SECONDS)


def _finish(folder: Path, number: int, write: Callable[[int, Path], None], over: Callable[[], bool]) -> bool:
    """Make a part where no other process is making it; whether nothing is left to do about it."""
    path = path_of(folder, number)
    if path.is_dir():
        return True
    with ExitStack() as held:
        try:
            held.enter_context(files.lock(path.with_name(f"{path.name}{_LOCK}"), "part"))
        except RunError:
            return False
        if not over() and not path.is_dir():
            for left in folder.glob(f".{path.name}.*.tmp"):  # of a process that died: the lock is ours
                shutil.rmtree(left, ignore_errors=True)
            with files.new_folder(path) as new:
                write(number, new)
    return True


def sound(folder: Path, count: int, tell: Callable[[str], None]) -> bool:
    """Whether all parts are there as they were written; one that is damaged is removed, and `tell` is given a clause on it."""
    if missing(folder, count):
        return False
    damaged = [(number, clause) for number in range(count) if (clause := files.damage(path_of(folder, number))) is not None]
    for number, clause in damaged:
        tell(clause)
        shutil.rmtree(path_of(folder, number))
    return not damaged


def in_use(folder: Path) -> bool:
    """Whether a process is making a part now."""
    for lock in folder.glob(f"*{_LOCK}"):
        try:
            with files.lock(lock, "part"):
                pass
        except RunError:
            return True
    return False


def remove(folder: Path) -> None:
    """Remove the parts, of which what was made is elsewhere now."""
    shutil.rmtree(folder, ignore_errors=True)
