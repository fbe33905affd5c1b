"""The lessons there are, in the order of the textbook's chapter, as a table that needs nothing heavy."""

from collections.abc import Sequence
from importlib import import_module
from typing import NamedTuple, Protocol, cast

from striate.base.errors import SettingError, nearest
from striate.lab.controls import Control, Values
from striate.lab.exercises import Exercise
from striate.lab.texts import Texts
from striate.lab.views import View


class Entry(NamedTuple):
    """One lesson: its name, which is that of its module and of its texts, its part of the chapter, and a command."""

    name: str
    part: str  # `parts.PART` of common.toml
    command: str  # which shows the same


class Lesson(Protocol):
    """What the module of a lesson has."""

    CONTROLS: Sequence[Control]
    EXERCISES: Sequence[Exercise]

    @staticmethod
    def views(values: Values, say: Texts) -> list[View]:
        """What is shown for these values of the controls."""


LESSONS = (
    Entry("mcculloch_pitts", "history", "striate history mcculloch_pitts"),
    Entry("simple_cells", "history", "striate history cells"),
    Entry("back_propagation", "history", "striate history optimal_control"),
    Entry("gmdh", "history", "striate history gmdh"),
    Entry("neocognitron", "history", "striate history neocognitron"),
    Entry("rumelhart", "history", "striate history rumelhart"),
    Entry("timeline", "history", "striate history timeline"),
    Entry("convolution", "layers", "striate history convolution"),
    Entry("pooling", "layers", "striate figure pooling"),
    Entry("receptive_fields", "layers", "striate figure receptive"),
    Entry("activations", "units", "striate figure activations"),
    Entry("initialization", "units", "striate figure initialization"),
    Entry("batchnorm", "units", "striate figure batchnorm"),
    Entry("dropout", "regularization", "striate figure dropout"),
    Entry("penalties", "regularization", "striate figure penalties"),
    Entry("losses", "regularization", "striate figure losses"),
    Entry("whitening", "preprocessing", "striate data digits --preview whitening"),
    Entry("augmentation", "preprocessing", "striate train FOLDER --set augment.rotate=15 --set augment.crop=0.5"),
    Entry("mnist_in_the_page", "training", "striate train digits --net mnist_cnn"),
    Entry("vanishing_gradients", "training", "striate figure residual"),
    Entry("fine_tuning", "training", "striate finetune digits --from resnet20@cifar10 --strategy all"),
    Entry("looking_inside", "training", "striate inspect RUN IMAGE"),
    Entry("lenet5", "architectures", "striate nets lenet5 --explain c3"),
    Entry("inception", "architectures", "striate figure inception"),
    Entry("architectures", "architectures", "striate nets alexnet"),
)


def entry(name: str) -> Entry:
    """The lesson of this name."""
    for lesson in LESSONS:
        if lesson.name == name:
            return lesson
    raise SettingError(f"There is no lesson {name!r}; {nearest(name, [lesson.name for lesson in LESSONS])}")


def parts() -> dict[str, list[Entry]]:
    """The lessons of each part of the chapter, in order."""
    return {part: [lesson for lesson in LESSONS if lesson.part == part] for part in dict.fromkeys(row.part for row in LESSONS)}


def load(name: str) -> Lesson:
    """The module of a lesson."""
    return cast(Lesson, import_module(f"striate.lab.lessons.{entry(name).name}"))
