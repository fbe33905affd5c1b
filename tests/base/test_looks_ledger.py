"""The ledger of looks at test sets: each look counted once, kept by any number of processes, and never in the way."""

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from striate.base import looks_ledger
from striate.data import cache_cleanup


@pytest.fixture(autouse=True)
def ledger(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("STRIATE_CACHE", str(tmp_path))
    return tmp_path / "test-looks" / "looks.jsonl"


def test_a_test_set_is_known_by_its_images_in_any_order():
    hashes_N = np.array([7, 2**63, 7], np.uint64)
    same = looks_ledger.fingerprint(hashes_N[[1, 0, 2]])
    assert looks_ledger.fingerprint(hashes_N) == same
    assert looks_ledger.fingerprint(hashes_N[:2]) != same


def test_looks_are_counted_by_test_set_and_a_repeated_training_once():
    assert looks_ledger.count("t") == ("t", 0, 0)
    assert looks_ledger.add("t", "run1", "train") == ("t", 1, 1)
    assert looks_ledger.add("t", "run1", "train") == ("t", 1, 1)  # the same training again: the same score
    assert looks_ledger.add("t", "run2", "finetune") == ("t", 2, 2)
    assert looks_ledger.add("t", "run2", "evaluate") == ("t", 3, 2)
    assert looks_ledger.add("other", "run2", "evaluate") == ("other", 1, 1)
    assert looks_ledger.count("t") == ("t", 3, 2)


def test_lines_of_many_writers_stay_whole_and_damaged_ones_count_for_none(ledger: Path):
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda number: looks_ledger.add("t", f"run{number}", "evaluate"), range(40)))
    assert looks_ledger.count("t") == ("t", 40, 40)
    with ledger.open("ab") as file:
        file.write(b'\n["t"]\n{"test_set": "t"}\n{"test_set": "t", "mod')  # the last by a crash
    assert looks_ledger.add("t", "run0", "evaluate") == ("t", 41, 40)
    assert looks_ledger.count("t") == ("t", 41, 40)
    assert all(json.loads(line)["test_set"] == "t" for line in ledger.read_text().splitlines()[:80] if line)


def test_clearing_the_cache_leaves_it(ledger: Path):
    looks_ledger.add("t", "run1", "train")
    cache_cleanup.clear(ledger.parents[1])
    assert looks_ledger.count("t") == ("t", 1, 1)


def test_a_cache_that_cannot_be_written_is_one_note(ledger: Path, caplog: pytest.LogCaptureFixture):
    ledger.parent.write_text("a file in the place of the folder")
    with caplog.at_level("INFO", "striate"):
        assert looks_ledger.add("t", "run1", "evaluate") == ("t", 1, 1)
    assert len(caplog.messages) == 1
    assert "looks.jsonl cannot be written (" in caplog.messages[0]
    assert "so this look at the test set is not counted later." in caplog.messages[0]
