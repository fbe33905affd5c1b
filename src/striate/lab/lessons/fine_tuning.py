"""Three ways to reuse a network: features and a support vector machine, a new last layer, or all weights trained further.

Sources: Razavian et al. 2014; Yosinski et al. 2014, section 3; Girshick et al. 2014, section 2.3.
"""

from typing import TYPE_CHECKING

import numpy as np

from striate.lab import digit_transfer as transfer
from striate.lab.controls import Choice, Slider, Values
from striate.lab.exercises import ChoiceExercise, NumberExercise
from striate.lab.pixels import mosaic
from striate.lab.texts import Texts
from striate.lab.views import Again, Bars, Image, Lines, Mark, Points, Sentence, Series, Table, View

if TYPE_CHECKING:
    from striate.lab.digit_transfer import Features, Retraining, Score

WAYS = ("extract", "adapt", "retrain")
COUNTS = (1, 2, 3, 5, 8, 12, 20, 30)
READ = (*transfer.LAYERS, "pixels")
CONTROLS = (
    Choice("way", WAYS, "extract"),
    Slider("images", 1, transfer.MOST_IMAGES, 1, 5),
    Choice("layer", READ, transfer.HEAD_INPUT),
)
EXERCISES = (
    NumberExercise("weights", lambda: transfer.adapt(1).trained),
    ChoiceExercise("layer", ("conv1", "conv4_2", "pool4"), lambda: _best_layer(("conv1", "conv4_2", "pool4"))),
    ChoiceExercise("unlike", ("few", "unlike", "size"), lambda: "unlike"),
)
_DIGITS = 6  # as many as there are colors
_STEPS_AT_ONCE = 2
_AGAIN_MS = 20


def views(values: Values, say: Texts) -> list[View]:
    """How accurate each way is on held-out scans, for so many images per class, and the features as points of a plane."""
    count, layer = values["images"], values["layer"]
    training = transfer.retraining(count) if values["way"] == "retrain" else None
    if training is not None:
        training.go_on(_STEPS_AT_ONCE)
    scores: dict[str, Score | None] = {"extract": transfer.extract(layer, count), "adapt": transfer.adapt(count)}
    scores["retrain"] = training.score if training is not None else None
    retrained = training is not None and training.done
    features = training.features if training is not None and retrained else transfer.features()
    shown_views: list[View] = [
        Sentence("result", _sentence(values, scores[values["way"]], training, say)),
        *_scores(scores, values, say),
        _curve(scores, values, say),
        _plane(features, layer, say(f"said.{'retrained' if retrained else 'frozen'}", layer=_name(layer, say)), say),
        Image("scans", _scans(count), say("said.scans", count=count, all=10 * count), caption=say("said.scans", count=count,
              all=10 * count)),
    ]  # fmt: skip
    return [*shown_views, Again(_AGAIN_MS)] if training is not None and not training.done else shown_views


def _sentence(values: Values, score: "Score | None", training: "Retraining | None", say: Texts) -> str:
    if score is None:
        assert training is not None
        done = training.step // training.epoch_steps
        return say("said.running", epoch=min(done + 1, transfer.EPOCHS), epochs=transfer.EPOCHS, all=10 * values["images"])
    right = round(score.accuracy.value * score.accuracy.n)
    return say(
        f"said.{values['way']}", count=values["images"], layer=_name(values["layer"], say), trained=f"{score.trained:,}",
        right=right, n=score.accuracy.n, accuracy=f"{100 * score.accuracy.value:.1f}",
    )  # fmt: skip


def _scores(scores: "dict[str, Score | None]", values: Values, say: Texts) -> list[View]:
    names = [say(f"options.way.{way}") for way in WAYS]
    rows: list[tuple[str, str, str, str]] = []
    for name, score in zip(names, scores.values(), strict=True):
        if score is None:
            rows.append((name, "–", "–", say("said.not_yet")))
            continue
        share = score.accuracy
        interval = f"{100 * share.low:.1f} – {100 * share.high:.1f} %"
        rows.append((name, f"{score.trained:,}", f"{100 * share.value:.1f} %", interval))
    columns = [say(f"said.{column}") for column in ("way", "trained", "accuracy", "interval")]
    short = [say(f"said.short_{way}") for way in WAYS]
    bars = [score.accuracy.value if score is not None else 0.0 for score in scores.values()]
    return [
        Table("ways", columns, rows, say("said.read", layer=_name(values["layer"], say))),
        Bars("accuracy", short, [Series(say("said.accuracy"), (), bars)], say("said.accuracy"), (0.0, 1.0)),
    ]


def _curve(scores: "dict[str, Score | None]", values: Values, say: Texts) -> View:
    """The accuracy by the number of images: of the layer that is chosen, and of a classifier on the pixels."""
    lines = [
        Series(_name(layer, say), COUNTS, [transfer.extract(layer, count).accuracy.value for count in COUNTS], role, role == 6)
        for layer, role in ((values["layer"], 1), ("pixels", 6))
        if role == 1 or values["layer"] != "pixels"
    ]
    score = scores[values["way"]]
    label = say(f"said.short_{values['way']}")
    marks = [] if score is None else [Mark(values["images"], score.accuracy.value, f"{label} {score.accuracy.value:.1%}", 2)]
    return Lines(
        "curve", lines, say("said.images"), say("said.accuracy"), marks, (0, transfer.MOST_IMAGES), (0, 1), move=("images",)
    )


def _plane(features: "Features", layer: str, caption: str, say: Texts) -> View:
    """Held-out scans of the first digits by the two principal components of their features."""
    from striate.interpret.projection import principal

    labels_N = transfer.chosen().labels_N[: transfer.HELD_OUT]
    shown_N = np.flatnonzero(labels_N < _DIGITS)
    points_N2 = principal(features[layer][: transfer.HELD_OUT][shown_N]).points_N2
    clouds = []
    for digit in range(_DIGITS):
        points_M2 = points_N2[labels_N[shown_N] == digit]
        clouds.append(Series(str(digit), points_M2[:, 0], points_M2[:, 1], digit + 1))
    return Points("plane", clouds, say("said.component", number=1), say("said.component", number=2), caption=caption)


def _scans(per_class: int) -> "np.ndarray[tuple[int, ...], np.dtype[np.uint8]]":
    """All that can be learned from, a row for each digit; those that are not used are dark."""
    levels_NHW = transfer.chosen().levels_NHW[transfer.HELD_OUT :].copy()
    levels_NHW[np.arange(len(levels_NHW)) % transfer.MOST_IMAGES >= per_class] //= 5
    return mosaic(levels_NHW, transfer.MOST_IMAGES)


def _name(layer: str, say: Texts) -> str:
    return say(f"options.layer.{layer}")


def _best_layer(layers: tuple[str, ...]) -> str:
    return max(layers, key=lambda layer: transfer.extract(layer, transfer.MOST_IMAGES).accuracy.value)
