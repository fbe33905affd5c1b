"""`striate import`."""

from pathlib import Path
from typing import Any, Literal

from striate.base import config
from striate.base.errors import SettingError
from striate.cli.console import Settings, documented_by, show, speaking


@documented_by("striate.workflows.external_weights", "import_weights")
def import_(
    file: str, /, *, net: str, out: str | None = None, like: Literal["imagenet"] | None = None, mean: str | None = None,
    std: str | None = None, class_names: str | None = None, size: int | None = None, share: float | None = None,
    bgr: bool = False, license: str | None = None, plain: bool = False, set_: Settings = (), json: bool = False,
) -> None:  # fmt: skip
    """Make a model of a file of weights from elsewhere. A pickle is read in a child process, and only tensors in it.

    Args:
        like: imagenet gives mean, std, share and the 1000 class names.
        mean: of each channel of the images, in [0, 1]: 0.485,0.456,0.406.
        class_names: a text file with one name on each line, in the order of the outputs.
        size: side of the images in pixels; else the network's published one.
        set_: a setting of section net, as in net.shortcut=B; may be repeated.

    """
    from striate.workflows import checks

    settings = config.section(config.join(*(config.setting(text) for text in set_)), "net")
    about: dict[str, Any] = {"mean": _numbers(mean, "--mean"), "std": _numbers(std, "--std"), "classes": _lines(class_names)}
    about |= {"size_px": size, "share": share, "bgr": bgr or None, "license": license}
    with speaking() as watch, checks.before_torch(watch, checks.check_import, file, net, out, like, plain, settings):
        from striate.workflows import external_weights

        result = external_weights.import_weights(
            file, net, out, like=like, plain=plain, settings=settings, watch=watch, **about
        )
    counts = f"{result['parameters']:,} parameters, {result['classes']:,} classes"
    show(result, json, lambda _result: [f"{result['model']}: {net}, {counts}"])


def _numbers(text: str | None, flag: str) -> tuple[float, ...] | None:
    if text is None:
        return None
    try:
        return tuple(float(part) for part in text.split(","))
    except ValueError:
        raise SettingError(f"expected {flag} as numbers with commas between, one for each channel; got {text!r}.") from None


def _lines(path: str | None) -> tuple[str, ...] | None:
    if path is None:
        return None
    if not Path(path).is_file():
        raise SettingError(f"expected a text file with one class name on each line at {path}; there is none.")
    try:
        return tuple(line.strip() for line in Path(path).read_text("utf-8-sig").splitlines() if line.strip())
    except UnicodeDecodeError as error:
        raise SettingError(f"expected class names in UTF-8 in {path}; its byte {error.start} is none. Save it so.") from None
