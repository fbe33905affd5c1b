import traceback

import pytest
import torch

from striate.nets.torch_seed import seed_torch


@pytest.mark.parametrize("seed", [0, 7, 2**64 - 1])
def test_draws_are_those_of_torch_manual_seed(seed: int):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        expected = torch.rand(3).tolist()
        seed_torch(seed)
        assert torch.rand(3).tolist() == expected
        seed_torch(seed, torch.device("cpu"))
        assert torch.rand(3).tolist() == expected


def test_on_the_processor_no_stack_is_formatted_and_another_device_is_seeded_too(monkeypatch: pytest.MonkeyPatch):
    seeds: list[int] = []
    monkeypatch.setattr(traceback, "format_stack", lambda *_: pytest.fail("the stack was formatted"))
    monkeypatch.setattr(torch, "manual_seed", seeds.append)
    with torch.random.fork_rng(devices=[]):
        seed_torch(1, torch.device("cpu"))
        seed_torch(2, torch.device("meta"))
    assert seeds == [2]
