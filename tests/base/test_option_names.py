from striate.base.option_names import on_command_line, option


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
