"""`striate evaluate`: a model on labeled images that it was not trained with.

Legend: N images, K classes of the model.
"""

import logging
from collections.abc import Mapping
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from striate.base import looks_ledger, run_folder, run_images
from striate.base.arguments import named_arguments
from striate.base.config import Data
from striate.base.errors import DataError, nearest
from striate.base.events import Json, Watch, progress, quiet
from striate.base.looks_ledger import Looks
from striate.base.phrases import plural
from striate.base.wall_clock import counting, measured
from striate.data import in_memory, label_edits, small_copies, sources
from striate.data.examples import Part, Quarantined
from striate.data.examples_from_source import one_class_allowed
from striate.data.image_facts import Facts
from striate.data.pixel_cache import decode_examples
from striate.data.small_copies import SmallCopies
from striate.metrics import baseline_findings, intervals
from striate.metrics.classification import calibration_error, summary
from striate.metrics.unknown_inputs import Flagged
from striate.model import Model
from striate.onnx_model import OnnxModel
from striate.workflows import (
    baselines,
    feature_baseline,
    keep_confidence,
    selective,
    stored_predictions,
    trained_on,
)  # fmt: skip
from striate.workflows.checks import check_evaluation, evaluation_data
from striate.workflows.load_model import load, load_network
from striate.workflows.selective import Promise, Scored
from striate.workflows.several_labels import evaluation
from striate.workflows.trained_on import Seen

log = logging.getLogger("striate")

_BATCH = 64


@named_arguments(section="data")
@counting()
def evaluate(
    run: str | Path, data: str | Path | Any = None, settings: Mapping[str, Any] | None = None, watch: Watch = quiet, *,
    labels: Any = None, crops: int = 1, max_error: float | None = None, confidence: float | None = None,
    coverage: float | None = None, save: bool = False, precision: str = "fp32",
) -> Json:  # fmt: skip
    """How good a model is: accuracy with its interval, top-5, per class, confusion matrix, calibration.

    Probabilities are calibrated by the model's temperature; `calibration_error_unscaled` is what their error is without it.
    `risk_coverage` says how few predictions are wrong where the least probable are left out. The test images of a run are also
    classified by what sees no more than small copies of them (`baselines`), and by logistic regression on the features of the
    network before its training (`feature_baseline`), which takes some seconds once.

    Args:
        run: a run by name or folder, a model's folder, `NET@WEIGHTS` or an ONNX file of `striate export` (which need `data`).
        data: labeled images to test on, as for `train`; None for the run's own test images, whose stored predictions are used.
        settings: of section [data] for `data`.
        watch: called with progress.
        labels: one for each image, where they are not in `data`.
        crops: of each image of `data`, whose probabilities are averaged: 5 crops, or 10 with their mirror images.
        max_error: largest share of wrong answers on new images, as 0.02: chooses a threshold, below which the model abstains.
        confidence: that `max_error` is kept to, 0.95 where nothing is given.
        coverage: share of the images, as 0.95, whose set of classes is to have the true one.
        save: keep threshold and sets in the model in place of those before; where none keeps to `max_error`, the sets.
        precision: of convolutions and matrix products for `data`: fp32, or bf16, as `predict` takes it.

    Raises:
        DataError: too few images for `max_error` or `coverage`; says how many are needed.

    """
    promise, data = Promise(max_error, confidence, coverage), in_memory.stored(data, labels, watch=watch)
    with sources.listing(watch), one_class_allowed():
        check_evaluation(run, data, settings, crops, promise, save, precision)
        if data is None:
            run = run_folder.find(run)
            tested, model = _stored(run), load_network(run, watch=watch)
        else:
            model = load(run, precision=precision)
            section = evaluation_data(data, settings, model.label_thresholds is not None)
            tested = predict_examples(model, section, watch, crops)
    seen = _seen(run, model, tested)
    if model.label_thresholds is not None:
        return evaluation.of_tested(run, model, tested, seen, data is None)
    overlap = None if seen is None else trained_on.compare(seen, tested.right_N)
    if data is not None:
        trained_on.warn(overlap, run)
    looks = _looks(run, model, tested, data is None)
    took = measured(None if data is None else len(tested.labels_N))
    scores = summary(model.confidence.scaled(tested.logits_NK), tested.labels_N, model.classes).as_json()
    answers = answers_of(run, model, tested, None if seen is None else ~seen.any_M, promise)
    saved = str(keep_confidence.keep(run, answers.to_save())) if save else None
    return {
        "run": str(run), "data": tested.data, "quarantined": [bad._asdict() for bad in tested.quarantined], "crops": crops,
        "computed_in": model.precision, **scores,
        "calibration_error_unscaled": calibration_error(tested.logits_NK, tested.labels_N),
        "temperature": model.confidence.temperature, **answers.as_json(), "saved": saved,
        "trained_on": None if overlap is None else overlap.as_json(),
        "unknown": _flagged(model, tested) if crops == 1 else None, "test_looks": looks._asdict(),
        **_beside(Path(run) if data is None else None, scores),
        "feature_baseline": feature_baseline.of_run(Path(run), model, watch) if data is None else None, **took,
    }  # fmt: skip


def _stored(folder: Path) -> "LabeledLogits":
    """The predictions for the test images of a run that lie in its folder."""
    stored = stored_predictions.read(folder)
    return LabeledLogits(stored.settings.data.path, stored.labels_N, stored.logits_NK, (), stored.pixel_hash_N, stored.by_folds)


def _beside(folder: Path | None, scores: Json) -> Json:
    """The baselines of the run in `folder`, and a sentence where one, or the largest class, is as good as the network."""
    small = None if folder is None else baselines.read(folder)
    network = intervals.of_score(scores)
    one_class = sum(row["support"] > 0 for row in scores["per_class"].values()) == 1
    finding = None if one_class else baseline_findings.compare(network, small, scores["majority"])
    return {"baselines": small, "baseline_finding": None if finding is None else finding.sentence}


def _flagged(model: Model | OnnxModel, tested: "LabeledLogits") -> Json | None:
    """How many of the images are flagged as unknown, and the share that is expected of images like those of the training.

    The stored predictions of a run are without features: what was counted at the end of its training is taken.
    """
    if isinstance(model, OnnxModel):
        if tested.flags_N is None:
            return None
        counted = Flagged(int(tested.flags_N.sum()), len(tested.flags_N))
        return {**counted._asdict(), "rate": model.described["unknown"]["rate"]}
    flag = model.unknown_inputs
    if flag is None:
        return None
    flagged = flag.tested if tested.flags_N is None else Flagged(int(tested.flags_N.sum()), len(tested.flags_N))
    return None if flagged is None else {**flagged._asdict(), "rate": flag.rate}


def _seen(run: str | Path, model: Model | OnnxModel, tested: "LabeledLogits") -> Seen | None:
    """Which of the tested images the run of a model learned from; None where that cannot be told."""
    home = None if isinstance(model, OnnxModel) else trained_on.home(run, model)
    images = None if home is None or tested.by_folds else run_images.read(home)
    return None if home is None or images is None else trained_on.find(home, images, tested.pixel_hash_N, tested.copies)


def answers_of(
    run: str | Path, model: Model | OnnxModel, tested: "LabeledLogits", unseen_N: NDArray[np.bool_] | None, promise: Promise
) -> selective.Answers:
    """What a model answers of these images, with its threshold and sets, or those that are asked for.

    Images that the model learned from, or whose validation chose it, choose neither, and say nothing of them where there are
    others.
    """
    shares_NK, labels_N = model.confidence.probabilities(tested.logits_NK), tested.labels_N
    used_N = np.ones(len(labels_N), np.bool_) if unseen_N is None else unseen_N
    if promise == Promise() and not used_N.any():
        used_N = ~used_N
    images = looks_ledger.fingerprint(tested.pixel_hash_N[used_N])
    everything, used = Scored(shares_NK, labels_N, ""), Scored(shares_NK[used_N], labels_N[used_N], images)
    if promise == Promise():
        return selective.Answers(model.confidence, everything, used)
    if tested.by_folds:
        raise DataError(
            f"{run} was tested over folds, each image by another model, so these images choose no threshold for the one that "
            f"was saved. Give images that it has not seen: `striate evaluate {run} DATA`."
        )
    if left := int((~used_N).sum()):
        log.warning(
            "%s choose no threshold and no sets, since the run was trained on them or chosen by them.", plural(left, "image")
        )
    promise.refuse_few(int(used_N.sum()), f"{tested.data} without images of the run's training" if left else tested.data)
    return selective.Answers(selective.choose(promise, model.confidence, used), everything, used)


def _looks(run: str | Path, model: Model | OnnxModel, tested: "LabeledLogits", stored: bool) -> Looks:
    """How often these images have been scored, now included; the stored predictions of a run are no new look."""
    test_set = looks_ledger.fingerprint(tested.pixel_hash_N)
    if stored:
        return looks_ledger.count(test_set)
    return looks_ledger.add(test_set, str(model.training.get("run_id") or run), "evaluate")


def _mapped(labels_N: NDArray[np.int64], mapped_K: NDArray[np.int64], classes: int) -> NDArray[np.int64]:
    """Labels by the classes of a model; `mapped_K` has the position of each class of the data."""
    if labels_N.ndim == 1:
        return mapped_K[labels_N]
    labels_NK = np.zeros((len(labels_N), classes), np.int64)
    labels_NK[:, mapped_K] = labels_N
    return labels_NK


class LabeledLogits(NamedTuple):
    """Logits of the images that could be decoded, and those that could not."""

    data: str  # where the images are from
    labels_N: NDArray[np.int64]
    logits_NK: NDArray[np.float32]
    quarantined: tuple[Quarantined, ...]
    pixel_hash_N: NDArray[np.uint64]  # equal for images whose pixels are equal
    by_folds: bool = False  # each image is predicted by a model that has not seen it, though the run's own is trained on all
    flags_N: NDArray[np.bool_] | None = None  # which look like no training image; None where that was not computed
    copies: SmallCopies | None = None  # by which near-duplicates are known; None for the test images of a run

    @property
    def right_N(self) -> NDArray[np.bool_]:
        """Whether each image was classified correctly."""
        right: NDArray[np.bool_] = self.logits_NK.argmax(axis=1) == self.labels_N
        return right


def predict_examples(model: Model | OnnxModel, data: Data, watch: Watch, crops: int = 1) -> LabeledLogits:
    """Logits of every labeled image of `data`; of its test part alone, where it has one; classes are matched by name.

    Of 5 or 10 crops the logits mean the average of their probabilities.
    """
    input_spec = model.input_spec_for(crops)
    examples = sources.read(data)
    for note in examples.notes:
        log.info("%s", note)
    tests = np.flatnonzero(examples.parts_N == Part.TEST)
    if len(tests):
        log.info("The %s test images of %s are used, not its training images.", f"{len(tests):,}", data.path)
        examples = examples.keep(tests)
    for note in label_edits.notes(examples, np.ones(len(examples), bool)):
        log.warning("%s", note)
    examples = examples.keep(examples.used_M())
    names = [model.aliases.get(name, name) for name in examples.classes]
    unknown = [name for name in names if name not in model.classes]
    if unknown:
        raise DataError(
            f"the model has no class {unknown[0]!r} ({len(unknown)} of the data's {len(examples.classes)} classes are "
            f"unknown to it); {nearest(unknown[0], model.classes)} Rename the class, or leave it out."
        )
    mapped_K = np.array([model.classes.index(name) for name in names])
    report, rows, facts, flags = progress(watch, "predict"), list[int](), list[Facts](), list[NDArray[np.bool_]]()
    bad, logits, images = list(examples.quarantined), [], enumerate(decode_examples(examples, input_spec))
    while batch := list(islice(images, _BATCH)):
        good = [(row, image.pixels_HWC) for row, image in batch if image.pixels_HWC is not None]
        bad += [Quarantined(examples.names[row], image.reason or "") for row, image in batch if image.pixels_HWC is None]
        rows += [row for row, _ in good]
        facts += [image.facts for _, image in batch if image.pixels_HWC is not None and image.facts is not None]
        if good:
            pixels_NHWC = np.stack([pixels_HWC for _, pixels_HWC in good])
            logits_NK, flags_N = _outputs(model, pixels_NHWC, crops)
            logits.append(logits_NK)
            flags += [] if flags_N is None else [flags_N]
        report(batch[-1][0] + 1, len(examples))
    if not rows:
        raise DataError(f"none of the {len(examples)} images of {data.path} can be decoded; `striate data` says why.")
    labels_N = _mapped(examples.labels_N[rows], mapped_K, len(model.classes))
    all_flags_N, hash_N = np.concatenate(flags) if flags else None, np.array([each.pixel_hash for each in facts], np.uint64)
    copies, logits_NK = small_copies.of_facts(facts), np.concatenate(logits)
    return LabeledLogits(data.path, labels_N, logits_NK, tuple(bad), hash_N, flags_N=all_flags_N, copies=copies)


def _outputs(
    model: Model | OnnxModel, pixels_NHWC: NDArray[np.uint8], crops: int
) -> tuple[NDArray[np.float32], NDArray[np.bool_] | None]:
    """Logits, and which images are unknown; None of several crops, and where the model cannot tell."""
    if isinstance(model, OnnxModel):
        outputs = model.predict_pixels(pixels_NHWC)
        return outputs.logits, outputs.unknown
    if crops != 1 or model.unknown_inputs is None:
        return model.logits(pixels_NHWC, crops), None
    logits_NK, embeddings_ND = model.logits_and_embeddings(pixels_NHWC)
    return logits_NK, model.unknown_inputs.flags(embeddings_ND)
