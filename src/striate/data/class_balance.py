"""Whether some classes have far fewer images than others, as a sentence with the setting that helps."""

from collections.abc import Mapping

from striate.base.phrases import percent

_FAR = 10  # times as many images in the largest class as in the smallest, from which on that is said
ADVICE = "train.sampling=balanced shows rare classes more often, train.class_weights=balanced weights them more."


def describe(images: Mapping[str, int]) -> str | None:
    """What to know of classes with so many images each; None where the largest has less than ten times the smallest.

    >>> describe({"good": 99, "bad": 1}).partition(":")[0]
    'The largest class has 99 times as many images as the smallest (good 99, bad 1)'
    """
    counts = {name: count for name, count in images.items() if count}
    if len(counts) < 2:
        return None
    largest, smallest = max(counts, key=lambda name: counts[name]), min(counts, key=lambda name: counts[name])
    times = counts[largest] / counts[smallest]
    if times < _FAR:
        return None
    share = counts[largest] / sum(counts.values())
    return (
        f"The largest class has {times:,.0f} times as many images as the smallest ({largest} {counts[largest]:,}, {smallest} "
        f"{counts[smallest]:,}): always predicting {largest} is {percent(share)} accurate, so judge by balanced accuracy and "
        f"by each class. {ADVICE}"
    )
