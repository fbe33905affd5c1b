"""Heat maps that are tested against few others, for tests that do not look at the verdict, which tests/interpret tests."""

from typing import Any

import pytest

from striate.interpret import faithfulness

BRIEF_TEST = faithfulness.FaithfulnessTest(shifts=9, steps=2, orders=1, copies=1)


def brief_maps(monkeypatch: pytest.MonkeyPatch, least_px: int = 0) -> None:
    """Test the maps of images with sides of at least `least_px` briefly."""
    judge = faithfulness.judge

    def briefly(net: Any, images_NCHW: Any, *maps: Any) -> Any:
        return judge(net, images_NCHW, *(maps if images_NCHW.shape[-1] < least_px else (*maps[:-1], BRIEF_TEST)))

    monkeypatch.setattr(faithfulness, "judge", briefly)
