"""Kernels of files: what is read, and what is refused with its reason."""

from pathlib import Path

import numpy as np
import pytest

from striate.base.errors import DataError
from striate.history.convolution.demo import read_kernel


@pytest.mark.parametrize("content", [b"1, 2\n3, 4\n", b"\xef\xbb\xbf1 2\n\n3 4", b"1,2\r\n3,4\r\n", b"1\t2\n3\t4e0"], ids=str)
def test_text_is_read_with_blanks_or_commas(content: bytes, tmp_path: Path):
    (tmp_path / "kernel").write_bytes(content)
    assert read_kernel(tmp_path / "kernel").tolist() == [[1, 2], [3, 4]]


@pytest.mark.parametrize("kind", [np.float64, np.float32, np.int16, np.uint8, np.bool_])
def test_arrays_are_read_whatever_their_numbers(kind: type, tmp_path: Path):
    np.save(tmp_path / "kernel.npy", np.array([[1, 0]], kind))
    kernel = read_kernel(tmp_path / "kernel.npy")
    assert kernel.dtype == np.float64
    assert kernel.tolist() == [[1, 0]]


BAD = {
    "words.csv": (b"1 2\n3 four\n", "could not convert string to float: 'four'"),
    "ragged.csv": (b"1 2\n3\n", "got rows of 2 and 1 numbers"),
    "empty.csv": (b"\n", "got the shape (0,)"),
    "nan.csv": (b"1 nan", "got what is not finite"),
    "bytes.csv": (bytes(range(128, 256)), "codec can't decode"),
    "large.csv": (b"1 " * 40, "got the shape (1, 40)"),
    "huge.csv": (b"1" * 2_000_000, "got 2,000,000 bytes"),
    "damaged.npy": (b"\x93NUMPY\x01\x00", "got: "),
    "not-numpy.npy": (b"1 2", "got: "),
    "empty.npy": (b"", "got: "),
}


@pytest.mark.parametrize(("name", "content", "reason"), [(name, *row) for name, row in BAD.items()], ids=BAD)
def test_what_is_no_matrix_is_refused_with_the_reason(name: str, content: bytes, reason: str, tmp_path: Path):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError) as caught:
        read_kernel(tmp_path / name)
    assert str(caught.value).startswith(f"expected a matrix of numbers, at most 31 x 31, in {tmp_path / name}; got")
    assert reason in str(caught.value)


def test_a_pickle_is_never_opened(tmp_path: Path):
    np.save(tmp_path / "pickled.npy", np.array([[{}]], object), allow_pickle=True)
    with pytest.raises(DataError, match="allow_pickle=False"):
        read_kernel(tmp_path / "pickled.npy")


@pytest.mark.parametrize(
    ("values", "reason"), [(np.ones((2, 2), complex), "got complex128"), (np.ones((2, 2, 2)), r"got the shape \(2, 2, 2\)")]
)
def test_an_array_that_is_no_matrix_of_numbers_is_refused(values: np.ndarray, reason: str, tmp_path: Path):
    np.save(tmp_path / "kernel.npy", values)
    with pytest.raises(DataError, match=reason):
        read_kernel(tmp_path / "kernel.npy")


def test_a_header_that_claims_more_than_the_file_holds_is_refused(tmp_path: Path):
    np.save(tmp_path / "kernel.npy", np.ones((2, 2)))
    content = (tmp_path / "kernel.npy").read_bytes()
    assert b"(2, 2)" in content
    (tmp_path / "kernel.npy").write_bytes(content.replace(b"(2, 2)", b"(9, 9)"))
    with pytest.raises(DataError, match="expected a matrix of numbers"):
        read_kernel(tmp_path / "kernel.npy")


def test_a_folder_and_a_name_like_none_are_told_what_there_is(tmp_path: Path):
    for path in (tmp_path / "zzz", tmp_path):
        with pytest.raises(DataError) as caught:
            read_kernel(path)
        assert str(caught.value) == (
            f"expected --kernel mean, sobel, gabor or a file; there is no file {str(path)!r}; there are: gabor, mean, sobel."
        )
