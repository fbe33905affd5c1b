from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from striate.base import nameless_files
from striate.training.inference import predict
from support.tasks import task


def test_predictions_are_ordered_by_id_and_the_mode_is_put_back():
    result = task(None)
    result.net.train()
    shuffled = replace(result.val, shuffle_seed=3)
    plain, other = predict(result.net, result.val, result.engine), predict(result.net, shuffled, result.engine)
    assert plain is not None
    assert other is not None
    assert result.net.training
    assert plain.ids_N.tolist() == sorted(plain.ids_N.tolist())
    assert plain.ids_N.tolist() == other.ids_N.tolist()
    assert plain.labels_N.tolist() == other.labels_N.tolist()
    assert np.allclose(plain.logits_NK, other.logits_NK, atol=1e-5)


def test_what_it_says_of_many_images_lies_in_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    result = task(None)
    in_memory = predict(result.net, result.val, result.engine)
    monkeypatch.setenv("STRIATE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(nameless_files, "LEAST_BYTES", 1)
    in_files = predict(result.net, result.val, result.engine)
    assert in_memory is not None
    assert in_files is not None
    for before, after in zip(in_memory, in_files, strict=True):
        assert not nameless_files.is_mapped(before)
        assert nameless_files.is_mapped(after)
        assert before.dtype == after.dtype
        assert np.array_equal(before, after)


def test_dropout_is_off_and_nothing_is_learned_from_the_images():
    result = task(None)
    before = {name: tensor.clone() for name, tensor in result.net.state_dict().items()}
    first, again = predict(result.net, result.val, result.engine), predict(result.net, result.val, result.engine)
    assert first is not None
    assert again is not None
    assert np.array_equal(first.logits_NK, again.logits_NK)
    assert all(torch.equal(before[name], tensor) for name, tensor in result.net.state_dict().items())


def test_it_can_be_stopped_half_way():
    result = task(None)
    assert predict(result.net, result.val, result.engine, lambda: True) is None
