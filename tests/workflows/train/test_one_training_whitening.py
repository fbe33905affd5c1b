# Trainings on whitened images, from the settings to the artifact

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import striate
from striate.base import run_folder
from striate.base.config import Data
from striate.base.errors import ShapeError
from striate.data import sources


def train(out: Path, **settings: Any) -> dict[str, Any]:
    return striate.train("digits", out=out, name="run", settings=settings)


@pytest.mark.parametrize("preprocess", [{"scale": "zca"}, {"scale": "pca", "components": 20}, {"scale": "std-image"}], ids=str)
def test_the_artifact_answers_as_the_run_did(preprocess: dict[str, Any], tmp_path: Path):
    result = train(tmp_path, preprocess=preprocess, train={"steps": 12})
    assert result["net"] == ("mlp" if preprocess["scale"] == "pca" else "mnist_cnn")
    ids_M, _, logits_MK = run_folder.load_predictions(tmp_path / "run" / "predictions-test.npz")
    model = striate.load(tmp_path / "run")
    examples = sources.read(Data(path="digits"))
    assert examples.pixels_NHWC is not None
    images = [examples.pixels_NHWC[int(np.flatnonzero(examples.ids_N == one)[0])] for one in ids_M[:20]]
    answers = model.predict(images)
    expected = model.answers(logits_MK[:20])
    assert [answer.label for answer in answers] == [answer.label for answer in expected]
    assert [answer.probability for answer in answers] == pytest.approx([one.probability for one in expected], abs=1e-5)
    assert result["test"]["accuracy"] > 0.5


def test_a_network_of_convolutions_cannot_take_principal_components(tmp_path: Path):
    with pytest.raises(ShapeError) as refused:
        train(tmp_path, preprocess={"scale": "pca", "components": 20}, net={"name": "lenet5_modern"})
    assert str(refused.value) == (
        "preprocess.scale=pca makes 20 numbers without places of each image, which lenet5_modern cannot take: expected a "
        "network of fully connected layers. Take preprocess.scale=zca, or --net mlp."
    )
