"""Every n-th system call of a save fails, is cut short or is the last one: a checkpoint is the old one or the new one."""

from collections.abc import Iterator
from itertools import product
from pathlib import Path

import pytest
import torch

from faults import crash_states, disk_calls
from striate.base import files
from striate.base.errors import ArtifactError, DiskError
from striate.training import checkpoint

if not Path("/proc/self/fd").is_dir():
    pytest.skip("needs fork and /proc", allow_module_level=True)

Saved = tuple[int, float]  # step and value
PASSING = ("ENOSPC", "EIO", "EDQUOT", "EINTR")
# What is there before a save, and what is saved
SAVES: dict[str, tuple[list[Saved], Saved]] = {
    "the first": ([], (1, 1.5)),
    "another step": ([(1, 1.5), (2, 2.5)], (3, 3.5)),
    "the same step again": ([(1, 1.5), (2, 2.5)], (2, 3.5)),
}


def save(folder: Path, step: int, value: float) -> None:
    checkpoint.save(folder / "checkpoints", step, {"net.weight": torch.full((4,), value)}, {"step": step, "value": value})


def newest(folder: Path) -> Saved | None:
    """What a resumed run would begin with, of which nothing may be damaged; nothing else may be left."""
    files.sweep(folder / "checkpoints")
    assert [path.name for path in (folder / "checkpoints").glob(".*")] == []
    saved = checkpoint.latest(folder / "checkpoints")
    if saved is None:
        return None
    value = float(saved.tensors["net.weight"][0])
    assert saved.refused == ()
    assert saved.tensors["net.weight"].tolist() == [value] * 4
    assert saved.state["value"] == value
    return saved.state["step"], value


class Trial:
    """A folder before a save: what is newest in it, what the save makes the newest, the save."""

    def __init__(self, folder: Path, kind: str) -> None:
        before, self.new = SAVES[kind]
        self.folder, self.old = folder, before[-1] if before else None
        folder.mkdir()
        for step, value in before:
            save(folder, step, value)

    def work(self) -> None:
        save(self.folder, *self.new)

    def under(self, handler: disk_calls.Handler) -> bool:
        """Whether the save succeeds; either way a checkpoint is there, and the next save succeeds."""
        sentence = None
        try:
            with disk_calls.intercepted(self.folder, handler):
                self.work()
        except DiskError as error:
            sentence = str(error)
        assert sentence is None or str(self.folder) in sentence
        assert newest(self.folder) in ((self.new,) if sentence is None else (self.old, self.new))
        save(self.folder, 9, 9.5)
        assert newest(self.folder) == (9, 9.5)
        return sentence is None


def numbered(kind: str, tmp_path: Path, *more: object) -> Iterator[tuple[int, Trial]]:
    """A trial for each call of a save, from 1."""
    name = "-".join(map(str, (kind, *more)))
    calls = disk_calls.recorded(tmp_path / name, Trial(tmp_path / name, kind).work)
    assert len(calls) >= 24
    for number in range(1, len(calls) + 1):
        yield number, Trial(tmp_path / f"{name}-{number}", kind)


@pytest.mark.parametrize("kind", SAVES)
def test_whichever_call_fails_once_by_what_may_pass_the_save_succeeds(kind: str, tmp_path: Path):
    for number, trial in numbered(kind, tmp_path):
        assert trial.under(disk_calls.fail(number, PASSING[number % len(PASSING)])), number


@pytest.mark.parametrize("kind", SAVES)
def test_whichever_call_is_the_first_of_many_to_fail_there_is_a_checkpoint(kind: str, tmp_path: Path):
    for number, trial in numbered(kind, tmp_path):
        trial.under(disk_calls.fail(number, disk_calls.ERRORS[number % len(disk_calls.ERRORS)], times=1000))


@pytest.mark.parametrize("kind", SAVES)
def test_a_disk_that_is_full_half_way_through_a_write_leaves_the_old_checkpoint(kind: str, tmp_path: Path):
    for number, trial in numbered(kind, tmp_path):
        trial.under(disk_calls.half_write(number, "ENOSPC"))


@pytest.mark.parametrize("kind", SAVES)
def test_writes_that_take_half_of_what_they_are_given_are_continued(kind: str, tmp_path: Path):
    assert Trial(tmp_path / "run", kind).under(disk_calls.short_writes)


def kill_at_every_call(kind: str, when: str, tmp_path: Path) -> None:
    newest_after = []
    for number, trial in numbered(kind, tmp_path, when):
        assert disk_calls.killed(trial.folder, number, when, trial.work)
        newest_after.append(newest(trial.folder))
        save(trial.folder, 9, 9.5)
        assert newest(trial.folder) == (9, 9.5)
    changed = newest_after.index(trial.new)  # the old one up to one call, the new one from there
    assert newest_after == [trial.old] * changed + [trial.new] * (len(newest_after) - changed)


def test_a_process_killed_at_any_call_leaves_the_old_checkpoint_or_the_new_one(tmp_path: Path):
    kill_at_every_call("the same step again", "half", tmp_path)


def wrong_after_power_cuts(trial: Trial, calls: list[disk_calls.Call], before: crash_states.Tree, place: Path) -> Iterator[str]:
    """What is wrong with the states that a power cut may leave during and after these calls."""
    for number, (ended, tree) in enumerate(crash_states.states(before, calls, trial.folder)):
        try:
            saved = newest(crash_states.lay_out(tree, place / str(number)))
        except (ArtifactError, AssertionError) as error:
            yield str(error)
        else:
            if saved not in ((trial.new,) if ended else (trial.old, trial.new)):
                yield f"{saved} of {sorted(tree)}"


@pytest.mark.parametrize("kind", SAVES)
def test_a_power_cut_leaves_the_old_checkpoint_or_the_new_one_and_the_new_one_once_it_is_saved(kind: str, tmp_path: Path):
    trial = Trial(tmp_path / "run", kind)
    before = crash_states.tree_of(trial.folder)
    calls = disk_calls.recorded(trial.folder, trial.work)
    assert list(wrong_after_power_cuts(trial, calls, before, tmp_path / "all")) == []
    for number, call in enumerate(calls):
        if call.kind == "fsync":  # each is needed: this test fails without it
            others = [*calls[:number], *calls[number + 1 :]]
            assert next(wrong_after_power_cuts(trial, others, before, tmp_path / str(number)), None), call


# ---- make soak: all errors, all pairs


@pytest.mark.soak
@pytest.mark.parametrize("error", disk_calls.ERRORS)
@pytest.mark.parametrize("kind", SAVES)
def test_every_error_at_every_call(kind: str, error: str, tmp_path: Path):
    for times in (1, 2, 3, 1000):
        for number, trial in numbered(kind, tmp_path, times):
            success = trial.under(disk_calls.fail(number, error, times))
            assert success or error not in PASSING or times > 2


@pytest.mark.soak
@pytest.mark.parametrize("errors", [*product(("ENOSPC", "EACCES"), ("EIO", "EMFILE"))], ids="-".join)
@pytest.mark.parametrize("kind", SAVES)
def test_every_pair_of_calls_that_fail(kind: str, errors: tuple[str, str], tmp_path: Path):
    for number, _ in numbered(kind, tmp_path):
        for later, trial in numbered(kind, tmp_path, "after", number):
            first, second = disk_calls.fail(number, errors[0]), disk_calls.fail(number + later, errors[1])
            trial.under(lambda call, do, first=first, second=second: first(call, lambda: second(call, do)))


@pytest.mark.soak
@pytest.mark.parametrize("when", ["before", "half", "after"])
@pytest.mark.parametrize("kind", SAVES)
def test_killed_at_every_call_of_every_save(kind: str, when: str, tmp_path: Path):
    kill_at_every_call(kind, when, tmp_path)
