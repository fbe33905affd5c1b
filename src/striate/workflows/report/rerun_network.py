"""What a report shows of a run by asking its network again: mistakes and their neighbors, features, filters.

The test images are not asked for another score; of them only those that were misclassified, or barely correct, are used.

Legend: N images, M rows, H x W pixels, C channels.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from striate.base.events import Json, progress
from striate.interpret import filter_health, projection
from striate.metrics import misclassified
from striate.metrics.intervals import wilson
from striate.model import Model
from striate.training.inference import Predictions
from striate.workflows.inspect.filter_health import first_kernels
from striate.workflows.inspect.model_on_data import BUDGET, ModelOnDataset, affordable, bank_and_logits, macs, sample
from striate.workflows.report import image_cards, label_doubts
from striate.workflows.report.run_facts import ReportFacts

SHOWN = 12  # mistakes of each kind
FROZEN = ("extract", "adapt")  # strategies that change the last layer alone
_POINTS = 500
PARTS = 7  # of a report, for its progress: facts, features, mistakes, uncertain ones, planes, filters, the page


def add_network_results(
    facts: ReportFacts,
    figures: Json,
    model_on_data: ModelOnDataset,
    predictions: Predictions,
    part: str,
    val: Predictions | None,
) -> None:
    """Run the network of a run on its images again: mistakes of `predictions`, of the images of `part`, and what it learned."""
    model, dataset = model_on_data.model, model_on_data.dataset
    report = progress(model_on_data.watch, "page")
    facts.unknown = None if model.unknown_inputs is None else model.unknown_inputs.as_json()
    report(1, PARTS)  # what was written down is read
    train_bank, logits_BK = bank_and_logits(model_on_data)
    facts.train = _train_accuracy(logits_BK, dataset.examples.labels_N[train_bank.rows_B])
    other = label_doubts.other_bank(dataset, train_bank.rows_B)
    wrong = misclassified.wrong(predictions.logits_NK, predictions.labels_N, SHOWN)
    unsure = misclassified.uncertain(predictions.logits_NK, predictions.labels_N, 2 * SHOWN)
    unsure = [answer for answer in unsure if answer.row not in {mistake.row for mistake in wrong}][:SHOWN]
    tested = int(BUDGET / 4 / max(1, macs(model.net)) / image_cards.PASSES)
    report(2, PARTS)
    facts.mistakes = image_cards.cards(model_on_data, predictions, wrong, (train_bank, other), tested)
    report(3, PARTS)
    facts.uncertain = image_cards.cards(model_on_data, predictions, unsure, (train_bank, other), max(0, tested - len(wrong)))
    report(4, PARTS)
    less = "" if len(train_bank.rows_B) == len(dataset.parts.train_M) else f"{len(train_bank.rows_B):,} of the "
    facts.mistakes_note = (
        f"Of the {len(predictions.labels_N):,} {part} images. Beside each image is the evidence for the prediction; below it "
        f"are the training images that look most like it to the network, among {less}{len(dataset.parts.train_M):,}, "
        "with their label and the cosine of the angle between their features."
    )
    facts.plane, figures["plane"] = _plane(model_on_data, val, train_bank.rows_B, train_bank.features_BD)
    report(5, PARTS)
    add_filters(facts, figures, model_on_data)


def add_filters(facts: ReportFacts, figures: Json, model_on_data: ModelOnDataset) -> None:
    """The state of the filters of a run's network, on validation images."""
    model, dataset = model_on_data.model, model_on_data.dataset
    if model.training.get("strategy") in FROZEN:
        facts.filters_note = (
            "The filters are those of the pretrained weights, which this training has not changed: they are not judged here; "
            "`striate inspect` does that."
        )
        return
    rows_M = sample(dataset, dataset.parts.val_M, affordable(model.net))
    layers = filter_health.examine(model.net, model_on_data.batches(rows_M, "looking at filters") if len(rows_M) else ())
    facts.filters = layers
    facts.filters_note = (
        f"Judged on {len(rows_M):,} validation images: blank, dead, duplicate, nearly dead, noisy or healthy, the first that "
        "applies; `striate inspect` has the number behind each."
        if len(rows_M)
        else "Judged by their weights alone, since there is no validation image."
    )
    figures["kernels"] = _kernels(model, layers)
    progress(model_on_data.watch, "page")(6, PARTS)


def _train_accuracy(logits_BK: NDArray[np.float32], labels_B: NDArray[np.int64]) -> Json | None:
    """The accuracy on training images, as the model is used."""
    return wilson(int((logits_BK.argmax(axis=1) == labels_B).sum()), len(labels_B))._asdict() if len(labels_B) else None


def _plane(
    model_on_data: ModelOnDataset, val: Predictions | None, bank_B: NDArray[np.int64], bank_BD: NDArray[np.float32]
) -> tuple[Json | None, list[str]]:
    """Validation images among training images, by principal components and by t-SNE."""
    from striate.workflows.report import plots

    classes, labels_N = model_on_data.dataset.examples.classes, model_on_data.dataset.examples.labels_N
    rows_V, wrong_V = np.empty(0, np.int64), np.empty(0, bool)
    if val is not None:
        rows_V = model_on_data.rows_of(val.ids_N)
        wrong_V = (val.logits_NK.argmax(axis=1) != val.labels_N)[rows_V >= 0]
        rows_V = rows_V[rows_V >= 0]
    chosen_V = np.isin(rows_V, sample(model_on_data.dataset, rows_V, _POINTS // 2))
    rows_V, wrong_V = rows_V[chosen_V], wrong_V[chosen_V]
    chosen_B = np.isin(bank_B, sample(model_on_data.dataset, bank_B, _POINTS - len(rows_V)))
    features = [bank_BD[chosen_B]]
    if len(rows_V):
        features.append(model_on_data.head_inputs(rows_V, "looking at features"))
    features_PD = np.concatenate(features)
    if len(features_PD) < 5 or not np.isfinite(features_PD).all():
        return None, []
    rows_P = np.concatenate([bank_B[chosen_B], rows_V])
    faint_P = np.arange(len(rows_P)) < int(chosen_B.sum())
    wrong_P = np.concatenate([np.zeros(int(chosen_B.sum()), bool), wrong_V])
    flat, near = projection.principal(features_PD), projection.tsne(features_PD)
    assert flat.shares_2 is not None
    names = tuple(f"component {n + 1}, {share:.0%} of the variance" for n, share in enumerate(flat.shares_2))
    images = plots.PlottedImages(labels_N[rows_P], classes, wrong_P, faint_P)
    drawn = [
        plots.plane(flat.points_N2, images, "Principal components", (names[0], names[1]), "pca"),
        plots.plane(near.points_N2, images, "t-SNE", ("no unit: near is alike", "no unit"), "tsne"),
    ]
    alternative = (
        f"Each point is an image by the {features_PD.shape[1]:,} numbers that the last layer is given: {int(faint_P.sum()):,} "
        f"training images, small, and {len(rows_V):,} validation images, large. Classes that lie apart are easy; a ring in "
        "another class's cloud is a mistake worth looking at."
    )
    points = {
        "paths": [model_on_data.dataset.examples.names[row] for row in rows_P.tolist()],
        "classes": [classes[k] for k in labels_N[rows_P].tolist()],
        "parts": ["train" if faint else "val" for faint in faint_P], "wrong": wrong_P.tolist(),
        "principal": np.round(flat.points_N2, 4).tolist(), "shares": list(flat.shares_2),
        "tsne": np.round(near.points_N2, 3).tolist(), "perplexity": near.perplexity,
    }  # fmt: skip
    return {"sentence": alternative, **points}, drawn


def _kernels(model: Model, layers: Sequence[filter_health.Layer]) -> str | None:
    """The first layer's filters as a figure; None where these are no figures."""
    from striate.plots import save_figure
    from striate.plots.interpret import first_layer_filters

    weights = first_kernels(model)
    if weights is None:
        return None
    with save_figure.for_page():
        drawn = first_layer_filters.figure(layers[0].name, weights, [one.verdict for one in layers[0].filters])
        counts = {verdict: layers[0].count(verdict) for verdict in filter_health.VERDICTS if layers[0].count(verdict)}
        counts_text = ", ".join(f"{n} {verdict}" for verdict, n in counts.items())
        return save_figure.inline(drawn, "kernels", f"The {len(weights)} filters of {layers[0].name} as images: {counts_text}.")
