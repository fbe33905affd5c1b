"""The images that are misclassified or barely correct: evidence for the prediction, and nearest training images.

Legend: N images, M rows, B training images that are compared with, D features, H x W pixels, C channels.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from striate.base.errors import UnsupportedError
from striate.base.events import Json
from striate.base.phrases import layers
from striate.data.on_the_fly import PixelRows
from striate.interpret import attribution, faithfulness, nearest_images
from striate.interpret.faithfulness import Faithfulness, FaithfulnessTest
from striate.metrics.misclassified import ImagePrediction
from striate.plots.interpret import heatmap as drawing
from striate.training.inference import Predictions
from striate.workflows.inspect.model_on_data import Bank, ModelOnDataset, Neighbor, nearest, neighbors
from striate.workflows.report import label_doubts, page

SHARES = 6  # of an image that are removed one after the other, where a map is tested
NEAR = 5  # neighbors of each
PASSES = (SHARES + 1) * (2 * faithfulness.SHIFTS + 2 + faithfulness.ORDERS)
_NAMES: Mapping[str, str] = {"gradcam": "Grad-CAM", "occlusion": "Occlusion"}


@dataclass(frozen=True)
class JudgedMap:
    """The verdict on a map of the evidence."""

    method: str
    layer: str | None
    test: Faithfulness | None  # None where it was not tested

    def sentence(self) -> str:
        """The method, and whether the map is faithful."""
        by = _NAMES[self.method] if self.layer is None else f"{_NAMES[self.method]} at {layers(self.layer)}"
        if self.test is None:
            return f"{by}, not tested: that takes hundreds of passes of a network of this size."
        if not self.test.faithful:  # without the numbers, which the JSON has
            reason = self.test.reason.removeprefix("not faithful: ").partition(" (")[0]
            return f"{by} is not faithful here, and is grayed: {reason}."
        return (
            f"{by}: without what it marks the probability is {self.test.gain:.2f} lower than "
            f"with a shifted control (p = {self.test.p_value:.2f})."
        )

    def as_json(self) -> Json:
        """For report.json."""
        names = ("faithful", "reason", "gain", "deletion_area", "shifted_deletion_area", "p_value", "rank_correlation")
        numbers = {"faithful": None} if self.test is None else {name: getattr(self.test, name) for name in names}
        return {"method": self.method, "layer": self.layer, **numbers, "sentence": self.sentence()}


@dataclass(frozen=True)
class Card:
    """An image with its prediction, the evidence for it, and the nearest training images."""

    path: str
    classes: Sequence[str]
    answer: ImagePrediction
    heat: JudgedMap | None  # None for a network that no method applies to
    neighbors: tuple[Neighbor, ...]
    vote: nearest_images.Vote  # of the neighbors
    doubted: bool  # whether other features than the network's contradict the label too
    drawn: Json  # for the page: the image, its map and its neighbors

    def as_json(self) -> Json:
        """For report.json, without what is drawn."""
        answer, vote = self.answer, self.vote
        other = None if vote.other is None else self.classes[vote.other]
        return {
            "path": self.path, "true": self.classes[answer.label], "predicted": self.classes[answer.predicted],
            "probability": answer.probability, "true_probability": answer.true_probability, "margin": answer.margin,
            "heat": None if self.heat is None else self.heat.as_json(),
            "neighbors": [neighbor.as_json() for neighbor in self.neighbors],
            "vote": {**vote._asdict(), "other": other, "against": self.doubted, "sentence": self._vote_sentence(other)},
        }  # fmt: skip

    def _vote_sentence(self, other: str | None) -> str:
        vote, near, given = self.vote, len(self.neighbors), self.classes[self.answer.label]
        if vote.against and other is not None:
            text = f"Of its {near} neighbors {vote.others} are {other}, {vote.given or 'none'} {given}"
            if self.doubted:
                return f"{text}, and by histograms of gradients most are {other} too: evidence against the true label."
            return f"{text}, by the features that made the network choose {self.classes[self.answer.predicted]}."
        many = f"all {near} of its" if vote.given == near else f"{vote.given or 'none'} of its {near}"
        return f"{many[0].upper()}{many[1:]} neighbors are {given}: no evidence against the true label."


def cards(
    model_on_data: ModelOnDataset, predictions: Predictions, answers: Sequence[ImagePrediction],
    banks: tuple[Bank, Bank | None], tested: int,
) -> list[Card]:  # fmt: skip
    """A card for each answer whose image is still there; the maps of the first `tested` are tested.

    `banks` are the training images by the network's features, and by others, None where no others tell the classes apart.
    """
    train_bank, other_bank = banks
    dataset = model_on_data.dataset
    rows = model_on_data.rows_of(predictions.ids_N[np.array([answer.row for answer in answers], np.int64)])
    answers = [answer for answer, row in zip(answers, rows.tolist(), strict=True) if row >= 0]
    rows_M = rows[rows >= 0]
    if not answers:
        return []
    images_MCHW = torch.cat([batch.images_NCHW for batch in model_on_data.batches(rows_M, "looking at mistakes")])
    near = nearest(train_bank, model_on_data.head_inputs(rows_M, "looking at mistakes"), rows_M, NEAR)
    others = label_doubts.votes(dataset, other_bank, rows_M)
    heats = _heats(model_on_data, images_MCHW, [answer.predicted for answer in answers], tested)
    complete_cards = []
    for m, (answer, row) in enumerate(zip(answers, rows_M.tolist(), strict=True)):
        near_k = train_bank.rows_B[near.rows_Qk[m]]
        vote = nearest_images.vote(dataset.examples.labels_N[near_k], answer.label)
        drawn = _drawn(dataset.stored.pixels_NHWC, row, None if heats.maps_MHW is None else heats.maps_MHW[m], near_k)
        similar = neighbors(dataset, near_k, near.cosine_Qk[m])
        path, classes = dataset.examples.names[row], dataset.examples.classes
        doubted = label_doubts.is_doubted(vote, others[m])
        complete_cards.append(Card(path, classes, answer, heats.verdicts[m], similar, vote, doubted, drawn))
    return complete_cards


def _drawn(pixels: PixelRows, row: int, heat_HW: NDArray[np.float32] | None, near_k: NDArray[np.int64]) -> Json:
    image_HWC = pixels[np.array([row])][0]
    return {
        "image": page.data_uri(image_HWC), "kind": page.kind_of(image_HWC),
        "heat": None if heat_HW is None else page.data_uri(drawing.overlay(image_HWC, heat_HW)),
        "neighbors": [page.data_uri(near_HWC) for near_HWC in pixels[near_k]],
    }  # fmt: skip


class _Heats(NamedTuple):
    """Heat for each image, M x H x W, None for a network that no method applies to; and the verdict on each."""

    maps_MHW: NDArray[np.float32] | None
    verdicts: Sequence[JudgedMap | None]


def _heats(model_on_data: ModelOnDataset, images_MCHW: torch.Tensor, targets: Sequence[int], tested: int) -> _Heats:
    """Grad-CAM, or where there are no maps to weigh occlusion; the first `tested` are put to the tests of faithfulness."""
    net, watch = model_on_data.model.net, model_on_data.watch
    for method in ("gradcam", "occlusion"):
        try:
            parts = [
                attribution.explain(net, images_MCHW[rows], method, target=list(targets[rows]), test=test, watch=watch)
                for rows, test in ((slice(0, tested), FaithfulnessTest(steps=SHARES)), (slice(tested, None), None))
                if len(targets[rows])
            ]
        except UnsupportedError:
            continue
        maps_MHW = np.concatenate([part.heat_NHW.float().cpu().numpy() for part in parts])
        tests = [test for part in parts for test in part.faithfulness or [None] * len(part.targets)]
        return _Heats(maps_MHW, [JudgedMap(method, parts[0].layer, test) for test in tests])
    return _Heats(None, [None] * len(targets))
