"""A Ray cluster on this machine for the tests of a file, whose processes find what tests import."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

import striate
from striate.workflows import cluster


@contextmanager
def started() -> Iterator[cluster.Cluster]:
    """Start it, or skip the test where Ray is not installed."""
    pytest.importorskip("ray", reason="of the extra scale")
    places = [str(Path(__file__).parents[1]), str(Path(striate.__file__).parents[1])]
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", os.pathsep.join(places))
        with cluster.connected("local") as connection:
            yield connection
