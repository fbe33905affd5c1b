import numpy as np
import pytest

from striate.lab import digit_training, lesson_api
from striate.lab.digit_training import EPOCH_STEPS, STEPS, VALIDATION, digits, start, train, trainings
from striate.lab.images import drawing
from striate.lab.lessons.mnist_in_the_page import START, filters, probabilities, untrained
from support.lesson_views import views_of

EMPTY: list[list[int]] = []


def test_nothing_is_trained_before_the_button_is_pressed():
    views = views_of("mnist_in_the_page")
    assert "again" not in views
    assert trainings()._by_seed == {}
    assert [series["x"] for series in views["loss"]["series"]] == [[0]]
    # Ten equal probabilities have a loss of ln 10 = 2.30, and one digit in ten is right
    assert views["loss"]["series"][0]["y"][0] == pytest.approx(2.3, abs=0.1)
    assert views["result"]["text"].startswith("The network has not been trained")


def test_the_images_are_split_as_the_page_says():
    labels_N = digits().labels_N
    assert (VALIDATION, len(labels_N) - VALIDATION) == (360, 1437)
    assert (EPOCH_STEPS, STEPS) == (45, 270)  # 44 * 32 + 29 = 1437
    assert tuple(map(tuple, drawing("digit-3", 16))) == START
    firsts = [int(np.argmax(labels_N.numpy() == digit)) for digit in range(10)]
    assert max(firsts) < VALIDATION  # the samples of the drawing are not learned from


def test_a_training_in_the_thread_is_the_same_as_without(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(digit_training, "_EVALUATED_EVERY", 4)
    thread = trainings().ask(5, steps=6)
    thread.wait()
    snapshots = list(train(start(5), 5, steps=6))
    assert [point.step for point in snapshots[-1].history] == [0, 4, 6]
    assert thread.done
    assert thread.latest.history == snapshots[-1].history
    image_HW = np.array(START, np.float32) / 255
    assert probabilities(thread.latest.net, image_HW).tolist() == probabilities(snapshots[-1].net, image_HW).tolist()
    assert snapshots[0].history == snapshots[-1].history[:2]
    assert snapshots[-1].history[-1].val_loss < snapshots[-1].history[0].val_loss
    assert next(train(start(6), 6, steps=1)).history != next(train(start(5), 5, steps=1)).history


def test_a_page_that_watches_asks_again_until_the_training_is_done(monkeypatch: pytest.MonkeyPatch):
    training = trainings().ask(1, steps=2)
    training.wait()
    views = views_of("mnist_in_the_page", train=1)
    assert "again" not in views
    last = training.latest.history[-1]
    assert views["accuracy"]["series"][0]["y"] == [point.val_accuracy for point in training.latest.history]
    assert views["loss"]["series"][0]["y"] == [last.train_loss]
    assert f"Trained: {round(360 * last.val_accuracy)} of 360 validation images are correct" in views["result"]["text"]
    best = int(np.argmax(views["probabilities"]["series"][0]["y"]))
    assert f"The drawing is classified as {best}, with a probability of" in views["result"]["text"]
    assert views_of("mnist_in_the_page", train=1, digit=EMPTY)["result"]["text"].endswith("Nothing is drawn.")
    watched = lesson_api.answer("mnist_in_the_page", "en", lesson_api.values("mnist_in_the_page", {"train": 2}))["views"]
    assert watched[-1] == {"kind": "again", "milliseconds": 700, "name": "again"}
    assert watched[0]["text"] == "Training with seed 2: epoch 1 of 6."


def test_a_new_press_stops_the_training_before():
    shared = trainings()
    first = shared.ask(1)
    assert (shared.ask(1), first.running) == (first, True)
    second = shared.ask(2)
    assert (first.running, first.done, second.running) == (False, False, True)
    # The page that watched the first is told once; if it asks after that, its training begins anew
    assert shared.ask(1) is first
    assert second.running
    again = shared.ask(1)
    assert again is not first
    assert (second.running, again.running) == (False, True)
    shared.close()
    assert not again.running


def test_filters_stand_in_rows_of_eight_with_white_for_zero():
    sheet = filters(untrained().net)
    assert sheet.shape == (4 * 6 - 1, 8 * 6 - 1, 3)
    weights_HW = untrained().net.get_parameter("conv1.weight").detach()[9, 0].numpy()
    row, column = np.unravel_index(weights_HW.argmax(), (5, 5))
    red, _, blue = sheet[6 + row, 6 + column].tolist()  # filter 9 is the second of the second row
    assert red > blue if weights_HW.max() > 0 else red <= blue
