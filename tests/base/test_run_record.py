from collections.abc import Iterator
from pathlib import Path

import pytest

from striate.base import files, run_record
from striate.base.errors import ArtifactError, DiskError

SETTINGS = {"seed": 0, "train": {"lr": 0.1, "layers": {"conv1": 2.0}}, "net": {"name": "mlp"}}
FIRST = {"data.json": b"{}", "run.toml": b"seed = 0"}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    run_record.begin(tmp_path, run_record.identify(SETTINGS, data="abc"), FIRST)
    return tmp_path


def test_files_come_back_as_they_were_written(folder: Path):
    assert run_record.content(folder, "data.json") == b"{}"
    assert run_record.content(folder, "result.json") is None
    run_record.add(folder, {"result.json": b"[1]"})
    run_record.add(folder, {"result.json": b"[2]"})
    assert run_record.content(folder, "result.json") == b"[2]"
    assert run_record.read(folder).identity == run_record.identify(SETTINGS, data="abc")


def test_an_id_is_of_the_settings_and_of_everything_else_that_it_is_given():
    same, other = run_record.identify(SETTINGS, data="abc"), run_record.identify(SETTINGS, data="abd")
    assert same.run_id == run_record.identify(dict(reversed(SETTINGS.items())), data="abc").run_id
    assert same.run_id != other.run_id
    assert same.run_id != run_record.identify({**SETTINGS, "seed": 1}, data="abc").run_id
    assert same.stamp()["settings_sha256"] == other.stamp()["settings_sha256"]
    assert len(same.run_id) == 16


def test_any_changed_bit_of_a_file_or_of_the_record_is_refused_by_the_name_of_the_file(folder: Path):
    for name in ("data.json", "run.toml", run_record.RECORD):
        content = (folder / name).read_bytes()
        for position in range(0, len(content) - 1, 1 if len(content) < 20 else 7):
            (folder / name).write_bytes(content[:position] + bytes([content[position] ^ 4]) + content[position + 1 :])
            with pytest.raises(ArtifactError, match=f"{name} (is damaged|has changed)"):
                run_record.content(folder, "data.json" if name == run_record.RECORD else name)
        (folder / name).write_bytes(content)


def test_a_file_that_the_run_did_not_write_is_refused(folder: Path):
    (folder / "result.json").write_text("{}")
    with pytest.raises(ArtifactError, match=r"result\.json was not written by this run \(see record\.json\)\. Remove it"):
        run_record.content(folder, "result.json")


def test_a_folder_without_its_record_is_refused(folder: Path):
    (folder / run_record.RECORD).unlink()
    with pytest.raises(ArtifactError, match=r"expected record\.json in .*, which says what belongs to the run; there is none"):
        run_record.content(folder, "data.json")


def stops(monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """For 0, 1, 2, ...: writing fails after so many files, until all are written."""
    write = files.write_bytes
    for most in range(10):
        written = 0

        def stop(path: Path, content: bytes, most: int = most) -> None:
            nonlocal written
            if written == most:
                raise DiskError("killed")
            written += 1
            write(path, content)

        monkeypatch.setattr(files, "write_bytes", stop)
        yield most
        monkeypatch.setattr(files, "write_bytes", write)
        if written < most:
            return


def test_stopped_after_any_file_each_is_the_old_or_the_new_one(folder: Path, monkeypatch: pytest.MonkeyPatch):
    run_record.add(folder, {"result.json": b"old", "predictions-val.npz": b"old"})
    trials = 0
    for most in stops(monkeypatch):
        content = b"new %d" % most
        try:
            run_record.add(folder, {"result.json": content, "predictions-val.npz": content})
        except DiskError:
            trials += 1
        for name in ("result.json", "predictions-val.npz"):
            assert run_record.content(folder, name) == (folder / name).read_bytes()
    assert trials == 3


def test_stopped_while_it_begins_again_with_other_settings_each_file_is_the_old_or_the_new_one(
    folder: Path, monkeypatch: pytest.MonkeyPatch
):
    trials = 0
    for most in stops(monkeypatch):
        contents = dict.fromkeys(FIRST, b"again %d" % most)
        try:
            run_record.begin(folder, run_record.identify({**SETTINGS, "seed": most + 1}), contents)
        except DiskError:
            trials += 1
        for name in FIRST:
            assert run_record.content(folder, name) == (folder / name).read_bytes()
    assert trials == 3


def test_the_first_difference_of_settings_is_named():
    assert run_record.difference(SETTINGS, SETTINGS) is None
    assert run_record.difference({"data": {"path": "a"}}, {"data": {"path": "b"}}) is None  # images that were moved
    changed = {**SETTINGS, "train": {"lr": 0.2, "layers": {}}}
    assert run_record.difference(SETTINGS, changed) == "train.lr was 0.1 and is 0.2"
    assert run_record.difference(changed, {**changed, "train": SETTINGS["train"]}) == "train.lr was 0.2 and is 0.1"
    assert run_record.difference({"a": {}}, {"a": {"b": 1}}) == "a.b was not set and is 1"
