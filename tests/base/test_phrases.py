from striate.base.phrases import format_duration, join_names, percent, plural, printable, without_controls


def test_times_shares_names_and_numbers_read_as_people_write_them():
    assert [format_duration(seconds) for seconds in (42.4, 200, 9000)] == ["42 s", "3 min", "2.5 h"]
    assert percent(0.969444) == "96.94 %"
    assert [join_names(["a"]), join_names(["a", "b", "c"])] == ["a", "a, b and c"]
    assert [plural(1, "file"), plural(2000, "file")] == ["1 file", "2,000 files"]


def test_what_would_steer_a_terminal_is_written_as_an_escape():
    assert without_controls("a\x00\x07\x1b[2J\x7f\x9b1m") == "a\\x00\\x07\\x1b[2J\\x7f\\x9b1m"
    assert without_controls("\x1b[31mred\u202egnp.exe") == "\\x1b[31mred\\u202egnp.exe"
    assert without_controls("photo\u202egnp.exe\u2066\u2028") == "photo\\u202egnp.exe\\u2066\\u2028"
    assert without_controls("猫 café [red]x[/red] :dog:\n\tb") == "猫 café [red]x[/red] :dog:\n\tb"


def test_bytes_that_are_no_text_are_written_as_escapes():
    assert without_controls("caf\udce9.png") == "caf\\udce9.png"
    assert printable({"caf\udce9": ["\udcff", 1]}) == {"caf\\udce9": ["\\udcff", 1]}
