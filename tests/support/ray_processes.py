"""The processes that Ray runs, as Linux lists them."""

import os
from pathlib import Path


def _parents() -> dict[int, int]:
    """The parent of each process."""
    found = {}
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                found[int(folder.name)] = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
            except OSError:  # it has ended since
                continue
    return found


def beside(process: int) -> list[int]:
    """All processes below a process."""
    parents, below = _parents(), {process}
    while more := {child for child, parent in parents.items() if parent in below} - below:
        below |= more
    return sorted(below - {process})


def workers_below(process: int) -> list[int]:
    """Those of them that are workers of Ray Data."""
    return [each for each in beside(process) if "MapWorker" in title(each)]


def title(process: int) -> str:
    """What a process calls itself; empty where it has ended."""
    try:
        return os.fsdecode(Path(f"/proc/{process}/cmdline").read_bytes())
    except OSError:
        return ""
