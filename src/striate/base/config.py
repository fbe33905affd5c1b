"""The settings of a run: frozen models that are TOML on disk, `--set` on the command line and keywords in Python.

Each field is described once, in `base/settings.py` and `base/train_settings.py`. A setting that does not exist, or that the
others make meaningless, is refused with what to do - never accepted and ignored. `run.toml` holds the whole of a `Run`, so it
repeats the run.
"""

import os
import tomllib
from collections.abc import Iterator, Mapping
from importlib import resources
from pathlib import Path
from typing import Any, get_args, get_origin

import tomli_w
from pydantic import BaseModel, ValidationError

from striate.base import addresses, files
from striate.base.errors import SettingError, nearest
from striate.base.settings import INIT, Augment, Data, Engine, NetSettings, PreprocessSettings, Run
from striate.base.train_settings import Finetune, Section, Train

__all__ = ["INIT", "Augment", "Data", "Engine", "Finetune", "NetSettings", "PreprocessSettings", "Run", "Section", "Train"]

Tree = dict[str, Any]


def build(tree: Mapping[str, Any]) -> Run:
    """A validated `Run` from nested settings."""
    try:
        return Run.model_validate(_plain(dict(tree)))
    except ValidationError as error:
        raise SettingError(" ".join(_sentences(error))) from error


def _plain(value: Any) -> Any:
    """The same settings with paths as text, which TOML holds."""
    if isinstance(value, Mapping):
        return {name: _plain(inner) for name, inner in value.items()}
    return os.fspath(value) if isinstance(value, os.PathLike) else value


def data_section(path: str | Path, settings: Mapping[str, Any] | None = None) -> Data:
    """Section [data] for the images at `path`, validated."""
    return build({"data": {**(settings or {}), "path": path}}).data


def net_section(name: str, settings: Mapping[str, Any] | None = None) -> NetSettings:
    """Section [net] for the network `name`, validated."""
    return build({"net": {**(settings or {}), "name": name}}).net


def _sentences(error: ValidationError) -> Iterator[str]:
    for fault in error.errors():
        path = ".".join(str(part) for part in fault["loc"])
        if fault["type"] == "extra_forbidden":
            yield f"There is no setting {path}; {_suggest(fault['loc'])}"
        elif fault["type"] == "value_error":
            yield f"{f'{path}: ' if path else ''}{fault['ctx']['error']}."
        else:
            yield f"{path}: {fault['msg'][:1].lower()}{fault['msg'][1:]}; got {fault['input']!r}."


def _section_of(annotation: Any) -> type[BaseModel] | None:
    """The section that a field holds, or may hold; None for a single setting."""
    kinds = (kind for kind in (annotation, *get_args(annotation)) if isinstance(kind, type))
    return next((kind for kind in kinds if issubclass(kind, BaseModel)), None)


def _suggest(location: tuple[int | str, ...]) -> str:
    section: type[BaseModel] = Run
    for part in location[:-1]:
        section = _section_of(section.model_fields[str(part)].annotation) or Run
    wrong = str(location[-1])
    for name, field in Run.model_fields.items():  # the right name in the wrong place
        if (inner := _section_of(field.annotation)) and wrong in inner.model_fields:
            return f"did you mean {name}.{wrong}?"
    return nearest(wrong, section.model_fields)


def setting(text: str) -> Tree:
    """One `key=value` of the command line as a nested tree; the value is TOML, or else plain text.

    >>> setting("train.lr=0.1")
    {'train': {'lr': 0.1}}

    What follows train.lr_multipliers is the name of a layer, dots and all.

    >>> setting("train.lr_multipliers.layer1.0=0.1")
    {'train': {'lr_multipliers': {'layer1.0': 0.1}}}
    """
    path, equals, raw = text.partition("=")
    if not equals or not path.strip():
        raise SettingError(f"expected --set name=value, as in --set train.lr=0.1; got {text!r}.")
    try:
        parsed = tomllib.loads(f"value = {raw}")
    except tomllib.TOMLDecodeError:
        parsed = {}
    value: Any = parsed["value"] if len(parsed) == 1 else raw.strip()
    for part in reversed(_parts(path.strip())):
        value = {part: value}
    return dict(value)


def _parts(path: str) -> list[str]:
    """The parts of a setting's path; the name of a layer, in a setting that has one value for each, is one part."""
    section: type[BaseModel] = Run
    parts = path.split(".")
    for depth, part in enumerate(parts, start=1):
        kind = section.model_fields[part].annotation if part in section.model_fields else None
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            section = kind
        elif any(get_origin(choice) is dict for choice in get_args(kind)) and depth < len(parts):
            return [*parts[:depth], ".".join(parts[depth:])]
        else:
            break
    return parts


def merge(*trees: Mapping[str, Any]) -> Tree:
    """Nested settings laid over one another; the later one wins, and None says nothing."""
    merged: Tree = {}
    for tree in trees:
        for name, value in tree.items():
            if isinstance(value, Mapping):
                merged[name] = merge(_group(merged, name), value)
            elif value is not None:
                merged[name] = value
    return merged


def join(*trees: Mapping[str, Any]) -> Tree:
    """Nested settings that a user gave in several places. Raises SettingError: one of them has two values."""
    joined: Tree = {}
    for tree in trees:
        for path, first, second in _differences(joined, tree):
            raise SettingError(f"{path} is given twice, as {first!r} and as {second!r}; leave one out.")
        joined = merge(joined, tree)
    return joined


def _differences(first: Mapping[str, Any], second: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, Any, Any]]:
    for name, value in second.items():
        other = first.get(name)
        if isinstance(other, Mapping) and isinstance(value, Mapping):
            yield from _differences(other, value, f"{above}{name}.")
        elif other is not None and value is not None and _plain(other) != _plain(value):
            yield f"{above}{name}", other, value


def describe(tree: Mapping[str, Any], otherwise: str = "the defaults") -> str:
    """The settings of a tree on one line: `train.lr=0.1, seed=3`; `otherwise` where there are none."""
    parts = []
    for name, value in tree.items():
        inner = value.items() if isinstance(value, Mapping) else ()
        parts += [f"{name}.{field}={given}" for field, given in inner] or [f"{name}={value}"]
    return ", ".join(parts) or otherwise


def _group(tree: Mapping[str, Any], name: str) -> Tree:
    """The settings of `tree` under `name`: none where it has no such group."""
    value = tree.get(name)
    if not isinstance(value, Mapping | None):
        raise SettingError(f"{name} is a group of settings; expected one of them, as in {name}.NAME=...; got {name}={value!r}.")
    return dict(value or {})


def given(section: BaseModel) -> Tree:
    """The settings of a model that have a value, as a tree that TOML can hold."""
    return section.model_dump(mode="json", exclude_none=True)


def given_by_user(run: BaseModel) -> Tree:
    """The settings that were set by someone, without those that have their default."""
    return run.model_dump(mode="json", exclude_unset=True, exclude_none=True)


def refuse_other(tree: Tree, run: Run) -> None:
    """A resumed run takes no setting that differs from its own. Raises SettingError: naming one that does."""
    own_settings = given(run)
    for section, value in tree.items():
        for name, wanted in value.items() if isinstance(value, dict) else [("", value)]:
            inner = own_settings.get(section)
            own = inner.get(name) if isinstance(inner, dict) else inner
            wanted = addresses.take(wanted) if isinstance(wanted, str) else wanted
            if wanted is not None and wanted != own:
                path = f"{section}.{name}" if name else section
                raise SettingError(
                    f"a resumed run keeps its settings: {path} is {own!r}; got {wanted!r}. Leave it out, or start a new run."
                )


def section(tree: Tree, name: str) -> Tree:
    """The settings of one section, where a command takes no other."""
    for other in tree:
        if other != name:
            raise SettingError(f"{other} does not apply to this command, which takes settings of {name} alone; remove it.")
    return _group(tree, name)


def lay_over(below: Tree, above: Tree) -> Tree:
    """`merge`, where a length of training above (epochs, steps or minutes) takes the place of the one below."""
    lengths = ("epochs", "steps", "minutes")
    if any(_group(above, "train").get(name) is not None for name in lengths):
        train = {name: value for name, value in _group(below, "train").items() if name not in lengths}
        below = {**below, "train": train}
    return merge(below, above)


def change(run: Run, changes: Tree) -> Run:
    """The settings of a run with `changes` over them, validated; a length of training takes the place of another."""
    return build(lay_over(given_by_user(run), changes))


def complete(run: Run, defaults: Tree) -> Run:
    """The settings of a run with `defaults` for what is not set, validated."""
    return build(merge(defaults, given_by_user(run)))


def to_toml(run: Run, defaults: bool = True) -> str:
    """A run as TOML; `read_toml` gives it back unchanged. Without `defaults` it holds what was given alone."""
    text = tomli_w.dumps(given(run) if defaults else given_by_user(run))
    if bad := next((line for line in text.splitlines() if any("\ud800" <= letter <= "\udfff" for letter in line)), None):
        raise SettingError(f"expected names of files and folders in UTF-8, which run.toml can hold; got {bad!r}. Rename it.")
    return text


def read_toml(path: Path) -> Tree:
    """The nested settings in a TOML file."""
    with files.explained(path, "read"):
        if not path.is_file():
            raise SettingError(f"expected a TOML file at {path}; there is none.")
        content = path.read_bytes()
    try:
        return tomllib.loads(content.decode("utf-8-sig"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingError(f"{path} is not TOML: {error}.") from None


def recipes() -> dict[str, Path]:
    """The recipes in the package, name to file."""
    folder = Path(str(resources.files("striate") / "recipes"))
    return {path.stem: path for path in sorted(folder.glob("*.toml"))}


def recipe(name: str | Path) -> Tree:
    """The settings of a recipe: one of the package by name, or a TOML file by path."""
    known, name = recipes(), os.fspath(name)
    if name not in known and not name.endswith(".toml"):
        raise SettingError(f"There is no recipe {name!r}; {nearest(name, known)} A file needs the ending .toml.")
    return merge(read_toml(known.get(name, Path(name))), {"recipe": name})


_NAMED = {  # arguments of `train` and the settings that they stand for
    "seed": ("seed",), "data_dir": ("data", "data_dir"), "folds": ("data", "folds"), "net": ("net", "name"),
    "weights": ("finetune", "weights"), "pixel_cache_gb": ("preprocess", "pixel_cache_gb"), "epochs": ("train", "epochs"),
    "minutes": ("train", "minutes"), "tensorboard": ("tensorboard",),
}  # fmt: skip


def settings_from_args(data: str | Path | None, settings: Mapping[str, Any] | None, **named: Any) -> Tree:
    """Nested settings of a training: those of `recipe`, and over them `settings` and the other named arguments."""
    below = recipe(name) if (name := named.pop("recipe", None)) else {}
    above = join({"data": {"path": data}}, dict(settings or {}))
    for argument, value in named.items():
        path = _NAMED[argument]
        above = join(above, {path[0]: value} if len(path) == 1 else {path[0]: {path[1]: value}})
    return lay_over(below, above)
