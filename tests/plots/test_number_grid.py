import numpy as np
from matplotlib.figure import Figure

from striate.plots import save_figure
from striate.plots.number_grid import numbers


def drawn(measured: bool) -> bytes:
    figure = Figure(figsize=(4, 2), layout="constrained")
    for axes in figure.subplots(1, 2):
        numbers(axes, np.array([[1, -20.5], [300, 4]]), {(0, 1): "red"})
        axes.set_title("four numbers")
        for artist in (*axes.texts, *axes.patches):
            assert not artist.get_in_layout()
            artist.set_in_layout(measured)
    return save_figure.rendered(figure, "png", dpi=100)


def test_the_layout_measures_no_number_and_is_the_same():
    assert drawn(measured=False) == drawn(measured=True)
