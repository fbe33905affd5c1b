from pathlib import Path

import pytest

from striate.training.journal import Journal, read


def test_events_come_back_in_order(tmp_path: Path):
    journal = Journal(tmp_path / "journal.jsonl")
    journal.write("start", steps=3)
    journal.write("end", durable=True, accuracy=0.5)
    events = read(tmp_path / "journal.jsonl")
    assert [event["event"] for event in events] == ["start", "end"]
    assert events[1]["accuracy"] == 0.5
    assert events[0]["time"] > 0


def test_a_half_line_is_left_out_and_closed(tmp_path: Path):
    path = tmp_path / "journal.jsonl"
    path.write_text('{"event": "start", "time": 1}\n{"event": "epo')
    assert [event["event"] for event in read(path)] == ["start"]
    Journal(path).write("resumed")
    assert [event["event"] for event in read(path)] == ["start", "resumed"]


def test_numbers_that_are_none_are_refused(tmp_path: Path):
    with pytest.raises(ValueError, match="not JSON compliant"):
        Journal(tmp_path / "journal.jsonl").write("epoch", loss=float("nan"))


def test_a_process_that_does_not_write_keeps_nothing(tmp_path: Path):
    Journal(None).write("start")
    assert not list(tmp_path.iterdir())
    assert read(tmp_path / "absent.jsonl") == []
