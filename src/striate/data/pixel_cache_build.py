"""Writing an entry of the pixel cache: at once, or of many images in parts, which several processes decode together.

The parts are so many images in a row, whoever decodes them, and lie in `.<fingerprint>.parts/` beside the entry until they are
joined. What is joined has the bytes of what one process writes at once. A process that is killed costs its part alone.

Legend: N images that can be decoded, A images that were to be.
"""

import json
import logging
import shutil
import time
from collections.abc import Callable, Generator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from striate.base import addresses, files, shared_parts
from striate.base.errors import DiskError
from striate.data import fact_columns, pixel_cache_integrity, source_files
from striate.data.decode import Decoded, InputSpec
from striate.data.examples import Examples
from striate.data.fact_columns import Progress

log = logging.getLogger("striate")

Decode = Callable[[Examples, InputSpec, int | None], Generator[Decoded]]

_SPARE_BYTES = 64 * 2**20
_PART_IMAGES, _MOST_PARTS = 16_384, 1_000
_PART = "part.json"
_PIXELS, _CONTENTS = "pixels.npy", "contents.npy"


class Plan(NamedTuple):
    """An entry that is to be written."""

    examples: Examples  # A of them
    input_spec: InputSpec
    folder: Path  # of the entry
    workers: int | None  # processes that decode for this one
    keep: bool  # pixels, beside the facts
    decode: Decode

    def about(self, count: int, reasons: dict[int, str], seconds: float) -> dict[str, Any]:
        """What `store.json` says besides the sums of the pixels."""
        return {
            "fingerprint": self.folder.name, "count": count, "reasons": reasons, "shape": self.shape(len(self.examples)),
            "kept": self.keep, "images_a_second": len(self.examples) / seconds, "workers": self.workers,
            "data": addresses.absolute(self.examples.root),
            "input_spec": self.input_spec._asdict(), "made": datetime.now(UTC).isoformat(timespec="seconds"),
        }  # fmt: skip

    def shape(self, count: int) -> tuple[int, int, int, int]:
        """Of the pixels of so many images."""
        spec = self.input_spec
        return count, spec.size_px, spec.size_px, spec.channels


def parts_of(count: int) -> list[range]:
    """The positions of each part of so many images."""
    size = max(_PART_IMAGES, -(-count // _MOST_PARTS))
    return [range(begin, min(begin + size, count)) for begin in range(0, count, size)]


def in_parts(count: int) -> bool:
    """Whether so many images are more than one part."""
    return len(parts_of(count)) > 1


def parts_folder(folder: Path) -> Path:
    """Where the parts of an entry lie until they are joined."""
    return folder.with_name(f".{folder.name}.parts")


def make_parts(plan: Plan, report: Progress) -> None:
    """Decode the parts that no other process decodes or has decoded; nothing where the images are one part alone."""
    parts, folder, total = parts_of(len(plan.examples)), parts_folder(plan.folder), len(plan.examples)
    if not in_parts(total):
        return

    def done() -> int:
        return total - sum(len(parts[number]) for number in shared_parts.missing(folder, len(parts)))

    def write(number: int, new: Path) -> None:
        before, rows = done(), parts[number]
        some = plan.examples.keep(np.arange(rows.start, rows.stop))
        reasons, seconds = _decode(plan._replace(examples=some), new, lambda count, _: report(before + count, total), None)
        about = {"count": len(rows) - len(reasons), "reasons": reasons, "seconds": seconds}
        (new / _PART).write_text(json.dumps(about), encoding="utf-8")

    if not plan.folder.is_dir():
        _check_space(plan, 2)
    shared_parts.make(folder, len(parts), write, plan.folder.is_dir, lambda: report(done(), total))
    if plan.folder.is_dir():
        shared_parts.remove(folder)


def write_entry(plan: Plan, report: Progress) -> None:
    """Write the entry, for who holds its lock: join the parts, or decode the images where they are one part.

    Nothing is written where a part is damaged or not there; that one is removed, and `make_parts` makes it.
    """
    parts, folder = parts_of(len(plan.examples)), parts_folder(plan.folder)
    for leftover in plan.folder.parent.glob(f".{plan.folder.name}.*.tmp"):  # of processes that died: the lock is ours
        shutil.rmtree(leftover, ignore_errors=True)
    if not in_parts(len(plan.examples)):
        _write_at_once(plan, report)
    elif plan.folder.is_dir():  # it is damaged, or its images have changed
        shutil.rmtree(plan.folder)
    elif shared_parts.sound(folder, len(parts), _tell_of_damage):
        _join(plan, [shared_parts.path_of(folder, number) for number in range(len(parts))], parts)
        shared_parts.remove(folder)


def _tell_of_damage(clause: str) -> None:
    log.warning("A part of the pixel cache is damaged (%s); it is decoded anew.", clause)


def _write_at_once(plan: Plan, report: Progress) -> None:
    _check_space(plan, 1)
    sums = pixel_cache_integrity.Sums(plan.shape(len(plan.examples)))
    with files.new_folder(plan.folder) as new, files.explained(plan.folder, "write"):
        reasons, seconds = _decode(plan, new, report, sums.add)
        about = plan.about(len(plan.examples) - len(reasons), reasons, seconds)
        (new / "store.json").write_text(json.dumps({**about, "crc32": sums.done()}), encoding="utf-8")


def _decode(
    plan: Plan, new: Path, report: Progress, add: Callable[[NDArray[np.uint8]], None] | None
) -> tuple[dict[int, str], float]:
    """Decode images into the files of a folder; why some cannot be, by position, and the seconds that it took."""
    examples, begun, marks_A2 = plan.examples, time.monotonic(), source_files.marks(plan.examples)
    pixels = fact_columns.new_file(new / _PIXELS, plan.shape(len(examples))) if plan.keep else None

    def write(row: int, pixels_HWC: NDArray[np.uint8]) -> None:
        if pixels is not None:
            pixels[row] = pixels_HWC
            if add is not None:
                add(pixels_HWC)

    columns = fact_columns.room(len(examples), new)
    known, reasons, contents_A = fact_columns.collect(
        plan.decode(examples, plan.input_spec, plan.workers), len(examples), report, write, columns
    )
    seconds = max(time.monotonic() - begun, 1e-9)
    fact_columns.close(columns)
    del known
    if pixels is not None:
        pixels.flush()
    if examples.pixels_NHWC is None:
        for position in np.flatnonzero(contents_A == 0).tolist():
            contents_A[position] = source_files.hash_file(examples.root / examples.names[position])
        np.save(new / _CONTENTS, contents_A)
        source_files.write_marks(new, marks_A2)
    return reasons, seconds


def _join(plan: Plan, folders: list[Path], parts: list[range]) -> None:
    """Write the entry of its parts, a part at a time."""
    total, shape = len(plan.examples), plan.shape(len(plan.examples))
    abouts = [json.loads((folder / _PART).read_text("utf-8")) for folder in folders]
    starts = np.cumsum([0, *(about["count"] for about in abouts)]).tolist()
    reasons = {
        rows.start + int(position): why
        for rows, about in zip(parts, abouts, strict=True)
        for position, why in about["reasons"].items()
    }
    sums = pixel_cache_integrity.Sums(shape)
    with files.new_folder(plan.folder) as new, files.explained(plan.folder, "write"):
        for name, column in fact_columns.room(total, new).items():
            for folder, begin, end in zip(folders, starts[:-1], starts[1:], strict=True):
                column[begin:end] = np.load(folder / fact_columns.FILES[name], mmap_mode="r")[: end - begin]
            fact_columns.close({name: column})
        if plan.keep:
            pixels = fact_columns.new_file(new / _PIXELS, shape)
            for folder, begin, end in zip(folders, starts[:-1], starts[1:], strict=True):
                some = np.load(folder / _PIXELS, mmap_mode="r")
                for row in range(end - begin):
                    pixels[begin + row] = some[row]
                    sums.add(some[row])
            pixels.flush()
            del pixels
        if plan.examples.pixels_NHWC is None:
            np.save(new / _CONTENTS, np.concatenate([np.load(folder / _CONTENTS) for folder in folders]))
            marks = b"".join((folder / source_files.MARKS).read_bytes() for folder in folders)
            (new / source_files.MARKS).write_bytes(marks)
        about = plan.about(total - len(reasons), reasons, sum(about["seconds"] for about in abouts))
        (new / "store.json").write_text(json.dumps({**about, "crc32": sums.done()}), encoding="utf-8")


def _check_space(plan: Plan, times: int) -> None:
    pixels = int(np.prod(plan.shape(len(plan.examples)), dtype=np.int64)) if plan.keep else 0
    needed = times * (len(plan.examples) * fact_columns.ROW.itemsize + pixels)
    with files.explained(plan.folder, "write"):
        plan.folder.parent.mkdir(parents=True, exist_ok=True)
        free = shutil.disk_usage(plan.folder.parent).free
    if free < needed + _SPARE_BYTES:
        raise DiskError(
            f"the decoded images need {needed / 1e9:.2f} GB in {plan.folder.parent}; {free / 1e9:.2f} GB are free. "
            "Free some space, set STRIATE_CACHE to another disk, or take a smaller preprocess.size_px."
        )
