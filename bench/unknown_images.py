"""Which distance tells images of no class of the training set best: Mahalanobis, nearest neighbors, or the energy of logits?

Networks are trained on some classes and shown images of others. Digits: `mnist_cnn` on 0 to 4 of MNIST, shown 5 to 9, letters,
clothes (where Fashion-MNIST is at hand), parts of photographs in gray, and noise. Materials: a classifier on features of
EfficientNet-Lite0 for TrashNet, shown CIFAR-10, digits, noise, and each material by a classifier of the others, three splits.
The threshold is exceeded by 5 % of held-out images of the known classes; AUROC is the chance that an unknown image has a larger
distance than a known test image. Needs `$STRIATE_DATA`; about ten minutes.

    python bench/unknown_images.py [digits] [materials]
"""

import argparse
import os
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from matplotlib import font_manager
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont
from sklearn.covariance import ledoit_wolf_shrinkage
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import striate
from striate.base.config import build
from striate.data import cifar10, decode, mnist_idx, sources
from striate.data.decode import InputSpec
from striate.data.examples import Part
from striate.metrics import unknown_inputs
from striate.metrics.unknown_inputs import FeatureStatistics
from striate.nets.eval_mode import evaluating
from striate.nets.feature_layer import features
from striate.nets.hooks import taps
from striate.workflows.finetune.start import BEST, READINGS, at_size

Values = NDArray[np.float64]
DATA = Path(os.environ.get("STRIATE_DATA", ""))
RATE = 0.05
EACH = 1000  # images of each kind of unknown
SPLITS = 3


class Seen(NamedTuple):
    """What a network makes of images: features by layer, and logits."""

    layers: dict[str, NDArray[np.float32]]
    logits_NK: NDArray[np.float32]

    def of(self, layer: str, rows: NDArray[np.int64] | slice = slice(None)) -> "Given":
        return Given(self.layers[layer][rows].astype(np.float64), self.logits_NK[rows].astype(np.float64))


class Given(NamedTuple):
    """The same of one layer."""

    features_ND: Values
    logits_NK: Values


Score = Callable[[Given], Values]
Fit = Callable[[Values, NDArray[np.int64]], Score]


def _centers(train_ND: Values, labels_N: NDArray[np.int64]) -> Values:
    return np.stack([train_ND[labels_N == k].mean(axis=0) for k in range(labels_N.max() + 1)])


def _distances2(a_NR: Values, b_MR: Values) -> Values:
    return np.maximum(0, (a_NR**2).sum(axis=1)[:, None] - 2 * a_NR @ b_MR.T + (b_MR**2).sum(axis=1))


def _shrunk(centers_KD: Values, residuals_ND: Values) -> FeatureStatistics:
    """With the Ledoit-Wolf estimate of the covariance of the residuals, along all axes."""
    shrinkage = ledoit_wolf_shrinkage(residuals_ND, assume_centered=True)
    _, sizes_R, axes_RD = np.linalg.svd(residuals_ND, full_matrices=False)
    variances_R = sizes_R**2 / len(residuals_ND)
    rest = shrinkage * variances_R.sum() / residuals_ND.shape[1]
    return FeatureStatistics(centers_KD, axes_RD, (1 - shrinkage) * variances_R + rest, float(rest))


def mahalanobis(train_ND: Values, labels_N: NDArray[np.int64]) -> Score:
    centers_KD = _centers(train_ND, labels_N)
    statistics = _shrunk(centers_KD, train_ND - centers_KD[labels_N])
    return lambda given: statistics.mahalanobis(given.features_ND)


def relative_mahalanobis(train_ND: Values, labels_N: NDArray[np.int64]) -> Score:
    own, mean_1D = mahalanobis(train_ND, labels_N), train_ND.mean(axis=0, keepdims=True)
    whole = _shrunk(mean_1D, train_ND - mean_1D)
    return lambda given: own(given) - whole.mahalanobis(given.features_ND)


def main_axes(train_ND: Values, labels_N: NDArray[np.int64]) -> Score:
    """What striate does: lengths do not count; the largest axes of the residuals one by one, one variance across them."""
    statistics = unknown_inputs.fit(train_ND, labels_N)
    assert statistics is not None
    return lambda given: statistics.distances(given.features_ND)


def _unit(values_ND: Values) -> Values:
    return values_ND / np.maximum(np.linalg.norm(values_ND, axis=1, keepdims=True), 1e-12)


def neighbors(k: int, standardize: bool = False) -> Fit:
    def fitted(train_ND: Values, _labels_N: NDArray[np.int64]) -> Score:
        mean_D, std_D = (train_ND.mean(axis=0), train_ND.std(axis=0) + 1e-9) if standardize else (0.0, 1.0)

        def unit(values_ND: Values) -> Values:
            return _unit((values_ND - mean_D) / std_D)

        bank_ND = unit(train_ND)
        return lambda given: np.partition(_distances2(unit(given.features_ND), bank_ND), k - 1, axis=1)[:, k - 1]

    return fitted


def energy(_train_ND: Values, _labels_N: NDArray[np.int64]) -> Score:
    return lambda given: -np.logaddexp.reduce(given.logits_NK, axis=1)


def least_probable(_train_ND: Values, _labels_N: NDArray[np.int64]) -> Score:
    return lambda given: np.logaddexp.reduce(given.logits_NK, axis=1) - given.logits_NK.max(axis=1)


METHODS: Mapping[str, Fit] = {
    "Mahalanobis": mahalanobis, "Mahalanobis, length 1, main axes": main_axes,
    "relative Mahalanobis": relative_mahalanobis, "1st neighbor": neighbors(1), "5th neighbor": neighbors(5),
    "5th neighbor, standardized": neighbors(5, standardize=True), "energy": energy, "1 - probability": least_probable,
}  # fmt: skip


def auroc(known_N: Values, unknown_M: Values) -> float:
    """The chance that an unknown image has the larger score; ties count half."""
    ordered = np.sort(known_N)
    below, up_to = np.searchsorted(ordered, unknown_M), np.searchsorted(ordered, unknown_M, side="right")
    return float((below + up_to).mean() / 2 / len(ordered))


def threshold(scores_V: Values) -> float:
    rank = int(np.ceil((len(scores_V) + 1) * (1 - RATE)))
    return float(np.sort(scores_V)[min(rank, len(scores_V)) - 1])


class Known(NamedTuple):
    """A network's known images: what it was trained on, held-out images, test images."""

    train: Seen
    labels_N: NDArray[np.int64]
    val: Seen
    test: Seen


def rows(known: Known, unknowns: Mapping[str, Seen], layer: str) -> list[tuple[str, list[float]]]:
    """For each method the share of known test images flagged, then for each kind AUROC and the share flagged."""
    table = []
    for name, method in METHODS.items():
        score = method(known.train.of(layer).features_ND, known.labels_N)
        limit, test_N = threshold(score(known.val.of(layer))), score(known.test.of(layer))
        cells = [float((test_N > limit).mean())]
        for seen in unknowns.values():
            scores_M = score(seen.of(layer))
            cells += [auroc(test_N, scores_M), float((scores_M > limit).mean())]
        table.append((name, cells))
    return table


def show(title: str, names: list[str], table: list[tuple[str, list[float]]]) -> None:
    print(f"\n{title}\n\n| method | known flagged |", " | ".join(names), "|\n|---|---|" + "---|" * len(names))
    for name, cells in table:
        pairs = [f"{a:.3f}, {100 * d:.0f} %" for a, d in zip(cells[1::2], cells[2::2], strict=True)]
        print(f"| {name} | {100 * cells[0]:.1f} % |", " | ".join(pairs), "|", flush=True)


def letters(side: int, count: int) -> NDArray[np.uint8]:
    """Letters drawn white on black as strokes are: several fonts, turned, of several sizes; none that looks like a digit."""
    fonts = [font_manager.findfont(f"DejaVu {name}") for name in ("Sans", "Sans Mono", "Serif")]
    images, rng = [], np.random.default_rng(0)
    for _ in range(count):
        letter = "AEFHKMNPRTVWXY"[rng.integers(14)]
        big = Image.new("L", (4 * side, 4 * side))
        font = ImageFont.truetype(fonts[rng.integers(3)], int(rng.uniform(2.6, 3.4) * side))
        ImageDraw.Draw(big).text((2 * side, 2 * side), letter, 255, font, anchor="mm")
        turned = big.rotate(rng.uniform(-15, 15), Image.Resampling.BILINEAR)
        images.append(np.asarray(turned.resize((side, side), Image.Resampling.BOX)))
    return np.stack(images)


def mnist(train: bool) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    examples = mnist_idx.read(DATA / "mnist")
    chosen = np.flatnonzero(examples.parts_N == (Part.TRAIN if train else Part.TEST))
    return np.asarray(examples.pixels_NHWC)[chosen, ..., 0], examples.labels_N[chosen]


def photographs(count: int) -> NDArray[np.uint8]:
    return np.asarray(cifar10.read(DATA / "cifar10").pixels_NHWC)[:count]


def noise(shape: tuple[int, ...]) -> NDArray[np.uint8]:
    return np.random.default_rng(1).integers(0, 256, shape, np.uint8)


def see(net: torch.nn.Module, preprocess: object, pixels_NHWC: NDArray[np.uint8], layers: tuple[str | None, ...]) -> Seen:
    columns, logits = [[] for _ in layers], []
    with evaluating(net), torch.inference_mode(), taps(net, net.head_name) as outputs:
        for first in range(0, len(pixels_NHWC), 32):
            images = preprocess.images(torch.from_numpy(np.ascontiguousarray(pixels_NHWC[first : first + 32])))
            for column, values in zip(columns, features(net, images, layers), strict=True):
                column.append(values.flatten(1).numpy())
            logits.append(outputs[net.head_name].numpy())
    names = [layer or "head input" for layer in layers]
    return Seen(dict(zip(names, map(np.concatenate, columns), strict=True)), np.concatenate(logits))


def digits() -> None:
    """`mnist_cnn` on 4,000 images of 0 to 4."""
    pixels, labels = mnist(train=True)
    pixels, labels = pixels[labels < 5][:5000], labels[labels < 5][:5000]
    test, test_labels = mnist(train=False)
    with tempfile.TemporaryDirectory() as folder:
        striate.train(pixels[:4000], labels=labels[:4000], name="digits", out=folder, epochs=5, report=False)
        model = striate.load(Path(folder) / "digits")
    layers = (None, "pool1+pool2")

    def seen(pixels_NHW: NDArray[np.uint8]) -> Seen:
        return see(model.net, model.preprocess, pixels_NHW[..., None], layers)

    rows_T = np.flatnonzero(test_labels < 5)[:2000]
    known = Known(seen(pixels[:2000]), labels[:2000], seen(pixels[4000:]), seen(test[rows_T]))
    gray = photographs(EACH).mean(axis=3).astype(np.uint8)[:, 2:30, 2:30]
    kinds = {
        "5 to 9": test[test_labels >= 5][:EACH], "letters": letters(28, EACH), "photographs": gray,
        "noise": noise((EACH, 28, 28)),
    }  # fmt: skip
    if (DATA / "fashion-mnist").is_dir():
        kinds["clothes"] = mnist_idx.read(DATA / "fashion-mnist").pixels_NHWC[-EACH:, ..., 0]
    unknowns = {name: seen(images) for name, images in kinds.items()}
    for layer in known.train.layers:
        show(f"Digits, {layer}: AUROC, flagged", list(kinds), rows(known, unknowns, layer))


def materials() -> None:
    """A classifier of TrashNet's materials on features of EfficientNet-Lite0."""
    examples = sources.read(build({"data": {"path": str(DATA / "trashnet")}}).data)
    model, spec = at_size(striate.load(BEST), 288), InputSpec(288, 3, "squash", interpolation="bicubic")
    paths = [Path(str(examples.root)) / name for name in examples.names]
    pixels = np.stack([decode.square(decode.decode_image(path, spec.background), spec) for path in paths])

    def seen(pixels_NHWC: NDArray[np.uint8]) -> Seen:
        return see(model.net, model.preprocess, pixels_NHWC, (None, READINGS[BEST].layer))

    def enlarged(images: NDArray[np.uint8]) -> NDArray[np.uint8]:
        return np.stack([np.asarray(Image.fromarray(i).convert("RGB").resize((288, 288), 3)) for i in images])

    every = seen(pixels)
    far = {
        "CIFAR-10": seen(enlarged(photographs(200))), "digits": seen(enlarged(mnist(train=False)[0][:100])),
        "noise": seen(noise((50, 288, 288, 3))),
    }  # fmt: skip
    for layer in every.layers:
        tables = [_split(every, far, layer, examples.labels_N, seed) for seed in range(SPLITS)]
        names = [*far, "left out"]
        mean = [(name, list(np.mean([dict(t)[name] for t in tables], axis=0))) for name, _ in tables[0]]
        show(f"Materials, {'head input' if layer == 'head input' else '6 layers'}: AUROC, flagged", names, mean)


def _split(
    every: Seen, far: dict[str, Seen], layer: str, labels_N: NDArray[np.int64], seed: int
) -> list[tuple[str, list[float]]]:
    """One split: all classes against what is far, then each class left out, whose mean is the last pair of cells."""
    order = np.random.default_rng(seed).permutation(len(labels_N))
    parts = np.split(order, [int(0.7 * len(order)), int(0.85 * len(order))])
    result = dict(_fitted(every, far, layer, labels_N, parts))
    near = []
    for out in range(int(labels_N.max()) + 1):
        kept = [part[labels_N[part] != out] for part in parts]
        left_out = np.flatnonzero(labels_N == out)
        others_N = np.where(labels_N > out, labels_N - 1, labels_N)
        unknown = Seen({layer: every.layers[layer][left_out]}, every.logits_NK[left_out])
        near.append(_fitted(every, {"left out": unknown}, layer, others_N, kept))
    return [(name, [*cells, *np.mean([dict(t)[name][1:] for t in near], axis=0)]) for name, cells in result.items()]


def _fitted(
    every: Seen, unknowns: dict[str, Seen], layer: str, labels_N: NDArray[np.int64], parts: list[NDArray[np.int64]]
) -> list[tuple[str, list[float]]]:
    train_M, val_M, test_M = parts
    values_ND = every.layers[layer]
    head = make_pipeline(StandardScaler(), LogisticRegression(C=1 / values_ND.shape[1], max_iter=1000))
    head.fit(values_ND[train_M], labels_N[train_M])

    def with_logits(values_ND: NDArray[np.float32]) -> Seen:
        return Seen({layer: values_ND}, head.decision_function(values_ND))

    known = Known(
        with_logits(every.layers[layer][train_M]), labels_N[train_M],
        with_logits(every.layers[layer][val_M]), with_logits(every.layers[layer][test_M]),
    )  # fmt: skip
    return rows(known, {name: with_logits(seen.layers[layer]) for name, seen in unknowns.items()}, layer)


def main() -> None:
    parser = argparse.ArgumentParser(description="Which distance tells unknown images best.")
    parser.add_argument("parts", nargs="*", choices=["digits", "materials", []], help="both where none is named")
    chosen = parser.parse_args().parts
    for name, part in (("digits", digits), ("materials", materials)):
        if not chosen or name in chosen:
            part()


if __name__ == "__main__":
    main()
