"""The notebooks of the tutorials: run, stored with what they print, and rendered for the manual.

python docs/notebooks.py    # run them, and store what they print

English and Chinese have the same code, so it is run once. Nothing of Jupyter is needed: a cell is run as Python, what it prints
and the value of its last line are its outputs.
"""

import ast
import base64
import json
import os
import sys
import tempfile
from contextlib import chdir, redirect_stderr, redirect_stdout
from io import BytesIO, StringIO
from pathlib import Path
from typing import Any
from unittest.mock import patch

from PIL import Image

FOLDER = Path(__file__).parent / "tutorials"
NOTEBOOKS = {"notebook": FOLDER / "notebook.ipynb", "notebook.zh": FOLDER / "notebook.zh.ipynb"}

_MOST_WIDTH = 700  # pixels

Cell = dict[str, Any]


def cells(path: Path, kind: str | None = None) -> list[Cell]:
    """The cells of a notebook; of one kind, code or markdown."""
    every: list[Cell] = json.loads(path.read_text("utf-8"))["cells"]
    return [cell for cell in every if kind in (None, cell["cell_type"])]


def sources(path: Path) -> list[str]:
    """The code of a notebook, cell by cell."""
    return ["".join(cell["source"]) for cell in cells(path, "code")]


def run(codes: list[str], folder: Path) -> list[list[Cell]]:
    """The outputs of cells of code that are run one after another in a folder, with an empty cache in it.

    The cache counts how often a test set was scored, so with the user's own cache the outputs would depend on earlier runs.
    """
    names: dict[str, Any] = {"__name__": "__main__"}
    with chdir(folder), patch.dict(os.environ, STRIATE_CACHE=str(folder / "cache")):
        return [_run_cell(code, names, number) for number, code in enumerate(codes, start=1)]


def _run_cell(code: str, names: dict[str, Any], number: int) -> list[Cell]:
    tree = ast.parse(code)
    last = ast.Expression(tree.body.pop().value) if tree.body and isinstance(tree.body[-1], ast.Expr) else None  # type: ignore[attr-defined]
    printed, warned = StringIO(), StringIO()
    with redirect_stdout(printed), redirect_stderr(warned):
        exec(compile(tree, f"cell {number}", "exec"), names)
        value = None if last is None else eval(compile(last, f"cell {number}", "eval"), names)
    outputs: list[Cell] = [
        {"output_type": "stream", "name": name, "text": _lines(stream.getvalue())}
        for name, stream in (("stdout", printed), ("stderr", warned))
        if stream.getvalue()
    ]
    if value is not None:
        outputs.append({"output_type": "execute_result", "execution_count": number, "metadata": {}, "data": _data(value)})
    return outputs


def _data(value: Any) -> dict[str, Any]:
    """A value in the forms that a notebook shows it in."""
    if isinstance(value, Image.Image):  # is kept small, since it lies in the repository
        small = value.convert("RGB").reduce(max(1, value.width // _MOST_WIDTH)).quantize(64)
        buffer = BytesIO()
        small.save(buffer, "PNG", optimize=True)
        return {"image/png": base64.b64encode(buffer.getvalue()).decode(), "text/plain": ["an image"]}
    if hasattr(value, "_repr_html_"):
        return {"text/html": _lines(value._repr_html_()), "text/plain": ["a table"]}
    return {"text/plain": _lines(repr(value))}


def _lines(text: str) -> list[str]:
    return text.splitlines(keepends=True)


def store() -> None:
    """Run the code of the notebooks, and write what it prints into all of them."""
    english, *others = NOTEBOOKS.values()
    assert all(sources(other) == sources(english) for other in others), "the notebooks differ in their code"
    with tempfile.TemporaryDirectory() as folder:
        outputs = run(sources(english), Path(folder))
    for path in NOTEBOOKS.values():
        notebook = json.loads(path.read_text("utf-8"))
        code = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
        for number, (cell, results) in enumerate(zip(code, outputs, strict=True), start=1):
            cell |= {"execution_count": number, "outputs": results}
        path.write_text(json.dumps(notebook, indent=1, ensure_ascii=False) + "\n", "utf-8")


def markdown(path: Path) -> str:
    """A notebook as a page of the manual."""
    parts = []
    for cell in cells(path):
        source = "".join(cell["source"])
        if cell["cell_type"] == "markdown":
            parts.append(source)
            continue
        parts.append(f"```python\n{source}\n```")
        for output in cell["outputs"]:
            data = output.get("data", {"text/plain": output.get("text", [])})
            if "image/png" in data:
                parts.append(f'<img alt="" src="data:image/png;base64,{data["image/png"]}">')
            elif "text/html" in data:
                parts.append("".join(data["text/html"]))
            else:
                parts.append(f"```text\n{''.join(data['text/plain']).rstrip()}\n```")
    return "\n\n".join(parts) + "\n"


if __name__ == "__main__":
    sys.exit(store())
