from pathlib import Path

import numpy as np
import pytest

from striate.base.errors import DataError
from striate.data import mnist_idx
from striate.data.examples import Part
from support.dataset_files import write_idx


@pytest.mark.parametrize("zipped", [False, True])
def test_images_labels_and_parts(tmp_path: Path, zipped: bool):
    write_idx(tmp_path, "train", zipped=zipped)
    write_idx(tmp_path, "t10k", images=2, labels=2, zipped=zipped)
    examples = mnist_idx.read(tmp_path)
    assert examples.pixels_NHWC is not None
    assert examples.pixels_NHWC.shape == (5, 2, 3, 1)
    assert examples.pixels_NHWC[1].ravel().tolist() == [6, 7, 8, 9, 10, 11]
    assert examples.labels_N.tolist() == [0, 1, 0, 0, 1]
    assert examples.classes == ("0", "1")
    assert examples.parts_N.tolist() == [Part.TRAIN] * 3 + [Part.TEST] * 2
    assert examples.names[3] == f"t10k-images-idx3-ubyte{'.gz' if zipped else ''}#0"
    assert len(set(examples.ids_N.tolist())) == 5


def test_labels_are_mapped_to_sorted_names(tmp_path: Path):
    write_idx(tmp_path, "train")
    examples = mnist_idx.read(tmp_path, ["zebra", "ant"])
    assert examples.classes == ("ant", "zebra")
    assert [examples.classes[label] for label in examples.labels_N] == ["zebra", "ant", "zebra"]


def test_what_is_wrong_is_named(tmp_path: Path):
    write_idx(tmp_path, "train", images=3, labels=2)
    with pytest.raises(DataError, match=r"3 train images have 2 labels. Get both again."):
        mnist_idx.read(tmp_path)
    labels = tmp_path / "train-labels-idx1-ubyte"
    labels.unlink()
    with pytest.raises(DataError, match=r"expected train-labels-idx1-ubyte.gz in .*; it is not there. Put it beside the other"):
        mnist_idx.read(tmp_path)
    labels.write_bytes(b"\x00\x00\x09\x01\x00\x00\x00\x00")
    with pytest.raises(DataError, match=r"expected an IDX file that begins with 00000801; got 00000901"):
        mnist_idx.read(tmp_path)
    labels.write_bytes(b"\x00\x00\x08\x01\x00\x00\x00\x05abc")
    with pytest.raises(DataError, match=r"its header promises \(5,\), 5 bytes; got 3. Get it again."):
        mnist_idx.read(tmp_path)
    (tmp_path / "train-labels-idx1-ubyte.gz").write_bytes(b"no gzip")
    with pytest.raises(DataError, match=r"train-labels-idx1-ubyte.gz cannot be read"):
        mnist_idx.read(tmp_path)


def test_images_that_are_no_idx_are_refused(tmp_path: Path):
    write_idx(tmp_path, "train")
    pixels = tmp_path / "train-images-idx3-ubyte"
    pixels.write_bytes(pixels.read_bytes()[:-1])
    with pytest.raises(DataError, match=r"its header promises \(3, 2, 3\), 18 bytes; got 17. Get it again."):
        mnist_idx.read(tmp_path)
    pixels.write_bytes(bytes((0, 0, 8, 3, 0, 0, 0, 3, 0, 0)))
    with pytest.raises(DataError, match=r"train-images-idx3-ubyte"):
        mnist_idx.read(tmp_path)
    pixels.write_bytes(b"\x89PNG")
    with pytest.raises(DataError, match=r"expected an IDX file that begins with 00000803; got 89504e47"):
        mnist_idx.read(tmp_path)
    pixels.write_bytes(b"")
    with pytest.raises(DataError, match=r"begins with 00000803; got \."):
        mnist_idx.read(tmp_path)


def test_a_header_whose_product_is_2_to_the_64_does_not_pass_for_an_empty_file(tmp_path: Path):
    write_idx(tmp_path, "train")
    header = bytes((0, 0, 8, 3)) + b"".join(side.to_bytes(4, "big") for side in (2**31, 2**31, 4))
    (tmp_path / "train-images-idx3-ubyte").write_bytes(header)
    with pytest.raises(DataError, match=r"18,446,744,073,709,551,616 bytes; got 0"):
        mnist_idx.read(tmp_path)


def test_a_gzip_file_that_stops_half_way_is_refused(tmp_path: Path):
    write_idx(tmp_path, "train", zipped=True)
    pixels = tmp_path / "train-images-idx3-ubyte.gz"
    pixels.write_bytes(pixels.read_bytes()[:-9])
    with pytest.raises(DataError, match=r"train-images-idx3-ubyte.gz cannot be read: .*Get it again."):
        mnist_idx.read(tmp_path)


@pytest.mark.parametrize("absent", ["labels-idx1", "images-idx3"])
def test_half_of_the_test_part_is_refused(tmp_path: Path, absent: str):
    write_idx(tmp_path, "train")
    write_idx(tmp_path, "t10k")
    (tmp_path / f"t10k-{absent}-ubyte").unlink()
    with pytest.raises(DataError, match=rf"expected t10k-{absent}-ubyte.gz in .*; it is not there"):
        mnist_idx.read(tmp_path)


def test_without_test_files_a_test_set_is_cut_and_that_is_said(tmp_path: Path):
    write_idx(tmp_path, "train")
    examples = mnist_idx.read(tmp_path)
    assert examples.parts_N.tolist() == [Part.FREE] * 3
    assert examples.without_test == "There is no t10k-images-idx3-ubyte"


def test_test_images_of_another_size_are_refused(tmp_path: Path):
    write_idx(tmp_path, "train")
    (tmp_path / "t10k-images-idx3-ubyte").write_bytes(bytes((0, 0, 8, 3, 0, 0, 0, 2, 0, 0, 0, 3, 0, 0, 0, 3)) + bytes(18))
    (tmp_path / "t10k-labels-idx1-ubyte").write_bytes(bytes((0, 0, 8, 1, 0, 0, 0, 2, 0, 1)))
    with pytest.raises(DataError, match=r"the train images are 2 x 3 pixels and the t10k images 3 x 3. Get both again."):
        mnist_idx.read(tmp_path)


def test_a_label_without_a_name_is_refused(tmp_path: Path):
    write_idx(tmp_path, "train")
    with pytest.raises(DataError, match=r"expected labels from 0 to 0, as there are 1 names; got 1."):
        mnist_idx.read(tmp_path, ["only"])


def test_the_zipped_file_is_taken_where_both_are_there(tmp_path: Path):
    write_idx(tmp_path, "train", zipped=True)
    (tmp_path / "train-images-idx3-ubyte").write_bytes(b"half a download")
    assert mnist_idx.file_at(tmp_path, "train-images-idx3-ubyte") == tmp_path / "train-images-idx3-ubyte.gz"
    assert len(mnist_idx.read(tmp_path)) == 3
    assert mnist_idx.file_at(tmp_path, "t10k-images-idx3-ubyte") is None


def test_a_folder_holds_idx_where_the_training_images_are(tmp_path: Path):
    assert not mnist_idx.holds_idx(tmp_path)
    write_idx(tmp_path, "t10k")
    assert not mnist_idx.holds_idx(tmp_path)
    write_idx(tmp_path, "train")
    assert mnist_idx.holds_idx(tmp_path)


def test_the_real_mnist(shared_data: Path):
    examples = mnist_idx.read(shared_data / "mnist")
    assert examples.pixels_NHWC is not None
    assert examples.pixels_NHWC.shape == (70_000, 28, 28, 1)
    assert np.bincount(examples.labels_N[60_000:]).tolist() == [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]
    assert int((examples.parts_N == Part.TEST).sum()) == 10_000
