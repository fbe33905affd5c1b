"""One network looked at before any training: its layer table, the arithmetic behind it, a figure, its signal at the start."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from striate.base import config
from striate.base.arguments import named_arguments
from striate.base.errors import SettingError
from striate.nets import factory, own_network, worked_arithmetic
from striate.nets import signal_propagation as signalling
from striate.nets.net import Net
from striate.nets.signal_propagation import Signal
from striate.nets.summary import Layer, layer_table
from striate.workflows.checks import check_network

_HOW = ("size_px", "channels", "classes", "settings")


@named_arguments(section="net")
def layers(
    net: str, *, size_px: int | None = None, channels: int | None = None, classes: int | None = None,
    settings: Mapping[str, Any] | None = None,
) -> list[Layer]:  # fmt: skip
    """The layer table of a network: shape, parameters, multiply-adds, receptive field, jump and memory of each layer.

    Args:
        net: a name of the catalogue, a line of layers, `file.py:Class`, or `timm:NAME`.
        size_px: side of the square input; else the network's own, or 28.
        channels: of the input; else the network's own, or 1.
        classes: K; else the network's own, or 10.
        settings: of section [net], as in `{"shortcut": "A"}`.

    """
    return list(layer_table(_outline(net, size_px, channels, classes, settings)))


def _outline(
    net: str, size_px: int | None = None, channels: int | None = None, classes: int | None = None,
    settings: Mapping[str, Any] | None = None,
) -> Net:  # fmt: skip
    for what, value in (("size", size_px), ("channels", channels), ("classes", classes)):
        if value is not None and value < 1:
            raise SettingError(f"expected size, channels and classes of at least 1; got {what} {value}.")
    check_network(net, settings, None)
    own_network.trust_named(net)
    c, side, k = factory.published(net)
    chw = (channels or c, size_px or side, size_px or side)
    return factory.outline(net, chw, classes or k, **config.net_section(net, settings).own())


@named_arguments(*_HOW, section="net")
def explain(net: str, layer: str, **how: Any) -> tuple[str, ...]:
    """The arithmetic behind a layer's row of the table, as lines; `how` as for `layers`."""
    return worked_arithmetic.explain(_outline(net, **how), layer)


@named_arguments(*_HOW, section="net")
def draw(net: str, path: str | Path, **how: Any) -> Path:
    """Draw a network so that its shape is seen at a glance, as .svg, .png or .pdf; `how` as for `layers`."""
    from striate.plots import save_figure
    from striate.plots.network import architecture

    save_figure.check_file(Path(path))
    outline, heads = _outline(net, **how), list[Layer]()
    rows = layer_table(outline)
    if "aux" in factory.settings_of(net):
        trained = _outline(net, **{**how, "settings": {"aux": True, **(how.get("settings") or {})}})
        used = {row.name for row in rows}
        heads = [row for row in layer_table(trained, training=True) if row.name not in used]
    architecture.draw(net, outline.input_chw, rows, Path(path), heads)
    return Path(path)


@named_arguments(*_HOW, section="net")
def signal(net: str, init: str = "paper", seed: int = 0, path: str | Path | None = None, **how: Any) -> tuple[Signal, ...]:
    """Mean and variance of activations and gradients of each layer at the start, for images from N(0, 1).

    Args:
        net: as for `layers`.
        init: a scheme of `striate.nets.init`.
        seed: of the weights, the images and the labels.
        path: a figure of it to draw, as .svg, .png or .pdf.
        how: as for `layers`; `init_bias` and `sparse_inputs` among its settings.

    """
    if path is not None:
        from striate.plots import save_figure

        save_figure.check_file(Path(path))
    if init == "whitening":
        raise SettingError("init='whitening' begins from training images, and there are none here. Take another scheme.")
    settings = {**(how.get("settings") or {}), "init": init}
    outline, chosen = _outline(net, **{**how, "settings": settings}), config.net_section(net, settings)
    built = factory.build(net, outline.input_chw, outline.num_classes, seed=seed, **chosen.start(), **chosen.own())
    rows = signalling.of_noise(built, sum(row.macs for row in layer_table(outline)), seed)
    if path is not None:
        from striate.plots.network import signal as drawing

        drawing.draw(f"{net}, init {init}", rows, Path(path))
    return rows
