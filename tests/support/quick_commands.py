"""What commands of documents leave out within tests, since it takes long and is tested elsewhere."""

from typing import Any

import pytest

from striate.history.timeline import demo as timeline
from striate.interpret.attribution import methods
from support.brief_maps import brief_maps
from support.brief_reports import brief
from support.undrawn import undrawn

_LARGE_PX = 200  # side of images whose maps take seconds


def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Train the networks of the timeline for one epoch, make and test maps of large images briefly, draw no figure.

    Reports show few mistakes.
    """
    stations = [row._replace(settings={"train": {"epochs": 1}}) if row.settings else row for row in timeline.LINE]
    monkeypatch.setattr(timeline, "LINE", tuple(stations))

    def sparsely(query: Any, **options: Any) -> Any:
        side = query.images_NCHW.shape[-1]
        return occlude(query, **({"window": side // 4, "stride": side // 4} if side >= _LARGE_PX else {}), **options)

    def in_few_steps(query: Any, **options: Any) -> Any:
        return integrate(query, **({"steps": 8} if query.images_NCHW.shape[-1] >= _LARGE_PX else {}), **options)

    occlude, integrate = methods.RUNS["occlusion"], methods.RUNS["integrated_gradients"]
    monkeypatch.setitem(methods.RUNS, "occlusion", sparsely)
    monkeypatch.setitem(methods.RUNS, "integrated_gradients", in_few_steps)
    undrawn(monkeypatch)
    brief(monkeypatch)
    brief_maps(monkeypatch, _LARGE_PX)
