"""Corrections of labels in the account of a run's images."""

from pathlib import Path

import pytest

from striate.base import config
from striate.base.events import quiet
from striate.base.signals import catch_signals
from striate.data import sources
from striate.data.decode import InputSpec
from striate.workflows.dataset import Dataset, gather


def digits(**data: object) -> Dataset:
    run = config.build({"data": {"path": "digits", **data}})
    with catch_signals() as stop:
        return gather(sources.read(run.data), run, stop, quiet, input_spec=InputSpec(8, 1, "squash"))


def test_the_account_has_each_corrected_image_and_still_balances(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    Path("new.csv").write_text("path,new_label\ndigits#5,3\ndigits#9,1\n")
    Path("gone.txt").write_text("digits#7\n")
    plain, corrected = digits(), digits(relabel="new.csv", exclude="gone.txt")
    account = corrected.account()
    relabel, exclude = account["edits"]
    assert [tuple(entry) for entry in relabel["entries"]] == [("digits#5", "5", "3"), ("digits#9", "9", "1")]
    assert (relabel["images"], exclude["images"]) == (2, 1)
    assert account["found"] == account["used"] + len(account["ignored"]) == 1797
    assert sum(account["split"].values()) == account["used"] == 1796
    assert "edits" not in plain.account()
    assert corrected.fingerprint() != digits(relabel="new.csv").fingerprint() != plain.fingerprint()
