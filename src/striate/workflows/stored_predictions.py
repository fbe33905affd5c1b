"""The predictions of a finished run for its test images, as they lie in its folder; nothing here imports torch.

Legend: N images, K classes.
"""

from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from striate.base import config, run_folder, run_images, run_record
from striate.base.errors import ArtifactError, RunError
from striate.base.run_images import RunPart


class StoredPredictions(NamedTuple):
    """Test images of a run, by id and pixels, with their labels and logits."""

    settings: config.Run
    ids_N: NDArray[np.uint64]
    labels_N: NDArray[np.int64]
    logits_NK: NDArray[np.float32]
    pixel_hash_N: NDArray[np.uint64]  # equal for images whose pixels are equal
    by_folds: bool  # each image is predicted by a model that has not seen it, though the run's own is trained on all


def read(folder: Path) -> StoredPredictions:
    """The stored predictions of a run.

    Raises:
        RunError: it has not ended, or has no test images.
        ArtifactError: a file was lost, or is not what the run wrote.

    """
    result = run_folder.read_json(folder / "result.json")
    if result is not None:
        run_record.refuse_missing(folder)
        if result["test"] is None:
            raise RunError(
                f"expected a run that was tested; {folder} has no test images (data.test_share is 0, or it is a trial of "
                "`striate tune`). Give one that was tested."
            )
    ids_N, labels_N, logits_NK = run_folder.load_predictions(folder / "predictions-test.npz")
    settings, images = run_folder.settings(folder), run_images.read(folder)
    if images is None:
        raise ArtifactError(f"expected {run_images.FILE} in {folder}; there is none. {run_record.RESTORE}")
    rows_N = np.searchsorted(images.ids_N, ids_N)
    by_folds = bool((images.part_N[rows_N] != RunPart.TEST).any())
    return StoredPredictions(settings, ids_N, labels_N, logits_NK, images.pixel_hash_N[rows_N], by_folds)
