import json
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

import striate
from striate.base import config
from striate.base.events import quiet
from striate.base.signals import Stop
from striate.batches.preprocess import Preprocess
from striate.data.decode import InputSpec
from striate.model import Model
from striate.nets.factory import build
from striate.workflows.open_run import open_run
from support.shape_images import CLASSES, make_folder

NET = "conv 3x3x2, relu, pool 2, fc 3"


@pytest.fixture
def model() -> Model:
    """Of the center half of each image, on gray."""
    none, one = torch.zeros(1, 1, 1), torch.ones(1, 1, 1)
    spec = InputSpec(8, 1, "crop", (9, 9, 9), share=0.5)
    return Model(build(NET, (1, 8, 8), 3).eval(), NET, {}, Preprocess(none, one, 0.0), spec, CLASSES)


def test_a_finished_model_sees_the_images_as_it_says(tmp_path: Path, model: Model):
    photos = make_folder(tmp_path / "photos", 3)
    with open_run(config.Run(data=config.data_section(photos)), model, Stop(), quiet) as model_on_data:
        dataset = model_on_data.dataset
        pixels_NHWC = dataset.stored.pixels_NHWC[np.arange(9)]
        (batch,) = model_on_data.batches(np.arange(9), "looking")
    assert dataset.input_spec == model.input_spec
    assert pixels_NHWC.tolist() == model.pixels([photos / name for name in dataset.examples.names]).tolist()
    images_NCHW: Tensor = model.images([photos / name for name in dataset.examples.names])
    assert torch.equal(batch.images_NCHW, images_NCHW)


def test_models_and_data_given_as_paths_are_text_in_results(tmp_path: Path, model: Model):
    photos, folder = make_folder(tmp_path / "photos", 3), tmp_path / "model"
    model.save(folder)
    results = [striate.evaluate(folder, photos), striate.verdicts(folder, photos)]
    assert [json.loads(json.dumps(result))["run"] for result in results] == [str(folder)] * 2
    assert results[0]["data"] == str(photos)
