"""What the documents say holds: their commands run, their links lead somewhere, and the generated pages leave nothing out.

In a ```console block, a line `$ striate ...` is run. The quickstart comes first: its Python program draws `photos/`, fewer and
smaller than it says, and its commands run once for all. Every other document begins in a copy of that folder, block after
block; a command of the quickstart that it repeats has been run. A shell makes its words, and the command runs in this process,
since one of its own costs seconds of imports each time; a line with pipes and the like is the shell's, in processes of their
own. `$ make`, `$ pip` and `$ python` are for the reader's own machine. A block after `<!-- not run: REASON -->` is not run,
and the reason is reported. `make soak` runs a document with its long commands, which `support/full_products.py` names; of
these `make test` checks that striate takes their words.

A number that `<!-- = EXPRESSION -->` follows is the value of the expression in what the first command of the block above prints
with --json, rounded as it is written; where that block is not run, `make soak` runs it.

In a document that `support/published_figures.py` names, every number of the prose is printed by a command of its section or
of one before, or stands in that table with its source.

The trainings of the timeline take one epoch each, and files of images stay empty: that commands draw well is for the tests of
what they draw.
"""

import importlib.util
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Collection
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import striate
from striate.base.settings import Run
from striate.cli.main import app, main
from support.command_line import Ran
from support.command_line import run as run_here
from support.documents import CODE, QUOTE, ROOT, Block, Quote, blocks, figures_beside, links, not_printed, quotes
from support.full_products import COMMANDS
from support.published_figures import PUBLISHED, TRAINED
from support.quick_commands import quick

DOCUMENTS = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
DOCUMENTS = [path for path in DOCUMENTS if not {"_build", "_generated"} & {*path.relative_to(ROOT).parts}]
QUICKSTART = ROOT / "docs" / "quickstart.md"
MOST_SECONDS = 300

FOR_THE_READER = re.compile(r"(make|pip|python)\b")
STRIATE = re.compile(r"([A-Z_]+=\S* +)*striate\b")
SIMPLE = re.compile(r"striate\b([^|&;<>$`()\"']|\"[^\"$`]*\"|'[^']*')*")  # nothing for a shell to do but to make the words


def shell(script: str, folder: Path, striate: str) -> subprocess.CompletedProcess[str]:
    """What a shell makes of the script, where `striate` is a function with this body."""
    return subprocess.run(
        ["bash", "-c", f"set -euo pipefail; striate() {{ {striate}; }}\n{script}"],
        cwd=folder, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=MOST_SECONDS,
        env={**os.environ, "STRIATE_PYTHON": sys.executable},
    )  # fmt: skip


def run(command: str, folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> str:
    """Run one command of a document as it stands, with striate as this interpreter has it; what it printed."""
    monkeypatch.setenv("STRIATE_CACHE", str(folder / ".cache"))
    monkeypatch.chdir(folder)
    if SIMPLE.fullmatch(command):
        ran = run_here(capsys, *words_of(command, folder))
    else:
        whole = shell(command, folder, '"$STRIATE_PYTHON" -m striate "$@"')
        ran = Ran(whole.returncode, whole.stdout, whole.stderr)
    if ran.code:
        pytest.fail(f"$ {command}\nended with {ran.code}:\n{ran.out[-2000:]}{ran.err[-2000:]}", pytrace=False)
    return ran.out + ran.err


def run_quoted(text: str, command: str, *here: Any) -> str:
    """Run a command, with --json where the document quotes keys of it, which are checked."""
    quoted = [quote for quote in quotes(text) if quote.command == command]
    printed = run(f"{command} --json" if quoted else command, *here)
    for quote in quoted:
        quote.check(printed.splitlines()[0])
    return printed


def generator() -> ModuleType:
    """docs/generate.py, which lies in no package."""
    spec = importlib.util.spec_from_file_location("generate", ROOT / "docs" / "generate.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def commands_of(path: Path) -> list[str]:
    """The commands of a document that are run."""
    return [command for block in blocks(path.read_text("utf-8")) if block.not_run is None for command in block.commands]


@pytest.fixture(scope="module")
def after_quickstart(tmp_path_factory: pytest.TempPathFactory, cache: Path) -> Path:
    """The folder of a reader who has followed the quickstart; published weights are converted once, not by each document."""
    folder = tmp_path_factory.mktemp("quickstart")
    (cache / "weights").mkdir(exist_ok=True)
    (folder / ".cache").mkdir()
    (folder / ".cache" / "weights").symlink_to(cache / "weights")
    whole = "EACH, SIDE = 40, 32"
    script = generator().quickstart_script()
    assert whole in script
    with pytest.MonkeyPatch.context() as patch:
        quick(patch)
        patch.chdir(folder)
        patch.setenv("STRIATE_CACHE", str(folder / ".cache"))
        exec(compile(script.replace(whole, "EACH, SIDE = 12, 16"), "quickstart.md", "exec"), {})
        for command in commands_of(QUICKSTART):
            if STRIATE.match(command):
                assert main(words_of(command, folder)) == 0, command
    return folder


def pieces() -> list[object]:
    """For each document one piece with all that is run, and one for each block that is not."""
    params: list[object] = []
    for path in DOCUMENTS:
        name = path.relative_to(ROOT).as_posix()
        if commands := commands_of(path):
            params.append(pytest.param(path, commands, None, id=name))
        skipped = [block for block in blocks(path.read_text("utf-8")) if block.not_run is not None]
        params += [pytest.param(path, (), block.not_run, id=f"{name}:{block.line}") for block in skipped]
    return params


def words_of(command: str, folder: Path) -> list[str]:
    """What a shell makes of the words after `striate`."""
    return shell(command, folder, "printf '%s\\0' \"$@\"").stdout.split("\0")[:-1]


def run_document(path: Path, long_ones: Collection[str], folder: Path, *here: Any) -> dict[str, str]:
    """Run the commands of a document but for the long ones, of which the words are checked; what each printed."""
    already_run, printed = commands_of(QUICKSTART), dict[str, str]()
    for command in commands_of(path):
        if not STRIATE.match(command):
            assert FOR_THE_READER.match(command), f"$ {command}: neither striate nor make, pip, python; mark its block not run"
        elif command in long_ones:
            app.parse_args(words_of(command, folder), exit_on_error=False, print_error=False)
        elif command not in already_run:
            printed[command] = run_quoted(path.read_text("utf-8"), command, folder, *here)
    return printed


@pytest.mark.skipif(shutil.which("bash") is None, reason="needs bash")
@pytest.mark.parametrize(("path", "commands", "not_run"), pieces())
def test_the_commands_of_a_document_run_and_print_its_figures(
    path: Path,
    commands: list[str],
    not_run: str | None,
    after_quickstart: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
):
    if not_run is not None:
        assert not_run, "<!-- not run: REASON --> needs its reason"
        pytest.skip(not_run)
    folder = Path(shutil.copytree(after_quickstart, tmp_path / "reader", symlinks=True))
    quick(monkeypatch)
    name = path.relative_to(ROOT).as_posix()
    long_ones = COMMANDS.get(name, ())
    assert {*long_ones} <= {*commands}, "support/full_products.py names a command that is not there"
    printed = run_document(path, long_ones, folder, capsys, monkeypatch)
    if name in PUBLISHED:
        text = path.read_text("utf-8")
        missing = not_printed(text, printed, PUBLISHED[name], TRAINED.get(name, {}))
        assert [figure for figure in missing if figure not in figures_beside(text, long_ones)] == []


@pytest.mark.soak
@pytest.mark.skipif(shutil.which("bash") is None, reason="needs bash")
@pytest.mark.parametrize("name", COMMANDS)
def test_a_document_runs_with_its_long_commands(
    name: str, after_quickstart: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    folder = Path(shutil.copytree(after_quickstart, tmp_path / "reader", symlinks=True))
    quick(monkeypatch)
    printed = run_document(ROOT / name, (), folder, capsys, monkeypatch)
    if name in PUBLISHED:
        assert not_printed((ROOT / name).read_text("utf-8"), printed, PUBLISHED[name], TRAINED.get(name, {})) == []


def quoted_but_not_run() -> list[object]:
    """The commands whose keys are quoted though their blocks are not run with the others."""
    return [
        pytest.param(text, block.commands[0], id=block.commands[0])
        for text in (path.read_text("utf-8") for path in DOCUMENTS)
        for block in blocks(text)
        if block.not_run is not None and block.commands and block.commands[0] in {quote.command for quote in quotes(text)}
    ]


@pytest.mark.soak
@pytest.mark.parametrize(("text", "command"), quoted_but_not_run())
def test_commands_that_take_long_print_the_numbers_that_are_quoted(
    text: str,
    command: str,
    shared_data: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
):
    monkeypatch.setenv("STRIATE_DATA", str(shared_data))
    run_quoted(text, command, tmp_path, capsys, monkeypatch)


MEASURED = re.compile(r"\d[\d,]*\.\d+(?: %)?|\d{1,3}(?:,\d{3})+(?: %)?|\d+ %")
ELSEWHERE = re.compile(r"<!-- from elsewhere: (.*?) -->")


@pytest.mark.parametrize("path", sorted((ROOT / "docs" / "history").glob("*.md")), ids=lambda path: path.name)
def test_figures_of_the_history_are_quoted_from_a_command_or_said_to_be_from_elsewhere(path: Path):
    text = CODE.sub("", path.read_text("utf-8"))
    elsewhere = {figure for match in ELSEWHERE.finditer(text) for figure in match[1].split("; ")}
    text = re.sub(rf"(?:{MEASURED.pattern}){QUOTE.pattern}", "", ELSEWHERE.sub("", text))
    others = {match[0] for match in MEASURED.finditer(text)}
    assert others == elsewhere, "follow a figure of a command with <!-- = EXPRESSION -->"


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_every_link_leads_to_a_file_of_the_repository_or_a_figure_that_the_build_draws(path: Path):
    drawn = {ROOT / "docs" / "_generated" / name for name in generator().ILLUSTRATIONS}
    for target in links(path.read_text("utf-8")):
        file = (path.parent / target).resolve()
        assert file in drawn or file.exists(), target
        assert file.is_relative_to(ROOT), target


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_no_minus_at_the_begin_of_a_line_makes_a_list_of_a_sentence(path: Path):
    assert re.findall(r"^[^-*#|<\s].*[^.:\n]\n[-+*] .*", CODE.sub("", path.read_text("utf-8")), re.M) == []


def test_the_reference_has_every_setting_every_command_and_every_public_name():
    pages = generator()
    settings = pages.settings()
    for section, field in Run.model_fields.items():
        fields = getattr(field.annotation, "model_fields", None)
        for path in [f"{section}.{name}" for name in fields] if fields else [section]:
            assert f"| `{path}` |" in settings
    commands = pages.commands()
    assert "|  |  |" not in commands, "an argument without a meaning"
    for name in app:
        assert name.startswith("-") or f"## striate {name}\n" in commands
    python = pages.python()
    for name in striate.__all__:
        assert re.search(rf"auto\w+:: striate\.{name}\n", python), name


def test_every_figure_is_shown():
    text = "".join(path.read_text("utf-8") for path in DOCUMENTS)
    for name in generator().ILLUSTRATIONS:
        assert f"_generated/{name})" in text, name


EXAMPLE = """# Title, [a link](docs/a.md#part) and ![an image](b.png "named")

[home]: ../c.md
[site](https://example.org) [here](#title) `[code](d.md)`

```console
$ pip install striate
$ striate train photos \\
    --epochs 1
accuracy 0.9 [no](link.md)
$ OMP_NUM_THREADS=1 striate runs
```

<!-- not run: needs an hour -->
```console
$ striate train mnist
```

```python
$ striate never
```
"""


def test_blocks_and_links_are_read_as_the_rules_say():
    assert blocks(EXAMPLE) == [
        Block(6, ("pip install striate", "striate train photos --epochs 1", "OMP_NUM_THREADS=1 striate runs"), None),
        Block(15, ("striate train mnist",), "needs an hour"),
    ]
    assert links(EXAMPLE) == ["docs/a.md", "b.png", "../c.md"]


def test_a_quote_is_the_number_of_the_first_command_above_rounded_as_it_is_written():
    text = "```console\n$ striate a\n$ striate b\n```\nIt is 88.02 %<!-- = row.share -->, in 2, 1<!-- = many -->\n"
    share, many = quotes(text)
    assert share == Quote("striate a", "It is 88.02 %", "row.share")
    share.check('{"row": {"share": 0.88022}}')
    many.check('{"many": [2, 1]}')
    with pytest.raises(AssertionError, match=r"striate a --json: row.share is 0.8803, and the document says ...It is 88.02 %"):
        share.check('{"row": {"share": 0.8803}}')
    with pytest.raises(AssertionError, match=r"many is \[2, 3\]"):
        many.check('{"many": [2, 3]}')


@pytest.mark.skipif(shutil.which("bash") is None, reason="needs bash")
def test_a_command_that_fails_is_reported_with_its_message(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    for command, message in (
        ("striate nets nothing", "There is no network 'nothing'"),
        ("striate nets --nothing | cat", "Unknown option: --nothing"),
    ):
        with pytest.raises(pytest.fail.Exception) as failed:
            run(command, tmp_path, capsys, monkeypatch)
        assert str(failed.value).startswith(f"$ {command}\nended with 2:\nstriate: {message}")


@pytest.mark.skipif(shutil.which("bash") is None, reason="needs bash")
def test_a_command_gets_the_words_that_a_shell_makes(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    given: list[list[str]] = []
    monkeypatch.setitem(globals(), "run_here", lambda _capsys, *words: given.append([*words]) or Ran(0, "", ""))
    (tmp_path / "a 1.png").touch()
    (tmp_path / "a 2.png").touch()
    run("""striate predict first a*.png "a*.png" "conv 3x3x8, relu; pool (2)" '$a|b'""", tmp_path, capsys, monkeypatch)
    assert given == [["predict", "first", "a 1.png", "a 2.png", "a*.png", "conv 3x3x8, relu; pool (2)", "$a|b"]]
    run("striate nets | head -n 1 > first.txt", tmp_path, capsys, monkeypatch)
    run("STRIATE_CACHE=elsewhere striate nets", tmp_path, capsys, monkeypatch)
    assert (tmp_path / "first.txt").exists()
    assert len(given) == 1


def test_the_quickstart_shows_what_data_prints(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    shown = re.search(r"^\$ striate data photos\n(.+?)^```", QUICKSTART.read_text("utf-8"), re.M | re.S)
    assert shown
    monkeypatch.chdir(tmp_path)
    exec(compile(generator().quickstart_script(), "quickstart.md", "exec"), {})
    printed = run("striate data photos", tmp_path, capsys, monkeypatch).splitlines()
    assert [line for line in shown[1].splitlines() if line not in printed] == []


def test_the_readme_shows_how_to_begin():
    shown = {command.split()[1] for block in blocks((ROOT / "README.md").read_text("utf-8")) for command in block.commands}
    assert {"data", "train"} <= shown
