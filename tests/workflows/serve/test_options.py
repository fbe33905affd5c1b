"""What cannot be served is refused before anything heavy is imported, with what to do."""

from pathlib import Path

import pytest

from striate.base.errors import RunError, SettingError
from striate.workflows.serve.listening import listen
from striate.workflows.serve.options import ServeOptions, check_options, is_loopback
from striate.workflows.serve.run import check_serve
from support.command_line import run


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (
            ServeOptions(host="0.0.0.0"),
            "expected a token, since others can reach 0.0.0.0; got none. Put a long random text into $STRIATE_TOKEN or a file "
            "given as --token-file (in Python token=), or leave --host out to serve this machine alone.",
        ),
        (ServeOptions(token="short"), "expected a token of at least 16 ASCII characters without spaces; got 5 characters."),
        (ServeOptions(port=70_000), "expected port from 0 to 65,535; got 70,000."),
        (ServeOptions(queue=0), "expected queue from 1 to 100,000; got 0."),
        (ServeOptions(max_upload_mb=1e6), "expected max_upload_mb from 0.001 to 1,024; got 1,000,000."),
        (ServeOptions(deadline=float("nan")), "expected deadline from 0.01 to 600; got nan."),
    ],
)
def test_options_that_make_no_sense_are_refused(options: ServeOptions, sentence: str):
    with pytest.raises(SettingError) as refused:
        check_options(options)
    assert sentence in str(refused.value)


@pytest.mark.parametrize(
    ("host", "own"),
    [("127.0.0.1", True), ("::1", True), ("localhost", True), ("0.0.0.0", False), ("::", False)],
)
def test_which_addresses_nobody_else_reaches(host: str, own: bool):
    assert is_loopback(host) == own


def test_a_port_in_use_is_refused():
    with listen("127.0.0.1", 0) as first:
        port = first.getsockname()[1]
        with pytest.raises(SettingError) as refused:
            listen("127.0.0.1", port)
    assert str(refused.value) == (
        f"cannot listen on 127.0.0.1, port {port}: Address already in use. Use another --port, or 0 for any that is free."
    )


def test_an_address_that_is_none_of_this_machine_is_refused():
    with pytest.raises(SettingError) as refused:
        listen("192.0.2.1", 0)
    assert str(refused.value) == (
        "cannot listen on 192.0.2.1, port 0: Cannot assign requested address. Use an address of this machine as --host, or "
        "leave it out to serve this machine alone."
    )


def test_an_onnx_file_that_is_not_there_and_a_device_that_it_cannot_use_are_refused(tmp_path: Path):
    with pytest.raises(RunError, match=r"there is no file model\.onnx\. Check the path\."):
        check_serve("model.onnx", ServeOptions())
    (tmp_path / "m.onnx").write_bytes(b"")
    with pytest.raises(SettingError, match=r"expected device cpu or auto for an ONNX file; got cuda\."):
        check_serve(tmp_path / "m.onnx", ServeOptions(device="cuda"))


def test_the_command_passes_on_whether_there_is_a_spare(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    given: list[bool] = []
    monkeypatch.setattr("striate.workflows.serve.run.serve", lambda _run, **options: given.append(options["spare"]))
    assert [run(capsys, "serve", "m", *more).code for more in ((), ("--no-spare",))] == [0, 0]
    assert given == [True, False]


def test_the_command_refuses_an_open_address_and_a_run_that_is_not_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("STRIATE_TOKEN", raising=False)
    refused = run(capsys, "serve", "nothing", "--host", "0.0.0.0")
    assert (refused.code, refused.out) == (2, "")
    assert "expected a token, since others can reach 0.0.0.0" in refused.err
    assert "nothing" in run(capsys, "serve", "nothing").err
    (tmp_path / "photos").mkdir()
    said = run(capsys, "serve", "photos").err
    assert "photos is a folder without a model; what is served is a model: a run, a model's folder or an ONNX file" in said
    (tmp_path / "exported").mkdir()
    for name in ("model-int8.onnx", "model.onnx"):
        (tmp_path / "exported" / name).write_bytes(b"")
    hint = "exported is the folder of an export: `predict`, `evaluate` and `serve` take exported/model.onnx."
    for command in (
        ("serve", "exported"),
        ("predict", "exported", "photos"),
        ("evaluate", "exported", "photos"),
        ("evaluate", "exported"),
    ):
        assert hint in run(capsys, *command).err
    missing = run(capsys, "serve", "nothing", "--token-file", "no.txt")
    assert "expected a file with the token at no.txt; it cannot be read: No such file or directory." in missing.err
