"""The figures there are, as a catalogue that can be read without torch."""

from typing import NamedTuple

from striate.base.errors import SettingError, nearest


class Entry(NamedTuple):
    """One figure: what `striate figure` calls it, what it shows, and the module that computes and draws it."""

    name: str
    shows: str
    module: str
    trains: bool = False  # networks, which takes seconds: its function takes `watch`


class OtherCommand(NamedTuple):
    """A figure that another command draws."""

    name: str
    shows: str
    command: str


class FigureResult(NamedTuple):
    """What a figure gives besides its file: lines for people, and its numbers."""

    lines: tuple[str, ...]
    numbers: dict[str, object]


FIGURES = (
    Entry("volumes", "the layer volumes of AlexNet, or of --net NAME", "striate.figures.volumes"),
    Entry("multichannel", "75 products and a bias of a 5 x 5 x 3 filter, two maps; means", "striate.figures.multichannel"),
    Entry("pooling", "max and mean of 2 x 2 and of overlapping 3 x 3, and their gradients", "striate.figures.pooling"),
    Entry("dropout", "four neurons with random masks in training, all of them at inference", "striate.figures.dropout"),
    Entry("activations", "activation functions and their derivatives", "striate.figures.activations"),
    Entry("relu_tanh", "ReLU against tanh by plain gradient descent at three rates", "striate.figures.relu_against_tanh", True),
    Entry("losses", "cross-entropy and hinge against the margin, with gradients", "striate.figures.losses"),
    Entry("penalties", "where L2, L1, the elastic net and a bound on the norm lead two weights", "striate.figures.penalties"),
    Entry(
        "noisy_filters",
        "a first layer that has learned, beside one that has hardly begun",
        "striate.figures.noisy_filters",
        True,
    ),
    Entry("initialization", "the spread of activations through ten layers", "striate.figures.initialization"),
    Entry("batchnorm", "three channels before and after batch norm, and its running statistics", "striate.figures.batchnorm"),
    Entry("receptive", "three 3 x 3 convolutions see what one 7 x 7 sees", "striate.figures.receptive_field"),
    Entry("inception", "an inception module with its reductions, and what it costs without", "striate.figures.inception"),
    Entry("residual", "a residual block, and its derivative F' + 1 in numbers", "striate.figures.residual"),
    Entry("degradation", "loss with depth, with shortcuts and without, and variances by layer", "striate.figures.degradation"),
)
OTHER_COMMANDS = (
    OtherCommand("convolution", "a sliding kernel, the flip, shared weights", "striate history convolution"),
    OtherCommand("cells", "simple and complex cells", "striate history cells"),
    OtherCommand("units", "units of McCulloch and Pitts, XOR", "striate history mcculloch_pitts"),
    OtherCommand("mean", "centered and scaled pixels as clouds", "striate data DATA --preview mean (or std)"),
    OtherCommand("whitening", "pixels decorrelated and whitened as clouds", "striate data DATA --preview whitening"),
    OtherCommand("augmentation", "what training sees of each image", "striate data DATA --preview augment"),
    OtherCommand("signal", "activations and gradients of a network at the start", "striate nets NAME --signal --draw FILE"),
    OtherCommand("architecture", "a network with the inside of its blocks", "striate nets NAME --draw FILE"),
    OtherCommand("weights", "histograms of weights, as with L1 and L2", "striate runs RUN --weights FILE"),
    OtherCommand("filters", "filters, feature maps and attribution of a prediction", "striate inspect RUN [IMAGE]"),
)


def entry(name: str) -> Entry:
    """The figure of this name; a SettingError names the command where another one draws it."""
    for figure in FIGURES:
        if figure.name == name:
            return figure
    for other in OTHER_COMMANDS:
        if other.name == name:
            raise SettingError(f"{name!r} is drawn by another command: `{other.command}`.")
    raise SettingError(f"There is no figure {name!r}; {nearest(name, [figure.name for figure in FIGURES])}")
