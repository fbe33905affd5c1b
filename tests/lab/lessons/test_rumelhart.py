import numpy as np
import pytest

from striate.history.rumelhart.model import Schedule, Training, initial_weights, learn
from striate.history.rumelhart.tasks import xor
from striate.lab.controls import check_values
from striate.lab.lessons import rumelhart as lesson
from striate.lab.texts import Texts
from striate.lab.views import Bars, Diagram, Image, Lines

SAY = Texts("rumelhart", "en")


def shown(**given):
    views = lesson.views(check_values(lesson.CONTROLS, given), SAY)
    return {view.name: view for view in views}


def test_errors_and_outputs_are_those_of_the_history():
    task = xor(2, direct=False)
    trained = learn(task, initial_weights(task.layout, [1], 0.5), Training([Schedule(0.5, 0.9)], 1000, 0.1))
    last = int(trained.sweeps_S[0])
    views = shown(sweeps=1000)
    for _ in range(4):  # a part of the sweeps at a time
        views = shown(sweeps=1000)
    assert isinstance(views["error"], Lines)
    assert views["error"].series[0].y == trained.errors[:, 0].tolist()
    assert views["result"].text.startswith(f"Learned at sweep {last}: every output is within 0.1 of its target.")
    assert isinstance(views["outputs"], Bars)
    outputs, targets = (np.array(series.y) for series in views["outputs"].series)
    assert targets.tolist() == [0, 1, 1, 0]
    assert np.abs(outputs - targets).max() < 0.1
    assert "again" not in views


def test_weights_are_drawn_on_their_connections():
    network = shown(sweeps=0)["network"]
    assert isinstance(network, Diagram)
    weights = initial_weights(xor(2, direct=False).layout, [1], 0.5)
    labels = {(edge.start, edge.end): float(edge.label.replace("−", "-")) for edge in network.edges}
    assert labels["x1", "h1"] == pytest.approx(weights["input", "hidden"][0, 0, 1], abs=0.005)
    assert labels["h1", "y"] == pytest.approx(weights["hidden", "output"][0, 1, 0], abs=0.005)
    assert [node.value for node in network.nodes[:2]] == ["0", "1"]


def test_without_weights_every_output_is_one_half():
    views = shown(limit=0, sweeps=0)
    assert views["result"].text == (
        "After 0 sweeps E = 0.5. Not learned yet: for the inputs 0, 0 the output is 0.50. "
        "The two hidden units have the same weights: they are one unit."
    )
    assert isinstance(views["surface"], Image)
    assert (views["surface"].pixels == 255).all()  # white: one half
    frames = {(frame.row + 2, frame.column + 2): frame.role for frame in views["surface"].windows}
    assert frames == {(40, 8): 6, (8, 8): 3, (40, 40): 3, (8, 40): 6}  # rows count down: 0 is at 40, 1 at 8


def test_a_symmetric_start_stays_symmetric():
    views = shown(symmetric=True, sweeps=200)
    weights = {edge.start + edge.end: edge.label for edge in views["network"].edges}
    assert weights["x1h0"] == weights["x1h1"]
    assert weights["h0y"] == weights["h1y"]
    assert "they are one unit" in views["result"].text
    assert "they are one unit" not in shown(sweeps=200)["result"].text


def test_a_long_training_goes_on_by_itself():
    first = shown(seed=7, rate=0.05, sweeps=600)
    assert first["result"].text.startswith("After 250 sweeps")
    assert first["again"].milliseconds == 1
    assert shown(seed=7, rate=0.05, sweeps=600)["result"].text.startswith("After 500 sweeps")
    assert "again" not in shown(seed=7, rate=0.05, sweeps=600)
    back = shown(seed=7, rate=0.05, sweeps=90)
    assert back["result"].text.startswith("After 90 sweeps")
    assert len(back["error"].series[0].y) == 91
