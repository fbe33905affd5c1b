"""A Model from other weights: `NET@imagenet`, `NET@FILE`, what the package brings, and files that `striate import` reads.

Legend: C channels, K classes.
"""

import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from torch import Tensor

from striate.base import config
from striate.base.arguments import named_arguments
from striate.base.errors import SettingError, WeightsError
from striate.base.events import Watch, quiet
from striate.batches.preprocess import Preprocess
from striate.data.decode import InputSpec
from striate.model import Model
from striate.nets import bundled_weights, catalogue, convert_weights, factory, own_network, published_weights
from striate.nets.read_safetensors import read_safetensors
from striate.workflows import checks, model_card

log = logging.getLogger("striate")


@dataclass(frozen=True)
class About:
    """What a file of weights does not say itself."""

    mean: tuple[float, ...]  # of each channel, in [0, 1], in the order that the weights have
    std: tuple[float, ...]  # likewise
    classes: tuple[str, ...]  # K names in the order of the logits
    share: float = 1.0  # of the short side of an image that is kept
    resize_mode: str = "crop"  # as `data.decode.InputSpec` has it
    size_px: int | None = None  # side of the images; None for the network's published one
    interpolation: str = "bilinear"  # as `data.decode.InputSpec` has it
    bgr: bool = False  # the weights expect blue first; their first layer is turned so that the network takes red first
    aliases: Mapping[str, str] | None = None  # other names of the classes
    license: str = ""  # of the weights
    settings: Mapping[str, Any] = field(default_factory=dict)  # of section [net], which the network is built with


def imagenet(net: str, kind: str = "imagenet") -> About:
    """What is true of the weights published for a network; else what is true of most that were trained on ImageNet."""
    names = published_weights.imagenet_classes()
    row = published_weights.WEIGHTS[kind].get(net, published_weights.Published("", 0, 0))
    return About(row.mean, row.std, tuple(names.values()), row.share, interpolation=row.interpolation, aliases=names)


def load_external(name: str, device: str = "cpu", watch: Watch = quiet) -> Model:
    """The model that `NET@WEIGHTS` names; WEIGHTS is a safetensors file, `imagenet`, `imagenet-v2`, or comes along."""
    net, _, source = name.partition("@")
    checks.check_external(name)
    path = Path(source)
    if (file := path if path.is_file() else bundled_weights.tensors_file(name)) is not None:
        tensors = read_safetensors(file)
        about = _describe(file, net, tensors)
    else:
        tensors = read_safetensors(published_weights.tensors_file(net, source, watch))
        about = replace(imagenet(net, source), license=published_weights.published(net, source).license)
    return build(net, tensors, about, None, {"weights": name}, device)


@named_arguments(section="net")
def import_weights(
    file: str | Path, net: str, out: str | Path | None = None, *, mean: tuple[float, ...] | None = None,
    std: tuple[float, ...] | None = None, classes: tuple[str, ...] | None = None, size_px: int | None = None,
    share: float | None = None, bgr: bool | None = None, license: str | None = None, like: str | None = None,
    plain: bool = False, settings: Mapping[str, Any] | None = None, watch: Watch = quiet,
) -> dict[str, Any]:  # fmt: skip
    """Make a model of a file of weights: a pickle, which a child process reads, or safetensors.

    Args:
        file: .pth, .pt, .th or .safetensors.
        net: the network that the weights belong to: of the catalogue, or `timm:NAME`.
        out: folder of the model; else `models/NET-FILE`.
        mean: of each channel of the images that it was trained on, in [0, 1].
        std: of each channel, in [0, 1].
        classes: names, in the order of the network's outputs.
        size_px: side of the images; else the network's published one.
        share: of the short side of an image that is kept, 0..1; else all.
        bgr: the weights take blue first.
        license: of the weights.
        like: "imagenet" gives mean, std, share and the 1000 names.
        plain: take the plain weights of a checkpoint that has averaged ones (EMA) too; else the averaged ones.
        settings: of section [net], as in `{"shortcut": "B"}`.
        watch: called with the stage `convert`.

    Returns:
        model, net, classes, parameters, weights_sha256; of a pickle also tensors (number), within (the dictionary that was
        taken), left (the other weights, averaged or plain, that were not), prefix (taken off all names) and others (names of
        what is no tensor).

    """
    path = Path(file)
    folder = checks.check_import(path, net, out, like, plain, settings)
    own = config.net_section(net, settings).own()
    own_network.trust_named(net)
    factory.published(net)  # an unknown network is refused before the file is read
    tensors, facts = _tensors_of(path, plain, watch)
    about = {"mean": mean, "std": std, "classes": classes, "share": share, "bgr": bgr, "license": license}
    given = {name: value for name, value in about.items() if value is not None}
    whole = _completed(given, imagenet(net) if like else _read_beside(path), path)
    model = build(net, tensors, whole, size_px, {"weights": path.name}, settings=own)
    sha256 = model.save(folder, model_card.of_import(model))
    parameters = sum(parameter.numel() for parameter in model.net.parameters())
    counts = {"classes": len(model.classes), "parameters": parameters}
    return {"model": str(folder), "net": net, **counts, **facts, "weights_sha256": sha256}


def _tensors_of(path: Path, plain: bool, watch: Watch) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """The tensors in a file of weights, and what a pickle held besides."""
    if path.suffix.lower() == ".safetensors":
        return read_safetensors(path), {}
    with TemporaryDirectory() as folder:
        facts: dict[str, Any] = dict(published_weights.convert(path, Path(folder) / "weights.safetensors", plain, watch))
        tensors = read_safetensors(Path(folder) / "weights.safetensors")
    if facts["left"]:
        text = "%s holds averaged (EMA) and plain weights: %s is taken, not %s; --plain takes the plain ones."
        log.warning(text, path, facts["within"] or "the rest", facts["left"])
    if facts["others"]:
        log.warning("%s has more than tensors, which is left out: %s", path, ", ".join(facts["others"][:6]))
    return tensors, facts


def _completed(given: Mapping[str, Any], base: About | None, path: Path) -> About:
    """What the user has given of `About`, over what is known already; a SettingError where something is missing."""
    if base is not None and "classes" in given:
        base = replace(base, aliases=None)
    missing = [name for name in ("mean", "std", "classes") if not given.get(name, getattr(base, name, None))]
    if missing:
        flags = {"mean": "--mean 0.485,0.456,0.406", "std": "--std 0.229,0.224,0.225", "classes": "--class-names FILE"}
        raise SettingError(
            f"{path} does not say how its images were prepared or what its classes are called; expected "
            f"{', '.join(flags[name] for name in missing)} (or --like imagenet for ImageNet's)."
        )
    return About(**{**({} if base is None else vars(base)), **given})


def build(
    net: str, tensors: Mapping[str, Tensor], about: About, size_px: int | None, training: Mapping[str, Any],
    device: str = "cpu", settings: Mapping[str, Any] | None = None,
) -> Model:  # fmt: skip
    """A model of these weights and of what is known about them; a WeightsError where either does not fit the network."""
    size_px = about.size_px if size_px is None else size_px
    settings = config.net_section(net, about.settings).own() if settings is None else settings
    loaded = convert_weights.load_state(net, tensors, size_px, **settings)
    if loaded.left_out:
        log.info("%d tensors that only training needs are left out: %s, ...", len(loaded.left_out), loaded.left_out[0])
    channels, classes = loaded.net.input_chw[0], loaded.net.num_classes
    if len(about.classes) != classes:
        raise WeightsError(f"these weights have {classes} classes; got {len(about.classes)} names. Give one name for each.")
    if len(set(about.classes)) != classes:
        twice = next(name for k, name in enumerate(about.classes) if name in about.classes[:k])
        raise SettingError(f"expected a name of its own for each class; got {twice!r} twice.")
    if len(about.mean) not in (1, channels) or len(about.std) not in (1, channels):
        raise WeightsError(
            f"these weights take {channels} channels; got {len(about.mean)} means and {len(about.std)} deviations. "
            "Give one for each channel."
        )
    if not (all(0 <= value <= 1 for value in about.mean) and all(0 < value <= 1 for value in about.std)):
        raise SettingError(
            f"expected means from 0 to 1 and deviations above 0 up to 1, for pixels in [0, 1]; got {_plain(about.mean)} and "
            f"{_plain(about.std)}. Divide by 255 what is meant for pixels up to 255."
        )
    if not 0 < about.share <= 1:
        raise SettingError(f"expected a share of the short side above 0 and at most 1; got {about.share:g}.")
    mean, std = list(about.mean), list(about.std)
    if about.bgr:
        _flip_channels(loaded.net, channels)
        mean, std = mean[::-1], std[::-1]
    return Model(
        net=loaded.net.to(device).eval(), net_name=net, net_settings=dict(settings),
        preprocess=Preprocess(_per_channel(mean, channels), _per_channel(std, channels), 0.0),
        input_spec=InputSpec(
            loaded.net.input_chw[1], channels, about.resize_mode, share=about.share, interpolation=about.interpolation
        ),
        classes=about.classes, training=training, license=about.license, aliases=about.aliases or {},
    )  # fmt: skip


def _plain(values: Sequence[float]) -> str:
    return ", ".join(f"{value:g}" for value in values)


def _per_channel(values: Sequence[float], channels: int) -> Tensor:
    return torch.tensor(values, dtype=torch.float32).view(-1, 1, 1).expand(channels, 1, 1).contiguous()


@torch.no_grad()
def _flip_channels(net: torch.nn.Module, channels: int) -> None:
    """Let the first layer of a network take red first where it took blue first."""
    first = next(layer for layer in net.modules() if isinstance(layer, torch.nn.Conv2d))
    if channels != 3 or first.in_channels != 3:
        raise SettingError(f"--bgr applies to weights for 3 channels; these take {channels}. Leave it out.")
    first.weight.copy_(first.weight.flip(1))


def _describe(path: Path, net: str, tensors: Mapping[str, Tensor]) -> About:
    """What is known about a bare safetensors file: from config.json beside it, else what most of its kind have."""
    known, where = _read_beside(path), str(path.with_name("config.json"))
    if known is None and catalogue.is_timm(net):
        from striate.nets.architectures.timm_net import recommended

        log.warning("%s has no config.json beside it; what timm gives for %s is taken.", path, net)
        known, where = _as_timm(recommended(net)), net
    if known is not None:
        if not known.classes:
            raise SettingError(f"{where} has no names for its classes; `striate import` takes --class-names FILE.")
        return known
    if any(len(tensor) == 1000 for name, tensor in tensors.items() if name.endswith("bias") and tensor.dim() == 1):
        log.warning("%s does not say how its images were prepared; ImageNet's mean, deviation and class names are taken.", path)
        return imagenet(net)
    raise SettingError(
        f"{path} does not say how its images were prepared or what its classes are called: "
        f"`striate import {path} --net {net} --mean ... --std ... --class-names FILE` makes a model of it."
    )


def _read_beside(path: Path) -> About | None:
    """What config.json beside a file says, as timm's repositories have it; None where there is none."""
    file = path.with_name("config.json")
    if not file.is_file():
        return None
    try:
        described = json.loads(file.read_text("utf-8"))
        return _as_timm({**described.get("pretrained_cfg", {}), **described})
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        reason = f"{type(error).__name__}: {error}"
        raise WeightsError(f"{file} is not as timm writes it ({reason}). Mend it, or move it away.") from None


def _as_timm(described: Mapping[str, Any]) -> About:
    """What timm's description of how a network was trained says; without classes where it has no names for them."""
    names = described.get("label_names") or described.get("labels") or ()
    if isinstance(names, Mapping):  # by the numbers of the outputs
        names = [names[number] for number in sorted(names, key=int)]
    mean, std = (tuple(float(value) for value in described[name]) for name in ("mean", "std"))
    share = min(float(described.get("crop_pct", 1.0)), 1.0)
    resize_mode = "squash" if described.get("crop_mode") == "squash" else "crop"
    sides = [int(side) for side in described.get("input_size", ())[1:]]
    if len(set(sides)) > 1:
        raise SettingError(f"expected a square input_size; got {sides}. striate brings every image to a square.")
    license = str(described.get("license", ""))
    interpolation = "bicubic" if described.get("interpolation") == "bicubic" else "bilinear"
    known = About(
        mean, std, tuple(map(str, names)), share, resize_mode, sides[0] if sides else None, interpolation, license=license,
        settings=described.get("net_settings", {}),
    )  # fmt: skip
    if names or int(described["num_classes"]) != 1000:
        return known
    names = published_weights.imagenet_classes()
    return replace(known, classes=tuple(names.values()), aliases=names)
