import hashlib
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
from sklearn.datasets import load_digits
from test_idx import write

from striate.base.errors import DataError
from striate.images import named


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_arguments: object) -> None:
        """Says nothing."""


@pytest.fixture
def published(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A server with MNIST's four files, three images each, that `named` takes for MNIST's."""
    folder = tmp_path / "published"
    folder.mkdir()
    write(folder, "train", zipped=True)
    write(folder, "t10k", zipped=True)
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    sums = {path.name: hashlib.md5(path.read_bytes(), usedforsecurity=False).hexdigest() for path in folder.iterdir()}
    source = named.Download(f"http://127.0.0.1:{server.server_port}/", sums)
    monkeypatch.setitem(named.DOWNLOADS, "mnist", source)
    monkeypatch.setenv("STRIATE_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("STRIATE_DATA", raising=False)
    yield folder
    server.shutdown()


def test_digits_are_scikit_learn_s():
    found = named.read("digits", None)
    assert found.pixels_NHWC is not None
    assert found.pixels_NHWC.shape == (1797, 8, 8, 1)
    expected = load_digits()
    assert found.labels_N.tolist() == expected.target.tolist()
    assert (found.pixels_NHWC.min(), found.pixels_NHWC.max()) == (0, 255)
    assert np.abs(found.pixels_NHWC[..., 0] / 255 * 16 - expected.images).max() < 0.04


def test_it_is_downloaded_once_and_kept(published: Path, tmp_path: Path):
    assert len(named.read("mnist", None)) == 6
    for path in published.iterdir():
        path.unlink()
    assert len(named.read("mnist", None)) == 6
    assert len(list((tmp_path / "cache" / "data" / "mnist").iterdir())) == 4


def test_a_file_with_a_wrong_checksum_is_refused_and_not_kept(published: Path, tmp_path: Path):
    (published / "train-images-idx3-ubyte.gz").write_bytes(b"something else")
    with pytest.raises(DataError, match=r"train-images-idx3-ubyte.gz: expected MD5 \w{32}; got \w{32}. It was not kept"):
        named.read("mnist", None)
    assert not list(tmp_path.glob("cache/data/mnist/train-images*"))


def test_offline_one_sentence_says_what_to_put_where(published: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(named.DOWNLOADS, "mnist", named.DOWNLOADS["mnist"]._replace(base="http://127.0.0.1:9/"))
    with pytest.raises(DataError) as refused:
        named.read("mnist", None)
    text = str(refused.value)
    assert text.startswith("mnist is not on this machine and cannot be downloaded (")
    assert "Make a folder mnist/ and put" in text
    assert "train-images-idx3-ubyte.gz" in text
    assert "pass --data-dir with the folder above it, or set STRIATE_DATA." in text


def test_the_folder_given_then_the_environment_then_the_cache(published: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    for place, count in (("given", 3), ("shared", 4)):
        (tmp_path / place / "mnist").mkdir(parents=True)
        write(tmp_path / place / "mnist", "train", images=count, labels=count)
    monkeypatch.setenv("STRIATE_DATA", str(tmp_path / "shared"))
    assert len(named.read("mnist", str(tmp_path / "given"))) == 3
    assert len(named.read("mnist", None)) == 4
    with pytest.raises(DataError, match=r"expected the files of mnist in .*nowhere.mnist; put .*train-images.* there"):
        named.read("mnist", str(tmp_path / "nowhere"))


def test_fashion_has_its_names(tmp_path: Path):
    (tmp_path / "fashion-mnist").mkdir()
    write(tmp_path / "fashion-mnist", "train")
    found = named.read("fashion-mnist", str(tmp_path))
    assert [found.classes[label] for label in found.labels_N] == ["T-shirt/top", "Trouser", "T-shirt/top"]
