"""The public surface: one list of names, sorted, that editors and Python see alike."""

import ast
import inspect
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

import striate

HOME = striate._HOME


def shown_to_editors() -> dict[str, str]:
    """What `__init__.py` imports under TYPE_CHECKING: name -> module."""
    tree = ast.parse(Path(striate.__file__).read_text("utf-8"))
    blocks = [node for node in tree.body if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"]
    lines = [line for block in blocks for line in block.body if isinstance(line, ast.ImportFrom)]
    # `as NAME` is what makes it an export for type checkers
    return {alias.asname or f"{alias.name} without `as`": str(line.module) for line in lines for alias in line.names}


def test_the_three_lists_of_names_are_one():
    assert striate.__all__ == sorted(HOME)
    assert shown_to_editors() == HOME
    assert dir(striate) == sorted([*HOME, "__version__"])


@pytest.mark.parametrize("name", sorted(HOME))
def test_a_name_leads_to_what_is_defined_where_the_list_says(name: str):
    found = getattr(striate, name)
    assert found is getattr(import_module(HOME[name]), name)
    assert found.__module__ == HOME[name]
    assert found.__doc__


PLACES = {"run", "data", "file", "path", "out", "draw", "weights", "recipe", "data_dir"}  # arguments that may be a path


@pytest.mark.parametrize("name", sorted(name for name in HOME if name[0].islower()))
def test_a_place_is_given_as_text_or_as_a_path(name: str):
    parameters = inspect.signature(getattr(striate, name)).parameters.values()
    hints = {each.name: str(each.annotation) for each in parameters if each.name in PLACES}
    assert all("str | " in hint and "Path" in hint for hint in hints.values()), hints


def test_a_name_that_is_not_there_is_answered_with_those_that_are():
    with pytest.raises(AttributeError) as refused:
        _ = striate.fit
    assert str(refused.value) == f"striate has no 'fit'; it has {', '.join(sorted(HOME))}"


def test_importing_the_package_imports_none_of_its_rooms():
    code = "import striate, sys; print(*[name for name in sys.modules if name.startswith('striate')])"
    ran = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert sorted(ran.stdout.split()) == ["striate", "striate._version"]
