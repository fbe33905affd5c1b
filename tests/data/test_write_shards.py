import json
import shutil
import tarfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from striate.base import nameless_files
from striate.base.errors import DataError, Interrupted, SettingError
from striate.base.settings import Data
from striate.data import decode, shard_index, shards, source_files, sources, write_shards
from striate.data.examples import Examples
from striate.data.names import Names
from support.touched import touch


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Twelve images of two classes, PNG and JPEG, of different lengths."""
    folder, rng = tmp_path / "photos", np.random.default_rng(0)
    for name, level in (("cat", 0), ("dog", 100)):
        (folder / name).mkdir(parents=True)
        for n in range(6):
            pixels = rng.integers(0, 100, (8 + n, 9, 3), np.uint8) + np.uint8(level)
            Image.fromarray(pixels).save(folder / name / f"{n}.{'a.b.png' if n % 2 else 'JPG'}", "PNG" if n % 2 else "JPEG")
    return folder


def read(path: Path) -> Examples:
    return sources.read(Data(path=str(path)))


def write(photos: Path, out: Path, most: int = 6000, **options: object) -> write_shards.Written:
    return write_shards.write(read(photos), Data(path=str(photos)), out, most, lambda *_: None, **options)  # type: ignore[arg-type]


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_shards_are_read_as_the_folder_that_they_were_written_of(photos: Path, tmp_path: Path):
    written = write(photos, tmp_path / "out")
    assert (written.images, written.classes, written.already_whole) == (12, {"cat": 6, "dog": 6}, 0)
    assert written.shards > 2
    before, after = read(photos), read(tmp_path / "out")
    assert (after.names, after.classes, after.notes) == (before.names, before.classes, before.notes)
    for column in ("labels_N", "ids_N", "parts_N"):
        assert getattr(after, column).tolist() == getattr(before, column).tolist()
        assert isinstance(getattr(after, column).base, np.memmap), "mapped from the index, not held in memory"
    assert isinstance(after.names, Names)
    assert nameless_files.is_mapped(after.names.text), "and so are names"
    assert nameless_files.is_mapped(after.names.ends)
    for name in before.names:
        assert decode.read_file(after.root / name) == (photos / name).read_bytes()


def test_the_tars_are_in_the_webdataset_format(photos: Path, tmp_path: Path):
    written = write(photos, tmp_path / "out")
    by_content = {(photos / name).read_bytes(): name.split("/")[0] for name in read(photos).names}
    names = json.loads((tmp_path / "out" / "classes.json").read_text())
    seen, sizes = [], []
    for number in range(written.shards):
        path = tmp_path / "out" / f"shard-{number:06d}.tar"
        sizes.append(path.stat().st_size)
        with tarfile.open(path) as tar:
            members = tar.getmembers()
            for image, label in zip(members[::2], members[1::2], strict=True):
                assert image.name.split(".")[0] == label.name.split(".")[0]
                assert image.name.endswith((".jpg", ".png"))
                content = tar.extractfile(image).read()  # type: ignore[union-attr]
                assert by_content[content] == names[int(tar.extractfile(label).read())]  # type: ignore[union-attr]
                seen.append(by_content.pop(content))
            assert {(member.mtime, member.uid, member.mode) for member in members} == {(0, 0, 0o644)}
    assert not by_content
    assert max(sizes) <= 6000
    assert sum(sizes) == written.bytes
    assert seen != sorted(seen), "the classes are mixed"


def test_an_image_larger_than_a_shard_has_one_of_its_own(photos: Path, tmp_path: Path):
    assert write(photos, tmp_path / "out", most=1).shards == 12
    assert len(read(tmp_path / "out")) == 12


@pytest.mark.parametrize("stop_at", [1, 5, 11])
def test_a_writing_that_was_stopped_goes_on_and_ends_with_the_same_bytes(photos: Path, tmp_path: Path, stop_at: int):
    whole = write(photos, tmp_path / "whole")

    def stop(done: int, _total: int) -> None:
        if done == stop_at:
            raise Interrupted("stopped")

    out, examples = tmp_path / "out", read(photos)
    with pytest.raises(Interrupted):
        write_shards.write(examples, Data(path=str(photos)), out, 6000, stop)
    with pytest.raises(DataError, match="are not finished"):
        read(out)
    finished = len(list(out.glob("*.tar")))
    assert write(photos, out) == replace(whole, out=str(out), already_whole=finished)
    assert contents(out) == contents(tmp_path / "whole")
    assert write(photos, out).already_whole == whole.shards, "nothing is written again"


def test_a_shard_that_was_lost_meanwhile_is_written_again(photos: Path, tmp_path: Path):
    def stop(done: int, _total: int) -> None:
        if done == 11:
            raise Interrupted("stopped")

    with pytest.raises(Interrupted):
        write_shards.write(read(photos), Data(path=str(photos)), tmp_path / "out", 6000, stop)
    (tmp_path / "out" / "shard-000001.tar").unlink()
    assert write(photos, tmp_path / "out").already_whole == 1
    write(photos, tmp_path / "whole")
    assert contents(tmp_path / "out") == contents(tmp_path / "whole")


def test_images_that_cannot_be_decoded_are_left_out_and_accounted_for(photos: Path, tmp_path: Path):
    (photos / "cat" / "bad.png").write_bytes(b"no image")
    (photos / "cat" / ".hidden").write_bytes(b"")
    written = write(photos, tmp_path / "out")
    assert [bad.path for bad in written.quarantined] == ["cat/bad.png"]
    assert written.quarantined[0].reason.startswith("not one of the formats")
    assert read(tmp_path / "out").quarantined == written.quarantined
    assert read(tmp_path / "out").ignored == written.ignored == read(photos).ignored != ()


def test_other_folders_and_other_images_are_refused(photos: Path, tmp_path: Path):
    with pytest.raises(SettingError, match=r"expected an empty or a new folder for shards; .* holds x"):
        write(photos, touch(tmp_path / "full", "x"))
    write(photos, tmp_path / "out")
    with pytest.raises(SettingError, match="holds shards of other images, or of another size"):
        write(photos, tmp_path / "out", most=7000)
    (photos / "dog" / "0.JPG").unlink()
    with pytest.raises(SettingError, match="holds shards of other images, or of another size"):
        write(photos, tmp_path / "out")
    (tmp_path / "out" / "striate.index").unlink()
    (tmp_path / "out" / ".unfinished").mkdir()
    (tmp_path / "out" / ".unfinished" / "plan.json").write_text("another")
    with pytest.raises(DataError, match=r"were begun of other images, or of another size\. Remove the folder"):
        write(photos, tmp_path / "out")


def test_a_damaged_shard_is_named_with_its_entry(photos: Path, tmp_path: Path):
    write(photos, tmp_path / "out")
    examples = read(tmp_path / "out")
    index = shard_index.open_index(examples.root)
    row = 3
    shard = tmp_path / "out" / index.shards[int(index.columns["shard"][row])].name
    offset = int(index.columns["offset"][row])
    content = bytearray(shard.read_bytes())
    content[offset + 20] ^= 1
    shard.write_bytes(content)
    with pytest.raises(DataError, match=rf"{shard.name}, the [\d,]+ bytes at {offset:,} are not those that the index has"):
        decode.read_file(examples.root / examples.names[row])
    assert source_files.hash_file(examples.root / examples.names[row]) == 0
    with shard.open("r+b") as file:
        file.truncate(offset + 5)
    with pytest.raises(DataError, match=rf"{shard.name}, .*: the shard ends after {offset + 5:,}; copy it again"):
        decode.read_file(examples.root / examples.names[row])
    with pytest.raises(DataError, match=r"the shard .* has [\d,]+ bytes, and had [\d,]+ when it was written\. Copy it again"):
        read(tmp_path / "out")
    shard.unlink()
    with pytest.raises(DataError, match=rf"the shard .*{shard.name} is missing: striate.index lists"):
        read(tmp_path / "out")


def test_the_stamp_follows_the_shards(photos: Path, tmp_path: Path):
    write(photos, tmp_path / "out")
    examples = read(tmp_path / "out")
    before, marks = examples.stamp(), source_files.marks(examples)
    assert len(marks) == len(examples)
    assert (marks > 0).all()
    shutil.copy(tmp_path / "out" / "shard-000000.tar", tmp_path / "copy")
    (tmp_path / "copy").replace(tmp_path / "out" / "shard-000000.tar")
    assert examples.stamp() != before
    assert (source_files.marks(examples) != marks).any()
    assert source_files.marks(examples.keep(np.array([4]))).tolist() == source_files.marks(examples)[[4]].tolist()


def test_settings_that_do_not_apply_are_refused(photos: Path, tmp_path: Path):
    write(photos, tmp_path / "out")
    for setting in ({"labels_from": "top"}, {"follow_links": True}):
        with pytest.raises(DataError, match=f"data.{next(iter(setting))} does not apply to shards"):
            shards.read(tmp_path / "out", Data(path=str(tmp_path / "out"), **setting))


def test_an_array_of_pixels_is_written_as_png_and_read_alike(tmp_path: Path):
    digits = sources.read(Data(path="digits"))
    some = digits.keep(np.arange(40))
    write_shards.write(some, Data(path="digits"), tmp_path / "out", 10**6, lambda *_: None)
    after = read(tmp_path / "out")
    assert (after.names, after.ids_N.tolist()) == (some.names, some.ids_N.tolist())
    assert some.pixels_NHWC is not None
    for row, name in enumerate(after.names):
        assert decode.decode_image(after.root / name, (255, 255, 255)).tolist() == some.pixels_NHWC[row].tolist()


def test_several_labels_and_groups_of_a_table(photos: Path, tmp_path: Path):
    table = photos / "table.csv"
    rows = [
        f"{name},{'cat|pet' if name[0] == 'c' else 'dog' if n % 2 else ''},{n % 4}" for n, name in enumerate(read(photos).names)
    ]
    table.write_text("\n".join(["path,label,patient", *rows]))
    data = Data(path=str(table), multi_label=True, group="patient")
    examples = sources.read(data)
    write_shards.write(sources.read_as_given(data), data, tmp_path / "out", 10**6, lambda *_: None)
    plain = read(tmp_path / "out")
    assert plain.labels_N.tolist() == examples.labels_N.tolist()
    assert plain.groups_N is None
    grouped = sources.read(Data(path=str(tmp_path / "out"), group="patient"))
    assert grouped.groups_N is not None
    assert examples.groups_N is not None
    assert grouped.groups_N.tolist() == examples.groups_N.tolist()
    assert grouped.notes == examples.notes


def test_a_table_of_images_elsewhere_is_refused(photos: Path, tmp_path: Path):
    table = tmp_path / "tables" / "table.csv"
    table.parent.mkdir()
    table.write_text("\n".join(["path,label", *(f"{photos / name},{name[:3]}" for name in read(photos).names)]))
    data = Data(path=str(table))
    with pytest.raises(DataError, match="expected names of images below their folder"):
        write_shards.write(sources.read(data), data, tmp_path / "out", 10**6, lambda *_: None)
