"""Parse first, import after: what is heavy stays out until it is used, as a fresh interpreter shows."""

import subprocess
import sys
from pathlib import Path

import pytest
import torch
from PIL import Image

import striate
from striate.batches.preprocess import Preprocess
from striate.data.decode import InputSpec
from striate.model import Model
from striate.nets.factory import build
from support import onnx_files, tested_runs

HEAVY = {
    "captum", "matplotlib", "pandas", "pyarrow", "ray", "safetensors", "scipy", "sklearn", "sympy", "timm", "torch",
    "torch._dynamo", "torchvision",
}  # fmt: skip
SHOW = """
import atexit, sys
atexit.register(lambda: print("heavy:", *sorted({names} & set(sys.modules)), file=sys.stderr))
"""
RUN = """
import runpy
sys.argv = ["striate", *sys.argv[1:]]
runpy.run_module("striate", run_name="__main__")
"""
NETWORKS = """
from striate.nets.factory import build, outline
from striate.nets.feature_layer import with_head
from striate.nets.summary import layer_table
for name, chw in (('efficientnet_lite0', (3, 32, 32)), ('lecun1989', (1, 16, 16)), ('lenet5', (1, 32, 32))):
    layer_table(build(name, chw, 10))
body = outline('efficientnet_lite0', (3, 32, 32), 10)
with_head(body, 2, '+'.join(body.taps[5:7]))
"""

WITHOUT_TORCH = ("base", "data", "metrics", "cli", "nets.catalogue")


def heavy_after(code: str, *arguments: str, also: frozenset[str] = frozenset()) -> list[str]:
    """The heavy packages, and those of `also`, that a fresh interpreter has imported after this code."""
    command = [sys.executable, "-c", f"{SHOW.format(names=HEAVY | also)}\n{code}", *arguments]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=600)
    assert ran.returncode == 0, ran.stderr
    return ran.stderr.splitlines()[-1].removeprefix("heavy:").split()


@pytest.mark.parametrize(
    "arguments",
    [["--help"], ["--version"], ["train", "--help"], ["nets"], ["nets", "--json"], ["history", "--help"], ["figure"]],
    ids=" ".join,
)
def test_help_and_the_catalogue_import_nothing_heavy(arguments: list[str]):
    assert heavy_after(RUN, *arguments) == []


def test_importing_striate_imports_nothing_heavy():
    assert heavy_after("import striate\nstriate.StriateError\nstriate.survey") == []


def test_rooms_that_promise_no_torch_import_without_anything_heavy():
    root = Path(striate.__file__).parent
    names = [".".join(path.relative_to(root).with_suffix("").parts) for path in sorted(root.rglob("*.py"))]
    modules = [name for name in names if name in WITHOUT_TORCH or name.partition(".")[0] in WITHOUT_TORCH]
    assert len(modules) > 20
    assert heavy_after("\n".join(f"import striate.{name}" for name in modules)) == []


def test_runs_are_compared_without_torch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    images = {"ids": [1, 2], "labels": [0, 1], "hashes": [11, 12]}
    for name in ("a", "b"):
        tested_runs.write(tmp_path / "runs" / name, images, [0, 1])
    monkeypatch.chdir(tmp_path)
    assert heavy_after(RUN, "compare", "a", "b", "--json", "--html", "x.html") == []


def test_an_onnx_file_predicts_without_torch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    onnx_files.write(tmp_path / "m.onnx")
    Image.new("L", (8, 8)).save(tmp_path / "a.png")
    monkeypatch.chdir(tmp_path)
    assert heavy_after(RUN, "predict", "m.onnx", "a.png", "--out", "rows.csv", also=frozenset({"pydantic"})) == []


def test_what_is_heavy_is_seen_where_it_is_imported():
    assert heavy_after("import safetensors") == ["safetensors"]


def test_tables_of_networks_a_model_of_timm_s_and_a_training_import_no_compiler_no_timm_and_no_scikit_learn(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """All in one process, which takes seconds to start."""
    monkeypatch.chdir(tmp_path)
    colors = Preprocess(torch.zeros(3, 1, 1), torch.ones(3, 1, 1))
    net = build("efficientnet_lite0", (3, 32, 32), 2)
    Model(net, "efficientnet_lite0", {}, colors, InputSpec(32, 3, "crop"), ("a", "b")).save(tmp_path / "model")
    code = f"{NETWORKS}\nimport striate\nstriate.load('model')\n{RUN}"
    words = ("train", "digits", "--net", "pool 4, fc", "--epochs", "1", "--no-report")
    assert heavy_after(code, *words) == ["safetensors", "torch"]
