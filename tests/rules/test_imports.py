"""Imports point down only: the table of rooms as data, and every file of the package held against it."""

import ast
import sys
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path
from typing import NamedTuple

import pytest

import striate

SRC = Path(striate.__file__).parent
FILES = sorted(path.relative_to(SRC) for path in SRC.rglob("*.py"))


class Room(NamedTuple):
    """What the files of a room may import.

    Attributes:
        start: rooms, when a file is imported; a dotted name is one file of a room.
        later: rooms also, inside functions and under TYPE_CHECKING.
        others: packages other than the standard library, when a file is imported.
        where_used: packages also, inside functions.

    """

    start: frozenset[str] = frozenset()
    later: frozenset[str] = frozenset()
    others: frozenset[str] = frozenset()
    where_used: frozenset[str] = frozenset()


def room(start: str = "", later: str = "", others: str = "", where_used: str = "") -> Room:
    return Room(*(frozenset(words.split()) for words in (start, later, others, where_used)))


ROOMS = {
    "base": room("", others="numpy pydantic tomli_w", where_used="IPython"),
    "data": room("base", others="numpy PIL", where_used="datasets sklearn pyarrow fsspec pillow_heif"),
    "metrics": room("base", others="numpy"),
    "plots": room("base", others="numpy", where_used="matplotlib jinja2 markupsafe PIL"),
    "nets.catalogue": room("base", later="nets"),
    "nets": room("base", others="numpy torch", where_used="timm safetensors"),
    "batches": room("base data", others="numpy torch", where_used="torchvision sklearn"),
    "training": room("base metrics nets", others="numpy torch safetensors", where_used="sklearn tensorboard"),
    "interpret": room("base nets", others="numpy torch", where_used="captum sklearn"),
    "model": room("base batches data metrics nets", others="numpy torch safetensors"),
    "onnx_model": room("base data metrics", others="numpy", where_used="onnxruntime"),
    "workflows": room(
        "base batches data interpret metrics model nets onnx_model plots training _version",
        others="numpy torch safetensors",
        where_used="matplotlib jinja2 markupsafe PIL pyarrow onnx onnxruntime onnxscript litert_torch ai_edge_litert ray",
    ),
    # What it loads at the start of its files is loaded by `striate serve` alone; the model is in a process of its own
    "workflows.serve": room(
        "base data onnx_model workflows _version",
        others="fastapi numpy prometheus_client pydantic python_multipart starlette uvicorn",
        later="training",
        where_used="torch",
    ),
    "sklearn": room("base data metrics model workflows", others="numpy sklearn"),
    "figures": room("base data interpret nets plots training", others="numpy torch", where_used="matplotlib"),
    "history": room(
        "base batches data metrics nets plots training",
        later="workflows",
        others="numpy torch",
        where_used="matplotlib PIL",
    ),
    # Pages show at once: what computes is imported where it does
    "lab": room(
        "base data metrics nets.catalogue workflows workflows.serve _version",
        later="batches figures history interpret model nets plots training",
        others="fastapi numpy pydantic starlette uvicorn",
        where_used="PIL jinja2 sklearn torch",
    ),
    "lab.lessons": room(
        "base lab",
        later="batches data figures history interpret metrics nets training",
        others="numpy",
        where_used="torch sklearn",
    ),
    "cli": room("base nets.catalogue _version", later="figures history lab workflows", others="cyclopts rich"),
    "recipes": room(),
    "_version": room(),
    "__init__": room("_version", later="base model nets workflows"),
    "__main__": room("cli"),
}
NEVER_TORCH = ("base", "data", "metrics", "plots", "nets.catalogue", "cli", "onnx_model")


class Import(NamedTuple):
    """One import: the dotted name of what is imported, and whether it happens when the file is imported."""

    name: str
    start: bool
    line: int


def room_of(module: str) -> str | None:
    """The room of a module of the package, whose name is given without `striate.`; None where there is none."""
    first, second = module.split(".")[0], ".".join(module.split(".")[:2])
    return next((name for name in (module, second, first) if name in ROOMS), None)


def imports(tree: ast.AST, start: bool = True) -> Iterator[Import]:
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.Import):
            yield from (Import(alias.name, start, node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            source = "." * node.level + (node.module or "")
            yield from (Import(f"{source}.{alias.name}", start, node.lineno) for alias in node.names)
        elif isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            yield from imports(ast.Module(node.body, []), start=False)
            yield from imports(ast.Module(node.orelse, []), start)
        else:
            function = isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
            yield from imports(node, start and not function)


def wrong_imports(module: str, code: str) -> list[str]:
    """What is wrong with the imports of a module of the package, whose name is given without `striate.`."""
    own = room_of(module)
    if own is None:
        return [f"{module} is in no room of the table"]
    allowed, wrong = ROOMS[own], []
    for entry in imports(ast.parse(code)):
        package, _, inner = entry.name.partition(".")
        when = "when it is imported" if entry.start else "inside a function"
        if package == "striate":
            may = allowed.start | (frozenset() if entry.start else allowed.later)
            fits = any(inner == name or inner.startswith(f"{name}.") for name in may | {own})
        else:
            fits = package in sys.stdlib_module_names or package in allowed.others
            fits = fits or (not entry.start and package in allowed.where_used)
        if not fits:
            wrong.append(f"{module}, line {entry.line}: {own} may not import {entry.name} {when}")
    return wrong


def module_of(path: Path) -> str:
    parts = path.with_suffix("").parts
    return ".".join(parts[:-1] if len(parts) > 1 and parts[-1] == "__init__" else parts)


def test_imports_point_down():
    assert [wrong for path in FILES for wrong in wrong_imports(module_of(path), (SRC / path).read_text("utf-8"))] == []


def test_the_table_itself_points_down():
    order = [*TopologicalSorter({name: allowed.start - {"_version"} for name, allowed in ROOMS.items()}).static_order()]
    assert order.index("base") < order.index("data") < order.index("batches") < order.index("workflows")


@pytest.mark.parametrize("name", NEVER_TORCH)
def test_rooms_without_torch_have_it_nowhere(name: str):
    allowed = ROOMS[name]
    assert not (allowed.others | allowed.where_used) & {"torch", "torchvision", "timm", "safetensors", "captum"}
    assert all(below in NEVER_TORCH for below in allowed.start - {"_version"})


@pytest.mark.parametrize(
    ("module", "code", "wrong"),
    [
        ("data.decode", "import torch", "data may not import torch when it is imported"),
        ("data.decode", "def f():\n    import torch", "data may not import torch inside a function"),
        ("data.decode", "from striate.batches import loader", "data may not import striate.batches.loader when"),
        ("data.decode", "import sklearn.datasets", "data may not import sklearn.datasets when it is imported"),
        ("data.decode", "try:\n    import torch\nexcept ImportError:\n    pass", "line 2: data may not import torch when"),
        ("data.decode", "from . import split", "data may not import ..split when"),
        ("data.decode", "import striate", "data may not import striate when"),
        ("nets.catalogue", "import torch", "nets.catalogue may not import torch when"),
        ("nets.catalogue", "from striate.nets.net import Net", "nets.catalogue may not import striate.nets.net.Net when"),
        ("cli.train", "from striate.workflows import nets", "cli may not import striate.workflows.nets when"),
        ("cli.train", "def f():\n    from striate import training", "cli may not import striate.training inside a function"),
        ("cli.train", "from striate.nets.net import Net", "cli may not import striate.nets.net.Net when"),
        ("training.loop", "from striate.data import split", "training may not import striate.data.split when"),
        ("workflows.nets", "def f():\n    from striate import cli", "workflows may not import striate.cli inside a function"),
        ("model", "from striate import model_of_others", "model may not import striate.model_of_others when"),
        ("attic.old", "", "attic.old is in no room of the table"),
        ("attic", "", "attic is in no room of the table"),
    ],
)
def test_an_import_that_points_up_is_found(module: str, code: str, wrong: str):
    (message,) = wrong_imports(module, code)
    assert wrong in message


@pytest.mark.parametrize(
    ("module", "code"),
    [
        ("data.builtin_datasets", "def f():\n    from sklearn.datasets import load_digits"),
        ("data.builtin_datasets", "import json\nfrom striate.base import files\nfrom striate.data.mnist_idx import read_bytes"),
        ("nets.catalogue", "if TYPE_CHECKING:\n    from striate.nets.net import Net"),
        ("cli.nets", "from striate._version import __version__\nfrom striate.nets import catalogue"),
        ("cli.nets", "def f():\n    from striate import workflows"),
    ],
)
def test_an_import_that_points_down_is_none_of_its_finds(module: str, code: str):
    assert wrong_imports(module, code) == []
