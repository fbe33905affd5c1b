"""Mutated ONNX files with a right seal: each is answered or refused in a sentence, in limits of memory and time."""

import os
import random
from collections import Counter
from pathlib import Path

import pytest
from PIL import Image

from striate.base import onnx_file
from striate.base.child_process import Child
from striate.base.errors import ArtifactError
from striate.cli.main import main
from support import hostile_onnx, onnx_files
from support.models import tiny_model

MEMORY_MB, SECONDS = 512, 2.0


def _verdicts(seeds: list[bytes], count: int, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """What becomes of so many files: changed, refused by us, refused by the child that runs them, or answered."""
    support = str(Path(hostile_onnx.__file__).parents[1])
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([support, os.environ.get("PYTHONPATH", "")]))
    path, draw, verdicts = folder / "m.onnx", random.Random(0), Counter[str]()
    with Child("support.hostile_onnx:verdict", MEMORY_MB, SECONDS, tries=1) as child:
        for _ in range(count):
            content = hostile_onnx.mutated(draw.choice(seeds), draw.choice(seeds), draw)
            try:
                onnx_file.check(content, path)
            except ArtifactError as error:
                verdicts["refused by its bytes"] += str(error).startswith(str(path))
                continue
            path.write_bytes(content)
            answer = child.call(str(path))
            assert answer.error is None or answer.error.strip()
            verdicts["answered" if answer.error is None else "died" if "process died" in answer.error else "refused"] += 1
            verdicts["hung"] += answer.error is not None and "no answer within" in answer.error
    assert [each.name for each in folder.iterdir()] == ["m.onnx"]  # nothing was written beside it
    return verdicts


def _seeds(folder: Path) -> list[bytes]:
    return [onnx_files.write(folder / "seed.onnx").read_bytes()]


def test_mutated_files_are_answered_or_refused(
    tmp_path: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
):
    verdicts = _verdicts(_seeds(tmp_path_factory.mktemp("seed")), 200, tmp_path, monkeypatch)
    assert sum(verdicts.values()) == 200
    assert verdicts["hung"] == verdicts["died"] == 0
    assert min(verdicts["answered"], verdicts["refused"], verdicts["refused by its bytes"]) > 10


@pytest.mark.soak
def test_5000_mutated_files_are_answered_or_refused(
    tmp_path: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
):
    import numpy as np

    from striate.workflows.export import graph, lower_precision
    from striate.workflows.export.run import about, described

    model, traced = tiny_model(6), graph.trace(tiny_model(6)).proto
    smaller = lower_precision.int8(traced, np.random.default_rng(0).integers(0, 256, (20, 6, 6, 3), np.uint8), model)
    seeds = [described(each, about("tiny@none", model, "fp32")) for each in (traced, smaller)]
    verdicts = _verdicts([*_seeds(tmp_path_factory.mktemp("seed")), *seeds], 5000, tmp_path, monkeypatch)
    print(dict(verdicts))
    assert sum(verdicts.values()) == 5000
    assert verdicts["hung"] == verdicts["died"] == 0


def test_a_command_ends_with_a_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    graph = onnx_files.graph()
    graph.graph.node[0].op_type = "Gather"  # which takes two inputs
    path = str(onnx_files.write(tmp_path / "m.onnx", graph))
    for name in ("dark", "light"):
        (tmp_path / "images" / name).mkdir(parents=True)
        Image.new("L", (4, 4), len(name)).save(tmp_path / "images" / name / "1.png")
    images = str(tmp_path / "images")
    for command in (["predict", path, images], ["evaluate", path, images], ["serve", path]):
        assert main(command) != 0
        assert f"{path} cannot be run: " in " ".join(capsys.readouterr().err.split())
