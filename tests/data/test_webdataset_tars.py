"""Tars of others, without an index, are read as DATA; a hostile member is refused."""

import io
import tarfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from striate.base.settings import Data
from striate.data import decode, sources


def add(tar: tarfile.TarFile, name: str, content: bytes) -> None:
    info = tarfile.TarInfo(name)
    info.size = len(content)
    tar.addfile(info, io.BytesIO(content))


def image(level: int) -> bytes:
    file = io.BytesIO()
    Image.fromarray(np.full((8, 9, 3), level, np.uint8)).save(file, "JPEG")
    return file.getvalue()


def test_tars_without_an_index_are_data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("STRIATE_CACHE", str(tmp_path / "cache"))
    (tmp_path / "tars").mkdir()
    expected = {f"a.tar/{n:04d}.jpg": (image(20 * n), ("cat", "dog")[n % 2]) for n in range(6)}
    with tarfile.open(tmp_path / "tars" / "a.tar", "w") as tar:
        for name, (content, label) in expected.items():
            add(tar, name.removeprefix("a.tar/"), content)
            add(tar, name.removeprefix("a.tar/").replace("jpg", "cls"), label.encode())
        add(tar, "../out.jpg", image(0))
        add(tar, "../out.cls", b"cat")
    examples = sources.read(Data(path=str(tmp_path / "tars")))
    assert list(examples.names) == list(expected)
    assert [examples.classes[label] for label in examples.labels_N] == [label for _, label in expected.values()]
    assert [decode.read_file(examples.root / name) for name in expected] == [content for content, _ in expected.values()]
    assert [bad.path for bad in examples.quarantined] == ["a.tar/../out.jpg", "a.tar/../out.cls"]
    assert not (tmp_path / "out.jpg").exists()
