"""`Embedder` beside scikit-learn's own checks, with a network of a few weights that is not trained."""

import pickle
import pickletools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from PIL import Image
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.utils.estimator_checks import estimator_checks_generator

from striate.base.errors import EstimatorError, RunError
from striate.sklearn import Embedder
from support.models import tiny_model


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a model that computes 6 x 6 x 4 features."""
    folder = tmp_path_factory.mktemp("models") / "tiny"
    tiny_model().save(folder)
    return folder


def checks() -> Iterator[Any]:
    """Its checks on rows of numbers, which stand for images one pixel high."""
    for estimator, check in estimator_checks_generator(Embedder(image_shape="row")):
        name = "-".join([check.func.__name__, *map(str, check.keywords.values())])
        if check.func.__name__ != "check_array_api_input":  # needs an environment variable, and other arrays than numpy's
            yield pytest.param(estimator, check, id=name)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.SkipTestWarning")
@pytest.mark.parametrize(("estimator", "check"), [*checks()])
def test_the_checks_of_scikit_learn_pass_without_exception(estimator: Embedder, check: Any, folder: Path):
    by_default = check.func.__name__ == "check_parameters_default_constructible"
    check(estimator if by_default else estimator.set_params(weights=folder))


def test_features_are_those_of_the_model(folder: Path):
    images = np.random.default_rng(0).integers(0, 256, (5, 12, 12, 3), np.uint8)
    embedder = Embedder(folder)
    features_ND = embedder.fit_transform(images)
    assert features_ND.shape == (5, 6 * 6 * 4)
    assert_array_equal(features_ND, tiny_model().embed([*images]))
    assert embedder.get_feature_names_out()[:2].tolist() == ["embedder0", "embedder1"]
    assert not hasattr(clone(embedder), "model_")


def test_a_classifier_of_another_kind_learns_from_them(folder: Path):
    images = np.random.default_rng(0).integers(0, 80, (24, 12, 12), np.uint8)
    images[1::2] += 170
    pipeline = make_pipeline(Embedder(folder), LogisticRegression())
    assert_array_equal(cross_val_score(pipeline, images, np.arange(24) % 2, cv=2), [1.0, 1.0])


def test_a_pickle_holds_nothing_of_torch(folder: Path):
    images = np.random.default_rng(0).integers(0, 256, (2, 12, 12), np.uint8)
    embedder = Embedder(folder).fit(images)
    content = pickle.dumps(embedder)
    texts = [argument for _, argument, _ in pickletools.genops(content) if isinstance(argument, str)]
    assert [text for text in texts if text.startswith("torch")] == []
    assert_array_equal(pickle.loads(content).transform(images), embedder.transform(images))


def test_what_is_no_model_or_no_file_is_refused(folder: Path, tmp_path: Path):
    images = np.zeros((2, 12, 12), np.uint8)
    with pytest.raises(RunError):
        Embedder(tmp_path / "nothing").fit(images)
    for name in "ab":
        Image.fromarray(images[0]).save(tmp_path / f"{name}.png")
    with pytest.raises(EstimatorError, match=r"expected one image for each entry of X; got 2 for 1\. Give files, no folders\."):
        Embedder(folder).fit(images).transform([tmp_path])
