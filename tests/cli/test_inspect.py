"""`striate inspect`: what its tables say."""

from striate.cli.inspect import _tuning


def filter_row(**numbers: float | None) -> dict[str, object]:
    return {"frequency": 0.25, "strength": 0.5, "chromatic": 0.1, **numbers}


def test_a_filter_that_no_direction_turns_off_is_printed_without_one():
    rows = _tuning([
        filter_row(orientation=179.6, half_width=20.0),
        filter_row(orientation=54.0, half_width=None),  # a circular one, whose largest power lies somewhere
        filter_row(orientation=None, half_width=None, frequency=0.0),  # a spot
        filter_row(orientation=None, half_width=None, frequency=None),  # zeros
    ])  # fmt: skip
    assert [*rows.columns[1].cells] == ["0°", "none", "none", "-"]
