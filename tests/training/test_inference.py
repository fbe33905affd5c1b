from dataclasses import replace

import numpy as np
import torch

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
