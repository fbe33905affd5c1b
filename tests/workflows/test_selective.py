"""What is said of predictions that are left out by their probability."""

import numpy as np
import pytest

from striate.base.errors import DataError, SettingError
from striate.base.events import Json
from striate.metrics.confidence import Confidence
from striate.workflows import selective
from striate.workflows.selective import Promise, Scored

SHARES_42 = np.array([[0.9, 0.1], [0.2, 0.8], [0.7, 0.3], [0.4, 0.6]])


def curve_of(*labels: int) -> Json:
    return selective.describe_curve(selective.curve_of(Scored(SHARES_42, np.array(labels), "x")), 4)


def test_the_curve_as_json():
    described = curve_of(0, 1, 1, 1)  # errors 0, 0, 1/3, 1/4
    assert described["area"] == (1 / 3 + 1 / 4) / 4
    assert described["at_error"] == [
        {"max_error": most, "threshold": 0.8, "coverage": 0.5} for most in (0.005, 0.01, 0.02, 0.05)
    ]
    assert described["points"][-1] == {"threshold": 0.6, "coverage": 1.0, "error": 0.25}


def test_errors_that_all_images_keep_to_are_left_out():
    assert curve_of(0, 1, 0, 1)["at_error"] == []
    (first, *_) = curve_of(1, 1, 0, 1)["at_error"]
    assert first == {"max_error": 0.005, "threshold": None, "coverage": 0.0}


# ---- threshold and sets

N = 60
SHARES_N2 = np.array([[share, 1 - share] for share in np.linspace(1, 0.6, N)])
ALL_RIGHT = Scored(SHARES_N2, np.zeros(N, np.int64), "these")
LAST_WRONG = ALL_RIGHT._replace(labels_N=np.arange(N) // (N - 1))


def test_a_threshold_by_images_and_what_it_does_on_them_and_on_others():
    confidence = selective.choose(Promise(max_error=0.05), Confidence(2.0, coverage=0.9, set_threshold=0.1), LAST_WRONG)
    # 59 images without an error show 5 %; the 60th, which is wrong, would need 93
    assert confidence == Confidence(2.0, threshold=SHARES_N2[58, 0], max_error=0.05, level=0.95, images="these")
    described = selective.describe_abstention(confidence, LAST_WRONG)
    assert described == {
        "max_error": 0.05, "confidence": 0.95, "threshold": SHARES_N2[58, 0], "coverage": 59 / 60, "errors": 0, "n": N,
        "chosen_here": True,
    }  # fmt: skip
    other = selective.describe_abstention(confidence, Scored(SHARES_42, np.array([1, 1, 0, 1]), "others"))
    assert other is not None
    assert (other["coverage"], other["errors"], other["n"], other["chosen_here"]) == (0.75, 1, 4, False)
    assert selective.describe_abstention(Confidence(), ALL_RIGHT) is None
    assert selective.describe_sets(confidence, LAST_WRONG) is None


def test_sets_by_images_and_how_they_do_on_them_and_on_others():
    confidence = selective.choose(Promise(coverage=0.95), Confidence(), LAST_WRONG)
    assert confidence.set_threshold == SHARES_N2[57, 0]  # 61 * 0.95 = 57.95: the 58th largest
    here = selective.describe_sets(confidence, LAST_WRONG)
    assert here is not None
    assert (here["coverage"], here["n"], here["chosen_here"]) == (0.95, N, True)
    assert 0.9 < here["measured"] <= 1
    others = selective.describe_sets(confidence, Scored(SHARES_42, np.array([1, 1, 0, 1]), "others"))
    assert others == {
        "coverage": 0.95, "threshold": confidence.set_threshold, "measured": 0.75, "size": 1.0, "single": 1.0, "n": 4,
        "chosen_here": False,
    }  # fmt: skip
    few = LAST_WRONG._replace(shares_NK=SHARES_N2[:30], labels_N=np.zeros(30, np.int64))
    measured = selective.describe_sets(confidence, few)
    assert measured is not None
    assert (measured["measured"], measured["size"], measured["n"]) == (None, None, 30)  # half of them are fewer than 19


def test_a_threshold_that_no_prediction_reaches_is_not_saved():
    confidence = selective.choose(Promise(max_error=0.05), Confidence(), ALL_RIGHT._replace(labels_N=np.ones(N, np.int64)))
    assert confidence == Confidence(max_error=0.05, level=0.95, images="these")
    with pytest.raises(DataError, match=r"^no threshold keeps to an error of 0\.05 on these 60 images, so the model would "):
        selective.Answers(confidence, ALL_RIGHT, ALL_RIGHT).to_save()


def test_sets_are_saved_where_no_threshold_holds(caplog: pytest.LogCaptureFixture):
    all_wrong = ALL_RIGHT._replace(labels_N=np.ones(N, np.int64))
    chosen = selective.choose(Promise(max_error=0.05, coverage=0.95), Confidence(1.5), all_wrong)
    saved = selective.Answers(chosen, all_wrong, all_wrong).to_save()
    assert saved == Confidence(1.5, coverage=0.95, set_threshold=chosen.set_threshold, images="these")
    assert not saved.abstains(0.0)
    assert caplog.messages == [
        "No threshold keeps to an error of 0.05 on these 60 images, so the model would abstain from every prediction; the sets "
        "alone are saved. Allow more errors, give more images, or train a better model."
    ]
    held = selective.choose(Promise(max_error=0.1), Confidence(), ALL_RIGHT)
    assert selective.Answers(held, ALL_RIGHT, ALL_RIGHT).to_save() is held


@pytest.mark.parametrize(
    ("promise", "message"),
    [
        (Promise(max_error=2), r"expected max_error between 0 and 1, as 0.02; got 2"),
        (Promise(max_error=0.02, confidence=95), r"expected confidence between 0 and 1, as 0.95; got 95"),
        (Promise(coverage=95), r"expected coverage between 0 and 1, as 0.95; got 95"),
        (Promise(confidence=0.9), r"confidence=0.9 is that of max_error; give it too, as max_error=0.02"),
    ],
)
def test_what_is_no_promise_is_refused(promise: Promise, message: str):
    with pytest.raises(SettingError, match=message):
        promise.check()
