"""Figures that are made and not drawn, for tests that do not look at them: drawing takes 0.2 s each."""

import pytest

from striate.plots import save_figure

EMPTY = b'<svg viewBox="0 0 100 100"></svg>'


def undrawn(monkeypatch: pytest.MonkeyPatch) -> None:
    """Write an empty image where a figure would be drawn, into files and pages."""
    monkeypatch.setattr(save_figure, "rendered", lambda *_, **_options: EMPTY)
