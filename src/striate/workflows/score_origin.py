"""Where the test score of a run comes from: images it was trained on, looks at the test set, baselines, and shortcuts.

Legend: N test images.
"""

from pathlib import Path
from typing import NamedTuple

import numpy as np

from striate.base import looks_ledger, run_images
from striate.base.events import Json
from striate.base.looks_ledger import Looks
from striate.base.run_images import RunPart
from striate.metrics import baseline_findings
from striate.metrics.intervals import Interval
from striate.metrics.trust_findings import Finding
from striate.training.inference import Predictions
from striate.workflows import baselines, trained_on
from striate.workflows.trained_on import TrainedOn


class Origin(NamedTuple):
    """What a test score stands on."""

    trained_on: TrainedOn | None  # None with folds, where each image is predicted by a model that has not seen it
    test_looks: Looks
    baselines: Json | None
    shortcuts: list[Json]  # facts beside what is shown that predict the class

    def as_json(self) -> Json:
        """As report.json has it."""
        overlap = None if self.trained_on is None else self.trained_on.as_json()
        return {**self._asdict(), "trained_on": overlap, "test_looks": self.test_looks._asdict()}

    def findings(self, accuracy: Interval, run: str) -> list[Finding]:
        """Test images that were trained on, and a baseline that is as good as the network."""
        findings = []
        if self.trained_on is not None and self.trained_on.seen is not None:
            findings.append(Finding("warning", trained_on.describe(self.trained_on, run)))
        if (finding := baseline_findings.compare(accuracy, self.baselines)) is not None:
            findings.append(finding)
        return findings


def read(folder: Path, tested: Predictions, account: Json | None) -> Origin | None:
    """What the folder of a run and the ledger of looks say of these predictions; None where a run has no list of images."""
    images = run_images.read(folder)
    if images is None:
        return None
    rows_N = np.searchsorted(images.ids_N, tested.ids_N)
    hash_N, right_N = images.pixel_hash_N[rows_N], tested.logits_NK.argmax(axis=1) == tested.labels_N
    by_folds = bool((images.part_N[rows_N] != RunPart.TEST).any())
    seen = None if by_folds else trained_on.find(folder, images, hash_N, None)
    return Origin(
        None if seen is None else trained_on.compare(seen, right_N), looks_ledger.count(looks_ledger.fingerprint(hash_N)),
        baselines.read(folder), (account or {}).get("shortcuts", []),
    )  # fmt: skip
