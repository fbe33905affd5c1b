"""Data sets of Hugging Face's that lie on this machine are DATA, and run no code."""

import builtins
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import striate
from striate.base.errors import DataError, MissingExtraError
from striate.base.settings import Data
from striate.data import hugging_face, sources
from striate.data.examples import Part

datasets = pytest.importorskip("datasets", reason="of the extra hf")


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("STRIATE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "hf")
    monkeypatch.setattr(datasets.config, "HF_DATASETS_OFFLINE", True)
    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", True)
    return tmp_path


def data_set(count: int = 24) -> Any:
    rng = np.random.default_rng(0)
    images = [Image.fromarray(rng.integers(0, 150, (10, 9, 3), np.uint8) + np.uint8(100 * (n % 2))) for n in range(count)]
    features = datasets.Features({"image": datasets.Image(), "label": datasets.ClassLabel(names=["dark", "bright"])})
    return datasets.Dataset.from_dict({"image": images, "label": [n % 2 for n in range(count)]}, features=features)


def read(path: str) -> Any:
    return sources.read(Data(path=path))


def test_a_folder_of_save_to_disk_gives_what_the_data_set_gives(folder: Path):
    data = data_set()
    data.save_to_disk("saved")
    how: dict[str, Any] = {"net": "conv 3x3x4, relu, fc", "report": False}
    how["settings"] = {"train": {"steps": 2, "batch_size": 8}, "preprocess": {"size_px": 8}}
    results = [striate.train(given, **how) for given in (data, "saved", f"hf:{folder / 'saved'}")]
    assert len({result["weights_sha256"] for result in results}) == 1
    run = results[1]["run"]
    assert striate.evaluate(run, "saved")["n"] == 24
    assert striate.train(name=Path(run).name, resume=True, report=False)["weights_sha256"] == results[0]["weights_sha256"]


def test_parts_are_those_of_a_data_set_dictionary(folder: Path):
    datasets.DatasetDict({"train": data_set(), "test": data_set(6)}).save_to_disk("parts")
    examples = read("parts")
    assert examples.classes == ("bright", "dark")
    assert (examples.parts_N == Part.TEST).sum() == 6
    assert (examples.parts_N == Part.TRAIN).sum() == 24
    assert striate.survey("parts").as_json()["classes"] == {"bright": 15, "dark": 15}


def test_a_folder_of_files_is_loaded_by_the_library(folder: Path):
    for name in ("cat", "dog"):
        (folder / "files" / "train" / name).mkdir(parents=True)
        for n in range(4):
            Image.fromarray(np.full((8, 8, 3), 40 * n + len(name), np.uint8)).save(
                folder / "files" / "train" / name / f"{n}.png"
            )
    examples = read("hf:files")
    assert (len(examples), examples.classes) == (8, ("cat", "dog"))


def test_a_script_beside_a_data_set_is_not_run(folder: Path, monkeypatch: pytest.MonkeyPatch):
    (folder / "evil").mkdir()
    (folder / "evil" / "evil.py").write_text(f"open({str(folder / 'ran')!r}, 'w').write('x')\nraise SystemExit(3)\n")
    with pytest.raises(DataError, match=r"^hf:evil is not read by Hugging Face's datasets: .*Load it in Python and give"):
        read("hf:evil")
    assert not (folder / "ran").exists()


def test_what_is_not_there_is_said(folder: Path, monkeypatch: pytest.MonkeyPatch):
    with pytest.raises(DataError, match=r"^hf:nobody/nothing is not read by Hugging Face's datasets: "):
        read("hf:nobody/nothing")
    with pytest.raises(DataError, match=r"^expected a data set of Hugging Face's at /no/such/place; there is nothing"):
        read("hf:/no/such/place")
    with pytest.raises(DataError, match=r"got hf: alone"):
        read("hf:")
    monkeypatch.setattr(metadata, "version", lambda name: "3.6.0")
    with pytest.raises(
        MissingExtraError, match=r"needs datasets 4 or newer, which is not installed: pip install 'striate\[hf\]'"
    ):
        read("hf:nobody/nothing")


def test_a_damaged_folder_is_refused_with_what_to_do(folder: Path):
    data_set().save_to_disk("saved")
    for path in Path("saved").glob("*.arrow"):
        path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(DataError, match=r"^saved is not read by Hugging Face's datasets: "):
        read("saved")


def test_the_prefix_alone_imports_nothing(monkeypatch: pytest.MonkeyPatch):
    def refuse(name: str, *_: Any) -> Any:
        raise AssertionError(name)

    monkeypatch.setattr(builtins, "__import__", refuse)
    assert hugging_face.holds("hf:x")
