"""What is known before torch is imported: whether models, images and places of results are there, and settings apply.

Each public function calls its check first; its command does so before it imports the function's file.
"""

import shutil
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from striate.base import files, run_folder
from striate.base import precision as base_precision
from striate.base.errors import ArtifactError, DiskError, MissingExtraError, RunError, SettingError, WeightsError
from striate.base.events import Watch
from striate.base.option_names import option
from striate.batches import multi_crop
from striate.data import image_inputs
from striate.data.examples_from_source import one_class_allowed
from striate.nets import bundled_weights, catalogue, published_weights
from striate.onnx_model import is_onnx
from striate.plots import save_figure
from striate.workflows import one_label
from striate.workflows.selective import Promise

if TYPE_CHECKING:
    from striate.base import config

_PICKLES = (".pth", ".pt", ".th", ".bin", ".pkl", ".tar", ".ckpt")

LEAST_ROOM = 100_000_000  # bytes
GIVE_RUN = "Give the run that it came from."


def is_external(run: str | Path) -> bool:
    """Whether this names external weights, `NET@WEIGHTS`, and no file, folder or run here has that name."""
    named = isinstance(run, str | Path) and "@" in str(run) and not Path(run).exists()
    return named and not (run_folder.OUT / run).exists()


@contextmanager
def before_torch(watch: Watch, check: Callable[..., object], *arguments: object) -> Iterator[None]:
    """Check something for a command that has not imported torch yet; within the block its images are not listed again."""
    from striate.data import sources

    with sources.listing(watch):
        check(*arguments)
        yield


def check_onnx(path: Path, crops: int) -> None:
    """Refuse an ONNX file that is not there, and more than one crop."""
    if not path.is_file():
        raise ArtifactError(f"expected an ONNX file at {path}; there is none.")
    if crops != 1:
        raise SettingError(f"{option('crops', crops)} does not apply to an ONNX file, whose input has one size. {GIVE_RUN}")


def check_model(run: str | Path, what_else: str = "the model comes first, images after it") -> None:
    """Refuse a name of no run that has a model, of no model's folder and of no external weights.

    Where it is a file or folder without a model, `what_else` says what the command takes.
    """
    if is_onnx(run):
        raise RunError(
            f"expected a run or a model's folder; {run} is an ONNX file, which `predict`, `evaluate` and `serve` alone take. "
            f"{GIVE_RUN}"
        )
    if is_external(run):
        check_external(str(run))
        return
    _find(run, what_else)
    run_folder.model_folder(run)


def _find(run: str | Path, what_else: str = "the model comes first, images after it") -> Path:
    """The folder of a run or a model; a RunError says what else its name may be."""
    try:
        return run_folder.find(run)
    except RunError as error:
        raise RunError(f"{error}{_hint(str(run), what_else)}") from None


def _hint(run: str, what_else: str) -> str:
    """What a name may be that is no model's, as a sentence; empty where nothing is known."""
    path = Path(run)
    if inside := next((folder for folder in path.parents if (folder / "run.toml").is_file()), None):
        return f" {path} lies in the run {inside}: give the run."
    if exported := min(path.glob("*.onnx"), key=lambda file: len(file.name), default=None):
        return f" {path} is the folder of an export: `predict`, `evaluate` and `serve` take {exported}."
    if path.exists():
        return f" {path} is a {'folder' if path.is_dir() else 'file'} without a model; {what_else}."
    published = [f"{net}@{kind}" for kind, nets in published_weights.WEIGHTS.items() for net in nets]
    weights = [name for name in (*bundled_weights.names(), *published) if run in name.split("@")]
    return f" Weights are named with an @: {', '.join(weights[:3])}." if weights else ""


def check_external(name: str) -> None:
    """Refuse `NET@WEIGHTS` whose network or weights are not known, and files that are not there or not read."""
    net, _, source = name.partition("@")
    path = Path(source)
    if not catalogue.is_timm(net):
        catalogue.find(net)
    if path.suffix.lower() in _PICKLES:
        raise SettingError(
            f"{source} is a pickle, which may hold code and is read in a process of its own: "
            f"`striate import {source} --net {net}` makes a model of it."
        )
    if path.is_file() or name in bundled_weights.names():
        return
    if path.suffix == ".safetensors":
        raise WeightsError(f"expected a safetensors file at {source} for {name}; there is none.")
    if catalogue.is_timm(net):
        raise SettingError(
            f"striate does not download weights of timm, whose files have no checksum that it knows. Get model.safetensors and "
            f"config.json of https://huggingface.co/timm/{net.removeprefix('timm:')} and write {net}@FOLDER/model.safetensors."
        )
    published_weights.published(net, source)


def check_run(run: str | Path) -> Path:
    """The folder of a run; a RunError where there is none, or a model alone."""
    folder = _find(run)
    if not (folder / "run.toml").is_file():
        raise RunError(
            f"expected a run, as `striate runs` lists them; {folder} is a model alone, of whose training nothing is known. "
            "`striate evaluate MODEL DATA` scores it."
        )
    return folder


def check_precision(run: str | Path, precision: str) -> None:
    """Refuse what is no precision of a model's predictions, and one that a file cannot have."""
    base_precision.check(precision)
    if precision != "fp32" and is_onnx(run):
        raise SettingError(
            f"{option('precision', precision)} does not apply to {run}: a file of `striate export` has the precision that it "
            "was exported in. Leave it out."
        )


def check_evaluation(
    run: str | Path, data: str | Path | None, settings: Mapping[str, Any] | None, crops: int,
    promise: Promise | None = None, save: bool = False, precision: str = "fp32",
) -> None:  # fmt: skip
    """Refuse what `evaluate` cannot score or promise, as far as names and the list of images tell."""
    check_precision(run, precision)
    _check_promise(promise or Promise(), crops, run if save else None)
    if save and precision != "fp32":
        raise SettingError(
            f"{option('save', True)} keeps what was chosen by predictions in fp32, as the model makes them; leave it out, or "
            f"{option('precision', precision)}."
        )
    several = one_label.is_of_several(run)
    if several:
        one_label.refuse_options(run, {"crops": None if crops == 1 else crops, **(promise or Promise())._asdict()})
    if data is not None:
        multi_crop.check(crops, None)
        if is_onnx(run):
            check_onnx(Path(run), crops)
        else:
            check_model(run)
        from striate.data import sources

        with one_class_allowed():
            sources.read(evaluation_data(data, settings, several))
        return
    if settings:
        raise SettingError(f"{', '.join(settings)} apply to DATA, and there is none; give it, or remove them.")
    for name, value, usual, stored in (("crops", crops, 1, "of one crop"), ("precision", precision, "fp32", "in fp32")):
        if value != usual:
            raise SettingError(
                f"{option(name, value)} needs DATA, since stored predictions are {stored}; give it, or remove {option(name)}."
            )
    if is_external(run) or is_onnx(run):
        raise SettingError(f"{run} has no test images of its own; write `striate evaluate {run} DATA`.")
    result = run_folder.read_json(_find(run) / "result.json")
    if promise is not None and result is not None and result["test"] is not None:
        promise.refuse_few(result["test"]["n"], f"the test set of {run}")


def _check_promise(promise: Promise, crops: int, saved: str | Path | None) -> None:
    """Refuse shares that are none, thresholds of several crops, and what cannot be saved, in the model `saved`."""
    promise.check()
    if promise == Promise():
        if saved is not None:
            raise SettingError(
                f"{option('save', True)} keeps a threshold or sets; give {option('max_error')} or {option('coverage')}, or "
                f"leave {option('save')} out."
            )
    elif crops != 1:
        raise SettingError(
            f"{option('max_error')} and {option('coverage')} are of one crop, as predictions are; leave them out, or "
            f"{option('crops', crops)}."
        )
    if saved is not None and is_onnx(saved):
        raise SettingError(
            f"{option('save', True)} does not apply to an ONNX file, which is sealed. Save it in the run, and "
            "export that again."
        )
    if saved is not None and is_external(saved):
        raise SettingError(
            f"{saved} has no folder to save a threshold in. Fine-tune it, make a model of a file with `striate import`, or "
            f"leave {option('save')} out."
        )


def evaluation_data(data: str | Path, settings: Mapping[str, Any] | None, several: bool = False) -> "config.Data":
    """The settings of images to test on; a folder of images alone is taken for the class that its name says.

    `several` says whether the model is of several labels an image.
    """
    from striate.base import config
    from striate.data import folders

    section = config.data_section(data, {**(settings or {}), "multi_label": True} if several else settings)
    if not several:
        one_label.refuse(section, "evaluate with a model of one label an image")
    if section.labels_from is None and folders.is_one_class(Path(section.path)):
        return section.model_copy(update={"labels_from": "parent"})
    return section


def check_tensorboard(run: "config.Run") -> None:
    """Refuse to log for TensorBoard where it is not installed."""
    if run.tensorboard and find_spec("tensorboard") is None:
        raise MissingExtraError("tensorboard=true", "tensorboard", "log")


def check_room(out: Path) -> None:
    """Refuse to begin a run in a folder whose disk is all but full."""
    place = next((folder for folder in (out, *out.absolute().parents) if folder.is_dir()), Path("/"))
    if (free := shutil.disk_usage(place).free) < LEAST_ROOM:
        raise DiskError(
            f"expected at least {LEAST_ROOM // 10**6} MB free for the checkpoints and the model of a run in {out}; got "
            f"{free // 10**6} MB. Free some space, or give a folder on another disk with {option('out')}."
        )


def check_resumed(folder: Path) -> None:
    """Refuse to resume an interrupted run with another version of torch, before torch is imported or an image decoded."""
    if not (folder / "result.json").exists():
        run_folder.refuse_other_machine(folder, {"torch": run_folder.environment()["torch"]})


def check_comparison(draw: str | Path | None, html: str | Path | None, others: int) -> None:
    """Refuse a figure and a page that cannot be written, or are of more than two runs."""
    for name, path in (("draw", draw), ("html", html)):
        if path is not None and others:
            raise SettingError(f"{name} shows the images of two runs; got {others + 2}. Leave out all but two, or {name}.")
    if draw is not None:
        save_figure.check_file(Path(draw))
    if html is not None:
        if Path(html).suffix.lower() not in (".html", ".htm"):
            raise SettingError(f"expected a page's path to end in .html; got {html}.")
        files.check_new_file(Path(html))


def check_paths(paths: Iterable[str | Path]) -> None:
    """Refuse paths and globs of images that are not there; folders are listed later."""
    image_inputs.read([path for path in paths if not Path(path).is_dir()])


def check_inspection(
    run: str | Path, images: Collection[Path] = (), out: Path | None = None, draw: Path | None = None, data: Any = None
) -> None:
    """Refuse a model or images that are not there, and a folder or a figure that cannot be written."""
    check_paths(images)
    if draw is not None:
        save_figure.check_file(draw)
    if out is not None:
        files.check_new_folder(out)
    check_model(run)
    if data is not None:
        from striate.base import config
        from striate.data import sources

        sources.read(config.data_section(data))


def check_export(run: str | Path, out: Path, data: str | Path | None, litert: bool = False) -> None:
    """Refuse a model that is not there, or is exported already, a folder that cannot be written, and absent packages."""
    if is_onnx(run):
        raise SettingError(f"expected a run to export; {run} is an ONNX file already. {GIVE_RUN}")
    check_inspection(run, out=out, data=data)
    need("Export to ONNX", "export", ("onnx", "onnxruntime", "onnxscript"))
    if litert:
        need(option("litert", True), "litert", ("litert-torch", "ai-edge-litert"))


def need(what: str, extra: str, packages: Iterable[str]) -> None:
    """MissingExtraError for the first of an extra's packages that is not installed."""
    for package in packages:
        if find_spec(package.replace("-", "_")) is None:
            raise MissingExtraError(what, package, extra)


def check_weights(run: str | Path, draw: str | Path | None) -> Path:
    """The folder of a run whose weights are looked at; refuses a figure that cannot be written."""
    if draw is not None:
        save_figure.check_file(Path(draw))
    return _find(run)


def check_network(net: str, settings: Mapping[str, Any] | None, draw: str | Path | None) -> None:
    """Refuse a network that is not there, settings that it does not have, and a figure that cannot be written."""
    from striate.base import config

    section = config.net_section(net, settings)
    catalogue.check(net, section.own())
    if draw is not None:
        save_figure.check_file(Path(draw))


def check_import(
    file: str | Path, net: str, out: str | Path | None, like: str | None, plain: bool, settings: Mapping[str, Any] | None
) -> Path:
    """The folder of the model to make; refuses one that is taken, a file that is not there and a network that is not known."""
    path = Path(file)
    folder = Path(out) if out is not None else Path("models") / f"{net.rpartition(':')[2]}-{path.stem}"
    if folder.exists():
        raise SettingError(f"{folder} exists; give another folder for the model.")
    files.check_new_folder(folder)
    if like not in (None, "imagenet"):
        raise SettingError(f"expected imagenet, or nothing, as what the weights are like; got {like!r}.")
    check_network(net, settings, None)
    if not path.is_file():
        raise SettingError(f"expected a file of weights at {path}; there is none.")
    if plain and path.suffix.lower() == ".safetensors":
        raise SettingError(f"plain is for checkpoints that hold several weights; {path} holds one. Leave it out.")
    return folder
