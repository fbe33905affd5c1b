"""The notebooks of the tutorials: their code runs and prints what is stored, and both languages have the same."""

import importlib.util
import json
import re
from itertools import takewhile
from pathlib import Path
from typing import Any

import pytest

from support.documents import ROOT

_spec = importlib.util.spec_from_file_location("notebooks", ROOT / "docs" / "notebooks.py")
assert _spec is not None
assert _spec.loader is not None
notebooks = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(notebooks)

ENGLISH, CHINESE = notebooks.NOTEBOOKS["notebook"], notebooks.NOTEBOOKS["notebook.zh"]
NUMBER = re.compile(r"\d[\d,]*(?:\.\d+)?")


def text_of(outputs: list[dict[str, Any]]) -> str:
    """Everything that a cell shows but its images."""
    shown = [output.get("text") or output["data"].get("text/html") or output["data"]["text/plain"] for output in outputs]
    return "".join("".join(lines) for lines in shown)


def differences(stored: str, printed: str, trained: bool) -> list[str]:
    """How a cell's outputs differ: in words, in numbers; those of a training by more than 3 in 100 and one."""
    if NUMBER.sub("#", stored) != NUMBER.sub("#", printed):
        return [f"{stored!r} is now {printed!r}"]
    pairs = zip(NUMBER.findall(stored), NUMBER.findall(printed), strict=True)
    values = [(float(before.replace(",", "")), float(now.replace(",", ""))) for before, now in pairs]
    return [f"{a} is now {b}" for a, b in values if a != b and not (trained and abs(a - b) <= 1 + 0.03 * abs(a))]


def test_both_languages_have_the_same_code_and_outputs_and_a_text_before_each_cell():
    english, chinese = notebooks.cells(ENGLISH), notebooks.cells(CHINESE)
    assert [cell for cell in english if cell["cell_type"] == "code"] == [
        cell for cell in chinese if cell["cell_type"] == "code"
    ]
    assert [cell["id"] for cell in english] == [cell["id"] for cell in chinese]
    for cell in chinese:
        assert (cell["cell_type"] == "code") != bool(re.search(r"[\u4e00-\u9fff]", "".join(cell["source"])))


@pytest.mark.parametrize("path", [ENGLISH, CHINESE], ids=lambda path: path.name)
def test_a_notebook_is_one_of_jupyter_and_holds_nothing_of_the_machine(path: Path):
    text = path.read_text("utf-8")
    notebook = json.loads(text)
    assert (notebook["nbformat"], notebook["nbformat_minor"]) == (4, 5)
    assert len({cell["id"] for cell in notebook["cells"]}) == len(notebook["cells"])
    assert re.findall(r"[\"' >](?:/(?:tmp|home|root|Users|private)/|[A-Z]:\\\\)", text) == []
    assert [
        output for cell in notebooks.cells(path, "code") for output in cell["outputs"] if output.get("name") == "stderr"
    ] == []


@pytest.mark.features
@pytest.mark.parametrize("trains", [False, pytest.param(True, marks=pytest.mark.soak)])
def test_the_cells_run_and_print_what_is_stored(tmp_path: Path, trains: bool):
    stored = notebooks.cells(ENGLISH, "code")
    if not trains:  # the cells before the first that needs a training; what the others call has tests of its own
        stored = [*takewhile(lambda cell: "trained" not in cell["metadata"].get("tags", ()), stored)]
        assert stored
    outputs = notebooks.run(notebooks.sources(ENGLISH)[: len(stored)], tmp_path)
    wrong = {}
    for cell, now in zip(stored, outputs, strict=True):
        assert [output["output_type"] for output in now] == [output["output_type"] for output in cell["outputs"]], cell["id"]
        trained = "trained" in cell["metadata"].get("tags", ())
        if found := differences(text_of(cell["outputs"]), text_of(now), trained):
            wrong[cell["id"]] = found
    assert wrong == {}, "run python docs/notebooks.py"


def test_differences_of_outputs_are_seen():
    assert differences("95.1 % of 1,000", "95.1 % of 1,000", False) == []
    assert differences("95.1 % of 1,000", "95.2 % of 1,000", False) == ["95.1 is now 95.2"]
    assert differences("95.1 % of 1,000", "92.0 % of 1,000", True) == []
    assert differences("95.1 % of 1,000", "90.0 % of 1,000", True) == ["95.1 is now 90.0"]
    assert differences("95.1 % correct", "95.1 % wrong", True) == ["'95.1 % correct' is now '95.1 % wrong'"]


def test_a_page_of_the_manual_has_text_code_and_outputs(tmp_path: Path):
    page = notebooks.markdown(CHINESE)
    assert page.startswith("# 在笔记本中的第一个小时\n")
    assert '```python\nimport striate\n\nstriate.survey("scans")\n```\n\n<table>' in page
    assert '<img alt="" src="data:image/png;base64,' in page
    assert "```text\n(1797, 8, 8)\n```" in page
