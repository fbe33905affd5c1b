import zlib
from pathlib import Path

import numpy as np
import pytest

from striate.base.errors import DecodeError
from striate.base.hash_rng import name_id
from striate.data import shard_index
from striate.data.image_facts import hash_content
from striate.data.shard_index import ShardIndex

CONTENTS = [bytes(range(200)), b"", b"\xff" * 7]
NAMES = ["cat/1.png", "./cat/2.png", "dog/\udcff.png"]


def index_of(folder: Path, *, with_crc32: bool = True) -> ShardIndex:
    """An index of three images in one shard, also as it was written before it had a CRC-32 of each."""
    (folder / "a.tar").write_bytes(b"".join(CONTENTS))
    lengths = np.array([len(content) for content in CONTENTS])
    columns = {
        "labels": np.array([0, 0, 1]), "ids": np.array([name_id(name) for name in NAMES], np.uint64), "parts": np.zeros(3),
        "shard": np.zeros(3), "offset": np.cumsum(lengths) - lengths, "length": lengths,
        "content": np.array([hash_content(content) for content in CONTENTS], np.uint64),
    }  # fmt: skip
    if with_crc32:
        columns["crc32"] = np.array([zlib.crc32(content) for content in CONTENTS])
    header = {"classes": ["cat", "dog"], "shards": [{"name": "a.tar", "bytes": int(lengths.sum()), "sha256": ""}]}
    shard_index.write_index(folder / "striate.index", header, columns, NAMES)
    return shard_index.open_index(folder / "striate.index")


@pytest.mark.parametrize("with_crc32", [True, False])
def test_an_image_is_found_by_its_name_and_has_its_bytes(tmp_path: Path, with_crc32: bool):
    index = index_of(tmp_path, with_crc32=with_crc32)
    for name, content in zip(NAMES, CONTENTS, strict=True):
        row = index.row_of(name)
        assert row is not None
        assert (index.name(row), index.read_row(row)) == (name, content)
    assert index.row_of("cat/2.png") == index.row_of(".//cat/2.png") == 1, "one path, however it is written"
    assert index.row_of("cat/3.png") is None


@pytest.mark.parametrize("with_crc32", [True, False])
def test_every_changed_byte_is_named(tmp_path: Path, with_crc32: bool):
    index = index_of(tmp_path, with_crc32=with_crc32)
    whole = bytearray((tmp_path / "a.tar").read_bytes())
    for place in range(len(CONTENTS[0])):
        for change in (1, 128, 255):
            whole[place] ^= change
            (tmp_path / "a.tar").write_bytes(whole)
            with pytest.raises(DecodeError, match=r"a\.tar, the 200 bytes at 0 are not those that the index has"):
                index.read_row(0)
            whole[place] ^= change
    assert index.read_row(2) == CONTENTS[2]


def test_reading_an_image_computes_the_short_checksum_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def never(_: bytes) -> int:
        raise AssertionError

    new = index_of(tmp_path)
    monkeypatch.setattr(shard_index, "hash_content", never)
    assert [new.read_row(row) for row in (0, 2)] == [CONTENTS[0], CONTENTS[2]]


def test_bytes_of_which_no_checksum_is_known_are_taken_as_they_are(tmp_path: Path):
    index = index_of(tmp_path, with_crc32=False)
    columns = {**index.columns, "content": np.zeros(3, np.uint64)}
    (tmp_path / "a.tar").write_bytes(bytes(len(b"".join(CONTENTS))))
    assert ShardIndex(index.path, index.header, columns, index.shards, index.folder, index.sum).read_row(2) == bytes(7)
