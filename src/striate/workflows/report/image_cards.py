"""The images that are misclassified or barely correct: evidence for the prediction, and nearest training images.

Legend: N images, M rows, B training images that are compared with, D features, H x W pixels, C channels.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from striate.base.errors import UnsupportedError
from striate.base.events import Json
from striate.interpret import attribution, faithfulness, nearest_images
from striate.interpret.faithfulness import FaithfulnessTest
from striate.metrics.misclassified import ImagePrediction
from striate.model import Model
from striate.plots.interpret import heatmap as drawing
from striate.training.inference import Predictions
from striate.workflows.inspect.model_on_data import Bank, ModelOnDataset, nearest
from striate.workflows.report import page

SHARES = 6  # of an image that are removed one after the other, where a map is tested
NEAR = 5  # neighbors of each
PASSES = (SHARES + 1) * (2 * faithfulness.SHIFTS + 2 + faithfulness.ORDERS)
_NAMES: Mapping[str, str] = {"gradcam": "Grad-CAM", "occlusion": "Occlusion"}


def cards(
    model_on_data: ModelOnDataset,
    predictions: Predictions,
    answers: Sequence[ImagePrediction],
    train_bank: Bank,
    tested: int,
) -> tuple[list[Json], list[Json]]:
    """For each answer what the JSON says of it, and its figures."""
    examples, classes = model_on_data.dataset.examples, model_on_data.dataset.examples.classes
    rows = model_on_data.rows_of(predictions.ids_N[np.array([answer.row for answer in answers], np.int64)])
    answers = [answer for answer, row in zip(answers, rows.tolist(), strict=True) if row >= 0]
    rows_M = rows[rows >= 0]
    if not answers:
        return [], []
    batches = list(model_on_data.batches(rows_M, "looking at mistakes"))
    images_MCHW = torch.cat([batch.images_NCHW for batch in batches])
    features_MD = nearest_images.penultimate(model_on_data.model.net, batches)
    near = nearest(train_bank, features_MD, rows_M, NEAR)
    heats = _heats(model_on_data.model, images_MCHW, [answer.predicted for answer in answers], tested)
    pixels = model_on_data.dataset.stored.pixels_NHWC
    facts, images = [], []
    for at, answer in enumerate(answers):
        image_HWC = pixels[rows_M[at : at + 1]][0]
        near_k = train_bank.rows_B[near.rows_Qk[at]]
        vote = nearest_images.vote(examples.labels_N[near_k], answer.label)
        facts.append(
            {
                "path": examples.names[int(rows_M[at])], "true": classes[answer.label],
                "predicted": classes[answer.predicted], "probability": answer.probability,
                "true_probability": answer.true_probability, "margin": answer.margin, "heat": heats.verdicts[at],
                "neighbors": [
                    {"path": examples.names[int(row)], "class": classes[examples.labels_N[row]],
                     "cosine_similarity": float(cosine)}
                    for row, cosine in zip(near_k, near.cosine_Qk[at], strict=True)
                ],
                "vote": {**vote._asdict(), "other": None if vote.other is None else classes[vote.other],
                         "sentence": _describe_vote(vote, len(near_k), classes, classes[answer.label])},
            }
        )  # fmt: skip
        images.append(
            {
                "image": page.data_uri(image_HWC), "kind": page.kind_of(image_HWC),
                "heat": None if heats.maps_MHW is None else page.data_uri(drawing.overlay(image_HWC, heats.maps_MHW[at])),
                "neighbors": [page.data_uri(one_HWC) for one_HWC in pixels[near_k]],
            }
        )  # fmt: skip
    return facts, images


def _describe_vote(vote: nearest_images.Vote, near: int, classes: Sequence[str], given: str) -> str:
    if vote.against and vote.other is not None:
        return (
            f"Of its {near} neighbors {vote.others} are {classes[vote.other]}, {vote.given or 'none'} {given}: evidence "
            "against the true label."
        )
    many = f"all {near} of its" if vote.given == near else f"{vote.given or 'none'} of its {near}"
    return f"{many[0].upper()}{many[1:]} neighbors are {given}: no evidence against the true label."


class _Heats(NamedTuple):
    """Heat for each image, M x H x W, None for a network that no method applies to; and what is said of each."""

    maps_MHW: NDArray[np.float32] | None
    verdicts: Sequence[Json | None]


def _heats(model: Model, images_MCHW: torch.Tensor, targets: Sequence[int], tested: int) -> _Heats:
    """Grad-CAM, or where there are no maps to weigh occlusion; the first `tested` are put to the tests of faithfulness."""
    for method in ("gradcam", "occlusion"):
        try:
            parts = [
                attribution.explain(model.net, images_MCHW[rows], method, target=list(targets[rows]), test=test)
                for rows, test in ((slice(0, tested), FaithfulnessTest(steps=SHARES)), (slice(tested, None), None))
                if len(targets[rows])
            ]
        except UnsupportedError:
            continue
        maps_MHW = np.concatenate([part.heat_NHW.float().cpu().numpy() for part in parts])
        verdicts = [_describe_map(part, n) for part in parts for n in range(len(part.targets))]
        return _Heats(maps_MHW, verdicts)
    return _Heats(None, [None] * len(targets))


def _describe_map(explanation: attribution.Explanation, n: int) -> Json:
    """The verdict on the map of the n-th image, in values and in a sentence."""
    by = _NAMES[explanation.method] if explanation.layer is None else f"{_NAMES[explanation.method]} at {explanation.layer}"
    about: Json = {"method": explanation.method, "layer": explanation.layer, "faithful": None}
    if not explanation.faithfulness:
        return {**about, "sentence": f"{by}, not tested: that takes hundreds of passes of a network of this size."}
    test = explanation.faithfulness[n]
    about |= {"faithful": test.faithful, "reason": test.reason}
    about |= {
        name: getattr(test, name) for name in ("gain", "deletion_area", "shifted_deletion_area", "p_value", "rank_correlation")
    }
    if test.faithful:
        return {
            **about, "sentence": f"{by}: without what it marks the probability is {test.gain:.2f} lower than "
            f"with a shifted control (p = {test.p_value:.2f}).",
        }  # fmt: skip
    return {**about, "sentence": f"{by} is not faithful here, and is grayed: {_short(test)}."}


def _short(test: faithfulness.Faithfulness) -> str:
    """Why a map is not faithful, without the numbers, which the JSON has."""
    return test.reason.removeprefix("not faithful: ").partition(" (")[0]
