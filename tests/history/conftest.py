"""What tests of the drawings share."""

import pytest
from matplotlib.figure import Figure


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> list[Figure]:
    """The figures that are drawn, which are not written."""
    figures: list[Figure] = []
    monkeypatch.setattr("striate.plots.save_figure.save", lambda figure, _path: figures.append(figure))
    return figures
