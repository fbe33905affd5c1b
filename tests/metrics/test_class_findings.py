from striate.metrics.class_findings import never_predicted, of_balancing, of_classes, of_never_predicted
from striate.metrics.intervals import wilson


def test_a_class_with_clearly_lower_recall_is_named():
    rows = {"cat": {"recall": 0.99, "support": 100}, "dog": {"recall": 0.5, "support": 100}, "elk": {"recall": 1, "support": 3}}
    weak, few = of_classes(rows, wilson(152, 203))
    assert weak.sentence == "Recall clearly below the accuracy: dog (50 % of 100)."
    assert few.sentence == "Fewer than 10 test images, so their recall is uncertain: elk (3)."
    assert of_classes({"cat": {"recall": 0.9, "support": 50}}, wilson(45, 50)) == []


def test_classes_never_predicted_are_counted_and_named_with_the_setting_that_helps():
    # twelve classes of five images; the images of the last six are all taken for one of the first six
    names = [f"c{k}" for k in range(12)]
    confusion = [[5 * (column == row % 6) for column in range(12)] for row in range(12)]
    missing = never_predicted(confusion, names)
    assert missing == {f"c{k}": 5 for k in range(6, 12)}
    (bad,) = of_never_predicted(missing, 12, None)
    assert bad.level == "bad"
    assert bad.sentence == (
        "6 of 12 classes are never predicted: c6 (5), c7 (5), c8 (5), c9 (5), c10 (5), c11 (5). "
        "Train with train.sampling=balanced or train.class_weights=balanced, or add images of these classes."
    )
    (warned,) = of_never_predicted({"c1": 2}, 3, "train.sampling")
    assert warned.level == "warning"
    assert warned.sentence == (
        "1 of 3 classes is never predicted: c1 (2). train.sampling=balanced was on and did not mend that; more images of these "
        "classes or pretrained weights may."
    )
    assert of_never_predicted({}, 12, None) == []


def test_a_class_without_images_is_not_missed():
    assert never_predicted([[3, 0, 0], [3, 0, 0], [0, 0, 0]], ["a", "b", "c"]) == {"b": 3}


def test_what_a_setting_against_imbalance_did_is_measured_on_the_smallest_class():
    rows = {"good": {"recall": 1.0, "support": 50}, "bad": {"recall": 0.5, "support": 4}}
    trained = {"good": 500, "bad": 20}
    assert of_balancing(rows, trained, None, None) == []
    assert of_balancing(rows, trained, "They differ.", None)[0].sentence == "They differ."
    (measured,) = of_balancing(rows, trained, "They differ.", "train.class_weights")
    assert measured.level == "note"
    assert measured.sentence == (
        "train.class_weights=balanced was on: the recall of the smallest class, bad, is 50 % of 4 images (95 % interval 15 to "
        "85 %). A run without it, and nothing else changed, shows whether it helped."
    )
    (compared,) = of_balancing(rows, trained, "They differ.", "train.class_weights", "It helped.")
    assert compared.sentence.endswith("(95 % interval 15 to 85 %). It helped.")
    absent = of_balancing({"good": rows["good"]}, trained, "They differ.", "train.sampling")[0].sentence
    assert absent == "train.sampling=balanced was on; the smallest class, bad, has no test images to judge by."
