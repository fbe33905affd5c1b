"""The pixel store: every picture decoded once into a memory-mapped uint8 array, shared by all runs.

It is kept under `<cache>/pixels/<fingerprint>/`, where the fingerprint is a hash of the files' names, sizes and times of
change, the decoder's version and the look. It is built under another name and renamed when it is whole, so a build that is
killed leaves nothing that looks like a store. A source that is an array of the right size already is used as it is.

Legend: N pictures, H x W pixels, C channels.
"""

import hashlib
import io
import json
import logging
import os
import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from striate.base import disk
from striate.base.errors import DataError, DiskError, RunError
from striate.images import decode
from striate.images.decode import Decoded, Facts, Look
from striate.images.examples import Examples, Quarantined

log = logging.getLogger("striate")

Progress = Callable[[int, int], None]

_SPARE_BYTES = 64 * 2**20
_WAIT_SECONDS = 0.5


@dataclass(frozen=True)
class Stored:
    """The pictures that could be decoded, with what is known of them; the others are in `examples.quarantined`.

    Attributes:
        examples: N of them.
        pixels_NHWC: uint8, memory-mapped or the source's own array.
        sizes_N2: height and width of the original pictures.
        grey_N: whether the picture has no colour.
        pixel_hash_N: equal for pictures whose pixels are equal.
        means_N3: mean of each channel in [0, 1].
        squares_N3: mean square of each channel.

    """

    examples: Examples
    pixels_NHWC: NDArray[np.uint8]
    sizes_N2: NDArray[np.int32]
    grey_N: NDArray[np.bool_]
    pixel_hash_N: NDArray[np.uint64]
    means_N3: NDArray[np.float64]
    squares_N3: NDArray[np.float64]


class Columns:
    """Facts of N pictures as columns, filled one by one."""

    def __init__(self, count: int) -> None:
        self.sizes_N2 = np.zeros((count, 2), np.int32)
        self.grey_N = np.zeros(count, np.bool_)
        self.pixel_hash_N = np.zeros(count, np.uint64)
        self.means_N3 = np.zeros((count, 3))
        self.squares_N3 = np.zeros((count, 3))

    def put(self, at: int, facts: Facts) -> None:
        """Fill in one picture."""
        self.sizes_N2[at] = facts.height, facts.width
        self.grey_N[at] = facts.grey
        self.pixel_hash_N[at] = facts.pixel_hash
        self.means_N3[at], self.squares_N3[at] = facts.mean, facts.mean_square

    def arrays(self) -> dict[str, Any]:
        """The columns by name."""
        return dict(vars(self))


def verdicts(examples: Examples, look: Look | None) -> Iterator[Decoded]:
    """The verdict on every example, in order: files through the decoder's child, arrays as they are."""
    if examples.pixels_NHWC is None:
        yield from decode.stream((examples.root / name for name in examples.names), look)
        return
    for pixels_HWC in examples.pixels_NHWC:
        plain = decode.canonical(pixels_HWC)
        yield Decoded(None if look is None else decode.square(plain, look), decode.facts(plain), None)


def build(examples: Examples, look: Look, cache: Path, progress: Progress | None = None) -> Stored:
    """The pixels of all examples at this look: from the cache where they are there, else decoded now.

    Raises:
        DataError: no picture, or none of some class, can be decoded.
        DiskError: the cache cannot take them.

    """
    tell = progress or (lambda _done, _total: None)
    own = examples.pixels_NHWC
    if own is not None and own.shape[1:] == (look.size_px, look.size_px, look.channels):
        columns = Columns(len(examples))
        for at, found in enumerate(verdicts(examples, None)):
            assert found.facts is not None
            columns.put(at, found.facts)
            if at % 1000 == 0:
                tell(at, len(examples))
        return _stored(examples, own, columns.arrays(), {})
    folder = cache / "pixels" / fingerprint(examples, look)
    while True:
        opened = _open(examples, folder)
        if opened is not None:
            return opened
        try:
            with disk.lock(folder.with_name(f"{folder.name}.building"), "store"):
                if _open(examples, folder) is None:
                    _decode_into(examples, look, folder, tell)
        except RunError:  # another process builds it: wait, then use it
            time.sleep(_WAIT_SECONDS)
            tell(0, len(examples))


def fingerprint(examples: Examples, look: Look) -> str:
    """The name of the store of these examples at this look."""
    text = f"{examples.stamp()} {decode.DECODER_VERSION} {tuple(look)!r}"
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


def _decode_into(examples: Examples, look: Look, folder: Path, tell: Progress) -> None:
    shape = (len(examples), look.size_px, look.size_px, look.channels)
    _check_space(folder, int(np.prod(shape, dtype=np.int64)))
    _remove_leftovers(folder)
    columns, reasons = Columns(len(examples)), {}
    with disk.new_folder(folder) as new, disk.explained(folder, "write"):
        pixels = np.lib.format.open_memmap(new / "pixels.npy", mode="w+", dtype=np.uint8, shape=shape)
        if hasattr(os, "posix_fallocate"):  # a disk that fills while a sparse file is written through memory is SIGBUS
            with (new / "pixels.npy").open("r+b") as file:
                os.posix_fallocate(file.fileno(), 0, (new / "pixels.npy").stat().st_size)
        good = 0
        for at, found in enumerate(verdicts(examples, look)):
            if found.reason is not None:
                reasons[at] = found.reason
            else:
                assert found.facts is not None
                assert found.pixels_HWC is not None
                pixels[good] = found.pixels_HWC
                columns.put(good, found.facts)
                good += 1
            tell(at + 1, len(examples))
        pixels.flush()
        del pixels
        buffer = io.BytesIO()
        np.savez(buffer, **{name: column[:good] for name, column in columns.arrays().items()})
        (new / "facts.npz").write_bytes(buffer.getvalue())
        digest = hashlib.sha256(buffer.getvalue()).hexdigest()
        about = {"count": good, "reasons": reasons, "facts_sha256": digest, "shape": shape}
        (new / "store.json").write_text(json.dumps(about), encoding="utf-8")


def _remove_leftovers(folder: Path) -> None:
    """Half-built stores of processes that died; the lock says that no one alive is building this one."""
    for left in folder.parent.glob(f".{folder.name}.*.tmp"):
        shutil.rmtree(left, ignore_errors=True)


def _check_space(folder: Path, needed: int) -> None:
    with disk.explained(folder, "write"):
        folder.parent.mkdir(parents=True, exist_ok=True)
        free = shutil.disk_usage(folder.parent).free
    if free < needed + _SPARE_BYTES:
        raise DiskError(
            f"the decoded pictures need {needed / 1e9:.2f} GB in {folder.parent}; {free / 1e9:.2f} GB are free. "
            "Free some space, set STRIATE_CACHE to another disk, or take a smaller prepare.size_px."
        )


def _open(examples: Examples, folder: Path) -> Stored | None:
    """The store, where it is whole; None where it is absent or, said aloud, damaged."""
    disk.recover(folder)
    if not folder.is_dir():
        return None
    try:
        about = json.loads((folder / "store.json").read_text("utf-8"))
        count, reasons = int(about["count"]), {int(at): str(why) for at, why in about["reasons"].items()}
        if count + len(reasons) != len(examples):
            raise ValueError(f"store.json accounts for {count + len(reasons)} of {len(examples)} images")
        raw = (folder / "facts.npz").read_bytes()
        if hashlib.sha256(raw).hexdigest() != about["facts_sha256"]:
            raise ValueError("facts.npz has changed")
        with np.load(io.BytesIO(raw), allow_pickle=False) as facts:
            columns = {name: facts[name] for name in facts.files}
        pixels = np.lib.format.open_memmap(folder / "pixels.npy", mode="r")
        if list(pixels.shape) != about["shape"]:
            raise ValueError(f"pixels.npy has the shape {pixels.shape}")
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        log.warning("The pixel store %s is damaged (%s); it is built anew.", folder, error)
        return None
    return _stored(examples, pixels[:count], columns, reasons)


def _stored(examples: Examples, pixels: NDArray[np.uint8], columns: dict[str, NDArray[Any]], reasons: dict[int, str]) -> Stored:
    return Stored(used_ones(examples, reasons), pixels, **columns)


def used_ones(examples: Examples, reasons: dict[int, str]) -> Examples:
    """The examples without those that have a reason, which join the quarantine.

    Raises:
        DataError: none is left, or none of some class.

    """
    if not reasons:
        return examples
    bad = tuple(Quarantined(examples.names[at], why) for at, why in sorted(reasons.items()))
    if len(bad) == len(examples):
        raise DataError(f"none of the {len(bad)} images can be decoded; the first, {bad[0].path}: {bad[0].reason}.")
    chosen = np.array([at for at in range(len(examples)) if at not in reasons], np.int64)
    used = examples.keep(chosen, bad)
    empty = [name for name, count in used.counts().items() if count == 0]
    if empty:
        raise DataError(
            f"no image of class {empty[0]!r} can be decoded; the first, {bad[0].path}: {bad[0].reason}. "
            "`striate data` lists them all. Add images, or remove the class."
        )
    return used
