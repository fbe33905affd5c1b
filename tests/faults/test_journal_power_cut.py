"""A power cut while the journal is written: what was acknowledged is there, and the rest is whole lines or left out."""

from pathlib import Path

import pytest

from faults import crash_states, disk_calls
from striate.training import journal

if not Path("/proc/self/fd").is_dir():
    pytest.skip("needs /proc", allow_module_level=True)


def test_an_acknowledged_event_is_in_every_state_and_no_state_has_another(tmp_path: Path):
    run = tmp_path / "run"
    run.mkdir()

    def work() -> None:
        events = journal.Journal(run / "strategies" / "adapt" / "journal.jsonl")
        events.write("start")
        events.write("checkpoint", durable=True, step=1)

    calls, counts = disk_calls.recorded(run, work), set()
    for number, (ended, tree) in enumerate(crash_states.states({}, calls, run)):
        path = crash_states.lay_out(tree, tmp_path / str(number)) / "strategies" / "adapt" / "journal.jsonl"
        events = [event["event"] for event in journal.read(path)]
        assert events in ([[], ["start"], ["start", "checkpoint"], ["checkpoint"]] if not ended else [["start", "checkpoint"]])
        counts.add(len(events))
        if path.exists():  # the next event is read, whatever a crash left before it
            journal.Journal(path).write("resumed")
            assert [event["event"] for event in journal.read(path)] == [*events, "resumed"]
    assert counts == {0, 1, 2}
