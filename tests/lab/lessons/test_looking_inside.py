import numpy as np
import pytest
import torch

from striate.interpret.attribution import METHODS, explain
from striate.lab import digit_network
from striate.lab.lessons import looking_inside
from support.lesson_views import views_of


def test_the_probabilities_are_those_of_the_network_with_the_square_at_the_mean():
    shown = views_of("looking_inside", scan=5, row=14, column=2, side=4)
    known = digit_network.network()
    image_11HW = known.image(looking_inside.scan(5))
    hidden_11HW = image_11HW.clone()
    hidden_11HW[..., 14:16, 2:6] = 0  # the mean; cut off at the edge
    with torch.inference_mode():
        before_K, after_K = known.net(torch.cat([image_11HW, hidden_11HW])).softmax(1).numpy()
    before, after = (series["y"] for series in shown["probabilities"]["series"])
    assert before == pytest.approx(before_K, abs=1e-5)
    assert after == pytest.approx(after_K, abs=0.02)  # the mean is rounded to a gray level
    (frame,) = shown["image"]["windows"]
    assert [frame[name] for name in ("row", "column", "height", "width")] == [14, 2, 2, 4]
    assert (
        np.delete(np.array(shown["image"]["values"]), (14, 15), 0).tolist()
        == np.delete(looking_inside.scan(5), (14, 15), 0).tolist()
    )


def test_the_table_has_the_numbers_of_the_tests():
    assert set(looking_inside.METHODS) == set(METHODS)
    known, levels_HW = digit_network.network(), looking_inside.scan(7)
    predicted = int(digit_network.probabilities(levels_HW).argmax())
    shown = views_of("looking_inside", method="gradcam")
    explanation = explain(known.net, known.image(levels_HW), "gradcam", target=predicted)
    (test,) = explanation.faithfulness
    row = next(row for row in shown["tests"]["rows"] if row[0] == "Grad-CAM")
    assert row[1] == ("yes" if test.faithful else "no")
    assert row[2:4] == [f"{test.deletion_area:.2f}", f"{test.insertion_area:.2f}"]
    assert shown["curves"]["series"][0]["y"] == pytest.approx(test.deletion_curve_S)


def test_the_network_knows_digits():
    assert digit_network.network().accuracy > 0.9
