import numpy as np

from striate.metrics.label_set_findings import of_summary
from striate.metrics.multi_label import summary


def test_good_scores_and_labels_of_few_images():
    labels_NK = np.array([[1, 0], [0, 1]] * 60 + [[1, 0]] * 3)
    labels_NK[:116, 1] = 0
    found = of_summary(summary(8.0 * labels_NK - 4, labels_NK, ("a", "b"), (0.5, 0.5)), tested=True)
    assert found[0].level in ("good", "note")
    assert found[0].sentence.startswith("mAP 100.00 % (")
    assert found[1:] == [("note", "Fewer than 10 test images have b: those scores are little known.")]


def test_chance_no_test_images_and_labels_that_are_never_predicted():
    rng = np.random.default_rng(0)
    labels_NK = (rng.random((200, 3)) < 0.3).astype(np.int64)
    findings = of_summary(summary(rng.standard_normal((200, 3)) - 9, labels_NK, ("a", "b", "c"), (0.5,) * 3), tested=False)
    assert findings[0].level == "bad"
    assert "is no better than that of a random order" in findings[0].sentence
    assert ("warning", "There are no test images: the score is of the validation images, which chose it.") in findings
    assert ("warning", "Never predicted: a, b and c. Add images with them.") in findings
