from striate.base.option_names import on_command_line, option, setting


def test_an_option_is_named_as_it_was_written():
    assert [option("max_error"), option("max_error", 0.02), option("crops", 5)] == ["max_error", "max_error=0.02", "crops=5"]
    assert [option("save", True), option("coverage", 0.9)] == ["save=true", "coverage=0.9"]
    with on_command_line():
        assert [option("max_error"), option("max_error", 0.02), option("crops", 5)] == [
            "--max-error",
            "--max-error 0.02",
            "--crops 5",
        ]
        assert option("save", True) == "--save"
    assert option("max_error") == "max_error"


def test_a_setting_is_named_as_it_was_written():
    settings = [
        ("data.label_column", ...),
        ("data.label_column", "class"),
        ("data.follow_links", True),
        ("data.split_column", ""),
    ]
    assert [setting(*each) for each in settings] == [
        "settings={'data': {'label_column': ...}}",
        "settings={'data': {'label_column': 'class'}}",
        "settings={'data': {'follow_links': True}}",
        "settings={'data': {'split_column': ''}}",
    ]
    with on_command_line():
        assert [setting(*each) for each in settings] == [
            "--set data.label_column=...",
            "--set data.label_column=class",
            "--set data.follow_links=true",
            "--set data.split_column=''",
        ]
