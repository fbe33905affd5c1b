"""Images of one color each, features and logits that never change: all ends, or is refused by a sentence; all is finite."""

import dataclasses
import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

import striate
from striate.base.errors import DataError
from striate.interpret import nearest_images, projection
from striate.metrics import classification, reliability_diagram, temperature_scaling
from striate.training.transfer import feature_classifier, knn
from striate.training.transfer.feature_scaling_and_folds import LabeledFeatures

LABELS_N = np.arange(30) % 3
TINY = {"train": {"epochs": 1, "batch_size": 8}, "preprocess": {"size_px": 16}, "engine": {"workers": 1}}
NET = "conv 3x3x8, bn, relu, pool 2, fc"


def not_finite(value: Any, path: str = "") -> list[str]:
    """Where numbers in a result are not finite."""
    if isinstance(value, dict):
        return [wrong for name, inner in value.items() for wrong in not_finite(inner, f"{path}.{name}")]
    if isinstance(value, list | tuple):
        return [wrong for number, inner in enumerate(value) for wrong in not_finite(inner, f"{path}[{number}]")]
    return [path] if isinstance(value, float) and not math.isfinite(value) else []


@pytest.fixture(params=[0.0, 3.5], ids=["zeros", "equal"])
def features_ND(request: pytest.FixtureRequest) -> Any:
    return np.full((30, 8), request.param, np.float32)


@pytest.mark.parametrize("kind", ["svm", "logistic"])
@pytest.mark.parametrize("normalize", ["standardize", "l2"])
def test_a_classifier_of_equal_features_is_right_by_chance(kind: Any, normalize: Any, features_ND: Any):
    images = LabeledFeatures(features_ND, LABELS_N)
    fitted = feature_classifier.fit(images, images, 3, kind, normalize)
    assert np.isfinite(fitted.logits(features_ND)).all()
    assert {trial.accuracy for trial in fitted.tried} == {1 / 3}


def test_neighbors_among_equal_features_are_finite(features_ND: Any):
    images = LabeledFeatures(features_ND, LABELS_N)
    assert np.isfinite(knn.fit(images, images, 3).logits(features_ND)).all()
    nearest = nearest_images.nearest(features_ND[:4], features_ND, 3)
    assert np.isfinite(nearest[1]).all()


@pytest.mark.parametrize("method", [projection.principal, projection.tsne])
def test_equal_features_lie_at_finite_places_of_a_plane(method: Any, features_ND: Any):
    assert np.isfinite(method(features_ND).points_N2).all()


def test_equal_logits_have_finite_scores():
    logits_NK = np.zeros((30, 3))
    summary = classification.summary(logits_NK, LABELS_N, ("a", "b", "c"))
    assert not_finite(dataclasses.asdict(summary)) == []
    assert summary.accuracy.value == 1 / 3
    assert not_finite([tuple(row) for row in reliability_diagram.bins(logits_NK, LABELS_N)]) == []
    assert math.isfinite(reliability_diagram.by_chance(logits_NK))
    assert temperature_scaling.scale(logits_NK, LABELS_N) > 0


# ---- runs


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """36 images, each of one gray level of its own."""
    folder = tmp_path_factory.mktemp("constant")
    for k, name in enumerate("abc"):
        (folder / "plain" / name).mkdir(parents=True)
        for number in range(12):
            Image.new("RGB", (24, 24), (90 + 12 * k + number,) * 3).save(folder / "plain" / name / f"{number}.png")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        yield folder


def finite_files(run: Path) -> None:
    """Every JSON file of a run is strict JSON, and every weight is finite."""
    for path in run.rglob("*.json"):
        json.loads(path.read_text(), parse_constant=pytest.fail)
    for line in (line for path in run.rglob("journal.jsonl") for line in path.read_text().splitlines()):
        json.loads(line, parse_constant=pytest.fail)
    for path in run.rglob("model"):
        assert all(torch.isfinite(tensor).all() for tensor in striate.load(path).net.state_dict().values())


@pytest.mark.parametrize(
    ("net", "preprocess"),
    [(NET, {}), ("mlp", {"scale": "zca"}), pytest.param("mlp", {"scale": "pca"}, marks=pytest.mark.soak),
     pytest.param("mlp", {"scale": "std-image", "center": "image"}, marks=pytest.mark.soak)],
)  # fmt: skip
def test_a_training_on_plain_images_ends_and_is_scored(net: str, preprocess: dict[str, Any], plain: Path):
    settings = {**TINY, "preprocess": {**TINY["preprocess"], **preprocess}}
    result = striate.train("plain", net=net, settings=settings, report=False)
    finite_files(Path(result["run"]))
    assert not_finite([result, striate.evaluate(result["run"], "plain"), striate.verdicts(result["run"])]) == []


def test_images_that_are_all_the_same_are_refused(tmp_path: Path):
    for name in "ab":
        (tmp_path / "same" / name).mkdir(parents=True)
        for number in range(4):
            Image.new("RGB", (24, 24), (90, 90, 90)).save(tmp_path / "same" / name / f"{number}.png")
    with pytest.raises(DataError, match=r"^class 'a' has 4 images .* in clusters of equal images or near-duplicates that"):
        striate.train(tmp_path / "same", net=NET, out=tmp_path / "runs", settings=TINY, report=False)


# ---- make soak


@pytest.mark.soak
@pytest.mark.report
@pytest.mark.parametrize("net", [NET, "gmdh", "neocognitron"])
def test_the_report_on_plain_images(net: str, plain: Path):
    gradient_free = net in ("gmdh", "neocognitron")
    result = striate.train("plain", net=net, settings={} if gradient_free else {**TINY, "net": {"init": "whitening"}})
    finite_files(Path(result["run"]))
    assert Path(result["report"]).read_text().rstrip().endswith("</html>")
    assert not_finite([striate.evaluate(result["run"], "plain")]) == []


@pytest.mark.soak
def test_a_look_into_a_network_with_a_plain_image(plain: Path):
    run = striate.train("plain", net=NET, settings=TINY, report=False)["run"]
    assert not_finite(striate.inspect_image(run, ["plain/a/0.png"], out=plain / "one")) == []
    assert not_finite(striate.units(run, "conv1", out=plain / "units")) == []
    assert not_finite(striate.filters(run, out=plain / "filters")) == []
    assert not_finite(striate.find_lr("plain", net=NET, settings=TINY, draw=plain / "lr.svg")) == []


@pytest.mark.soak
@pytest.mark.report
def test_every_strategy_of_fine_tuning_on_plain_images(plain: Path):
    short = {"epochs": 1, "batch_size": 8}
    own = {"adapt": {"epochs": 1}, "retrain": short, "scratch": short}
    for more in ({"strategies": "all"}, {"strategies": "extract", "settings": {"finetune": {"classifier": "knn"}}}):
        settings = more.get("settings") or {"finetune": own}
        result = striate.finetune("plain", weights="resnet20@cifar10", strategies=more["strategies"], settings=settings)
        finite_files(Path(result["run"]))
        assert not_finite(result) == []
