"""Files that are made unreadable, removed or replaced while or after a run works: a sentence, and nothing silent."""

import ctypes
import json
import logging
import os
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import striate
from striate.base.child_process import Answer
from striate.base.errors import DataError, DiskError, StriateError
from striate.cli.main import main
from striate.data import decode, folders, image_facts, on_the_fly
from striate.data.decode import InputSpec
from support.shape_images import make_folder

if not sys.platform.startswith("linux"):
    pytest.skip("root is bound by permissions on Linux only", allow_module_level=True)

CAPABILITIES_VERSION, DAC_OVERRIDE_AND_READ_SEARCH = 0x20080522, 0b110
SETTINGS = {"train": {"epochs": 2, "batch_size": 8}, "preprocess": {"size_px": 16}, "engine": {"workers": 1, "threads": 1}}


@contextmanager
def permissions_hold() -> Iterator[None]:
    """The block bound by permissions as every user but root is."""
    if os.geteuid():
        yield
        return
    libc, header, sets = ctypes.CDLL(None), (ctypes.c_uint32 * 2)(CAPABILITIES_VERSION, 0), (ctypes.c_uint32 * 6)()
    assert libc.capget(header, sets) == 0
    before = sets[0]
    sets[0] = before & ~DAC_OVERRIDE_AND_READ_SEARCH
    assert libc.capset(header, sets) == 0
    try:
        yield
    finally:
        sets[0] = before
        libc.capset(header, sets)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder with a run."""
    folder = tmp_path_factory.mktemp("unreadable")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        make_folder(folder / "photos", each=6)
        striate.train("photos", net="conv 3x3x4, bn, relu, fc", name="whole", settings=SETTINGS, report=False)
        yield folder


def unfinished(place: Path, name: str) -> Path:
    """A run that was interrupted after its last checkpoint."""
    run = place / "runs" / name
    shutil.copytree(place / "runs" / "whole", run)
    (run / "result.json").unlink()
    return run


def resume(run: Path) -> dict[str, Any]:
    return striate.train(name=run.name, resume=True, report=False)


def test_whichever_file_of_a_run_is_unreadable_commands_end_with_a_sentence(place: Path, capsys: pytest.CaptureFixture[str]):
    names = sorted(path.relative_to(place / "runs" / "whole") for path in (place / "runs" / "whole").rglob("*"))
    refused = 0
    for number, name in enumerate(names):
        run = unfinished(place, f"closed-{number}")
        if not (run / name).exists():
            continue
        mode = (run / name).stat().st_mode
        (run / name).chmod(0)
        try:
            with permissions_hold():
                codes = [main(["runs"]), main(["train", "--name", run.name, "--resume", "--no-report"])]
        finally:
            (run / name).chmod(mode)
        assert set(codes) <= {0, 2, 74}, (name, capsys.readouterr().err)
        refused += codes[1] != 0
        shutil.rmtree(run)
    assert refused > 5


def test_checkpoints_that_may_not_be_read_are_no_reason_to_begin_anew(place: Path):
    run = unfinished(place, "closed")
    (run / "checkpoints").chmod(0o300)
    with permissions_hold(), pytest.raises(DiskError, match=r"^cannot read .*checkpoints: its permissions forbid it"):
        resume(run)
    (run / "checkpoints").chmod(0o755)
    assert resume(run)["weights_sha256"] == striate.train(name="whole", resume=True, report=False)["weights_sha256"]


def test_checkpoints_that_are_gone_are_said_to_be(place: Path, caplog: pytest.LogCaptureFixture):
    run = unfinished(place, "gone")
    shutil.rmtree(run / "checkpoints")
    with caplog.at_level(logging.WARNING, "striate"):
        digest = resume(run)["weights_sha256"]
    assert f"{Path('runs', 'gone')} had a checkpoint of step 4 and has none now; it begins anew." in caplog.text
    assert digest == striate.train(name="whole", resume=True, report=False)["weights_sha256"]


def test_images_that_are_removed_while_their_pixels_are_in_use_change_nothing(place: Path):
    make_folder(place / "passing", each=6)
    how: dict[str, Any] = {"net": "conv 3x3x4, relu, fc", "settings": SETTINGS, "report": False}
    expected = striate.train("passing", name="kept", **how)

    def remove(event: dict[str, Any]) -> None:
        if event["event"] == "step" and (place / "passing").exists():
            shutil.rmtree(place / "passing")

    result = striate.train("passing", name="images-removed", watch=remove, **how)
    assert result["weights_sha256"] == expected["weights_sha256"]


def in_process(where: str, paths: Any, input_spec: InputSpec, _count: int, _ahead: int) -> Iterator[Answer]:
    """As `decode.children` for `on_the_fly`, without a process."""
    for path in paths:
        argument = json.loads(json.dumps({"path": os.fsencode(path).hex(), "input_spec": input_spec, "refused": ""}))
        try:
            yield Answer(*on_the_fly.in_child(argument), None)
        except StriateError as error:
            yield Answer(None, b"", str(error))


CHANGES: dict[str, Callable[[Path], object]] = {
    "removed": Path.unlink,
    "unreadable": lambda path: path.chmod(0),
    "empty": lambda path: path.write_bytes(b""),
    "cut short": lambda path: path.write_bytes(path.read_bytes()[:60]),
    "another image": lambda path: path.write_bytes((path.parents[1] / "square" / "000.png").read_bytes()),
    "a folder": lambda path: (path.unlink(), path.mkdir()),
    "a pipe": lambda path: (path.unlink(), os.mkfifo(path)),
    "a link to nothing": lambda path: (path.unlink(), path.symlink_to("nothing")),
}


@pytest.mark.parametrize("change", CHANGES)
def test_an_image_that_changes_while_it_is_decoded_on_the_fly_is_named(
    change: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    photos = make_folder(tmp_path / "photos", each=3)
    examples, spec = folders.read(photos), InputSpec(8, 3, "squash")
    paths = [photos / name for name in examples.names]
    hashes_N = np.array([image_facts.pixel_hash(decode.decode_image(path, (255, 255, 255))) for path in paths], np.uint64)
    rows = on_the_fly.DecodedOnTheFly(examples, spec, hashes_N, 1)
    monkeypatch.setattr(decode, "children", in_process)
    assert rows[np.arange(3)].shape == (3, 8, 8, 3)
    CHANGES[change](paths[0])
    with permissions_hold(), pytest.raises(DataError) as refused:
        rows[np.arange(3)]
    assert str(refused.value).startswith(f"{paths[0]} has changed since this run first decoded it: it ")
    assert str(refused.value).endswith("Restore it, then resume with --resume.")


def test_what_no_reader_expected_is_a_sentence_too(place: Path, capsys: pytest.CaptureFixture[str]):
    run = unfinished(place, "settings-closed")
    (run / "run.toml").chmod(0)
    with permissions_hold():
        assert main(["train", "--name", run.name, "--resume", "--no-report"]) == 74
    (run / "run.toml").chmod(0o644)
    assert capsys.readouterr().err == (
        f"striate: cannot read {Path('runs', run.name, 'run.toml')}: its permissions forbid it; change them.\n"
    )
