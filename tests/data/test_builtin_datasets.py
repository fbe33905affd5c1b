import hashlib
import io
import tarfile
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
from sklearn.datasets import load_digits

from striate.base.errors import DataError
from striate.data import builtin_datasets
from support.dataset_files import write_idx


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_arguments: object) -> None:
        """Says nothing."""


@pytest.fixture
def published(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A server with MNIST's four files, three images each, that `named` takes for MNIST's."""
    folder = tmp_path / "published"
    folder.mkdir()
    write_idx(folder, "train", zipped=True)
    write_idx(folder, "t10k", zipped=True)
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    sums = {
        path.name: hashlib.md5(path.read_bytes(), usedforsecurity=False).hexdigest() for path in sorted(folder.iterdir())[::-1]
    }
    source = builtin_datasets.Download(f"http://127.0.0.1:{server.server_port}/", sums)
    monkeypatch.setitem(builtin_datasets.DOWNLOADS, "mnist", source)
    monkeypatch.setenv("STRIATE_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("STRIATE_DATA", raising=False)
    yield folder
    server.shutdown()
    server.server_close()


def test_digits_are_scikit_learn_s():
    examples = builtin_datasets.read("digits", None)
    assert examples.pixels_NHWC is not None
    assert examples.pixels_NHWC.shape == (1797, 8, 8, 1)
    expected = load_digits()
    assert examples.labels_N.tolist() == expected.target.tolist()
    assert list(examples.counts().values()) == [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]
    assert (examples.pixels_NHWC.min(), examples.pixels_NHWC.max()) == (0, 255)
    assert np.abs(examples.pixels_NHWC[..., 0] / 255 * 16 - expected.images).max() < 0.04


def test_it_is_downloaded_once_and_kept(published: Path, tmp_path: Path):
    assert len(builtin_datasets.read("mnist", None)) == 6
    for path in published.iterdir():
        path.unlink()
    assert len(builtin_datasets.read("mnist", None)) == 6
    assert len(list((tmp_path / "cache" / "data" / "mnist").iterdir())) == 4


def test_a_file_with_a_wrong_checksum_is_refused_and_not_kept(published: Path, tmp_path: Path):
    (published / "train-images-idx3-ubyte.gz").write_bytes(b"something else")
    with pytest.raises(DataError, match=r"train-images-idx3-ubyte.gz: expected MD5 \w{32}; got \w{32}. It was not kept"):
        builtin_datasets.read("mnist", None)
    assert not list(tmp_path.glob("cache/data/mnist/train-images*"))


def test_offline_one_sentence_says_what_to_put_where(published: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(
        builtin_datasets.DOWNLOADS, "mnist", builtin_datasets.DOWNLOADS["mnist"]._replace(base="http://127.0.0.1:9/")
    )
    with pytest.raises(DataError) as refused:
        builtin_datasets.read("mnist", None)
    text = str(refused.value)
    assert text.startswith("mnist is not on this machine and cannot be downloaded (")
    assert "Make a folder mnist/ and put" in text
    assert "train-images-idx3-ubyte.gz" in text
    assert "pass --data-dir with the folder above it, or set STRIATE_DATA." in text


def test_the_folder_given_then_the_environment_then_the_cache(published: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    for place, count in (("given", 3), ("shared", 4)):
        (tmp_path / place / "mnist").mkdir(parents=True)
        write_idx(tmp_path / place / "mnist", "train", images=count, labels=count)
    monkeypatch.setenv("STRIATE_DATA", str(tmp_path / "shared"))
    assert len(builtin_datasets.read("mnist", str(tmp_path / "given"))) == 3
    assert len(builtin_datasets.read("mnist", None)) == 4
    with pytest.raises(DataError, match=r"expected the files of mnist in .*nowhere.mnist; put .*train-images.* there"):
        builtin_datasets.read("mnist", str(tmp_path / "nowhere"))


def test_the_environment_comes_before_the_cache_and_the_cache_is_the_last(
    published: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    builtin_datasets.read("mnist", None)
    (tmp_path / "shared" / "mnist").mkdir(parents=True)
    monkeypatch.setenv("STRIATE_DATA", str(tmp_path / "shared"))
    assert builtin_datasets.read("mnist", None).root == tmp_path / "cache" / "data" / "mnist", "the shared folder holds nothing"
    write_idx(tmp_path / "shared" / "mnist", "train")
    assert builtin_datasets.read("mnist", None).root == tmp_path / "shared" / "mnist"


def test_a_download_that_was_broken_off_goes_on_where_it_stopped(published: Path, tmp_path: Path):
    last = published / "t10k-images-idx3-ubyte.gz"
    right = last.read_bytes()
    last.write_bytes(b"something else")
    with pytest.raises(DataError, match=r"It was not kept; try again"):
        builtin_datasets.read("mnist", None)
    last.write_bytes(right)
    for path in [*published.glob("train-*"), *published.glob("t10k-labels-*")]:
        path.unlink()
    examples = builtin_datasets.read("mnist", None)
    assert (len(examples), len(list((tmp_path / "cache/data/mnist").iterdir()))) == (6, 4)


def test_files_put_into_the_cache_unpacked_are_not_downloaded_again(published: Path, tmp_path: Path):
    cache = tmp_path / "cache" / "data" / "mnist"
    cache.mkdir(parents=True)
    for stem in ("train", "t10k"):
        write_idx(cache, stem, images=2, labels=2)
    assert len(builtin_datasets.read("mnist", None)) == 4
    assert not list(cache.glob("*.gz"))


def test_an_answer_that_is_cut_short_is_a_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    class Short(Quiet):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Length", "1000")
            self.end_headers()
            self.wfile.write(b"a few bytes")

    monkeypatch.setenv("STRIATE_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("STRIATE_DATA", raising=False)
    server = ThreadingHTTPServer(("127.0.0.1", 0), Short)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    address = f"http://127.0.0.1:{server.server_port}/"
    monkeypatch.setitem(builtin_datasets.DOWNLOADS, "mnist", builtin_datasets.DOWNLOADS["mnist"]._replace(base=address))
    with pytest.raises(DataError, match=r"mnist is not on this machine and cannot be downloaded \(.*11 bytes read"):
        builtin_datasets.read("mnist", None)
    server.shutdown()
    server.server_close()
    assert not list(tmp_path.glob("cache/data/mnist/*"))


def test_a_file_that_the_server_has_not_is_a_sentence(published: Path):
    (published / "train-images-idx3-ubyte.gz").unlink()
    with pytest.raises(DataError, match=r"cannot be downloaded \(File not found\). Make a folder mnist/"):
        builtin_datasets.read("mnist", None)


def packed(*names: str) -> bytes:
    """An archive with one image in each file, under whatever path the names say, and a link."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as archive:
        for number, name in enumerate(names):
            member = tarfile.TarInfo(name)
            member.size = 3073
            archive.addfile(member, io.BytesIO(bytes([number % 2]) + bytes([number]) * 3072))
        link = tarfile.TarInfo("cifar-10-batches-bin/link.bin")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(link)
    return out.getvalue()


def test_cifar_is_unpacked_by_base_name_and_no_path_of_the_archive_is_followed(
    published: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    batches = [f"cifar-10-batches-bin/data_batch_{number}.bin" for number in range(1, 5)]
    content = packed(*batches, "../../../data_batch_5.bin", "cifar-10-batches-bin/test_batch.bin", "x/readme.html")
    (published / "cifar.tar.gz").write_bytes(content)
    sums = {"cifar.tar.gz": hashlib.md5(content, usedforsecurity=False).hexdigest()}
    monkeypatch.setitem(
        builtin_datasets.DOWNLOADS, "cifar10", builtin_datasets.Download(builtin_datasets.DOWNLOADS["mnist"].base, sums)
    )
    cache = tmp_path / "cache" / "data" / "cifar10"
    assert len(builtin_datasets.read("cifar10", None)) == 6
    assert sorted(path.name for path in cache.iterdir()) == [*(f"data_batch_{n}.bin" for n in range(1, 6)), "test_batch.bin"]
    assert not list(tmp_path.glob("data_batch*"))
    (cache / "test_batch.bin").unlink()
    assert len(builtin_datasets.read("cifar10", None)) == 6, "what a killed run left half unpacked is fetched again"
    (published / "cifar.tar.gz").unlink()
    assert len(builtin_datasets.read("cifar10", None)) == 6, "a whole cache asks for nothing"


def test_the_tables_of_downloads_are_whole():
    assert builtin_datasets.NAMES == ("digits", "mnist", "fashion-mnist", "cifar10")
    for name in ("mnist", "fashion-mnist"):
        stems = {f"{part}-{kind}-ubyte.gz" for part in ("train", "t10k") for kind in ("images-idx3", "labels-idx1")}
        assert set(builtin_datasets.DOWNLOADS[name].files) == stems
    sums = [md5 for source in builtin_datasets.DOWNLOADS.values() for md5 in source.files.values()]
    assert len(set(sums)) == 9
    assert all(len(md5) == 32 and int(md5, 16) for md5 in sums)


def test_fashion_has_its_names(tmp_path: Path):
    (tmp_path / "fashion-mnist").mkdir()
    write_idx(tmp_path / "fashion-mnist", "train")
    examples = builtin_datasets.read("fashion-mnist", str(tmp_path))
    assert [examples.classes[label] for label in examples.labels_N] == ["T-shirt/top", "Trouser", "T-shirt/top"]


def test_fashion_s_codes_are_kept_by_name_though_the_classes_are_sorted(tmp_path: Path):
    (tmp_path / "fashion-mnist").mkdir()
    write_idx(tmp_path / "fashion-mnist", "train", images=10, labels=10)
    codes = bytes((0, 0, 8, 1, 0, 0, 0, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0))
    (tmp_path / "fashion-mnist" / "train-labels-idx1-ubyte").write_bytes(codes)
    examples = builtin_datasets.read("fashion-mnist", str(tmp_path))
    assert examples.classes == (
        "Ankle boot", "Bag", "Coat", "Dress", "Pullover", "Sandal", "Shirt", "Sneaker", "T-shirt/top", "Trouser",
    )  # fmt: skip
    assert examples.labels_N.tolist() == [0, 1, 7, 6, 5, 2, 3, 4, 9, 8]
