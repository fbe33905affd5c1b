"""The way a network learns: by back-propagation, or by a rule of its own."""

from striate.nets import catalogue
from striate.workflows.run_context import Resume, RunContext
from striate.workflows.train import gradient_free, one_training
from striate.workflows.train.artifacts import Trained
from striate.workflows.train.setup import StartingWeights


def fit(context: RunContext, resume: Resume, starting_weights: StartingWeights | None = None) -> Trained:
    """Train the network of `context`, from its last checkpoint where `resume`, and write what a training leaves."""
    if catalogue.gradient_free(context.run.net.name or "") is not None:
        return gradient_free.train(context, bool(resume))
    return one_training.train(context, resume, starting_weights)
