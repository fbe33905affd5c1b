"""Reports of few images, for tests of what else a report has: most of its time goes into the tests of its heat maps."""

from functools import partial

import pytest

from striate.interpret.faithfulness import FaithfulnessTest
from striate.workflows.report import image_cards, rerun_network


def brief(monkeypatch: pytest.MonkeyPatch) -> None:
    """Show few mistakes and points, and test their heat maps against few others."""
    monkeypatch.setattr(rerun_network, "SHOWN", 3)
    monkeypatch.setattr(rerun_network, "_POINTS", 60)
    monkeypatch.setattr(image_cards, "FaithfulnessTest", partial(FaithfulnessTest, shifts=9, orders=1, copies=1))
