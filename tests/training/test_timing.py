import torch

from striate.training.timing import seconds_a_step
from support.tasks import digest, task


def test_timing_leaves_the_network_and_the_generator_of_the_run_alone():
    work = task(None)
    before = digest(work.net)
    seconds = seconds_a_step(work, steps=6, at_most=10.0)
    assert 0 < seconds < float("inf")
    assert digest(work.net) == before
    assert all(parameter.grad is None for parameter in work.net.parameters())


def test_it_ends_when_its_time_is_over():
    work = task(None)
    begun = torch.tensor(0.0)
    assert seconds_a_step(work, steps=10**6, at_most=0.05) > begun
