"""Two runs of several labels an image on the same test images: by mAP, by images with all labels right, and by label.

Legend: N test images, K labels.
"""

import numpy as np

from striate.base.events import Json
from striate.metrics import multi_label
from striate.metrics.average_precision import map_difference, mean_average_precision
from striate.metrics.paired_test import holm, paired
from striate.workflows.tested_runs import TestedRun


def pair(a: TestedRun, b: TestedRun) -> Json:
    """How b differs from a; the p-value is that of the difference of their mAP."""
    true_NK = a.labels > 0
    multi_label.check(a.scores_NK, a.labels)
    interval, p_value = map_difference(a.scores_NK, b.scores_NK, true_NK)
    return {
        "a": _described(a), "b": _described(b), "p_value": p_value,
        "difference": {"value": interval.value, "low": interval.low, "high": interval.high},
        "exact_match": paired(a.right_N, b.right_N)._asdict(), "per_label": _per_label(a, b),
    }  # fmt: skip


def _described(run: TestedRun) -> Json:
    mean, match = mean_average_precision(run.scores_NK, run.labels > 0).mean, run.score()
    return {
        "run": run.name, "net": run.net, "map": mean.value, "low": mean.low, "high": mean.high,
        "exact_match": {"value": match.value, "low": match.low, "high": match.high},
    }  # fmt: skip


def _per_label(a: TestedRun, b: TestedRun) -> Json:
    """Of each label that a test image has: both average precisions, and McNemar's test of who decides it correctly.

    p-values are corrected for the number of labels (Holm).
    """
    there = np.flatnonzero(a.labels.any(axis=0)).tolist()
    tests = {k: paired(*(run.predicted[:, k] == run.labels[:, k] for run in (a, b))) for k in there}
    corrected = holm({k: test.p_value for k, test in tests.items()})
    ranked = [mean_average_precision(run.scores_NK, run.labels > 0).per_label for run in (a, b)]
    precisions = [[interval.value if interval else None for interval in per_label] for per_label in ranked]
    return {
        a.classes[k]: {
            "n": int(a.labels[:, k].sum()), "average_precision_a": precisions[0][k], "average_precision_b": precisions[1][k],
            "only_a": test.only_a, "only_b": test.only_b, "p_value": corrected[k],
        }
        for k, test in tests.items()
    }  # fmt: skip
