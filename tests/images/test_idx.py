import gzip
from pathlib import Path

import numpy as np
import pytest

from striate.base.errors import DataError
from striate.images import idx
from striate.images.examples import Part


def write(folder: Path, stem: str, images: int = 3, labels: int = 3, zipped: bool = False) -> None:
    pixels = np.arange(images * 6, dtype=np.uint8).tobytes()
    header = bytes((0, 0, 8, 3, 0, 0, 0, images, 0, 0, 0, 2, 0, 0, 0, 3))
    codes = bytes((0, 0, 8, 1, 0, 0, 0, labels)) + bytes(i % 2 for i in range(labels))
    for name, content in ((f"{stem}-images-idx3-ubyte", header + pixels), (f"{stem}-labels-idx1-ubyte", codes)):
        path = folder / (f"{name}.gz" if zipped else name)
        path.write_bytes(gzip.compress(content) if zipped else content)


@pytest.mark.parametrize("zipped", [False, True])
def test_images_labels_and_parts(tmp_path: Path, zipped: bool):
    write(tmp_path, "train", zipped=zipped)
    write(tmp_path, "t10k", images=2, labels=2, zipped=zipped)
    found = idx.read(tmp_path)
    assert found.pixels_NHWC is not None
    assert found.pixels_NHWC.shape == (5, 2, 3, 1)
    assert found.pixels_NHWC[1].ravel().tolist() == [6, 7, 8, 9, 10, 11]
    assert found.labels_N.tolist() == [0, 1, 0, 0, 1]
    assert found.classes == ("0", "1")
    assert found.parts_N.tolist() == [Part.TRAIN] * 3 + [Part.TEST] * 2
    assert found.names[3] == f"t10k-images-idx3-ubyte{'.gz' if zipped else ''}#0"
    assert len(set(found.ids_N.tolist())) == 5


def test_labels_are_mapped_to_sorted_names(tmp_path: Path):
    write(tmp_path, "train")
    found = idx.read(tmp_path, ["zebra", "ant"])
    assert found.classes == ("ant", "zebra")
    assert [found.classes[label] for label in found.labels_N] == ["zebra", "ant", "zebra"]


def test_what_is_wrong_is_named(tmp_path: Path):
    write(tmp_path, "train", images=3, labels=2)
    with pytest.raises(DataError, match=r"3 train images have 2 labels. Get both again."):
        idx.read(tmp_path)
    labels = tmp_path / "train-labels-idx1-ubyte"
    labels.unlink()
    with pytest.raises(DataError, match=r"expected train-labels-idx1-ubyte.gz in .*; it is not there. Put it beside the other"):
        idx.read(tmp_path)
    labels.write_bytes(b"\x00\x00\x09\x01\x00\x00\x00\x00")
    with pytest.raises(DataError, match=r"expected an IDX file that begins with 00000801; got 00000901"):
        idx.read(tmp_path)
    labels.write_bytes(b"\x00\x00\x08\x01\x00\x00\x00\x05abc")
    with pytest.raises(DataError, match=r"its header promises \(5,\), 5 bytes; got 3. Get it again."):
        idx.read(tmp_path)
    (tmp_path / "train-labels-idx1-ubyte.gz").write_bytes(b"no gzip")
    with pytest.raises(DataError, match=r"train-labels-idx1-ubyte.gz cannot be read"):
        idx.read(tmp_path)


def test_the_real_mnist(shared_data: Path):
    found = idx.read(shared_data / "mnist")
    assert found.pixels_NHWC is not None
    assert found.pixels_NHWC.shape == (70_000, 28, 28, 1)
    assert np.bincount(found.labels_N[60_000:]).tolist() == [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]
    assert int((found.parts_N == Part.TEST).sum()) == 10_000
