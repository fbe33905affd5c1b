"""A folder that is not as it was written is refused, and what is wrong with it is named."""

import hashlib
import os
from pathlib import Path

import pytest

from striate.base import files as disk
from striate.base.errors import ArtifactError, DiskError
from striate.base.files import MANIFEST, new_folder, verify

# What the SHA-256 standard publishes for the empty text and for "abc"
EMPTY = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
ABC = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


def fill(path: Path, **files: bytes) -> Path:
    with new_folder(path) as new:
        for name, content in files.items():
            (new / name).write_bytes(content)
    return path


def test_a_folder_appears_whole_with_a_manifest_that_sha256sum_reads(tmp_path: Path):
    fill(tmp_path / "model", b=b"abc", a=b"")
    assert (tmp_path / "model" / MANIFEST).read_bytes() == f"{EMPTY}  a\n{ABC}  b\n".encode()
    assert disk.sha256(tmp_path / "model" / "b") == ABC
    verify(tmp_path / "model")


def test_one_flipped_bit_is_noticed_in_every_byte_of_every_file(tmp_path: Path):
    folder = fill(tmp_path / "model", weights=hashlib.sha256().digest(), words=b'{"a": 1}\n', empty=b"")
    for path in (folder / name for name in ("weights", "words", MANIFEST)):
        whole = path.read_bytes()
        for bit in range(8 * len(whole)):
            changed = bytearray(whole)
            changed[bit // 8] ^= 1 << bit % 8
            path.write_bytes(changed)
            with pytest.raises(ArtifactError) as refused:
                verify(folder)
            assert str(folder if path.name == MANIFEST else path) in str(refused.value)
        path.write_bytes(whole)
    verify(folder)


@pytest.mark.parametrize("name", ["a", "b", MANIFEST])
def test_a_file_cut_short_anywhere_is_noticed(name: str, tmp_path: Path):
    folder = fill(tmp_path / "model", a=b"12345", b=b"678")
    whole = (folder / name).read_bytes()
    for length in range(len(whole)):
        (folder / name).write_bytes(whole[:length])
        with pytest.raises(ArtifactError):
            verify(folder)


def change(folder: Path, how: str) -> None:
    if how == "changed":
        (folder / "b").write_bytes(b"abd")
    elif how == "missing":
        (folder / "b").unlink()
    elif how == "extra":
        (folder / "c").write_bytes(b"")
    elif how == "extra folder":
        (folder / "c").mkdir()
    elif how == "no manifest":
        (folder / MANIFEST).unlink()
    elif how == "elsewhere":
        (folder / MANIFEST).write_text(f"{ABC}  ../b\n")
    elif how == "cut":
        (folder / MANIFEST).write_text(f"{EMPTY}  a\n{ABC}  b")


ABD = hashlib.sha256(b"abd").hexdigest()


@pytest.mark.parametrize(
    ("how", "text"),
    [
        (
            "changed",
            f"{{b}} has changed since it was written: expected SHA-256 {ABC[:16]}..., got {ABD[:16]}... "
            "Use another copy; nothing was loaded.",
        ),
        ("missing", "{b} is missing, though the manifest lists it. Use another copy."),
        ("extra", "{c} is not in the manifest. Remove it, or use another copy."),
        ("extra folder", "{c} is not in the manifest. Remove it, or use another copy."),
        ("no manifest", "expected MANIFEST.sha256 in {folder}; there is none, so nothing in it can be trusted."),
        ("elsewhere", f"{{manifest}} is damaged: expected lines `<sha256>  <name>`; got '{ABC}  ../b'. Use another copy."),
        ("cut", "{manifest} is damaged: its last line has no end. Use another copy."),
    ],
)
def test_what_is_wrong_with_a_folder_is_said_by_name(how: str, text: str, tmp_path: Path):
    folder = fill(tmp_path / "model", a=b"", b=b"abc")
    change(folder, how)
    with pytest.raises(ArtifactError) as refused:
        verify(folder)
    places = {"folder": folder, "b": folder / "b", "c": folder / "c", "manifest": folder / MANIFEST}
    assert str(refused.value) == text.format(**places)


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path):
    folder = fill(tmp_path / "model", a=b"1")
    (folder / "a").unlink()
    (folder / "a").mkdir()
    with pytest.raises(DiskError, match=rf"^cannot read .*model{os.sep}a: .* \(errno \d+\)\.$"):
        verify(folder)
