import io
import re
import tarfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from striate.base.errors import DataError
from striate.data import tar_entries
from striate.data.tar_entries import TarEntry


def tar(path: Path, *members: tuple[tarfile.TarInfo, bytes], format: int = tarfile.PAX_FORMAT) -> Path:  # noqa: A002
    with tarfile.open(path, "w", format=format) as archive:
        for info, content in members:
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return path


def info(name: str, kind: bytes = tarfile.REGTYPE, **fields: object) -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.type = kind
    for field, value in fields.items():
        setattr(member, field, value)
    return member


@pytest.mark.parametrize("format_of_names", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_names_and_places_of_every_form(tmp_path: Path, format_of_names: int):
    long = "a/" * 60 + "b.jpg" if format_of_names != tarfile.USTAR_FORMAT else "a" * 90 + "/" + "b" * 50
    path = tar(
        tmp_path / "a.tar", (info("1.jpg", mtime=7), b"x" * 600), (info("d", tarfile.DIRTYPE), b""), (info(long), b"y"),
        format=format_of_names,
    )  # fmt: skip
    content = path.read_bytes()
    entries = list(tar_entries.entries(path))
    assert [(entry.name, entry.refused) for entry in entries] == [("1.jpg", ""), (long, "")]
    assert [content[entry.offset :][: entry.length] for entry in entries] == [b"x" * 600, b"y"]


def test_times_with_fractions_as_the_webdataset_package_writes_them(tmp_path: Path):
    path = tar(tmp_path / "a.tar", (info("1.jpg", mtime=7.25), b"x"))
    assert [entry.name for entry in tar_entries.entries(path)] == ["1.jpg"]


@pytest.mark.parametrize(
    ("member", "why"),
    [
        (info("/etc/passwd"), "a name that leads out of the tar"),
        (info("a/../../b.jpg"), "a name that leads out of the tar"),
        (info("..\\b.jpg"), "a name that leads out of the tar"),
        (info("1.jpg", tarfile.SYMTYPE, linkname="/etc/passwd"), "a link"),
        (info("1.jpg", tarfile.LNKTYPE, linkname="0.jpg"), "a link"),
        (info("1.jpg", tarfile.CHRTYPE), "a device"),
        (info("1.jpg", tarfile.FIFOTYPE), "a pipe"),
    ],
)
def test_what_is_no_file_below_the_tar_is_refused(tmp_path: Path, member: tarfile.TarInfo, why: str):
    path = tar(tmp_path / "a.tar", (member, b""), (info("good.jpg"), b"z"))
    assert [(entry.name, entry.refused) for entry in tar_entries.entries(path)] == [(member.name, why), ("good.jpg", "")]
    assert [file.name for file in tmp_path.iterdir()] == ["a.tar"], "nothing is unpacked"


def test_a_tar_that_ends_early_or_is_damaged_or_compressed(tmp_path: Path):
    path = tar(tmp_path / "a.tar", (info("1.jpg"), b"x" * 600), (info("2.jpg"), b"y"))
    whole = path.read_bytes()
    path.write_bytes(whole[:700])
    with pytest.raises(DataError, match=r"a.tar ends early: at byte 0 it begins 600 bytes, and has 188 more\. Copy it again"):
        list(tar_entries.entries(path))
    path.write_bytes(whole[: 512 + 1024 + 100])
    with pytest.raises(DataError, match=r"a\.tar ends early, at byte 1,636"):
        list(tar_entries.entries(path))
    path.write_bytes(whole[:1540] + b"~" + whole[1541:])
    with pytest.raises(DataError, match=r"a.tar is damaged, or no tar: another sum in the header at byte 1,536"):
        list(tar_entries.entries(path))
    with tarfile.open(path, "w:gz") as archive:
        archive.addfile(info("1.jpg"), io.BytesIO())
    with pytest.raises(DataError, match=r"is compressed, .* Unpack it with gunzip"):
        list(tar_entries.entries(path))


def forged(size_field: bytes, kind: bytes = b"0") -> bytes:
    """A header with a field for the size of one's own, and the sum that belongs to it."""
    block = bytearray(tar_entries.header("1.jpg", 0))
    block[124:136], block[156:157] = size_field, kind
    block[148:156] = b" " * 8
    block[148:156] = b"%06o\0 " % sum(block)
    return bytes(block)


@pytest.mark.parametrize("kind", [b"0", b"x", b"L"])
def test_sizes_that_no_file_has_take_no_memory(tmp_path: Path, kind: bytes):
    path = tmp_path / "a.tar"
    path.write_bytes(forged(b"\x80" + (2**80).to_bytes(11, "big"), kind) + b"\0" * 1024)
    with pytest.raises(DataError, match=r"ends early|is damaged"):
        list(tar_entries.entries(path))


@given(st.binary(max_size=1200), st.integers(0, 1600))
def test_no_bytes_end_otherwise_than_as_entries_or_a_sentence(tmp_path_factory: pytest.TempPathFactory, noise: bytes, at: int):
    path = tar(tmp_path_factory.mktemp("tar") / "a.tar", (info("1.jpg", mtime=0.5), b"x" * 100), (info("2.jpg"), b"y"))
    whole = path.read_bytes()
    path.write_bytes(whole[:at] + noise + whole[at + len(noise) :])
    try:
        assert all(isinstance(entry, TarEntry) for entry in tar_entries.entries(path))
    except DataError:
        with pytest.raises(DataError, match=re.escape(str(path))):
            list(tar_entries.entries(path))


def test_the_headers_that_are_written_are_read_by_tarfile():
    content = tar_entries.header("000000000001.jpg", 3) + b"abc" + b"\0" * tar_entries.padding(3) + b"\0" * 1024
    with tarfile.open(fileobj=io.BytesIO(content)) as archive:
        (member,) = archive.getmembers()
        assert (member.name, member.size, member.mtime, member.isreg()) == ("000000000001.jpg", 3, 0, True)
