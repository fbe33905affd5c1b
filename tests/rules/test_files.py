"""What holds for every file: how long it is, what it is called, and that it says what it is."""

import ast
import keyword
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import striate

SRC = Path(striate.__file__).parent
ROOT = Path(__file__).parents[2]
SOURCES = sorted(SRC.rglob("*.py"))
ALL = [*SOURCES, *sorted(path for folder in ("tests", "bench") for path in (ROOT / folder).rglob("*.py"))]
MOST_LINES = 350
MOST_LINES_OF_A_COMMAND = 60
SAY_NOTHING = {"utils", "util", "common", "helpers", "helper", "misc", "core"}

Documented = ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef


def short(path: Path) -> str:
    for base in (SRC, ROOT):
        if path.is_relative_to(base):
            return path.relative_to(base).as_posix()
    return path.name


def public(tree: Documented, prefix: str = "") -> Iterator[tuple[str, Documented]]:
    """The public classes, functions and methods of a file, by name; what lies inside a function is its own matter."""
    for node in tree.body:
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) and not node.name.startswith("_"):
            yield prefix + node.name, node
            if isinstance(node, ast.ClassDef):
                yield from public(node, f"{prefix}{node.name}.")


def undocumented(code: str) -> list[str]:
    tree = ast.parse(code)
    nodes = [("the file", tree), *public(tree)]
    return [name for name, node in nodes if not ast.get_docstring(node) and not is_overload(node)]


def is_overload(node: ast.AST) -> bool:
    """Whether this is one more type of a function whose implementation has the docstring."""
    return any(ast.unparse(each) == "overload" for each in getattr(node, "decorator_list", ()))


def commands(app: str = "app") -> dict[str, str]:
    """The commands that `cli/main.py` registers with an app: name -> "striate.cli.file:function"."""
    tree = ast.parse((SRC / "cli" / "main.py").read_text("utf-8"))
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call) and ast.unparse(node.func) == f"{app}.command"]
    return {
        next(ast.literal_eval(word.value) for word in call.keywords if word.arg == "name"): ast.literal_eval(call.args[0])
        for call in calls
        if isinstance(call.args[0], ast.Constant)
    }


def test_files_are_at_most_350_lines():
    lengths = {short(path): len(path.read_text("utf-8").splitlines()) for path in ALL}
    assert {name: lines for name, lines in lengths.items() if lines > MOST_LINES} == {}


def test_files_and_folders_are_named_for_what_they_hold():
    words = {short(path): {path.stem.removeprefix("test_"), *Path(short(path)).parts} for path in ALL}
    assert [name for name in words if SAY_NOTHING & words[name]] == []


def test_everything_public_says_what_it_is():
    missing = {short(path): undocumented(path.read_text("utf-8")) for path in SOURCES}
    assert {name: names for name, names in missing.items() if names} == {}


def test_what_says_nothing_is_found():
    code = "def f():\n    def g(): ...\nclass A:\n    '''Said.'''\n    def m(self): ...\n    def _n(self): ...\nclass _B: ...\n"
    assert undocumented(code) == ["the file", "f", "A.m"]
    assert undocumented("'''Said.'''\nasync def f(): ...") == ["f"]


def in_python(command: str) -> str:
    """The name of a command's file and function: `import` is a word of the language."""
    return f"{command}_" if keyword.iskeyword(command) else command


@pytest.mark.parametrize(("name", "where"), commands().items(), ids=list(commands()))
def test_a_command_is_a_short_function_in_a_file_of_its_own(name: str, where: str):
    own = in_python(name)
    assert where == f"striate.cli.{own}:{own}"
    functions = dict(public(ast.parse((SRC / "cli" / f"{own}.py").read_text("utf-8"))))
    assert list(functions) == [own]
    assert functions[own].end_lineno - functions[own].lineno + 1 < MOST_LINES_OF_A_COMMAND


def test_the_commands_of_the_history_are_short_functions_of_one_file():
    functions = dict(public(ast.parse((SRC / "cli" / "history.py").read_text("utf-8"))))
    assert commands("history") == {name: f"striate.cli.history:{name}" for name in functions}
    assert all(node.end_lineno - node.lineno + 1 < MOST_LINES_OF_A_COMMAND for node in functions.values())


def test_every_file_of_the_command_line_is_a_command_or_serves_them_all():
    files = {*map(in_python, commands()), "history", "__init__", "main", "console", "progress", "label_sets", "server_token"}
    assert {path.stem for path in (SRC / "cli").glob("*.py")} == files


@pytest.mark.parametrize("path", ["Makefile", ".ci/run", "CONTRIBUTING.md", "bench/README.md"])
def test_files_that_are_named_exist(path: str):
    named = set(re.findall(r"\b(?:bench|tests|docs|src)/[\w/.-]+\.(?:py|sh|md)\b", (ROOT / path).read_text("utf-8")))
    if path == "bench/README.md":
        named |= {f"bench/{name}" for name in re.findall(r"`(\w+\.py)`", (ROOT / path).read_text("utf-8"))}
    assert [name for name in sorted(named) if not (ROOT / name).exists()] == []
