"""What the manual takes from striate itself, made when it is built: figures, and the pages of commands, settings and Python.

Everything goes to docs/_generated. Figures are drawn again when the package or the quickstart is newer than they are; those of
the history, which take half a minute, when their own sources or those of the plots have changed.
"""

import inspect
import os
import re
import shutil
import subprocess
import sys
from contextlib import chdir, redirect_stderr, redirect_stdout
from hashlib import sha256
from io import StringIO
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from cyclopts import App
from pydantic import BaseModel
from pydantic.fields import FieldInfo

import striate
from striate.base.settings import Run
from striate.cli.main import app, main

DOCS = Path(__file__).parent
PACKAGE = Path(striate.__file__).parent
GENERATED = DOCS / "_generated"
# Figures, by the command that draws them, in a folder where the quickstart has been followed
FIGURES = {
    **{
        f"{name}.svg": f"figure {name} --out {name}.svg"
        for name in (
            "volumes", "pooling", "dropout", "activations", "losses", "penalties", "initialization", "batchnorm", "receptive",
            "inception", "residual", "degradation", "relu_tanh", "multichannel", "noisy_filters",
        )
    },
    "mnist_cnn.svg": "figure volumes --net mnist_cnn --out mnist_cnn.svg",
    "augment.png": "data photos --preview augment --draw augment.png",
    "turned.png":
        "data photos --preview augment --set augment.rotate=15 --set augment.crop=0.5 --set augment.hue=0.05 --draw turned.png",
    "whitening.png": "data digits --preview whitening --draw whitening.png",
    "resnet18.svg": "nets resnet18 --draw resnet18.svg",
    "signal.svg": "nets vgg16 --size 32 --init gaussian --signal --draw signal.svg",
    "inspect/why.png": "inspect first photos/circle/003.png --out inspect",
    "chapter-filters.png": "inspect chapter --draw chapter-filters.png",
    "chapter/why.png":
        "inspect chapter photos/circle/003.png --layer conv1 --method guided,gradcam,occlusion --out chapter",
    "runs/moved/learning-curve.svg":
        "finetune photos --from resnet20@cifar10 --strategy extract,adapt --per-class 1,2,5 --name moved --no-report",
}  # fmt: skip
RUNS = ("train photos --epochs 20 --name first", "report first", "train digits --net mnist_cnn --epochs 2 --name chapter")
# Plots of their reports: file -> run, plot
PLOTS = {
    **{
        f"report-{name}.svg": ("first", name)
        for name in ("loss", "accuracy", "classes", "confusion", "reliability", "risk_coverage", "tsne", "kernels")
    },
    "chapter-confusion.svg": ("chapter", "confusion"),
}
# Figures of the history: subject -> options of its command, and those of its files that the manual shows
HISTORY = {
    "mcculloch_pitts": ("", ("table.png", "automaton_ends_in_01.png")),
    "cells": ("", ("tuning.png", "shifts.png")),
    "convolution": ("", ("steps.png", "flip.png")),
    "optimal_control": ("--flight rocket --steps 10", ("rocket.png", "residual.png")),
    "gmdh": ("--keep 10", ("network.png", "overfit.png")),
    "rumelhart": ("", ("learning.png", "hidden.png")),
    "neocognitron": ("", ("activations.png", "winners-1980.png")),
    "timeline": ("", ("timeline.png",)),
}
ILLUSTRATIONS = (
    *FIGURES,
    "chapter/01-conv1.png",
    *PLOTS,
    *(f"history/{subject}/{name}" for subject, (_, names) in HISTORY.items() for name in names),
)


def build() -> None:
    """Write the pages that are generated, and draw the figures where they are out of date."""
    GENERATED.mkdir(exist_ok=True)
    from notebooks import NOTEBOOKS, markdown  # beside this file, which conf.py has put on the path

    pages = {"commands": commands(), "settings": settings(), "python": python()}
    pages |= {name: markdown(path) for name, path in NOTEBOOKS.items()}
    for name, text in pages.items():
        path = GENERATED / f"{name}.md"
        if not path.exists() or path.read_text("utf-8") != text:
            path.write_text(text, "utf-8")
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    history = subprocess.Popen(
        [sys.executable, __file__], env=environment, stderr=subprocess.PIPE, text=True
    )  # beside the others
    sources = [*PACKAGE.rglob("*.py"), Path(__file__), DOCS / "quickstart.md"]
    newest = max(path.stat().st_mtime for path in sources)
    names = [name for name in ILLUSTRATIONS if not name.startswith("history/")]
    if any(not (GENERATED / name).exists() or (GENERATED / name).stat().st_mtime < newest for name in names):
        illustrate()
    _, errors = history.communicate()
    if history.returncode:
        raise RuntimeError(f"the figures of the history were not drawn: {errors[-2000:]}")


def quickstart_script() -> str:
    """The Python program of the quickstart, which draws photos/."""
    match = re.search(r"^```python\n(.*?)^```", (DOCS / "quickstart.md").read_text("utf-8"), re.M | re.S)
    assert match, "quickstart.md has no Python block"
    return match[1]


def illustrate() -> None:
    """Draw every figure, as a reader of the quickstart would."""
    with chdir(GENERATED):
        exec(compile(quickstart_script(), "quickstart.md", "exec"), {})
        shutil.rmtree("runs", ignore_errors=True)
        for command in (*RUNS, *FIGURES.values()):
            _striate(command)
        for file, (run, name) in PLOTS.items():
            Path(file).write_text(_plot(Path(f"runs/{run}/report.html").read_text("utf-8"), name), "utf-8")


def illustrate_history() -> None:
    """Draw the figures of those subjects of the history whose sources have changed since."""
    for subject, (options, names) in HISTORY.items():
        folder = GENERATED / "history" / subject
        digest, stamp = _sources_of(subject, options), folder / "sources.sha256"
        if stamp.exists() and stamp.read_text() == digest and all((folder / name).exists() for name in names):
            continue
        shutil.rmtree(folder, ignore_errors=True)  # the timeline would not train its runs again
        with chdir(GENERATED):
            _striate(f"history {subject} {options} --out {folder.relative_to(GENERATED)}")
        stamp.write_text(digest)


def _sources_of(subject: str, options: str) -> str:
    """A hash of what decides how its figures look; of the timeline all subjects."""
    history = PACKAGE / "history"
    own = history if subject == "timeline" else history / subject
    files = sorted({*own.rglob("*.py"), *history.glob("*.py"), *(PACKAGE / "plots").rglob("*.py")})
    return sha256(b"".join([options.encode(), *(path.read_bytes() for path in files)])).hexdigest()


def _plot(page: str, name: str) -> str:
    """One plot of a report as a file that needs no page around it: on white, with the page's light colors."""
    match = re.search(rf'<svg viewBox="0 0 (\S+) (\S+)"[^>]*aria-labelledby="{name}-alt".*?</svg>', page, re.S)
    assert match, f"the report has no plot {name}"
    width, height = (round(float(side) * 1.6) for side in match.groups())
    root = f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" '
    colors = dict(re.findall(r"(--\w+): (#\w+);", page[: page.index("@media")]))
    plot = re.sub(r"var\((--\w+)\)", lambda variable: colors[variable[1]], root + match[0].removeprefix("<svg "))
    return re.sub(
        r'style="max-width: \d+px"', 'style="background: white"', plot.replace("currentColor", colors["--ink"]), count=1
    )


def _striate(command: str) -> None:
    printed = StringIO()
    with redirect_stdout(printed), redirect_stderr(printed):
        code = main(command.split())
    if code:
        raise RuntimeError(f"striate {command} ended with {code}: {printed.getvalue()[-2000:]}")


# ---- settings


def settings() -> str:
    """Every setting by section: name, values, default, meaning."""
    return "\n".join(_section(Run, ""))


def _section(model: type[BaseModel], prefix: str) -> list[str]:
    title = f"`{prefix.rstrip('.')}`" if prefix else "Of the run itself"
    lines = ["", f"## {title}", "", f"{_summary(model)}", "", "| setting | values | default | meaning |", "|---|---|---|---|"]
    sections = []
    for name, field in model.model_fields.items():
        inner = next((kind for kind in _kinds(field.annotation) if _is_section(kind)), None)
        if inner is not None and not field.description:
            sections.append((inner, f"{prefix}{name}."))
            continue
        values = _values(field) if inner is None else f"`{inner.__name__.lower()}.*`"
        cells = (f"`{prefix}{name}`", values, _default(field), field.description or "")
        lines.append(f"| {' | '.join(map(_cell, cells))} |")
    if not prefix:
        lines[3] = "Given by flags of the commands, or at the top of a TOML file."
    return lines + [line for inner, start in sections for line in _section(inner, start)]


def _summary(model: type[BaseModel]) -> str:
    return (inspect.getdoc(model) or "").partition("\n")[0]


def _is_section(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, BaseModel)


def _kinds(annotation: Any) -> list[Any]:
    """The alternatives of a type but None, without what annotates them."""
    if get_origin(annotation) is Annotated:
        return _kinds(get_args(annotation)[0])
    if get_origin(annotation) in (Union, UnionType):
        return [kind for part in get_args(annotation) for kind in _kinds(part)]
    return [] if annotation is NoneType else [annotation]


def _values(field: FieldInfo) -> str:
    bounds = {
        name: getattr(constraint, name)
        for constraint in field.metadata
        for name in ("ge", "gt", "le", "lt")
        if getattr(constraint, name, None) is not None
    }
    lowest, highest = bounds.get("ge", bounds.get("gt")), bounds.get("le", bounds.get("lt"))
    parts = []
    if lowest is not None:
        parts.append(f"{'from' if 'ge' in bounds else 'above'} {lowest:g}")
    if highest is not None:
        parts.append(f"{'to' if 'le' in bounds else 'below'} {_number(highest)}")
    return ", ".join([" or ".join(_kind(kind) for kind in _kinds(field.annotation)), *([" ".join(parts)] if parts else [])])


def _number(value: float) -> str:
    return "2^63" if value == 2**63 else f"{value:g}"


def _kind(kind: Any) -> str:
    origin, arguments = get_origin(kind), get_args(kind)
    if origin is Literal:
        return ", ".join(f"`{value}`" for value in arguments)
    if origin is tuple:
        inner = [part for part in arguments if part is not Ellipsis]
        noun = _kind(_kinds(inner[0])[0])
        return f"list of {noun}" if Ellipsis in arguments else f"{len(inner)} times {noun}"
    if origin is dict:
        return "name to number"
    return {str: "text", int: "whole number", float: "number", bool: "`true`, `false`"}[kind]


def _default(field: FieldInfo) -> str:
    value = field.default
    if value is None or value == "":
        return "-"
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    return f"`{list(value) if isinstance(value, tuple) else value}`"


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


# ---- commands


def commands() -> str:
    """Every command with its arguments and options, as `--help` prints them."""
    return "\n".join(line for name in app if not name.startswith("-") for line in _command(app[name], f"striate {name}"))


def _command(command: App, name: str) -> list[str]:
    inner = [part for part in command if not part.startswith("-")]
    lines = ["", f"## {name}", ""]
    if inner:
        return [*lines, command.help, *(line for part in inner for line in _command(command[part], f"{name} {part}"))]
    lines += [*_purpose(command), "", "| argument | default | meaning |", "|---|---|---|"]
    for argument in command.assemble_argument_collection(parse_docstring=True):
        parameter = argument.parameter
        names = argument.names if argument.field_info.is_positional else tuple(parameter.name or argument.names)
        info = argument.field_info
        shown = "" if info.default in (None, False, (), info.empty) else f"`{info.default}`"
        if info.required:
            shown = "required"
        meaning = _cell(str(parameter.help or ""))
        lines.append(f"| {', '.join(f'`{word}`' for word in names)} | {shown} | {meaning} |")
    return lines


def _purpose(command: App) -> list[str]:
    text = inspect.getdoc(command.default_command) or ""
    return [re.split(r"^Args:", text, flags=re.M)[0].strip()]


# ---- Python


def python() -> str:
    """The public names of the package, by kind, for autodoc."""
    classes = [name for name in striate.__all__ if isinstance(getattr(striate, name), type)]
    functions = [name for name in striate.__all__ if name not in classes]
    lines = ["## Functions", "", "```{eval-rst}"]
    lines += [line for name in functions for line in (f".. autofunction:: striate.{name}", "")]
    lines += ["```", "", "## Classes", "", "```{eval-rst}"]
    lines += [line for name in classes for line in (f".. autoclass:: striate.{name}", "   :members:", "")]
    lines += ["```", "", "## scikit-learn", "", "```{eval-rst}"]
    lines += [".. autoclass:: striate.sklearn.ConvNetClassifier", "   :members: fit, predict, predict_proba", ""]
    lines += [".. autoclass:: striate.sklearn.Embedder", "   :members: fit, transform", ""]
    lines += ["```", "", "## Attribution and errors", "", "```{eval-rst}"]
    lines += [".. automodule:: striate.interpret.attribution", "   :members:", ""]
    lines += [".. automodule:: striate.base.errors", "```", ""]
    return "\n".join(lines)


if __name__ == "__main__":
    illustrate_history()
