"""The settings as a form: the same fields as flags and TOML, with their help."""

from functools import cache
from types import NoneType
from typing import Any, Literal, NamedTuple, get_args, get_origin

from pydantic import BaseModel

from striate.base import config
from striate.base.train_settings import STRATEGY, Train
from striate.workflows.finetune import start

STRATEGIES: tuple[str, ...] = get_args(STRATEGY)
MAIN = (
    "net.name", "finetune.weights", "finetune.strategies", "train.epochs", "train.lr", "train.batch_size", "data.folds", "seed"
)  # fmt: skip
TRAINED = ("finetune.adapt", "finetune.retrain", "finetune.scratch")  # strategies that have settings of [train] of their own
_SECTIONS = ("train", "augment", "preprocess", "net", "data", "finetune", *TRAINED, "engine", "")
_NOT_HERE = ("data.path", "data.follow_links", "recipe", "data.fold")


class FormField(NamedTuple):
    """A setting in the form."""

    name: str  # as train.lr
    help: str
    default: str  # as it is typed; empty where a rule or the network decides
    options: tuple[str, ...]  # of what may be chosen; empty where it is typed
    numeric: bool
    command: str  # that alone has it, train or finetune; empty where both have
    help_of: str  # the name under which its help is: its own, or that of the same setting of [train]


@cache
def groups() -> dict[str, list[FormField]]:
    """The fields of each section but the main ones, and under an empty name those that belong to none."""
    result: dict[str, list[FormField]] = {}
    for field in _fields(config.Run, ""):
        if field.name not in (*MAIN, *_NOT_HERE):
            result.setdefault(field.name.rpartition(".")[0], []).append(field)
    return {name: result[name] for name in _SECTIONS}


@cache
def main() -> list[FormField]:
    """The fields that are shown first."""
    by_name = {field.name: field for field in _fields(config.Run, "")}
    return [by_name[name] for name in MAIN]


def _fields(section: type[BaseModel], above: str) -> list[FormField]:
    fields = []
    for name, info in section.model_fields.items():
        kind = info.annotation
        if not above and isinstance(kind, type) and issubclass(kind, BaseModel):
            fields += _fields(kind, f"{name}.")
            continue
        full = above + name
        if full in TRAINED:  # without a value a rule decides, whatever [train] begins with
            for field in _fields(Train, f"{full}."):
                own = field.name.rpartition(".")[2]
                fields.append(field._replace(default="", command="finetune", help_of=f"train.{own}"))
            continue
        options, numeric = _options(kind), _numeric(kind)
        fields.append(FormField(full, info.description or "", _typed(info.default), options, numeric, _command(full), full))
    return fields


def _command(name: str) -> str:
    """The command that alone takes a setting; the network of a fine-tuning and most of its preprocessing are its weights'."""
    section, _, own = name.partition(".")
    if section in ("train", "net") or (section == "preprocess" and own not in start.CHOICES):
        return "train"
    return "finetune" if name == "finetune.strategies" else ""


def _choices(kind: Any) -> tuple[Any, ...]:
    """What a field may hold, without None."""
    parts = (kind,) if get_origin(kind) in (Literal, tuple, dict) else get_args(kind) or (kind,)
    return tuple(part for part in parts if part is not NoneType)


def _options(kind: Any) -> tuple[str, ...]:
    literals = [part for part in _choices(kind) if get_origin(part) is Literal]
    if literals:
        return tuple(str(value) for value in get_args(literals[0]))
    return ("true", "false") if _choices(kind) == (bool,) else ()


def _numeric(kind: Any) -> bool:
    return all(part in (int, float) for part in _choices(kind))


def _typed(value: Any) -> str:
    """A default as it is typed after the name of the setting."""
    if value is None or isinstance(value, BaseModel):
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple):
        return "[" + ", ".join(str(part) if isinstance(part, int | float) else f'"{part}"' for part in value) + "]"
    return f"{value:g}" if isinstance(value, float) else str(value)
