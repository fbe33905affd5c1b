from dataclasses import replace

import numpy as np
import torch

from striate.training.inference import predict
from support.tasks import task


def test_predictions_are_ordered_by_id_and_the_mode_is_put_back():
    made = task(None)
    made.net.train()
    shuffled = replace(made.val, shuffle_seed=3)
    plain, other = predict(made.net, made.val, made.engine), predict(made.net, shuffled, made.engine)
    assert plain is not None
    assert other is not None
    assert made.net.training
    assert plain.ids_N.tolist() == sorted(plain.ids_N.tolist())
    assert plain.ids_N.tolist() == other.ids_N.tolist()
    assert plain.labels_N.tolist() == other.labels_N.tolist()
    assert np.allclose(plain.logits_NK, other.logits_NK, atol=1e-5)


def test_dropout_is_off_and_nothing_is_learned_from_the_images():
    made = task(None)
    before = {name: tensor.clone() for name, tensor in made.net.state_dict().items()}
    first, again = predict(made.net, made.val, made.engine), predict(made.net, made.val, made.engine)
    assert first is not None
    assert again is not None
    assert np.array_equal(first.logits_NK, again.logits_NK)
    assert all(torch.equal(before[name], tensor) for name, tensor in made.net.state_dict().items())


def test_it_can_be_stopped_half_way():
    made = task(None)
    assert predict(made.net, made.val, made.engine, lambda: True) is None
