from striate.base.phrases import printable, without_controls


def test_what_would_steer_a_terminal_is_written_as_an_escape():
    assert without_controls("a\x00\x07\x1b[2J\x7f\x9b1m") == "a\\x00\\x07\\x1b[2J\\x7f\\x9b1m"
    assert without_controls("photo\u202egnp.exe\u2066\u2028") == "photo\\u202egnp.exe\\u2066\\u2028"
    assert without_controls("猫 café [red]x[/red] :dog:\n\tb") == "猫 café [red]x[/red] :dog:\n\tb"


def test_bytes_that_are_no_text_are_written_as_escapes():
    assert without_controls("caf\udce9.png") == "caf\\udce9.png"
    assert printable({"caf\udce9": ["\udcff", 1]}) == {"caf\\udce9": ["\\udcff", 1]}
