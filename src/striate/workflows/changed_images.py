"""The images that two runs classify differently, as a figure and as a page.

Legend: H x W pixels, C channels.
"""

import logging
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from striate._version import __version__
from striate.base import config, files, run_folder, run_images
from striate.base.errors import DataError, SettingError
from striate.base.events import Json, Watch, progress
from striate.base.phrases import plural, printable
from striate.data import sources
from striate.data.decode import InputSpec
from striate.data.pixel_cache import decode_examples
from striate.plots import image_groups as drawing
from striate.workflows.report import page

log = logging.getLogger("striate")

SHOWN = 24  # images of each kind in a page, 12 in a figure
_CLEAR_PX = 96  # side of images, where files have more pixels than a network saw
_HEADS = {"right_to_wrong": "{a} right, {b} wrong", "wrong_to_right": "{a} wrong, {b} right"}


class Change(NamedTuple):
    """An image that only one of two runs, a and b, classified correctly."""

    id: str
    path: str | None  # None where the images are not there any more
    true: str
    a: str  # what a predicted
    a_probability: float
    b: str
    b_probability: float


def names(settings: config.Run) -> tuple[dict[int, str], list[str]]:
    """Paths of the images of a run, by id; and a note where they cannot be listed any more."""
    try:
        examples = sources.read(settings.data)
    except (DataError, SettingError) as error:
        return {}, [f"Images are named by their ids, as they cannot be listed: {error}"]
    return dict(zip(examples.ids_N.tolist(), map(printable, examples.names), strict=True)), []


def show(
    result: Json, folder: Path, settings: config.Run, draw: str | Path | None, html: str | Path | None, watch: Watch
) -> None:
    """Draw the images that changed, and write the page, as far as images are there; `folder` and `settings` are those of a."""
    wanted = {change["id"] for rows in result["changed"].values() for change in rows[:SHOWN]}
    pixels = pixels_of(folder, settings, {int(text, 16) for text in wanted}, watch)
    if missing := len(wanted) - len(pixels):
        result["notes"].append(f"{plural(missing, 'image')} cannot be shown: gone, or changed since the runs.")
    heads = {kind: head.format(a=result["a"]["run"], b=result["b"]["run"]) for kind, head in _HEADS.items()}
    if draw is not None:
        groups = [
            drawing.Group(
                f"{heads[kind]}: {_count(len(rows))}",
                [(pixels[change["id"]], _caption(change)) for change in rows[:SHOWN] if change["id"] in pixels],
            )
            for kind, rows in result["changed"].items()
        ]
        drawing.draw(f"{result['a']['run']} and {result['b']['run']}", result["sentence"], groups, Path(draw))
    if html is not None:
        shown = {id_: (page.data_uri(image_HWC), page.kind_of(image_HWC)) for id_, image_HWC in pixels.items()}
        text = page.render_template(
            "compare.html", result=result, heads=heads, images=shown, most=SHOWN, scale=_scale(result), striate=__version__
        )
        files.write_text(Path(html), text)


def pixels_of(folder: Path, settings: config.Run, ids: set[int], watch: Watch) -> dict[str, NDArray[np.uint8]]:
    """These images, by id, as the run saw them, though with enough pixels to be looked at; without those that have changed."""
    account, images = run_folder.read_json(folder / "data.json"), run_images.read(folder)
    try:
        examples = sources.read(settings.data)
    except (DataError, SettingError):
        return {}
    assert account is not None
    assert images is not None
    known = dict(zip(images.ids_N.tolist(), images.pixel_hash_N.tolist(), strict=True))
    examples = examples.keep(np.array([row for row, id_ in enumerate(examples.ids_N.tolist()) if id_ in ids], np.int64))
    spec = InputSpec(**{**account["input_spec"], "background": tuple(account["input_spec"]["background"])})
    if examples.pixels_NHWC is None:
        spec = spec._replace(size_px=max(spec.size_px, _CLEAR_PX))
    report, pixels = progress(watch, "decode"), dict[str, NDArray[np.uint8]]()
    with closing(decode_examples(examples, spec)) as decoded:
        for number, (id_, image) in enumerate(zip(examples.ids_N.tolist(), decoded, strict=True)):
            if image.pixels_HWC is not None and image.facts is not None and image.facts.pixel_hash == known[id_]:
                pixels[f"{id_:016x}"] = image.pixels_HWC
            report(number + 1, len(examples))
    return pixels


def _count(images: int) -> str:
    return f"{drawing.MOST} of {images:,}" if images > drawing.MOST else f"{images:,}"


def _caption(change: Json) -> str:
    answers = (f"{change[run]} {change[f'{run}_probability']:.2f}" for run in ("a", "b"))
    return "\n".join(_short(line) for line in (f"true: {change['true']}", " → ".join(answers)))


def _short(line: str, most: int = 30) -> str:
    return line if len(line) <= most else f"{line[: most - 1]}…"


def _scale(result: Json) -> Sequence[float]:
    """Where the interval of the difference lies on a scale around 0, in percent: its low end, its width, and half the scale."""
    ends = result["difference"]
    half = max(0.01, *(abs(ends[name]) for name in ("low", "high"))) * 1.15
    return 50 * (1 + ends["low"] / half), 50 * (ends["high"] - ends["low"]) / half, half
