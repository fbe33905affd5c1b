from striate.data.class_balance import describe


def test_classes_of_ten_to_one_are_described_with_what_always_predicting_the_largest_gets():
    assert describe({"good": 990, "bad": 10, "none": 0}) == (
        "The largest class has 99 times as many images as the smallest (good 990, bad 10): always predicting good is 99.00 % "
        "accurate, so judge by balanced accuracy and by each class. train.sampling=balanced shows rare classes more often, "
        "train.class_weights=balanced weights them more."
    )
    assert describe({"a": 10, "b": 1}) is not None


def test_classes_of_less_than_ten_to_one_are_not():
    assert describe({"a": 99, "b": 10}) is None
    assert describe({"a": 99}) is None
    assert describe({}) is None
