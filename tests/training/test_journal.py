from pathlib import Path

import pytest

from striate.training.journal import Journal, damaged_lines, read


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
    Journal(path).write("start")
    path.write_bytes(path.read_bytes() + b'{"event": "epo')
    assert [event["event"] for event in read(path)] == ["start"]
    Journal(path).write("resumed")
    assert [event["event"] for event in read(path)] == ["start", "resumed"]
    assert damaged_lines(path) == 1


def test_any_changed_bit_leaves_its_line_out_and_no_other(tmp_path: Path):
    path = tmp_path / "journal.jsonl"
    for number in range(3):
        Journal(path).write("epoch", number=number, accuracy=0.5)
    content = path.read_bytes()
    first, second = (index for index, byte in enumerate(content[:-1]) if byte == ord("\n"))
    for position in range(first + 1, second):
        for bit in (0, 3, 5):
            path.write_bytes(content[:position] + bytes([content[position] ^ 1 << bit]) + content[position + 1 :])
            assert [event["number"] for event in read(path)] == [0, 2]
            assert damaged_lines(path) in (1, 2)  # two where the bit makes an end of a line


def test_numbers_that_are_none_are_refused(tmp_path: Path):
    with pytest.raises(ValueError, match="not JSON compliant"):
        Journal(tmp_path / "journal.jsonl").write("epoch", loss=float("nan"))


def test_a_process_that_does_not_write_keeps_nothing(tmp_path: Path):
    Journal(None).write("start")
    assert not list(tmp_path.iterdir())
    assert read(tmp_path / "absent.jsonl") == []
