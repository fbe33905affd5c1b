"""How commands speak: results on stdout, everything else on stderr, their help text."""

import ast
import inspect
import json
import logging
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.resources import files
from typing import Annotated, Any, Literal, TypeVar

from cyclopts import Parameter
from rich.console import Console
from rich.table import Table
from rich.text import Text

from striate.base.errors import SettingError
from striate.base.phrases import join_names, percent, without_controls
from striate.cli.progress import progress_shown

Event = dict[str, Any]
Settings = Annotated[tuple[str, ...], Parameter("--set")]  # of a command, each as NAME=VALUE
_NAMED = 12  # classes that are never predicted, by name
Command = TypeVar("Command", bound=Callable[..., None])


def documented_by(module: str, *names: str, **descriptions: str) -> Callable[[Command], Command]:
    """Describe a command's parameters as the functions or classes do that it calls, whose docstrings are read, not imported.

    `module` is a file of striate, with dots. `descriptions` are of what the command alone has, or words otherwise; its own
    `Args:` may stay where it has one. `data`, `data_dir` and `json` are the same everywhere, unless said otherwise. Every
    parameter must have a description, or this raises KeyError.
    """

    def decorate(command: Command) -> Command:
        head, _, own = inspect.cleandoc(command.__doc__ or "").partition("\n\nArgs:\n")
        described = {
            "data": "a folder of images by class, a CSV or Parquet table, or digits, mnist, fashion-mnist, cifar10.",
            "data_dir": "where named data sets lie; else $STRIATE_DATA, else the cache.",
            "json": "print one JSON object on stdout.",
            "trust_code": "run the Python file of a network of one's own that comes with RUN, now and later on this machine.",
        }
        for docstring in _docstrings(module, names):
            described = _arguments(docstring) | described
        described |= _arguments(f"Args:\n{own}") | descriptions
        lines = [f"    {name}: {described[name]}" for name in inspect.signature(command).parameters]
        command.__doc__ = "\n".join([head, "", "Args:", *lines])
        return command

    return decorate


def _docstrings(module: str, names: Sequence[str]) -> list[str]:
    """Of the functions and classes of a module; each must be there."""
    package, *folders, file = module.split(".")
    tree = ast.parse(files(package).joinpath(*folders, f"{file}.py").read_text("utf-8"))
    nodes = {node.name: node for node in tree.body if isinstance(node, ast.FunctionDef | ast.ClassDef)}
    return [ast.get_docstring(nodes[name]) or "" for name in names]


def _arguments(docstring: str) -> dict[str, str]:
    """What a docstring says of each argument, by name, on one line."""
    section = docstring.partition("Args:\n")[2].partition("\n\n")[0]
    entries = re.findall(r"^    (\w+): (.+(?:\n {5,}.+)*)", section, re.MULTILINE)
    return {name: " ".join(text.split()) for name, text in entries}


class _PlainConsole(Console):
    """A console on which text is data: no markup, no emoji codes, no control characters, wherever names come from."""

    def render_str(self, text: str, **options: Any) -> Text:
        """Text as it is; rich calls this for all that is printed and for each cell of a table."""
        return super().render_str(without_controls(text), **{**options, "markup": False, "emoji": False})

    def on_broken_pipe(self) -> None:
        """Say so, where rich would end the process with 1."""
        raise BrokenPipeError


def stdout() -> Console:
    """Where results go for people; as wide as the terminal, or 140 columns in a pipe."""
    return _PlainConsole(width=None if sys.stdout.isatty() else 140, highlight=False, soft_wrap=not sys.stdout.isatty())


def say(parts: Iterable[str | Table]) -> None:
    """Lines and tables of results for people, as they are."""
    out = stdout()
    for part in parts:
        out.print(part)


def show(result: Event, json: bool, parts: Callable[[Event], Iterable[str | Table]]) -> None:
    """A result as JSON, or as lines and tables for people."""
    if json:
        print_json(result)
    else:
        say(parts(result))
    if "wall_seconds" in result:
        print_time(result)


def print_time(result: Event) -> None:
    """How long a command took, on stderr."""
    rate = result["images_per_second"]
    speed = "" if rate is None else f", {rate:,.1f} images a second"
    _PlainConsole(stderr=True).print(f"{result['wall_seconds']:,.1f} s in all{speed}", highlight=False, soft_wrap=True)


def table(
    *heads: str, left: Sequence[str] | None = None, overflow: Literal["fold", "ellipsis"] = "ellipsis", **options: Any
) -> Table:
    """A table without rows, its columns right-aligned but for those in `left`, else the first."""
    empty = Table(**options)
    for head in heads:
        justify: Literal["left", "right"] = "left" if head in (heads[:1] if left is None else left) else "right"
        empty.add_column(head, justify=justify, overflow=overflow)
    return empty


def print_json(value: object) -> None:
    """One JSON object on one line of stdout: the last thing that a command with --json prints."""
    print(json.dumps(value, allow_nan=False), flush=True)


def refuse(flags: Mapping[str, object], why: str) -> None:
    """Refuse the first of these flags that was given; in `why`, {} is its value and {given} the flag with its value."""
    for flag, value in flags.items():
        if not (value is None or value is False or value == ()):
            raise SettingError(f"{flag} {why.format(value, given=f'{flag} {value}'.rstrip())}")


def split(given: Iterable[str]) -> list[str]:
    """Words that were given one by one or with commas."""
    return [part.strip() for text in given for part in text.split(",") if part.strip()]


def interval(score: Event) -> str:
    """The 95 % interval of an accuracy, in percent."""
    return f"95 % interval {percent(score['low'])} to {percent(score['high'])}"


def macro_scores(score: Event) -> str:
    """Balanced accuracy and macro F1 with their 95 % intervals."""
    balanced, low, high = (percent(score[f"balanced_accuracy{end}"]) for end in ("", "_low", "_high"))
    macro_f1 = "{macro_f1:.4f} ({macro_f1_low:.4f} to {macro_f1_high:.4f})".format(**score)
    return f"balanced accuracy {balanced} ({low} to {high}), macro F1 {macro_f1}"


def scores(result: Event) -> list[str]:
    """What a run's result says of its validation and test images, and of files that were not used, as lines."""
    lines = [
        f"{what} {'mAP' if 'map' in score else 'accuracy'} {percent(score.get('map', score.get('accuracy')))}  "
        f"({interval(score)}, {score['n']:,} images)"
        for part, what in (("val", "validation"), ("test", "test"))
        if (score := result[part])
    ]
    beside = result.get("class_scores")
    if beside and "chance" in beside:
        lines.append(label_set_line(beside))
    elif beside:
        lines.append(f"{macro_scores(beside)}; majority-class baseline: {percent(beside['majority'])}")
        if missing := beside["never_predicted"]:
            lines.append(
                f"never predicted: {join_names(missing[:_NAMED])}" + (f" of {len(missing)}" if len(missing) > _NAMED else "")
            )
    if result["quarantined"]:
        lines.append(f"{result['quarantined']} bad files were not used; `striate data` lists them")
    return lines


def label_set_line(score: Event) -> str:
    """What stands beside the mAP of several labels an image."""
    line = (
        f"macro F1 {score['macro_f1']:.4f}, micro F1 {score['micro_f1']:.4f}; all labels right "
        f"{percent(score['exact_match'])}; mAP of a random order {percent(score['chance'])}"
    )
    missing = score.get("never_predicted") or []
    return line + (f"\nnever predicted: {join_names(missing[:_NAMED])}" if missing else "")


def trust(run: str, trust_code: bool) -> None:
    """Agree to the Python file that comes with a run's model, where `--trust-code` says so."""
    if trust_code:
        from striate.workflows.load_model import trust as trust_model

        trust_model(run)


def reported(result: Event) -> list[str]:
    """Where the report of a run is, or how it is written, and the verdict, which comes last, as lines."""
    lines = [f"report: {result['report']}"] if result["report"] else []
    if not lines and result.get("trust"):
        lines.append(f"no report; `striate report {result['run']}` writes it, with the findings that need the network")
    if verdict := result.get("trust"):
        serious = [finding["sentence"] for finding in verdict["findings"] if finding["level"] in ("bad", "warning")]
        lines.append(" ".join([verdict["sentence"], *serious[:1]]))
    return lines


class _Plain(logging.Handler):
    def __init__(self, console: Console) -> None:
        super().__init__()
        self.console = console

    def emit(self, record: logging.LogRecord) -> None:
        """Print a record as its text alone."""
        style = "yellow" if record.levelno >= logging.WARNING else None
        self.console.print(record.getMessage(), style=style, highlight=False, soft_wrap=True)


@contextmanager
def speaking() -> Iterator[Callable[[Event], None]]:
    """Send striate's log to stderr for the block; gives what to watch events with, which draws progress on a terminal."""
    console = _PlainConsole(stderr=True)
    log, handler = logging.getLogger("striate"), _Plain(console)
    level = log.level
    log.addHandler(handler)
    log.setLevel(logging.INFO)
    try:
        with progress_shown(console) as show_progress:
            yield _watcher(show_progress, console)
    finally:
        log.removeHandler(handler)
        log.setLevel(level)


def _watcher(show_progress: Callable[[Event], None], console: Console) -> Callable[[Event], None]:
    def watch(event: Event) -> None:
        if event["event"] == "epoch":
            ranked = f"mAP {percent(event['map'])}, " if "map" in event else ""
            console.print(
                f"epoch {event['epoch']}: training loss {event['train_loss']:.4f}, validation loss {event['loss']:.4f}, "
                f"{ranked}accuracy {percent(event['accuracy'])}",
                highlight=False, soft_wrap=True,
            )  # fmt: skip
        elif event["event"] == "report":
            console.print(f"rewritten after epoch {event['epochs']}: {event['report']}", highlight=False, soft_wrap=True)
        else:
            show_progress(event)

    return watch
