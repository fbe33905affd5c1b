"""The pixel cache: every image decoded once into a memory-mapped uint8 array, shared by all runs.

It is kept under `<cache>/pixels/<fingerprint>/`, where the fingerprint is a hash of the files' names, sizes and times of
change, the decoder's version, the columns of facts and the `InputSpec`; `source_files.py` notices a file that has changed all
the same. It is built under another name and renamed when it is whole, so a build that is killed leaves no entry that looks
whole; of many images by all processes that want it, as `pixel_cache_build.py` has it. Of a source that is an array of the right
size already the facts alone are kept, under `<cache>/facts/<fingerprint>/`, where its images are not few. So they are where the
pixels are more than may be kept, and `on_the_fly.py` decodes anew.

Legend: N images, H x W pixels, C channels.
"""

import hashlib
import io
import json
import logging
import os
import shutil
import time
from collections.abc import Generator
from contextlib import ExitStack, closing, suppress
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import PIL
from numpy.typing import NDArray

from striate.base import addresses, files
from striate.base.errors import DataError, DiskError, RunError
from striate.data import (
    decode,
    fact_columns,
    image_facts,
    near_duplicate_cache,
    pixel_cache_build,
    pixel_cache_integrity,
    source_files,
)
from striate.data.decode import Decoded, InputSpec
from striate.data.duplicates import NearDuplicates
from striate.data.examples import Examples, Quarantined
from striate.data.fact_columns import Progress
from striate.data.on_the_fly import DecodedOnTheFly, PixelRows
from striate.data.small_copies import SmallCopies

log = logging.getLogger("striate")

_WAIT_SECONDS = 0.5
_MOST_GB = 50.0
_FEW = 1000  # images in memory, of which so many are described about as soon as their facts are read
_LAYOUT = 2  # raised whenever the files of an entry are others


@dataclass(frozen=True)
class CachedPixels:
    """The images that could be decoded, with what is known of them; the others are in `examples.quarantined`."""

    examples: Examples  # N of them
    pixels_NHWC: PixelRows  # uint8, memory-mapped, the source's own array, or decoded whenever rows are asked for
    sizes_N2: NDArray[np.int32]  # height and width of the original images
    gray_N: NDArray[np.bool_]  # whether the image has no color
    pixel_hash_N: NDArray[np.uint64]  # equal for images whose pixels are equal
    means_N3: NDArray[np.float64]  # mean of each channel in [0, 1]
    squares_N3: NDArray[np.float64]  # mean square of each channel
    borders_N3: NDArray[np.float64]  # mean of each channel of the outermost pixels
    format_N: NDArray[np.str_]  # of the file, as JPEG; empty for images in memory
    camera_N: NDArray[np.uint64]  # EXIF's camera as a hash; 0 where there is none
    taken_N: NDArray[np.float64]  # EXIF's time of the exposure, in seconds; 0 where there is none
    thumbs_NSS: NDArray[np.uint8]  # gray copies of 32 x 32 pixels
    chroma_NQQ2: NDArray[np.uint8]  # Cb and Cr of 8 x 8 cells

    @cached_property
    def near(self) -> NearDuplicates:
        """Images that are nearly equal."""
        return near_duplicate_cache.search(self.small_copies, files.cache_folder(), str(self.examples.root))

    @property
    def small_copies(self) -> SmallCopies:
        """What near-duplicates are known by."""
        return SmallCopies(self.thumbs_NSS, self.chroma_NQQ2, self.sizes_N2)


def decode_examples(examples: Examples, input_spec: InputSpec | None, workers: int | None = None) -> Generator[Decoded]:
    """The verdict on every example, in order: files through the decoder's children, arrays as they are.

    DataError where the machine may be the reason that a file is not decoded: that is no verdict on the file.
    """
    if examples.pixels_NHWC is None:
        paths = (examples.root / name for name in examples.names)
        with closing(decode.stream(paths, input_spec, workers)) as answers:
            for name, verdict in zip(examples.names, answers, strict=True):
                if verdict.outage:
                    path = addresses.shown(examples.root / name)
                    raise DataError(
                        f"{path} is not decoded, in two tries: {verdict.reason}. The disk or the machine may "
                        "be the reason, so nothing is decided about the file: try again, or remove it."
                    )
                yield verdict
        return
    for pixels_HWC in examples.pixels_NHWC:
        plain = decode.canonical(pixels_HWC)
        yield Decoded(None if input_spec is None else decode.square(plain, input_spec), image_facts.measure(plain), None)


def pixel_budget(limit_gb: float | None, cache: Path) -> int:
    """Most bytes of pixels to keep: what was asked for, else 50 GB or half of what is free there, whichever is less."""
    if limit_gb is not None:
        return int(limit_gb * 1e9)
    place = next((folder for folder in (cache, *cache.absolute().parents) if folder.is_dir()), Path("/"))
    return min(int(_MOST_GB * 1e9), shutil.disk_usage(place).free // 2)


def build(
    examples: Examples, input_spec: InputSpec, cache: Path, progress: Progress | None = None, *, most_bytes: int | None = None,
    workers: int = 1, hashing: Progress = lambda _done, _total: None,
) -> CachedPixels:  # fmt: skip
    """The pixels of all examples by this spec: from the cache where they are there, else decoded now.

    `progress` is called with images done and all, `hashing` with files that are compared with the cache. Where more than
    `most_bytes` of pixels would be needed (None for no limit), and are not kept already, they are decoded whenever they are
    asked for, and that is said.
    """
    report = progress or (lambda _done, _total: None)
    own = examples.pixels_NHWC
    if own is not None and own.shape[1:] == (input_spec.size_px, input_spec.size_px, input_spec.channels):

        def report_thousands(done: int, total: int) -> None:
            if done % 1000 == 1:
                report(done - 1, total)

        if len(examples) >= _FEW:
            with suppress(DiskError):  # a cache that cannot be written costs time alone
                return replace(facts(examples, input_spec, cache, report_thousands), pixels_NHWC=own)
        columns = fact_columns.collect(decode_examples(examples, None), len(examples), report_thousands).columns
        return CachedPixels(examples, own, **columns)
    name = fingerprint(examples, input_spec)
    folder = cache / "pixels" / name
    needed = len(examples) * input_spec.size_px**2 * input_spec.channels
    keep = most_bytes is None or needed <= most_bytes or folder.is_dir()
    if not keep:
        folder = cache / "facts" / name
    plan = pixel_cache_build.Plan(examples, input_spec, folder, workers, keep, decode_examples)
    opened = _opened(plan, report, hashing)
    if most_bytes is not None and not keep:
        _warn_of_decoding_again(folder, len(examples), needed, most_bytes, workers)
    return opened


def facts(examples: Examples, input_spec: InputSpec, cache: Path, report: Progress) -> CachedPixels:
    """What is known of all examples, from the cache where it is there, else by decoding now; pixels are not kept."""
    folder = cache / "facts" / fingerprint(examples, input_spec)
    plan = pixel_cache_build.Plan(examples, input_spec, folder, None, False, decode_examples)
    return _opened(plan, report, lambda _done, _total: None)


def _opened(plan: pixel_cache_build.Plan, report: Progress, hashing: Progress) -> CachedPixels:
    """The entry of a plan, which is written where it is not there, with the other processes that want it."""

    def look() -> CachedPixels | None:
        return _open(plan.examples, plan.input_spec, plan.folder, plan.workers or 1, hashing)

    while (opened := look()) is None:
        pixel_cache_build.make_parts(plan, report)
        with ExitStack() as held:
            try:
                held.enter_context(files.lock(plan.folder.with_name(f"{plan.folder.name}.building"), "store"))
            except RunError:  # another process builds it: wait, then use it
                time.sleep(_WAIT_SECONDS)
                report(0, len(plan.examples))
            else:
                if look() is None:
                    pixel_cache_build.write_entry(plan, report)
    return opened


def _warn_of_decoding_again(folder: Path, count: int, needed: int, most_bytes: int, workers: int) -> None:
    about = json.loads((folder / "store.json").read_text("utf-8"))
    log.warning(
        "The pixels of %s images need %.3g GB at this size, and %.3g GB may be kept (preprocess.pixel_cache_gb), so they are "
        "not: each epoch decodes them anew, ahead of the training, with %d workers. The first time it was %s images a second "
        "with %d.",
        f"{count:,}", needed / 1e9, most_bytes / 1e9, workers, f"{about['images_a_second']:,.0f}", about["workers"],
    )  # fmt: skip


def fingerprint(examples: Examples, input_spec: InputSpec) -> str:
    """The name of the cache entry of these examples at this input_spec."""
    decoder = f"{decode.DECODER_VERSION} {PIL.__version__}"  # releases of Pillow have resized otherwise by a level or two
    text = f"{examples.stamp()} {decoder} {_LAYOUT} {fact_columns.ROW.descr} {tuple(input_spec)!r}"
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


def _mapped(path: Path, shape: tuple[int, ...]) -> np.memmap[Any, np.dtype[np.uint8]]:
    """The pixels that `_empty` made room for; the header is compared and not parsed: a flipped bit there can do anything."""
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(header, {"descr": "|u1", "fortran_order": False, "shape": shape})
    with path.open("rb") as file:
        if file.read(header.tell()) != header.getvalue():
            raise ValueError(f"the header of pixels.npy is not that of {shape}")
    return np.memmap(path, np.uint8, "r", header.tell(), shape)


def _open(examples: Examples, input_spec: InputSpec, folder: Path, workers: int, hashing: Progress) -> CachedPixels | None:
    """The cached images; None where there are none or, with a warning, where they are damaged."""
    files.recover(folder)
    if not folder.is_dir():
        return None
    pixels: PixelRows
    try:
        if clause := files.damage(folder, but=("pixels.npy", source_files.MARKS)):  # pixels have sums of their own
            raise ValueError(clause)
        about = json.loads((folder / "store.json").read_text("utf-8"))
        if about["fingerprint"] != folder.name:
            raise ValueError(f"it is the store {about['fingerprint']}")
        count, reasons = int(about["count"]), {int(position): str(why) for position, why in about["reasons"].items()}
        if count + len(reasons) != len(examples):
            raise ValueError(f"store.json accounts for {count + len(reasons)} of {len(examples)} images")
        columns = fact_columns.mapped(folder, count)
        if about["kept"]:
            mapped = _mapped(folder / "pixels.npy", tuple(about["shape"]))
            turn = (folder / "store.json").stat().st_mtime_ns // 1_000_000
            pixel_cache_integrity.check(mapped[:count], about["crc32"], turn)
            pixels = mapped[:count]
        else:
            pixels = DecodedOnTheFly(keep_usable(examples, reasons), input_spec, columns["pixel_hash_N"], workers)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        log.warning("The pixel cache %s is damaged (%s); it is rebuilt.", folder, error)
        return None
    if examples.pixels_NHWC is None:
        changed = source_files.first_changed(examples, folder, np.load(folder / "contents.npy"), hashing)
        if changed is not None:
            log.warning(
                "%s has changed since it was decoded, with the same size and time of change; all images are decoded anew.",
                examples.root / changed,
            )
            return None
    with suppress(OSError):  # the time of its last use; a cache that may only be read is used all the same
        os.utime(folder / "store.json")
    return CachedPixels(keep_usable(examples, reasons), pixels, **columns)


def keep_usable(examples: Examples, reasons: dict[int, str]) -> Examples:
    """The examples without those that have a reason, which join the quarantine."""
    if not reasons:
        return examples
    bad = tuple(Quarantined(examples.names[position], why) for position, why in sorted(reasons.items()))
    if len(bad) == len(examples):
        raise DataError(f"none of the {len(bad)} images can be decoded; the first, {bad[0].path}: {bad[0].reason}.")
    chosen = np.array([position for position in range(len(examples)) if position not in reasons], np.int64)
    used = examples.keep(chosen, bad)
    empty = [name for name, count in used.counts().items() if count == 0]
    if empty:
        raise DataError(
            f"no image of class {empty[0]!r} can be decoded; the first, {bad[0].path}: {bad[0].reason}. "
            "`striate data` lists them all. Add images, or remove the class."
        )
    return used.in_files()
