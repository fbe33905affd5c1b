"""What the documents say holds: their commands run, and their links lead somewhere.

In a ```console block, a line `$ striate ...` is run, block after block of one document in one folder, where `photos/` has
three classes of small images. A shell makes its words, and the command runs in this process, since one of its own costs
seconds of imports each time; a line with pipes and the like is the shell's, in processes of their own. `$ make`, `$ pip` and
`$ python` are for the reader's own machine. A block after `<!-- not run: REASON -->` is not run, and the reason is reported.
"""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from support.command_line import Ran
from support.command_line import run as run_here
from support.documents import ROOT, Block, blocks
from support.shape_images import make_folder

DOCUMENTS = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
DOCUMENTS = [path for path in DOCUMENTS if "_build" not in path.relative_to(ROOT).parts]
MOST_SECONDS = 300

FOR_THE_READER = re.compile(r"(make|pip|python)\b")
STRIATE = re.compile(r"([A-Z_]+=\S* +)*striate\b")
SIMPLE = re.compile(r"striate\b([^|&;<>$`()\"']|\"[^\"$`]*\")*")  # nothing for a shell to do but to make the words
LINK = re.compile(r"!?\[[^\]]*\]\(<?([^)\s>]+)>?(?: +\"[^\"]*\")?\)|^\[[^\]]+\]: +(\S+)", re.M)
CODE = re.compile(r"^ *(`{3,}|~{3,}).*?^ *\1|`[^`\n]+`", re.M | re.S)


def links(text: str) -> list[str]:
    """Where the links of a document lead within the repository, without what is an example in code."""
    targets = [inline or reference for inline, reference in LINK.findall(CODE.sub("", text))]
    return [target.partition("#")[0] for target in targets if not re.match(r"[a-z]+:|#", target)]


def shell(script: str, folder: Path, striate: str) -> subprocess.CompletedProcess[str]:
    """What a shell makes of the script, where `striate` is a function with this body."""
    return subprocess.run(
        ["bash", "-c", f"set -euo pipefail; striate() {{ {striate}; }}\n{script}"],
        cwd=folder, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=MOST_SECONDS,
        env={**os.environ, "STRIATE_PYTHON": sys.executable},
    )  # fmt: skip


def run(command: str, folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Run one command of a document as it stands, with striate as this interpreter has it."""
    monkeypatch.setenv("STRIATE_CACHE", str(folder / ".cache"))
    monkeypatch.chdir(folder)
    if SIMPLE.fullmatch(command):
        words = shell(command, folder, "printf '%s\\0' \"$@\"").stdout.split("\0")[:-1]
        ran = run_here(capsys, *words)
    else:
        whole = shell(command, folder, '"$STRIATE_PYTHON" -m striate "$@"')
        ran = Ran(whole.returncode, whole.stdout, whole.stderr)
    if ran.code:
        pytest.fail(f"$ {command}\nended with {ran.code}:\n{ran.out[-2000:]}{ran.err[-2000:]}", pytrace=False)


def make_photos(folder: Path) -> None:
    for path in make_folder(folder / "photos", each=12).rglob("*.png"):
        with Image.open(path) as image:
            image.resize((16, 16)).save(path)


def pieces() -> list[object]:
    """For each document one piece with all that is run, and one for each block that is not."""
    found: list[object] = []
    for path in DOCUMENTS:
        name, of_document = path.relative_to(ROOT).as_posix(), blocks(path.read_text("utf-8"))
        commands = [command for block in of_document if block.not_run is None for command in block.commands]
        if commands:
            found.append(pytest.param(commands, None, id=name))
        found += [
            pytest.param((), block.not_run, id=f"{name}:{block.line}") for block in of_document if block.not_run is not None
        ]
    return found


@pytest.mark.skipif(shutil.which("bash") is None, reason="needs bash")
@pytest.mark.parametrize(("commands", "not_run"), pieces())
def test_the_commands_of_a_document_run(
    commands: list[str],
    not_run: str | None,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
):
    if not_run is not None:
        assert not_run, "<!-- not run: REASON --> needs its reason"
        pytest.skip(not_run)
    make_photos(tmp_path)
    for command in commands:
        if STRIATE.match(command):
            run(command, tmp_path, capsys, monkeypatch)
        else:
            assert FOR_THE_READER.match(command), (
                f"$ {command}: neither striate nor make, pip or python; mark its block not run"
            )


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_every_link_leads_to_a_file_of_the_repository(path: Path):
    for target in links(path.read_text("utf-8")):
        found = (path.parent / target).resolve()
        assert found.exists(), target
        assert found.is_relative_to(ROOT), target


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


@pytest.mark.skipif(shutil.which("bash") is None, reason="needs bash")
def test_a_command_that_fails_is_reported_with_what_it_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    for command, said in (
        ("striate nets nothing", "There is no network 'nothing'"),
        ("striate nets --nothing | cat", "Unknown option: --nothing"),
    ):
        with pytest.raises(pytest.fail.Exception) as failed:
            run(command, tmp_path, capsys, monkeypatch)
        assert str(failed.value).startswith(f"$ {command}\nended with 2:\nstriate: {said}")


@pytest.mark.skipif(shutil.which("bash") is None, reason="needs bash")
def test_a_command_gets_the_words_that_a_shell_makes(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    given: list[list[str]] = []
    monkeypatch.setitem(globals(), "run_here", lambda _capsys, *words: given.append([*words]) or Ran(0, "", ""))
    (tmp_path / "a 1.png").touch()
    (tmp_path / "a 2.png").touch()
    run('striate predict first a*.png "a*.png" "conv 3x3x8, relu; pool (2)" --json', tmp_path, capsys, monkeypatch)
    assert given == [["predict", "first", "a 1.png", "a 2.png", "a*.png", "conv 3x3x8, relu; pool (2)", "--json"]]
    run("striate nets | head -n 1 > first.txt", tmp_path, capsys, monkeypatch)
    run("STRIATE_CACHE=elsewhere striate nets", tmp_path, capsys, monkeypatch)
    assert (tmp_path / "first.txt").exists()
    assert len(given) == 1


def test_the_readme_shows_how_to_begin():
    shown = {command.split()[1] for block in blocks((ROOT / "README.md").read_text("utf-8")) for command in block.commands}
    assert {"data", "train"} <= shown
