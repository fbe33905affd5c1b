from pathlib import Path

import pytest
import torch

from striate.base import files
from striate.base.errors import ArtifactError, DiskError, NumbersError
from striate.training import checkpoint

TENSORS = {"net.weight": torch.arange(6.0).view(2, 3), "optimizer.0.step": torch.tensor(4.0)}


def test_what_is_saved_comes_back(tmp_path: Path):
    checkpoint.save(tmp_path, 7, TENSORS, {"step": 7, "best": None})
    actual = checkpoint.latest(tmp_path)
    assert actual is not None
    assert actual.state == {"step": 7, "best": None}
    assert actual.refused == ()
    assert set(actual.tensors) == set(TENSORS)
    assert all(torch.equal(actual.tensors[name], TENSORS[name]) for name in TENSORS)


def test_the_last_two_are_kept_and_the_newest_is_used(tmp_path: Path):
    for step in (5, 100, 20):
        checkpoint.save(tmp_path, step, TENSORS, {"step": step})
    assert sorted(path.name for path in tmp_path.iterdir()) == ["step-000000020", "step-000000100"]
    actual = checkpoint.latest(tmp_path)
    assert actual is not None
    assert actual.state["step"] == 100


@pytest.mark.parametrize("name", ["state.safetensors", "state.json", "MANIFEST.sha256"])
def test_a_damaged_one_is_refused_by_name_and_the_one_before_is_used(tmp_path: Path, name: str):
    checkpoint.save(tmp_path, 1, TENSORS, {"step": 1})
    path = checkpoint.save(tmp_path, 2, TENSORS, {"step": 2}) / name
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    actual = checkpoint.latest(tmp_path)
    assert actual is not None
    assert actual.state["step"] == 1
    assert len(actual.refused) == 1
    assert "step-000000002" in actual.refused[0]


def test_nothing_silently_begins_anew_when_all_are_damaged(tmp_path: Path):
    path = checkpoint.save(tmp_path, 1, TENSORS, {"step": 1})
    (path / "state.json").unlink()
    with pytest.raises(ArtifactError, match=r"No checkpoint is whole, so the run cannot go on: .*state.json is missing"):
        checkpoint.latest(tmp_path)


def test_there_may_be_none(tmp_path: Path):
    assert checkpoint.latest(tmp_path / "checkpoints") is None


def test_a_disk_that_refuses_the_weights_leaves_the_checkpoint_before(tmp_path: Path):
    resource = pytest.importorskip("resource", reason="needs a limit on the size of files")
    checkpoint.save(tmp_path, 1, {"w": torch.ones(3)}, {"step": 1})
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2000, before[1]))  # Python ignores SIGXFSZ, so the write gives EFBIG
    try:
        with pytest.raises(DiskError, match=r"cannot write .*state\.safetensors: File too large"):
            checkpoint.save(tmp_path, 2, {"w": torch.ones(3000)}, {"step": 2})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert [path.name for path in tmp_path.iterdir()] == ["step-000000001"]
    assert checkpoint.latest(tmp_path).state == {"step": 1}


def test_what_is_not_finite_is_never_saved(tmp_path: Path):
    with pytest.raises(NumbersError, match=r"net.weight is not finite at step 3; no checkpoint was written"):
        checkpoint.save(tmp_path, 3, {"net.weight": torch.tensor([1.0, float("nan")])}, {})
    assert list(tmp_path.iterdir()) == []


def test_killed_between_the_two_renames_the_checkpoint_before_is_put_back_and_nothing_is_left_behind(tmp_path: Path):
    folder = tmp_path / "checkpoints"
    checkpoint.save(folder, 3, {"a": torch.ones(2)}, {"step": 3})
    checkpoint.save(folder, 7, {"a": torch.zeros(2)}, {"step": 7})
    (folder / "step-000000007").rename(folder / ".step-000000007.old")  # as a kill leaves it: the new one is not there yet
    (folder / ".step-000000007.123.tmp").mkdir()
    files.sweep(folder)
    newest = checkpoint.latest(folder)
    assert newest is not None
    assert newest.state == {"step": 7}
    assert sorted(path.name for path in folder.iterdir()) == ["step-000000003", "step-000000007"]


def test_killed_after_the_second_rename_the_old_folder_is_removed(tmp_path: Path):
    folder = tmp_path / "checkpoints"
    checkpoint.save(folder, 7, {"a": torch.zeros(2)}, {"step": 7})
    (folder / ".step-000000007.old").mkdir()
    files.sweep(folder)
    assert [path.name for path in folder.iterdir()] == ["step-000000007"]
