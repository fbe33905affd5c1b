from math import exp, log

import pytest

from striate.figures.losses import SCORES, loss_and_gradient, loss_of, three
from support.lesson_views import views_of


def test_the_textbooks_scores_give_the_losses_of_the_figure():
    first, second, third = SCORES[1]  # 10, 8 and 5 with a margin of 10
    views = views_of("losses", true=first, second=second, third=third, margin=10)
    losses = [row[1] for row in views["losses"]["rows"]]
    assert losses[1:] == [13, 89, 8]
    assert losses == [loss_of(loss, SCORES[1]) for loss in three().values()]
    assert [row[2:] for row in views["losses"]["rows"]] == [loss_and_gradient(loss, SCORES[1])[1] for loss in three().values()]


def test_the_gradient_of_cross_entropy_is_the_probability_less_one_for_the_true_class():
    views = views_of("losses", true=1, second=0, third=0)
    share = exp(1) / (exp(1) + 2)
    assert views["probabilities"]["series"][0]["y"] == pytest.approx([share, (1 - share) / 2, (1 - share) / 2])
    assert views["gradients"]["series"][0]["y"] == pytest.approx([share - 1, (1 - share) / 2, (1 - share) / 2], abs=1e-6)
    assert views["over"]["marks"][0]["y"] == pytest.approx(-log(share), abs=1e-6)
