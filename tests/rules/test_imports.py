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


STORY = "base engine images batches nets score training"
ROOMS = {
    "base": room("", others="numpy pydantic tomli_w"),
    "engine": room("base", others="numpy torch"),
    "images": room("base", others="numpy PIL", where_used="sklearn pyarrow fsspec pillow_heif"),
    "batches": room("base images", others="numpy torch", where_used="torchvision sklearn"),
    "nets.catalogue": room("base", later="nets"),
    "nets": room("base", others="numpy torch", where_used="timm safetensors"),
    "score": room("base", others="numpy"),
    "training": room("base engine nets score", others="numpy torch safetensors", where_used="sklearn"),
    "origins": room("base nets training.journal training.checkpoint", others="numpy torch"),
    "inside": room("base nets score", others="numpy torch", where_used="captum sklearn"),
    "report": room("base score", others="numpy", where_used="matplotlib jinja2 markupsafe PIL"),
    "model": room("base images batches nets score", others="numpy torch safetensors"),
    "foreign": room("base batches images model nets", others="torch safetensors"),
    "deploy": room("base images score model", others="numpy", where_used="torch pyarrow onnx onnxruntime fastapi uvicorn"),
    "material": room("base images", others="numpy"),
    "anatomy": room("base nets", later="report"),
    "plan": room("base images nets.catalogue", others="numpy"),
    "showing": room("base images batches material plan report", others="numpy torch"),
    "runs": room("base", others="numpy"),
    "diagnosis": room("base", later="engine runs"),
    "observing": room("batches inside nets training", others="numpy torch"),
    "job": room(f"{STORY} material model runs", later="inside report observing self_taught", others="numpy torch"),
    "self_taught": room("base batches engine job material score training", others="torch"),
    "training_run": room(f"{STORY} material model runs plan job", later="inside report reporting", others="numpy"),
    "cases": room(f"{STORY} material model", others="numpy torch"),
    "strategies": room(f"{STORY} material model runs job cases", others="numpy torch"),
    "finetuning_plan": room(f"{STORY} model job cases strategies"),
    "finetuning": room(
        f"{STORY} material model runs plan job cases strategies finetuning_plan", later="report reporting", others="numpy torch"
    ),
    "demonstrations": room(
        "base images batches nets origins score", later="foreign report material model runs workbench", others="numpy torch"
    ),
    "figures.table": room("base"),
    "figures": room("base nets training anatomy report", others="numpy torch"),
    "insight": room("base engine eyes inside material model runs", later="report", others="numpy"),
    "recorded": room("base report runs score training __version__", others="numpy"),
    "eyes": room("base engine batches inside material model nets", others="numpy"),
    "failings": room("base eyes inside model report score training.scoring", others="numpy torch"),
    "evidence": room("base engine eyes failings inside material model score training.scoring", later="report", others="numpy"),
    "reporting": room("base engine evidence material model recorded report runs score training"),
    "closeup": room("base engine eyes insight inside material model", later="report", others="numpy torch"),
    "filter_study": room("base inside material model", later="report", others="numpy"),
    "unit_study": room("base engine eyes insight inside material model", later="report", others="numpy torch"),
    "microscope": room("workbench", later="closeup filter_study insight unit_study"),
    "household": room(later="base images runs diagnosis training_run"),
    "workbench": room(
        "base",
        later=f"{STORY} demonstrations finetuning insight origins inside report model foreign deploy plan runs showing job "
        "training_run reporting",
    ),
    "cli": room(
        "base nets.catalogue __version__",
        later="workbench anatomy demonstrations figures foreign household microscope",
        others="cyclopts rich",
    ),
    "recipes": room(),
    "__init__": room(later="anatomy base foreign household microscope model nets workbench"),
    "__main__": room("cli"),
}
NEVER_TORCH = ("base", "images", "score", "report", "material", "plan", "runs", "nets.catalogue", "figures.table", "cli")


class Import(NamedTuple):
    """One import: the dotted name of what is imported, and whether it happens when the file is imported."""

    name: str
    start: bool
    line: int


def room_of(module: str) -> str | None:
    """The room of a module of the package, whose name is given without `striate.`; None where there is none."""
    first = module.partition(".")[0]
    return next((name for name in (module, first) if name in ROOMS), None)


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
    for found in imports(ast.parse(code)):
        package, _, inner = found.name.partition(".")
        when = "when it is imported" if found.start else "inside a function"
        if package == "striate":
            may = allowed.start | (frozenset() if found.start else allowed.later)
            fits = any(inner == name or inner.startswith(f"{name}.") for name in may | {own})
        else:
            fits = package in sys.stdlib_module_names or package in allowed.others
            fits = fits or (not found.start and package in allowed.where_used)
        if not fits:
            wrong.append(f"{module}, line {found.line}: {own} may not import {found.name} {when}")
    return wrong


def module_of(path: Path) -> str:
    parts = path.with_suffix("").parts
    return ".".join(parts[:-1] if len(parts) > 1 and parts[-1] == "__init__" else parts)


@pytest.mark.parametrize("path", FILES, ids=str)
def test_imports_point_down(path: Path):
    assert wrong_imports(module_of(path), (SRC / path).read_text("utf-8")) == []


def test_the_table_itself_points_down():
    order = [*TopologicalSorter({name: allowed.start - {"__version__"} for name, allowed in ROOMS.items()}).static_order()]
    assert order.index("base") < order.index("images") < order.index("batches") < order.index("training_run")


@pytest.mark.parametrize("name", NEVER_TORCH)
def test_rooms_without_torch_have_it_nowhere(name: str):
    allowed = ROOMS[name]
    assert not (allowed.others | allowed.where_used) & {"torch", "torchvision", "timm", "safetensors", "captum"}
    assert all(below in NEVER_TORCH for below in allowed.start - {"__version__"})


@pytest.mark.parametrize(
    ("module", "code", "wrong"),
    [
        ("images.decode", "import torch", "images may not import torch when it is imported"),
        ("images.decode", "def f():\n    import torch", "images may not import torch inside a function"),
        ("images.decode", "from striate.batches import stream", "images may not import striate.batches.stream when"),
        ("images.decode", "import sklearn.datasets", "images may not import sklearn.datasets when it is imported"),
        ("images.decode", "try:\n    import torch\nexcept ImportError:\n    pass", "line 2: images may not import torch when"),
        ("images.decode", "from . import split", "images may not import ..split when"),
        ("images.decode", "import striate", "images may not import striate when"),
        ("nets.catalogue", "import torch", "nets.catalogue may not import torch when"),
        ("nets.catalogue", "from striate.nets.net import Net", "nets.catalogue may not import striate.nets.net.Net when"),
        ("cli.train", "from striate import workbench", "cli may not import striate.workbench when"),
        ("cli.train", "def f():\n    from striate import job", "cli may not import striate.job inside a function"),
        ("cli.train", "from striate.nets.net import Net", "cli may not import striate.nets.net.Net when"),
        ("training.loop", "from striate.images import split", "training may not import striate.images.split when"),
        ("workbench", "from striate import job", "workbench may not import striate.job when"),
        ("workbench", "def f():\n    from striate import cli", "workbench may not import striate.cli inside a function"),
        ("runs", "from striate import runs_of_others", "runs may not import striate.runs_of_others when"),
        ("attic.old", "", "attic.old is in no room of the table"),
        ("attic", "", "attic is in no room of the table"),
    ],
)
def test_an_import_that_points_up_is_found(module: str, code: str, wrong: str):
    (found,) = wrong_imports(module, code)
    assert wrong in found


@pytest.mark.parametrize(
    ("module", "code"),
    [
        ("images.named", "def f():\n    from sklearn.datasets import load_digits"),
        ("images.named", "import json\nfrom striate.base import disk\nfrom striate.images.idx import read_bytes"),
        ("nets.catalogue", "if TYPE_CHECKING:\n    from striate.nets.net import Net"),
        ("cli.nets", "from striate import __version__\nfrom striate.nets import catalogue"),
        ("cli.nets", "def f():\n    from striate import workbench"),
        ("workbench", "if TYPE_CHECKING:\n    from striate.model import Model"),
    ],
)
def test_an_import_that_points_down_is_none_of_its_finds(module: str, code: str):
    assert wrong_imports(module, code) == []
