"""Facts beside what is shown that predict the class: found where they are planted, and not where there are none."""

import numpy as np
import pytest

from striate.metrics import shortcuts
from striate.metrics.shortcuts import Shortcut

CLASSES = np.repeat(np.arange(3), 20)
HASHES = np.random.default_rng(0).permutation(60)


def test_a_fact_that_is_the_class_is_found_and_one_that_is_constant_or_random_is_not():
    facts = {
        "the size of the image": np.stack([CLASSES, CLASSES % 2], axis=1).astype(float),
        "the aspect ratio": np.ones((60, 1)),
        "the mean brightness": np.random.default_rng(1).normal(size=(60, 1)),
    }
    (found,) = shortcuts.find(facts, CLASSES, HASHES)
    assert found[:3] == ("the size of the image", 1.0, 1 / 3)
    assert found.images == 60
    assert found.p_value < 1e-12
    assert found.skill == 1.0


def test_the_test_of_a_mean_recall_by_hand():
    # Two classes of two, one hit in each: exactly chance. Of the 6 ways to deal the guesses, 1 has both right, 4 one, 1 none
    assert shortcuts._balanced(np.array([0, 0, 1, 1]), np.array([0, 1, 0, 1])) == (0.5, 0.5)
    # All right: 0.5 above chance; the variance over these ways is (1/6) (1/4) + (1/6) (1/4) = 1/12, so z = sqrt(3)
    perfect = shortcuts._balanced(np.array([0, 0, 1, 1]), np.array([0, 0, 1, 1]))
    assert perfect.p_value == pytest.approx(0.0416323, rel=1e-5)  # 1 - Phi(1.7320508)
    assert shortcuts._balanced(np.array([0, 0, 1, 1]), np.zeros(4, int)) == (0.5, 1.0)  # one guess for all says nothing


def test_without_a_shortcut_there_is_an_alarm_in_few_sets_at_most():
    generator, alarms = np.random.default_rng(2), 0
    for counts in ([20, 20], [200, 50, 10], [3] * 20):
        labels_N = np.repeat(np.arange(len(counts)), counts)
        for _ in range(40):
            facts = {str(number): generator.normal(size=(len(labels_N), number)) for number in (1, 2, 3)}
            found = shortcuts.find(facts, generator.permutation(labels_N), np.arange(len(labels_N)))
            alarms += bool(shortcuts.described(found))
    assert alarms <= 2


def test_copies_of_the_same_images_are_no_shortcut():
    generator = np.random.default_rng(3)
    borders, labels_N = np.repeat(generator.uniform(size=(200, 3)), 10, axis=0), np.repeat(generator.integers(0, 10, 200), 10)
    equal = {"the color of the border": borders}
    assert shortcuts.find(equal, labels_N, np.repeat(np.arange(200), 10)) == []  # one of each image is taken
    changed = {"the color of the border": borders + generator.normal(0, 0.02, borders.shape)}
    assert shortcuts.described(shortcuts.find(changed, labels_N, np.arange(2000))) == []


def test_of_many_images_the_small_classes_are_examined_whole():
    labels_N = np.repeat([0, 1], [50_000, 30])
    rows_M = shortcuts._drawn(labels_N, np.random.default_rng(4).permutation(50_030))
    assert np.bincount(labels_N[rows_M]).tolist() == [19_970, 30]


def test_what_is_said_depends_on_the_skill_and_on_the_network():
    strong, medium, weak = (Shortcut("the color of the border", accuracy, 0.5, 1e-9, 100) for accuracy in (0.97, 0.8, 0.65))
    first, second = shortcuts.described([strong, medium, weak])
    assert first == (
        True,
        "The color of the border alone predicts the class of 97 % of the images (50 % by chance; each class weighs the same): "
        "a network may learn this in place of what is shown. Test it on images where it is otherwise.",
    )
    assert second == (
        False,
        "The color of the border alone predicts the class of 80 % of the images (50 % by chance; each class weighs the same). "
        "If that is due to how the images were collected, a network may rely on it.",
    )
    (rival,) = shortcuts.described([weak], accuracy=0.67)
    assert rival.serious
    assert rival.sentence.startswith(
        "The color of the border alone predicts the class of 65 % of the images (50 % by chance, 67 % by the network; each"
    )
    assert shortcuts.described([weak], accuracy=0.9) == []
