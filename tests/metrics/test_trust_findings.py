import pytest

from striate.metrics.intervals import wilson
from striate.metrics.trust_findings import (
    Finding,
    judge,
    of_calibration,
    of_data,
    of_filters,
    of_fit,
    of_labels,
    of_mirroring,
    of_score,
    of_training,
)


def levels(findings):
    return [finding.level for finding in findings]


def test_the_most_serious_finding_decides_and_comes_first():
    result = judge([Finding("good", "a"), Finding("bad", "b"), Finding("note", "c"), Finding("warning", "d")])
    assert result.level == "bad"
    assert [finding.sentence for finding in result.findings] == ["b", "d", "c", "a"]
    assert result.sentence == "Do not rely on this classifier yet."
    assert judge([Finding("good", "a")]).sentence == "No problems found."


def test_a_score_on_many_images_far_above_the_baseline_is_good():
    assert levels(of_score(wilson(950, 1000), wilson(480, 500), 0.2, 5)) == ["good"]


def test_a_score_no_better_than_the_baseline_is_bad():
    (result,) = of_score(wilson(520, 1000), None, 0.5, 2)
    assert result.level == "bad"
    assert result.sentence == (
        "Accuracy may be no better than the majority-class baseline: 52.00 % with an interval from 48.90 %, against 50.00 %."
    )


def test_a_score_on_few_images_is_uncertain():
    result = of_score(wilson(24, 24), None, 1 / 3, 3)
    assert levels(result) == ["good", "warning"]
    assert "on 24 images its 95 % interval is 86.20 % to 100.00 %" in result[1].sentence


def test_a_score_of_the_images_that_chose_the_epoch_is_called_so():
    assert "so it is optimistic" in of_score(None, wilson(900, 1000), 0.1, 10)[0].sentence
    assert levels(of_score(None, None, None, 3)) == ["bad"]


def test_a_test_accuracy_significantly_below_validation_is_a_warning():
    assert levels(of_score(wilson(800, 1000), wilson(950, 1000), 0.1, 10)) == ["good", "warning"]
    assert levels(of_score(wilson(940, 1000), wilson(950, 1000), 0.1, 10)) == ["good"]
    assert levels(of_score(wilson(950, 1000), wilson(800, 1000), 0.1, 10)) == ["good"]


def test_probabilities_are_only_called_wrong_where_chance_does_not_explain_it():
    assert levels(of_calibration(0.03, 0.04, 0.9, 0.9)) == ["good"]
    assert levels(of_calibration(0.045, 0.04, 0.95, 0.9)) == ["note"]
    (result,) = of_calibration(0.2, 0.04, 0.95, 0.75)
    assert result.level == "warning"
    assert "too high: their mean is 95.00 % and the accuracy 75.00 %" in result.sentence
    assert "too low" in of_calibration(0.2, 0.04, 0.7, 0.9)[0].sentence


@pytest.mark.parametrize(
    ("losses", "best", "said"),
    [
        ([1.0, 0.5, 0.4, 0.9], 3, "overfit"),
        ([1.0, 0.5, 0.3], 3, "still falling"),
        ([1.0, 0.5, 0.48], 3, None),
        ([1.0, 0.5], 2, None),
    ],
)
def test_curves_that_rise_again_or_still_fall_are_noted(losses, best, said):
    epochs = [{"epoch": n + 1, "loss": loss, "train_loss": loss} for n, loss in enumerate(losses)]
    result = of_training(epochs, best)
    assert (said in result[0].sentence) if said else result == []


def test_findings_on_files_filters_and_labels():
    assert of_data(100, 0, 0) == []
    assert levels(of_data(100, 1, 2)) == ["note", "note"]
    assert of_data(100, 1, 0)[0].sentence == "1 file found (0.99 %) could not be used, listed below."
    assert levels(of_data(100, 20, 0)) == ["warning"]
    assert levels(of_filters([])) == ["good"]
    assert of_filters(["conv1: a.", "conv2: b."])[0].sentence == "conv1: a. And 1 more layer, see below."
    assert of_labels(0, 5, 0.99, "a") == []
    assert of_labels(2, 5, 0.5, "a") == []
    assert of_labels(1, 5, 0.99, "a")[0].sentence == (
        "Of 5 misclassified images examined, 1 has nearest training images of another class than the label, by the network's "
        "features and by features in which it has no part: this label may be wrong. Check it; `striate labels a` examines all "
        "images."
    )
    assert "Of 5 misclassified images examined, 2 have" in of_labels(2, 5, 0.99, "a")[0].sentence


def test_overfitting_is_named_by_the_gap_beyond_its_interval():
    # Wilson: 496 of 500 is 99.2 % from 97.97 %, 60 of 100 is 60 % to 69.06 %; sqrt(1.23^2 + 9.06^2) = 9.15; 39.2 - 9.15 = 30.05
    (much,) = of_fit(wilson(496, 500), wilson(60, 100), "test images", True)
    assert much.level == "warning"
    assert much.sentence == (
        "The network overfits: accuracy is 99.20 % on 500 training images and 60.00 % on test images, 30.1 percentage points "
        "less at least. More images, augmentation, weight decay or pretrained weights may narrow that."
    )
    # 90 of 100 is 90 % to 94.48 %: 9.2 - sqrt(1.23^2 + 4.48^2) = 4.55
    (little,) = of_fit(wilson(496, 500), wilson(90, 100), "test images", False)
    assert little.level == "note"
    assert "4.6 percentage points less at least. More images, or more augmentation, may narrow that." in little.sentence
    assert of_fit(wilson(496, 500), wilson(96, 100), "test images", True) == []  # a gap that chance explains


def test_underfitting_is_named_where_the_training_images_are_not_learned():
    (result,) = of_fit(wilson(350, 500), wilson(69, 100), "test images", True)
    assert result.level == "note"
    assert result.sentence == (
        "The network underfits: accuracy is 70.00 % on 500 training images and 69.00 % on test images. Unless the labels are "
        "uncertain, train longer (train.epochs), with another learning rate, or a larger network."
    )
    (frozen,) = of_fit(wilson(350, 500), wilson(69, 100), "test images", False)
    assert "adapt or retrain the layers below" in frozen.sentence
    assert of_fit(wilson(440, 500), wilson(88, 100), "test images", True) == []  # 88 % to 90.56 %: perhaps above 90


def test_mirroring_against_the_test_is_named_as_the_cause():
    bad = of_mirroring(True, "swapped", "the classes depend.")
    assert levels(bad) == ["bad"]
    text = "Training images were mirrored at random, but the classes depend. That lowers the accuracy."
    assert bad[0].sentence == f"{text} Train with augment.flip=false."
    note = of_mirroring(False, "swapped", "the classes depend.")
    assert (levels(note), note[0].sentence) == (["note"], "Training images were not mirrored: the classes depend.")
    assert "train with augment.flip=false" in of_mirroring(True, "unknown", "it cannot be told.")[0].sentence
    assert of_mirroring(False, "unknown", "it cannot be told.") == of_mirroring(True, "same", "as well.") == []
