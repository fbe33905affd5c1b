"""The webdataset package reads what striate writes, and striate reads what the package writes."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import striate
from striate.base.settings import Data
from striate.data import decode, sources

pytestmark = pytest.mark.soak
webdataset = pytest.importorskip("webdataset", reason="of the extra soak")


@pytest.fixture(autouse=True)
def photos(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Images of three classes in every format that is written unchanged."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("STRIATE_CACHE", str(tmp_path / "cache"))
    rng = np.random.default_rng(0)
    for level, name in enumerate(("cat", "dog", "eel")):
        (tmp_path / "photos" / name).mkdir(parents=True)
        for n in range(20):
            pixels = rng.integers(0, 150, (20, 24, 3), np.uint8) + np.uint8(50 * level)
            Image.fromarray(pixels).save(tmp_path / "photos" / name / f"{n}.a.{('png', 'jpg', 'webp', 'bmp')[n % 4]}")
    return tmp_path / "photos"


def samples(folder: Path) -> list[dict[str, Any]]:
    tars = sorted(map(str, folder.glob("*.tar")))
    return list(webdataset.WebDataset(tars, shardshuffle=False, empty_check=False))


def test_the_package_reads_every_image_with_its_label(photos: Path):
    striate.write_shards("photos", "out", shard_mb=0.02)
    classes = json.loads(Path("out/classes.json").read_text())
    label_of = {path.read_bytes(): path.parent.name for path in photos.rglob("*.*") if path.is_file()}
    assert len(label_of) == 60
    for sample in samples(Path("out")):
        (content,) = (value for key, value in sample.items() if key in ("png", "jpg", "webp", "bmp"))
        assert classes[int(sample["cls"])] == label_of.pop(content)
    assert not label_of


def test_the_package_decodes_them(photos: Path):
    striate.write_shards("photos", "out", shard_mb=0.02)
    tars = sorted(map(str, Path("out").glob("*.tar")))
    decoded = list(webdataset.WebDataset(tars, shardshuffle=False).decode("pil").to_tuple("png;jpg;webp;bmp", "cls"))
    assert len(decoded) == 60
    assert {label for _, label in decoded} == {0, 1, 2}
    assert {image.size for image, _ in decoded} == {(24, 20)}


def test_several_labels_an_image_are_read_as_json(photos: Path):
    paths = sorted(Path("photos").rglob("*.png"))
    sets = [[path.parent.name, "png"] for path in paths]
    striate.write_shards([str(path) for path in paths], "out", {"multi_label": True}, labels=sets)
    read = [json.loads(sample["json"])["labels"] for sample in samples(Path("out"))]
    assert sorted(map(tuple, read)) == sorted(map(tuple, map(sorted, sets)))


@pytest.mark.parametrize("ending", ["cls", "txt", "json"])
@pytest.mark.parametrize("numbers", [False, True])
def test_what_the_package_writes_is_data(photos: Path, tmp_path: Path, ending: str, numbers: bool):
    (tmp_path / "tars").mkdir()
    names, expected = ["cat", "dog", "eel"], dict[bytes, str]()
    with webdataset.ShardWriter(str(tmp_path / "tars" / "%04d.tar"), maxcount=25, verbose=0) as writer:
        for n, path in enumerate(sorted(photos.rglob("*.jpg")) + sorted(photos.rglob("*.png"))):
            label: Any = names.index(path.parent.name) if numbers else path.parent.name
            value = {"label": label, "caption": "x"} if ending == "json" else str(label) if ending == "txt" else label
            if ending == "cls" and not numbers:
                value = str(label).encode()  # the package encodes numbers alone
            content = path.read_bytes()
            expected[content] = path.parent.name
            writer.write({"__key__": f"sub/{n:06d}", path.suffix[1:]: content, ending: value})
    if numbers:
        (tmp_path / "tars" / "classes.json").write_text(json.dumps(names))
    examples = sources.read(Data(path="tars"))
    assert not examples.quarantined
    read = {
        decode.read_file(examples.root / name): examples.classes[label]
        for name, label in zip(examples.names, examples.labels_N.tolist(), strict=True)
    }
    assert read == expected


def test_shards_are_written_of_what_the_package_wrote(photos: Path, tmp_path: Path):
    (tmp_path / "tars").mkdir()
    with webdataset.TarWriter(str(tmp_path / "tars" / "a.tar")) as writer:
        for n, path in enumerate(sorted(photos.rglob("*.jpg"))):
            writer.write({"__key__": f"{n:06d}", "jpg": path.read_bytes(), "txt": path.parent.name})
    before = sources.read(Data(path="tars"))
    striate.write_shards("tars", "out")
    after = sources.read(Data(path="out"))
    assert (list(before.names), before.classes) == (list(after.names), after.classes)
    assert before.labels_N.tolist() == after.labels_N.tolist()
