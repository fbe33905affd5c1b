"""`striate evaluate`: what is printed of few classes and of a thousand; the summary is the last thing."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from striate.metrics.classification import summary
from striate.workflows import checks, evaluate
from support.command_line import run


@pytest.fixture
def printed(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., Any]:
    """Lines of a model with so many classes that was wrong where `predicted` differs from `labels`."""

    def lines(labels: list[int], predicted: list[int], classes: int, options: tuple[str, ...] = (), **more: Any) -> Any:
        looks, scaling = {"test_set": "t", "looks": 1, "runs": 1}, {"temperature": 1.0, "calibration_error_unscaled": 0.5}
        curve = {"area": 0.125, "at_error": [], "points": []}
        plain = {"risk_coverage": curve, "abstention": None, "sets": None, "saved": None}
        extra = {**scaling, **plain, "trained_on": None, "baselines": None, "test_looks": looks, **more}
        names = tuple(f"c{number}" for number in range(classes))
        scores = summary(np.eye(classes)[predicted], np.array(labels), names).as_json()
        result = {"run": "r", "data": "d", "quarantined": [], "crops": 1, "computed_in": "fp32", **scores, **extra}
        monkeypatch.setattr(checks, "check_evaluation", lambda *_arguments: None)
        monkeypatch.setattr(evaluate, "evaluate", lambda *_arguments, **_options: result)
        return run(capsys, "evaluate", "r", *options)

    return lines


def test_the_summary_is_printed_last(printed: Callable[..., Any]):
    lines = printed([0, 0, 1, 2], [0, 1, 1, 2], 3).out.splitlines()
    assert lines[-2].startswith("accuracy 75.00 %  (95 % interval ")
    assert lines[-2].endswith("4 images; majority-class baseline: 50.00 %)")
    assert lines[-1].startswith("balanced accuracy 83.33 % (")  # the mean of 1/2, 1 and 1
    assert "), macro F1 0.7778 (" in lines[-1]  # the mean of 2/3, 2/3 and 1
    assert "), calibration error 0." in lines[-1]
    assert any("true class by row, prediction by column" in line for line in lines)


def test_the_temperature_is_printed_where_there_is_one(printed: Callable[..., Any]):
    assert "before scaling" not in printed([0, 1], [0, 1], 2).out
    assert "(0.5000 before scaling with temperature 0.25)" in printed([0, 1], [0, 1], 2, temperature=0.25).out


def test_of_a_thousand_classes_the_worst_are_printed_and_where_the_rest_is(printed: Callable[..., Any]):
    labels = [*range(990), *range(990)]
    predicted = [*range(990), *range(1, 26), *range(25, 990)]  # the second image of the first 25 classes is one class off
    text = printed(labels, predicted, 1000).out
    rows = [line.split("│")[1].strip() for line in text.splitlines() if line.startswith("│")]
    assert len(rows) == 20
    # Two images each: one of class 0 is wrong (F1 2/3); 1 to 24 lose one and get one of their neighbor (F1 1/2)
    assert rows == [f"c{number}" for number in range(1, 21)]
    assert "the 20 of 990 classes with the lowest F1; --json has all" in text
    assert "10 classes have no images here and are not shown" in text
    assert text.splitlines()[-1].startswith("balanced accuracy ")
    assert "true class by row" not in text


def test_a_baseline_that_is_as_good_is_named(printed: Callable[..., Any]):
    assert printed([0, 1], [0, 1], 2, baseline_finding="No better.").out.splitlines()[-1] == "No better."


def test_looks_at_a_test_set_are_printed_where_runs_can_be_chosen_among(printed: Callable[..., Any]):
    looks = {"test_set": "t", "looks": 7, "runs": 3}
    assert printed([0, 1], [0, 1], 2, test_looks=looks).out.splitlines()[-1] == (
        "this test set has been scored 7 times by 3 runs; choosing among runs by it makes the best score too high"
    )
    assert "has been scored" not in printed([0, 1], [0, 1], 2, test_looks={**looks, "runs": 1}).out


def test_the_accuracy_without_images_that_were_trained_on_is_printed(printed: Callable[..., Any]):
    unseen = {"accuracy": 0.5, "low": 0.0945, "high": 0.9055, "n": 2}
    seen = {"accuracy": 1.0, "low": 0.5, "high": 1.0, "n": 4}
    sentence = "without the images that the run was trained on: accuracy 50.00 %  (95 % interval 9.45 % to 90.55 %, 2 images)"
    assert sentence in printed([0, 1], [0, 1], 2, trained_on={"train": 4, "val": 0, "seen": seen, "unseen": unseen}).out
    none = {"train": 0, "val": 0, "seen": None, "unseen": unseen}
    assert "trained on" not in printed([0, 1], [0, 1], 2, trained_on=none).out


def test_of_one_class_the_recall_is_printed(printed: Callable[..., Any]):
    lines = printed([1, 1, 1, 1], [1, 1, 1, 0], 2).out.splitlines()
    assert lines[-2].startswith("recall of c1 75.00 %  (95 % interval ")
    assert lines[-1].startswith("all images are of this one class, so accuracy is its recall; calibration error ")


def test_baselines_of_the_run_are_printed(printed: Callable[..., Any]):
    scores = {name: {"accuracy": share, "n": 4} for name, share in (("nearest_pixels", 0.75), ("linear_pixels", 0.5))}
    assert printed([0, 1], [0, 1], 2, baselines={**scores, "side_px": 16}).out.splitlines()[-1] == (
        "on 16 x 16 pixels alone (4 test images): nearest training image 75.00 %, linear model 50.00 %"
    )


def test_the_share_answered_at_an_error_is_printed_where_all_images_have_a_larger_one(printed: Callable[..., Any]):
    rows = [{"max_error": 0.005, "threshold": 0.9, "coverage": 0.25}, {"max_error": 0.02, "threshold": 0.6, "coverage": 0.75}]
    curve = {"area": 0.125, "at_error": rows, "points": []}
    assert (
        "share answered where the least probable predictions are left out: 25.00 % at an error of 0.5 %, 75.00 % at an error "
        "of 2 %; area under the risk-coverage curve 0.1250"
    ) in printed([0, 1], [0, 1], 2, risk_coverage=curve).out
    assert "share answered" not in printed([0, 1], [0, 1], 2).out


ABSTENTION = {
    "max_error": 0.02, "confidence": 0.9, "threshold": 0.75, "coverage": 0.5, "errors": 1, "n": 400, "chosen_here": True,
}  # fmt: skip
SETS = {"coverage": 0.95, "threshold": 0.125, "measured": 0.96, "size": 1.5, "single": 0.75, "n": 40, "chosen_here": True}


def test_what_threshold_and_sets_do_is_printed(printed: Callable[..., Any]):
    lines = printed([0, 1], [0, 1], 2, abstention=ABSTENTION, sets=SETS, saved="runs/r/model").out.splitlines()
    assert lines[-3:] == [
        "threshold for an error of at most 2 %, with 90 % confidence: 0.7500, by 400 images, of which 50.00 % are answered, "
        "1 wrong",
        "sets, of classes with a probability of at least 0.1250, to have the true class for 95 % of the images: 96.00 % have "
        "it, with 1.50 classes on average and one alone in 75.00 % (40 images, each half by the other)",
        "saved in runs/r/model: `striate predict` answers by it, and `striate report` shows it",
    ]
    elsewhere = printed([0, 1], [0, 1], 2, abstention={**ABSTENTION, "chosen_here": False}).out
    assert "0.7500, tried on 400 images, of which" in elsewhere
    none = {**ABSTENTION, "threshold": None}
    assert printed([0, 1], [0, 1], 2, abstention=none).out.splitlines()[-1] == (
        "threshold for an error of at most 2 %, with 90 % confidence: none on these 400 images, so the model abstains from "
        "every prediction"
    )
    alone = printed([0, 1], [0, 1], 2, abstention=none, sets=SETS, saved="runs/r/model").out
    assert "with 90 % confidence: none on these 400 images, and none was saved\n" in alone
    few = {**SETS, "measured": None, "size": None, "single": None}
    assert "95 % of the images: too few images to measure them" in printed([0, 1], [0, 1], 2, sets=few).out


def test_what_was_asked_for_and_not_saved_says_how_to_save_it(printed: Callable[..., Any]):
    hint = "`striate evaluate ... --save` keeps this in the model, for `striate predict`"
    assert printed([0, 1], [0, 1], 2, options=("--max-error", "0.02"), abstention=ABSTENTION).out.splitlines()[-1] == hint
    assert hint not in printed([0, 1], [0, 1], 2, abstention=ABSTENTION).out
