"""Tars of others, without an index, are read as DATA; a hostile member is refused."""

import io
import tarfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from striate.base.errors import DataError
from striate.base.settings import Data
from striate.data import decode, shard_index, sources, webdataset_tars
from striate.data.examples import Examples


def add(tar: tarfile.TarFile, name: str, content: bytes) -> None:
    info = tarfile.TarInfo(name)
    info.size = len(content)
    tar.addfile(info, io.BytesIO(content))


def image(level: int) -> bytes:
    file = io.BytesIO()
    Image.fromarray(np.full((8, 9, 3), level, np.uint8)).save(file, "JPEG")
    return file.getvalue()


@pytest.fixture
def tars(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("STRIATE_CACHE", str(tmp_path / "cache"))
    (tmp_path / "tars").mkdir()
    return tmp_path / "tars"


def write(tars: Path, members: dict[str, bytes], name: str = "a.tar") -> Examples:
    """The examples of a tar with these members."""
    with tarfile.open(tars / name, "w") as tar:
        for member, content in members.items():
            add(tar, member, content)
    return sources.read(Data(path=str(tars)))


def labels(examples: Examples) -> list[str]:
    return [examples.classes[label] for label in examples.labels_N]


@pytest.mark.parametrize(
    ("ending", "cat", "dog"),
    [
        ("cls", b"cat", b" dog\n"), ("txt", b"cat\n", b"dog"), ("class", b"cat", b"dog"), ("label", b"cat", b"dog"),
        ("json", b'"cat"', b'"dog"'), ("json", b'{"label": "cat", "id": 1}', b'{"class": "dog"}'),
        ("json", b'{"cls": "cat"}', b'{"label": "dog", "cls": 7}'), ("CLS", b"cat", b"dog"),
    ],
)  # fmt: skip
def test_labels_are_read_from_every_kind_of_member(tars: Path, ending: str, cat: bytes, dog: bytes):
    examples = write(tars, {"1.jpg": image(0), f"1.{ending}": cat, f"2.{ending}": dog, "2.png": image(1)})
    assert labels(examples) == ["cat", "dog"]
    assert not examples.quarantined
    assert not examples.ignored


@pytest.mark.parametrize(("ending", "form"), [("cls", "{}"), ("txt", "{}\n"), ("json", '{{"label": {}}}'), ("json", "{}")])
def test_numbers_are_positions_in_classes_json_where_it_is_there(tars: Path, ending: str, form: str):
    members = {
        "1.jpg": image(0),
        f"1.{ending}": form.format(1).encode(),
        "2.jpg": image(1),
        f"2.{ending}": form.format(0).encode(),
    }
    assert labels(write(tars, members)) == ["1", "0"]
    (tars / "classes.json").write_text('["zebra", "ant"]')
    assert labels(write(tars, members)) == ["ant", "zebra"]
    (tars / "classes.json").write_text('["zebra"]')
    with pytest.raises(DataError, match=rf"a.tar/1.{ending}: the label 1, and classes.json has 1 names. Mend classes.json"):
        write(tars, members)
    for wrong in ("[1, 2]", "{}", "[", '"cat"'):
        (tars / "classes.json").write_text(wrong)
        with pytest.raises(DataError, match=r"expected a list of names of classes in .*classes.json"):
            write(tars, members)


def test_the_first_kind_of_label_counts_and_the_others_are_ignored(tars: Path):
    members = {"1.json": b'{"label": "wrong"}', "1.jpg": image(0), "1.cls": b"cat", "2.txt": b"dog", "2.jpg": image(1)}
    examples = write(tars, members | {"2.seg.png": image(2), "3.txt": b"alone"})
    assert labels(examples) == ["cat", "dog"]
    assert [tuple(row) for row in examples.ignored] == [
        ("a.tar/1.json", "neither the image nor the label of its key"),
        ("a.tar/2.seg.png", "neither the image nor the label of its key"), ("a.tar/3.txt", "no image of this key"),
    ]  # fmt: skip


@pytest.mark.parametrize("missing", [{}, {"3.cls": b" \n"}, {"3.json": b'{"caption": "x"}'}, {"3.json": b"null"}])
def test_an_image_without_a_label_is_quarantined(tars: Path, missing: dict[str, bytes]):
    members = {"1.jpg": image(0), "1.cls": b"cat", "2.jpg": image(1), "2.cls": b"dog", "3.jpg": image(2)}
    examples = write(tars, members | missing)
    assert labels(examples) == ["cat", "dog"]
    assert [tuple(bad) for bad in examples.quarantined] == [("a.tar/3.jpg", webdataset_tars.NO_LABEL)]


@pytest.mark.parametrize(
    ("member", "content", "message"),
    [
        ("1.json", b"{", r"a.tar/1.json: expected a label in UTF-8, or JSON"),
        ("1.cls", b"\xff", r"a.tar/1.cls: expected a label in UTF-8, or JSON"),
        ("1.json", b"[" * 60_000, r"a.tar/1.json: expected a label in UTF-8, or JSON"),
        ("1.json", b'{"label": ["cat", "dog"]}', r"a.tar/1.json: expected a number or a name as label; got \['cat', 'dog'\]"),
        ("1.json", b'{"label": 0.5}', r"expected a number or a name as label; got 0.5"),
        ("1.json", b'{"label": true}', r"expected a number or a name as label; got True"),
        ("1.cls", b"x" * (2**16 + 1), r"a.tar/1.cls has 65,537 bytes; expected a label of at most 65,536"),
    ],
)  # fmt: skip
def test_what_is_no_label_is_refused_with_its_member(tars: Path, member: str, content: bytes, message: str):
    with pytest.raises(DataError, match=message):
        write(tars, {"1.jpg": image(0), member: content})


def test_an_image_of_more_bytes_than_one_may_have_is_quarantined(tars: Path, monkeypatch: pytest.MonkeyPatch):
    most = max(map(len, (image(0), image(1))))
    monkeypatch.setattr(shard_index, "MOST_BYTES", most)
    members = {
        "1.jpg": image(0),
        "1.cls": b"cat",
        "2.jpg": image(1),
        "2.cls": b"dog",
        "3.jpg": bytes(most + 1),
        "3.cls": b"cat",
    }
    examples = write(tars, members)
    assert labels(examples) == ["cat", "dog"]
    assert [tuple(bad) for bad in examples.quarantined] == [("a.tar/3.jpg", f"{most + 1:,} bytes; at most {most:,}")]


def test_folders_in_a_tar_and_several_tars_are_apart(tars: Path):
    write(tars, {"x/1.jpg": image(0), "x/1.cls": b"cat", "y/1.jpg": image(1), "y/1.cls": b"dog"})
    examples = write(tars, {"x/1.jpg": image(2), "x/1.cls": b"eel", "x/1.jpg2": b""}, "b.tar")
    assert list(examples.names) == ["a.tar/x/1.jpg", "a.tar/y/1.jpg", "b.tar/x/1.jpg"]
    assert labels(examples) == ["cat", "dog", "eel"]
    with tarfile.open(tars / "b.tar", "a") as tar:
        add(tar, "x/1.jpg", image(3))
    again = sources.read(Data(path=str(tars)))
    assert [tuple(bad) for bad in again.quarantined] == [("b.tar/x/1.jpg", "the second of this name in the tar")]


def test_tars_without_images_say_what_is_there(tars: Path):
    with pytest.raises(
        DataError, match=r"expected images in the tar files in .*; there are none. The first file, a.tar/1.txt: no"
    ):
        write(tars, {"1.txt": b"cat"})


def test_tars_without_an_index_are_data(tars: Path, tmp_path: Path):
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
