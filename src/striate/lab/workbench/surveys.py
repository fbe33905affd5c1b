"""Surveys of the data that a page names, one at a time, and images of each class.

Legend: M images shown, H x W pixels.
"""

import io
import json
import threading
from collections import OrderedDict
from contextlib import closing
from functools import lru_cache
from typing import Any

import numpy as np

from striate.base import config
from striate.base.errors import SettingError, StriateError
from striate.data import sources
from striate.data.decode import InputSpec
from striate.data.examples import Examples
from striate.data.pixel_cache import decode_examples

Json = dict[str, Any]
_FOLLOW = "--set data.follow_links=true"
_STORED = 8
_LISTED = 100  # files of a kind that a page is given
_SIDE, _GAP, _IMAGES = 96, 6, 8  # pixels, pixels, images of a class
_THUMB = InputSpec(_SIDE, 3, "crop")


class _SupersededError(Exception):
    """Another survey was asked for."""


class Surveys:
    """The latest surveys, and the one that runs."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._answers: OrderedDict[str, Json] = OrderedDict()
        self._running: str | None = None

    def ask(self, settings: Json, again: bool = False) -> Json:
        """How far the survey with these settings of [data] is: `state` (running, done or failed), and what it has.

        It begins with the first call; another that runs is given up.
        """
        section = config.build({"data": settings}).data
        key = json.dumps(settings, sort_keys=True)
        with self._lock:
            if key in self._answers and not (again and self._running != key):
                return dict(self._answers[key])
            self._running = key
            examples_of.cache_clear()
            self._answers[key] = {"state": "running", "done": 0, "total": None}
            while len(self._answers) > _STORED:
                self._answers.popitem(last=False)
            threading.Thread(target=self._survey, args=(key, section), daemon=True).start()
            return dict(self._answers[key])

    def _survey(self, key: str, section: config.Data) -> None:
        from striate.workflows import data

        def watch(event: Json) -> None:
            if event["event"] == "decode":
                self._enter(key, {"state": "running", "done": event["done"], "total": event["total"]})

        try:
            settings = section.model_dump(exclude_unset=True, exclude={"path"})
            survey = data.survey(section.path, settings, watch)
            answer = {"state": "done", "survey": shortened(survey.as_json())}
        except _SupersededError:
            return
        except StriateError as error:
            answer = {"state": "failed", "error": str(error)}
        except Exception:
            self._enter(key, {"state": "failed", "error": "a fault of this server, which its log describes."}, last=True)
            raise
        self._enter(key, answer, last=True)

    def _enter(self, key: str, answer: Json, last: bool = False) -> None:
        with self._lock:
            if self._running != key:
                self._answers.pop(key, None)
                raise _SupersededError
            self._answers[key] = answer
            if last:
                self._running = None


def shortened(survey: Json) -> Json:
    """A survey with the first hundred of each list, and how many there are."""
    lists = ("quarantined", "ignored", "duplicates", "near_duplicates", "leaks")
    counts = {name: len(survey[name]) for name in lists}
    notes = [_here(note) for note in survey["notes"]]
    return {**survey, **{name: survey[name][:_LISTED] for name in lists}, "counts": counts, "notes": notes}


def _here(note: str) -> str:
    """A note, with what can be done in the lab where it names a setting that the lab refuses."""
    what, _, advice = note.partition("; ")
    if "follow_links" not in advice:
        return note
    return f"{what}; the lab follows none: copy these images into the folder, or run the command in a terminal with {_FOLLOW}."


@lru_cache(maxsize=2)
def examples_of(section: config.Data) -> Examples:
    """The list of the images, which is made once for all classes."""
    return sources.read(section)


def thumbnails(settings: Json, class_name: str) -> bytes:
    """Images of a class side by side, evenly out of all it has, as a PNG."""
    from PIL import Image

    examples = examples_of(config.build({"data": settings}).data)
    if class_name not in examples.classes:
        raise SettingError(f"expected a class of these images; there is none of the name {class_name[:100]!r}.")
    rows = np.flatnonzero(examples.having(examples.classes.index(class_name)))
    shown_M = rows[np.unique(np.linspace(0, len(rows) - 1, _IMAGES).astype(np.int64))] if len(rows) else rows
    strip = Image.new("RGBA", (_IMAGES * (_SIDE + _GAP) - _GAP, _SIDE))
    with closing(decode_examples(examples.keep(shown_M), _THUMB, 1)) as decoded:
        good = [verdict.pixels_HWC for verdict in decoded if verdict.pixels_HWC is not None]
    for place, pixels_HWC in enumerate(good):
        strip.paste(Image.fromarray(pixels_HWC).convert("RGBA"), (place * (_SIDE + _GAP), 0))
    content = io.BytesIO()
    strip.save(content, "PNG")
    return content.getvalue()
