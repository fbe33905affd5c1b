"""`ConvNetClassifier` beside scikit-learn's own checks and tools, with networks of a hundred weights."""

import pickle
import pickletools
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_array_equal
from PIL import Image
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer
from sklearn.utils.estimator_checks import estimator_checks_generator

import striate
from striate.base.errors import ArtifactError, EstimatorError
from striate.sklearn import ConvNetClassifier

TINY: dict[str, Any] = {
    "net": "fc 8, relu, fc", "weights": "none", "epochs": 2, "random_state": 0,
    "settings": {"preprocess": {"size_px": 4, "resize_mode": "squash"}, "train": {"lr": 0.02}},
}  # fmt: skip


def bright_and_dark(count: int = 24, seed: int = 0) -> np.ndarray:
    """Images 4 x 4: even ones of levels 0 to 79, odd ones of levels 170 to 249."""
    noise = np.random.default_rng(seed).integers(0, 80, (count, 4, 4), np.uint8)
    noise[1::2] += 170
    return noise


LABELS = np.where(np.arange(24) % 2, 2, 10)  # the bright ones are the twos


def tiny(**settings: Any) -> ConvNetClassifier:
    return ConvNetClassifier(**{**TINY, **settings})


@pytest.fixture(scope="module")
def fitted() -> ConvNetClassifier:
    return tiny().fit(bright_and_dark(), LABELS)


# ---- the checks of scikit-learn


def checks() -> Iterator[Any]:
    """Its checks on rows of numbers, which stand for images one pixel high; the same check on other memory is for soak."""
    for estimator, check in estimator_checks_generator(tiny(image_shape="row")):
        options = check.keywords
        if check.func.__name__ == "check_array_api_input":  # needs an environment variable, and other arrays than numpy's
            continue
        name = "-".join([check.func.__name__, *map(str, options.values())])
        yield pytest.param(estimator, check, id=name, marks=[pytest.mark.soak] if options.get("readonly_memmap") else [])


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.SkipTestWarning")
@pytest.mark.parametrize(("estimator", "check"), [*checks()])
def test_the_checks_of_scikit_learn_pass_without_exception(estimator: ConvNetClassifier, check: Any):
    check(estimator)


# ---- labels and images


def test_labels_come_back_as_they_were_in_the_order_of_scikit_learn(fitted: ConvNetClassifier):
    assert_array_equal(fitted.classes_, [2, 10])  # where names are sorted as text, "10" comes before "2"
    assert fitted.model_.classes == ("10", "2")
    images = bright_and_dark(seed=1)
    predicted_N, shares_NK = fitted.predict(images), fitted.predict_proba(images)
    assert predicted_N.dtype == LABELS.dtype
    assert fitted.score(images, LABELS) == 1.0
    assert_array_equal(shares_NK[:, 0] > 0.5, predicted_N == 2)
    assert not hasattr(fitted, "n_features_in_")


@pytest.mark.parametrize("names", [("night", "day"), (False, True), (0.0, 1.0)])
def test_labels_are_of_any_type(names: Any):
    labels = np.where(np.arange(24) % 2, *names[::-1])
    classifier = tiny().fit(bright_and_dark(), labels)
    assert_array_equal(classifier.predict(bright_and_dark(seed=1)), labels)
    assert_array_equal(classifier.classes_, sorted(names))


def test_images_are_given_as_paths(tmp_path: Path, fitted: ConvNetClassifier):
    paths = [tmp_path / f"{number}.png" for number in range(24)]
    for path, image in zip(paths, bright_and_dark(), strict=True):
        Image.fromarray(image).save(path)
    classifier = tiny().fit(pd.Series(map(str, paths)), LABELS)
    assert_array_equal(classifier.predict(paths), LABELS)
    assert_array_equal(classifier.predict([paths[1], paths[1], paths[0]]), [2, 2, 10])
    assert_array_equal(classifier.predict_proba(np.array(paths, object)), classifier.predict_proba(bright_and_dark()))
    assert_array_equal(fitted.predict_proba(paths), fitted.predict_proba(bright_and_dark()))


def test_color_images_are_seen_in_color():
    images = np.zeros((24, 4, 4, 3), np.uint8)
    images[0::2, ..., 0] = bright_and_dark()[1::2].repeat(2, axis=0)[:12]
    images[1::2, ..., 2] = bright_and_dark()[1::2].repeat(2, axis=0)[12:]
    images[..., 1] = np.random.default_rng(0).integers(0, 40, (24, 4, 4))
    classifier = tiny().fit(images, LABELS)
    assert classifier.model_.input_spec.channels == 3
    assert classifier.score(images, LABELS) == 1.0
    assert_array_equal(classifier.predict(images[:, :3, :3]), LABELS)  # 3 x 3 x 3: channels come last


# ---- among scikit-learn's tools


def test_it_works_in_a_pipeline_in_cross_validation_and_in_a_grid_search():
    images = bright_and_dark()
    pipeline = make_pipeline(FunctionTransformer(lambda flat: 255 - flat), tiny())
    assert_array_equal(cross_val_score(pipeline, images.reshape(24, 16), LABELS, cv=2), [1.0, 1.0])
    nets = ["relu, fc", "conv 3x3x2, relu, fc"]
    search = GridSearchCV(tiny(), {"net": nets, "epochs": [1]}, cv=2).fit(images, LABELS)
    assert search.best_params_["net"] in nets
    assert search.best_estimator_.model_.net_name == search.best_params_["net"]


@pytest.mark.soak
def test_folds_are_trained_by_several_processes():  # joblib starts them, and each imports torch
    assert_array_equal(cross_val_score(tiny(), bright_and_dark(), LABELS, cv=2, n_jobs=2), [1.0, 1.0])


def test_a_clone_has_the_settings_and_not_the_model(fitted: ConvNetClassifier):
    other = clone(fitted)
    assert other.get_params() == fitted.get_params()
    assert not hasattr(other, "model_")


def test_the_same_random_state_gives_the_same_weights(fitted: ConvNetClassifier):
    same = tiny().fit(bright_and_dark(), LABELS)
    assert same.result_["weights_sha256"] == fitted.result_["weights_sha256"]
    assert same.result_["seed"] == 0
    drawn = [tiny(random_state=np.random.RandomState(3)).fit(bright_and_dark(), LABELS).result_ for _ in range(2)]
    assert drawn[0]["seed"] == drawn[1]["seed"] == np.random.RandomState(3).randint(2**31 - 1)
    assert drawn[0]["weights_sha256"] == drawn[1]["weights_sha256"] != fitted.result_["weights_sha256"]


# ---- pickle


def test_a_pickle_holds_the_files_of_the_artifact_and_nothing_of_torch(fitted: ConvNetClassifier):
    content = pickle.dumps(fitted)
    texts = [str(argument) for _, argument, _ in pickletools.genops(content) if isinstance(argument, str)]
    assert [text for text in texts if text.startswith("torch")] == []
    assert sorted(fitted.__getstate__()["model_"]) == ["MANIFEST.sha256", "model.json", "weights.safetensors"]
    again = pickle.loads(content)
    assert_array_equal(again.predict_proba(bright_and_dark()), fitted.predict_proba(bright_and_dark()))
    assert again.result_ == fitted.result_
    assert pickle.loads(pickle.dumps(tiny())).get_params() == tiny().get_params()


def test_a_pickle_with_a_changed_bit_is_refused(fitted: ConvNetClassifier):
    content = bytearray(pickle.dumps(fitted))
    place = content.index(fitted.__getstate__()["model_"]["weights.safetensors"][-16:])
    content[place] ^= 1
    with pytest.raises(ArtifactError, match=r"weights\.safetensors"):
        pickle.loads(bytes(content))


# ---- runs


def test_nothing_is_left_behind_and_nothing_is_written_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    here, temporary = tmp_path / "here", tmp_path / "temporary"
    here.mkdir()
    temporary.mkdir()
    monkeypatch.chdir(here)
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))
    monkeypatch.setenv("STRIATE_CACHE", str(tmp_path / "cache"))
    classifier = pickle.loads(pickle.dumps(tiny().fit(bright_and_dark(), LABELS)))
    assert classifier.result_["run"] is None
    with pytest.raises(EstimatorError):
        tiny(settings={"train": {"lr": -1}}).fit(bright_and_dark(), LABELS)
    assert [*here.iterdir(), *temporary.iterdir(), *tmp_path.glob("cache/*")] == []


def test_runs_are_kept_where_they_are_wanted_and_weights_can_be_one_of_them(tmp_path: Path):
    first = tiny(out=tmp_path / "runs").fit(bright_and_dark(), LABELS)
    second = tiny(out=tmp_path / "runs").fit(bright_and_dark(), LABELS)
    assert first.result_["run"] != second.result_["run"]
    model = striate.load(first.result_["run"])
    assert [prediction.label for prediction in model.predict([*bright_and_dark()[:2]])] == ["10", "2"]
    moved = ConvNetClassifier(weights=first.result_["run"], strategy="extract", random_state=0)
    moved.fit(bright_and_dark(), np.where(np.arange(24) % 2, "day", "night"))
    assert moved.result_["strategies"][0]["name"] == "extract"
    assert moved.predict(bright_and_dark()[:2]).tolist() == ["night", "day"]


def test_no_image_is_held_out_for_testing_unless_it_is_asked_for(fitted: ConvNetClassifier):
    assert fitted.result_["images"] == {"train": 22, "val": 2, "test": 0}
    settings = {**TINY["settings"], "data": {"test_share": 0.25}}
    assert tiny(settings=settings).fit(bright_and_dark(), LABELS).result_["images"]["test"] == 6


# ---- refusals


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"report": True}, "expected out=FOLDER with report=True: without it nothing of a run is kept. Give it."),
        (
            {"weights": "resnet20@cifar10", "epochs": None, "settings": None},
            "net.name belongs to the pretrained weights; remove it.",
        ),
        ({"strategy": "adapt"}, "strategy does not apply to a training from scratch, as weights='none' asks for; remove it."),
        (
            {"net": None, "weights": None, "strategy": "adapt"},
            "epochs does not apply to a fine-tuning, as strategy asks for; remove it.",
        ),
        ({"net": "mnist_cn"}, "There is no network 'mnist_cn'"),
    ],
)
def test_settings_that_do_not_go_together_are_refused(settings: dict[str, Any], message: str):
    with pytest.raises(EstimatorError) as refused:
        tiny(**settings).fit(bright_and_dark(), LABELS)
    assert message in str(refused.value)


def test_classes_that_cannot_be_learned_are_refused():
    with pytest.raises(EstimatorError, match=r"expected labels of at least two classes; got 1 class, np.int64\(7\)"):
        tiny().fit(bright_and_dark(), np.full(24, 7))
    with pytest.raises(EstimatorError, match=r"class '3' has 1 image .*expected at least 2, one each to train and choose by"):
        tiny().fit(bright_and_dark(), np.r_[3, LABELS[1:]])
