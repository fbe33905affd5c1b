import hashlib
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

import striate
from striate.base.errors import ArtifactError, SettingError
from striate.data import builtin_datasets
from striate.metrics.classification import accuracy
from striate.nets import bundled_weights, published_weights

NAME = "resnet20@cifar10"


def test_the_weights_are_small_and_whole():
    folder = bundled_weights.names()[NAME]
    path = bundled_weights.tensors_file(NAME)
    assert path == folder / "model.safetensors"
    assert path.stat().st_size < 1_000_000
    tensors = load_file(path)
    assert {tensor.dtype for name, tensor in tensors.items() if not name.endswith("num_batches_tracked")} == {torch.float16}
    assert sum(t.numel() for name, t in tensors.items() if "running" not in name and "num_batches" not in name) == 269_722


def test_every_folder_has_a_card_a_journal_and_a_manifest():
    for name, folder in bundled_weights.names().items():
        card = (folder / "README.md").read_text("utf-8")
        assert f"`{name}`" in card
        for line in ("data", "recipe", "seconds", "test accuracy", "validation accuracy", "seed"):
            assert f"| {line} |" in card
        sheet = (folder / "MANIFEST.sha256").read_text("utf-8")
        for file in ("model.safetensors", "config.json", "README.md", "training.jsonl"):
            assert hashlib.sha256((folder / file).read_bytes()).hexdigest() in sheet
        epochs = [json.loads(line) for line in (folder / "training.jsonl").read_text("utf-8").splitlines()]
        assert [event["epoch"] for event in epochs] == list(range(1, len(epochs) + 1))


def test_it_is_loaded_by_name_with_all_that_it_needs():
    model = striate.load(NAME)
    assert model.classes == ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
    assert (model.input_spec.size_px, model.input_spec.channels) == (32, 3)
    assert model.preprocess.mean.flatten().tolist() == pytest.approx([0.491, 0.482, 0.447], abs=0.003)
    assert model.license.startswith("Apache-2.0")
    assert next(model.net.parameters()).dtype == torch.float32


def test_the_accuracy_on_its_card_is_that_of_its_images(shared_data: Path):
    """Of the training images, a part: the test images of the run are among them, so it is at least as good on these."""
    examples = builtin_datasets.read("cifar10", str(shared_data))
    assert examples.pixels_NHWC is not None
    some = np.arange(0, len(examples), 100)
    logits_NK = striate.load(NAME).logits(np.ascontiguousarray(examples.pixels_NHWC[some]))
    assert accuracy(logits_NK, examples.labels_N[some]).value > 0.86


def test_a_changed_file_is_refused_by_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    folder = tmp_path / "resnet20-cifar10"
    shutil.copytree(bundled_weights.names()[NAME], folder)
    content = bytearray((folder / "model.safetensors").read_bytes())
    content[-1] ^= 1
    (folder / "model.safetensors").write_bytes(content)
    monkeypatch.setattr(bundled_weights, "names", lambda: {NAME: folder})
    with pytest.raises(ArtifactError, match=r"model\.safetensors"):
        bundled_weights.tensors_file(NAME)


def test_what_does_not_come_along_is_refused_with_what_does():
    assert bundled_weights.tensors_file("resnet20@imagenet") is None
    with pytest.raises(SettingError) as refused:
        published_weights.published("vgg16", "cifar10")
    assert str(refused.value) == "The package brings no cifar10 weights of vgg16; it has airbench94@cifar10, resnet20@cifar10."
