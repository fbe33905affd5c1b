"""How far stages are, and what is left of them, by a clock that the test turns."""

import pytest

from striate.base.events import STAGES, Pace, progress


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def at(clock: Clock, pace: Pace, now: float, **event: object) -> str:
    clock.now = now
    return str(pace.progress(event))


def test_what_is_left_follows_from_the_pace_since_the_first_event():
    clock = Clock()
    pace = Pace(clock)
    assert at(clock, pace, 100.0, event="decode", done=0, total=12_000) == "decoding 0 of 12,000 images"
    assert at(clock, pace, 120.0, event="decode", done=4000, total=12_000) == "decoding 4,000 of 12,000 images, 40 s left"
    assert at(clock, pace, 160.0, event="decode", done=12_000, total=12_000) == "decoding 12,000 of 12,000 images, 0 s left"


def test_a_stage_whose_first_event_comes_late_is_not_taken_for_fast():
    clock = Clock()
    pace = Pace(clock)
    assert at(clock, pace, 100.0, event="step", step=50, steps=100, loss=1.0) == "training 50 of 100 steps"
    assert at(clock, pace, 130.0, event="step", step=60, steps=100, loss=1.0) == "training 60 of 100 steps, 2 min left"


def test_stages_lie_within_each_other_and_begin_anew():
    clock = Clock()
    pace = Pace(clock)
    at(clock, pace, 100.0, event="step", step=0, steps=100)
    at(clock, pace, 110.0, event="step", step=10, steps=100)
    at(clock, pace, 110.0, event="validate", done=0, total=50)
    assert at(clock, pace, 120.0, event="validate", done=50, total=50).endswith("0 s left")
    assert at(clock, pace, 130.0, event="step", step=20, steps=100) == "training 20 of 100 steps, 2 min left"  # with validation
    assert at(clock, pace, 200.0, event="validate", done=25, total=50) == "validating 25 of 50 batches"  # the second time
    assert at(clock, pace, 300.0, event="step", step=1, steps=100) == "training 1 of 100 steps"  # of the next fold


def test_a_stage_of_another_name_is_shown_by_it_and_other_events_are_of_no_stage():
    clock = Clock()
    pace = Pace(clock)
    assert at(clock, pace, 0.0, event="growing S1", done=1, total=4, planes=3) == "growing S1 1 of 4"
    assert pace.progress({"event": "epoch", "epoch": 1, "step": 10}) is None
    assert pace.progress({"event": "report", "epochs": 1, "report": "report.html"}) is None


def test_of_an_unknown_number_of_pieces_nothing_is_left():
    clock = Clock()
    pace = Pace(clock)
    at(clock, pace, 0.0, event="predict", done=0, total=None)
    assert at(clock, pace, 9.0, event="predict", done=4000, total=None) == "predicting 4,000 images"
    assert not pace.latest["predict"].over


def test_a_report_of_progress_can_end_the_work():
    seen = []

    def check() -> None:
        if len(seen) == 2:
            raise KeyboardInterrupt

    report = progress(seen.append, "decode", check)
    report(1, 3)
    with pytest.raises(KeyboardInterrupt):
        report(2, 3)
    assert seen == [{"event": "decode", "done": 1, "total": 3}, {"event": "decode", "done": 2, "total": 3}]


def test_every_stage_has_words_and_pieces():
    assert all(words and pieces for words, pieces in STAGES.values())
