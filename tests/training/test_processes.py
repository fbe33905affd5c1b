"""Two processes under torchrun do what one does."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from striate.training import loop
from striate.training.inference import predict
from support.tasks import PLAIN_LINE, task


@pytest.fixture(scope="module")
def ranks(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[dict]]:
    folder = tmp_path_factory.mktemp("two")
    here = Path(__file__).parents[1] / "support"
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join([str(here.parent), os.environ.get("PYTHONPATH", "")]),
        "OMP_NUM_THREADS": "1",
    }
    subprocess.run([*command, str(here / "two_processes.py"), str(folder)], check=True, env=environment, timeout=600)
    return folder, [json.loads((folder / f"rank-{rank}.json").read_text()) for rank in (0, 1)]


def test_every_image_is_seen_exactly_once_an_epoch(ranks: tuple[Path, list[dict]]):
    seen = [tuple(pair) for actual in ranks[1] for pair in actual["seen"]]
    assert sorted(seen) == [(epoch, i) for epoch in range(3) for i in range(30)]
    assert min(len(actual["seen"]) for actual in ranks[1]) > 0


def test_both_end_with_the_weights_of_one_process(ranks: tuple[Path, list[dict]]):
    one, other = ranks[1]
    assert one["digest"] == other["digest"]
    alone = task(None, PLAIN_LINE)
    loop.fit(alone)
    weights = np.concatenate([parameter.detach().numpy().ravel() for parameter in alone.net.parameters()])
    assert np.allclose(one["weights"], weights, atol=1e-5)


def test_metrics_are_of_all_images_each_counted_once(ranks: tuple[Path, list[dict]]):
    alone = task(None, PLAIN_LINE)
    loop.fit(alone)
    actual = predict(alone.net, alone.val, alone.engine)
    assert actual is not None
    for rank in ranks[1]:
        assert rank["ids"] == actual.ids_N.tolist()
        assert rank["accuracy"] == float((actual.logits_NK.argmax(1) == actual.labels_N).mean())


def test_one_process_writes(ranks: tuple[Path, list[dict]]):
    folder, _ = ranks
    events = [json.loads(line)["event"] for line in (folder / "journal.jsonl").read_text().splitlines()]
    assert events == ["epoch", "checkpoint"] * 3
