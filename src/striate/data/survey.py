"""Survey of the images: statistics of a sample before training, and the whole survey that `striate data` prints.

The statistics of a sample of files are kept in the cache, and computed again where a file of the sample has changed.

Legend: N images, M of a sample.
"""

import logging
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from striate.base import files, html_repr
from striate.base.config import Data
from striate.base.errors import DataError, DiskError
from striate.base.hash_rng import words
from striate.base.phrases import printable
from striate.data import (
    class_balance,
    crop_loss,
    fact_columns,
    groups,
    image_statistics,
    in_memory,
    label_counts,
    near_duplicate_cache,
    pixel_cache,
    pixel_cache_build,
    result_cache,
    source_files,
    split,
)
from striate.data.decode import Decoded, InputSpec
from striate.data.examples import Examples, Ignored, Quarantined
from striate.data.small_copies import SmallCopies

log = logging.getLogger("striate")

_GRAY_SHARE = 0.95
_STATS_VERSION = 1  # raised whenever the statistics of the same sample may be others
_CONTENTS = "contents.bin"  # hashes of the bytes of each file of a sample
_SHOWN = 10

Examine = Callable[[Mapping[str, Any], NDArray[np.int64]], list[dict[str, Any]]]


class SampleStats(NamedTuple):
    """A sample of the images."""

    images: int  # images in all
    sampled: int  # how many were looked at
    height_px: int  # median height
    width_px: int  # median width
    aspect: float  # median of the longer side over the shorter
    gray: bool  # at least 95 % of them have no color


def sample_stats(
    examples: Examples, data: Data | None = None, most: int = 200, progress: Callable[[int, int], None] | None = None
) -> SampleStats:
    """Look at up to `most` images, the first in hash order, so that the same data give the same sample."""
    chosen_M = np.sort(np.argsort(words(examples.ids_N, "glance"), kind="stable")[:most])
    sample = examples.keep(chosen_M)
    if examples.pixels_NHWC is not None:
        return _compute_stats(sample, len(examples), data, progress).stats
    folder = result_cache.folder(result_cache.SAMPLES, _STATS_VERSION, len(examples), sample.stamp(), *_spec(data))
    if (stats := _kept_stats(folder, sample)) is not None:
        return stats
    marks_M2 = source_files.marks(sample)  # before anything is read: a file that changes meanwhile is noticed
    stats, contents_M = _compute_stats(sample, len(examples), data, progress)
    beside = {source_files.MARKS: marks_M2.tobytes(), _CONTENTS: contents_M.tobytes()}
    result_cache.write(folder, stats._asdict(), examples, beside)
    return stats


def _kept_stats(folder: Path, sample: Examples) -> SampleStats | None:
    """What is in the cache of this sample; None where there is nothing, it is damaged or a file has changed."""
    fields = result_cache.read(folder, but=(source_files.MARKS,))
    if fields is None:
        return None
    try:
        contents_M = np.frombuffer((folder / _CONTENTS).read_bytes(), np.uint64)
        if source_files.first_changed(sample, folder, contents_M, lambda _done, _total: None) is not None:
            return None
        return SampleStats(**fields)
    except (OSError, ValueError, IndexError, TypeError):
        return None


class _Computed(NamedTuple):
    """Statistics, and hashes of the bytes that they were computed from."""

    stats: SampleStats
    contents_M: NDArray[np.uint64]  # 0 for images in memory


def _compute_stats(
    sample: Examples, images: int, data: Data | None, progress: Callable[[int, int], None] | None
) -> _Computed:  # fmt: skip
    """Decode every image of a sample, out of so many images."""
    good, contents_M = [], np.zeros(len(sample), np.uint64)
    for position, verdict in enumerate(_decoded(sample, data)):
        if verdict.facts is not None:
            good.append(verdict.facts)
        contents_M[position] = verdict.content_hash
        if sample.pixels_NHWC is None and verdict.content_hash == 0:
            contents_M[position] = source_files.hash_file(sample.root / sample.names[position])
        if progress is not None:
            progress(position + 1, len(sample))
    if not good:
        bad = next(iter(_decoded(sample.keep(np.arange(1)), data)))
        raise DataError(
            f"none of {len(sample)} images can be decoded; the first, {sample.names[0]}: {bad.reason}. "
            "Give a folder of JPEG, PNG, WebP, BMP, GIF, TIFF or AVIF images."
        )
    sizes_N2 = np.array([(facts.height, facts.width) for facts in good])
    height_px, width_px = np.median(sizes_N2, axis=0).astype(int).tolist()
    aspect = float(np.median(sizes_N2.max(axis=1) / sizes_N2.min(axis=1)))
    gray = float(np.mean([facts.gray for facts in good])) >= _GRAY_SHARE
    return _Computed(SampleStats(images, len(good), height_px, width_px, aspect, gray), contents_M)


class Sample(NamedTuple):
    """The images of a source, and statistics of some of them."""

    examples: Examples
    stats: SampleStats


def _decoded(examples: Examples, data: Data | None) -> Generator[Decoded]:
    """The verdict on every example, as a training with these settings has it."""
    return pixel_cache.decode_examples(examples, _spec(data) if examples.pixels_NHWC is None else None)


def _spec(data: Data | None) -> InputSpec:
    """One pixel of each file: what is known of an image does not depend on the size that it is brought to."""
    data = data or Data()
    return InputSpec(1, 1, "squash", data.background, white_level=data.white_level)


@dataclass(frozen=True)
class Survey:
    """Everything that was found in a data set: found = used + quarantined + ignored."""

    path: str  # what was surveyed
    used: int  # images that can be used
    quarantined: tuple[Quarantined, ...]  # files that cannot
    ignored: tuple[Ignored, ...]  # files left out by a rule
    classes: dict[str, int]  # images by class
    duplicates: tuple[tuple[str, str], ...]  # pairs whose pixels are equal
    near_duplicates: tuple[tuple[str, str], ...]  # pairs that are nearly equal, as stored anew, resized, mirrored or cropped
    leaks: tuple[Quarantined, ...]  # images given for training that are in the test or validation part too
    split: dict[str, int] | None  # images of train, val and test; None where the images cannot be divided
    sizes: dict[str, list[int]]  # least, median and most height and width, in pixels
    gray: float  # share of images without color
    mean: tuple[float, ...]  # of each channel in [0, 1], each image weighing the same
    std: tuple[float, ...]  # of each channel
    notes: tuple[str, ...]  # sentences to read
    groups: dict[str, Any] | None = None  # how many groups there are, and by what; None where there are none
    drawn: str | None = None  # where pairs of near-duplicates are drawn
    shortcuts: tuple[dict[str, Any], ...] = ()  # facts beside what is shown that predict the class, with a sentence or None

    @property
    def found(self) -> int:
        """Entries found."""
        return self.used + len(self.quarantined) + len(self.ignored)

    def as_json(self) -> dict[str, Any]:
        """For --json; bytes of names that are no text are written as escapes."""
        rows = {name: [row._asdict() for row in getattr(self, name)] for name in ("quarantined", "ignored", "leaks")}
        plain: dict[str, Any] = printable({"data": self.path, "found": self.found, **vars(self), **rows})
        del plain["path"]
        return plain

    def _repr_html_(self) -> str:
        return html_repr.of_mapping(self.as_json())

    def __str__(self) -> str:
        source = in_memory.IN_MEMORY if in_memory.holds(Path(self.path)) else self.path
        lines = [
            f"{source}: {self.found:,} found = {self.used:,} used + {len(self.quarantined):,} quarantined + "
            f"{len(self.ignored):,} ignored",
            f"{len(self.classes)} classes: " + ", ".join(f"{name} {count:,}" for name, count in self.classes.items()),
            "; ".join(f"{side} {low} to {high} px, median {median}" for side, (low, median, high) in self.sizes.items()),
            f"{self.gray:.0%} gray; mean {_format_levels(self.mean)}, standard deviation {_format_levels(self.std)} of [0, 1]",
        ]
        if self.split:
            lines.append("split: " + ", ".join(f"{part} {count:,}" for part, count in self.split.items()))
        lines += [row["sentence"] for row in self.shortcuts if row["sentence"]]
        lines += [*self.notes, *_list_pairs("quarantined", self.quarantined), *_list_pairs("ignored", self.ignored)]
        lines += _list_pairs("left out of training", self.leaks) + _list_pairs("equal pixels", self.duplicates)
        lines += _list_pairs("nearly equal", self.near_duplicates)
        lines += [f"drawn: {self.drawn}"] if self.drawn else []
        return str(printable("\n".join(lines)))


def _format_levels(values: tuple[float, ...]) -> str:
    return " ".join(f"{value:.4f}" for value in values)


def _list_pairs(what: str, pairs: tuple[tuple[str, str], ...]) -> list[str]:
    lines = [f"  {what}: {first}: {second}" for first, second in pairs[:_SHOWN]]
    return [*lines, f"  and {len(pairs) - _SHOWN:,} more {what}; --json lists them all"] if len(pairs) > _SHOWN else lines


def survey(
    examples: Examples, data: Data, progress: Callable[[int, int], None] | None = None, examine: Examine = lambda *_: []
) -> Survey:
    """Decode every image once and say what is there. Why data cannot be divided is among the notes.

    What is known of many images is kept in the cache, by parts, which all processes that survey the same data decode together,
    and mapped into memory; a survey that was killed resumes with the parts that are left. `examine` is given what is known of
    each image, as columns of `CachedPixels`, and its label; it returns the shortcuts.
    """
    report = progress or (lambda _done, _total: None)
    used, columns = _known(examples, data, report)
    sizes_N2 = columns["sizes_N2"]
    notes = [*crop_loss.describe_center_crop(sizes_N2)]
    if used.several:
        notes.append(label_counts.describe(used))
    elif (imbalance := class_balance.describe(used.counts())) is not None:
        notes.append(imbalance)
    try:
        near = None
        if data.near_duplicates:
            copies = SmallCopies(columns["thumbs_NSS"], columns["chroma_NQQ2"], sizes_N2)
            near = near_duplicate_cache.search(copies, files.cache_folder(), str(used.root))
        used = groups.with_bursts(used, columns, data)
        parts = split.divide(used, columns["pixel_hash_N"], data, near)
        notes += [*parts.notes, *groups.offer(used, columns, data, (parts.train_M, parts.val_M, parts.test_M))]
        counts = {"train": len(parts.train_M), "val": len(parts.val_M), "test": len(parts.test_M)}
    except DataError as error:
        parts, counts = None, None
        notes.append(f"It cannot be trained with: {error}")
    total = image_statistics.of_columns(columns)
    return Survey(
        data.path, len(used.used_M()), used.quarantined, used.ignored, used.counts(), parts.duplicates if parts else (),
        parts.near_duplicates if parts else (),
        parts.leaked if parts else (), counts,
        {"height": image_statistics.spread(total.heights), "width": image_statistics.spread(total.widths)},
        total.gray / total.images, total.mean, total.std, (*used.notes, *notes), groups.account(used, data), None,
        () if used.several else tuple(examine(columns, used.labels_N)),
    )  # fmt: skip


def _known(examples: Examples, data: Data, report: Callable[[int, int], None]) -> tuple[Examples, fact_columns.Columns]:
    """The images that can be decoded, and what is known of each."""
    if examples.pixels_NHWC is None and pixel_cache_build.in_parts(len(examples)):
        try:
            stored = pixel_cache.facts(examples, _spec(data), files.cache_folder(), report)
            return stored.examples, {name: getattr(stored, name) for name in fact_columns.NAMES}
        except DiskError as error:
            log.warning("What is known of the images is held in memory, since it cannot be kept in the cache: %s", error)
    columns, reasons, _ = fact_columns.collect(_decoded(examples, data), len(examples), report)
    return pixel_cache.keep_usable(examples, reasons), columns
