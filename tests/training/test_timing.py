import torch

from striate.training.timing import seconds_a_step
from support.tasks import digest, task


def test_timing_leaves_the_network_and_the_generator_of_the_run_alone():
    made = task(None)
    before = digest(made.net)
    seconds = seconds_a_step(made.net, made.train, made.settings, made.loss, made.engine, steps=6, at_most=10.0)
    assert 0 < seconds < float("inf")
    assert digest(made.net) == before
    assert all(parameter.grad is None for parameter in made.net.parameters())


def test_it_ends_when_its_time_is_over():
    made = task(None)
    begun = torch.tensor(0.0)
    assert seconds_a_step(made.net, made.train, made.settings, made.loss, made.engine, steps=10**6, at_most=0.05) > begun
