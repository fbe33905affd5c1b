"""Every error striate raises on purpose, as one tree.

    StriateError                 exit 2: the caller can mend it
    ├── DataError                the images: a path, a folder, a class, a table
    │   ├── DecodeError          one image that is not decoded, with the reason
    │   └── EstimatorError       what a scikit-learn estimator was given; a ValueError too
    ├── SettingError             a setting that does not exist, does not fit or does not apply
    │   └── ArgumentError        an argument that a Python function does not have; a TypeError too
    ├── ShapeError               a tensor or image of the wrong size
    ├── UnsupportedError         a thing this network or method cannot do, with what can
    ├── MissingExtraError        an optional package that is not installed
    ├── ArtifactError            a saved model or checkpoint that is not what it was when it was written
    │   └── UntrustedCodeError   Python code of a model, run or recipe that its user has not agreed to
    ├── WeightsError             external weights that do not fit the network, or are not there
    ├── RunError                 a run folder that is in use, absent or of another kind
    ├── NumbersError             a loss or a weight that stopped being a number
    ├── DiskError                exit 74: the disk refused
    └── Interrupted              exit 75: stopped by a signal, can be resumed

A message says what was expected, what came and what to do.
"""

from collections.abc import Iterable
from difflib import get_close_matches

_MOST_NAMES, _FIRST_NAMES = 40, 12  # in a message


class StriateError(Exception):
    """The root of the tree; `exit_code` is what the command line ends with."""

    exit_code = 2


class DataError(StriateError):
    """The images given cannot be used as they are."""


class DecodeError(DataError):
    """One image cannot be decoded; the text is the reason, without the path."""


class EstimatorError(DataError, ValueError):
    """An estimator of `striate.sklearn` cannot use what it was given; scikit-learn expects a ValueError."""


class SettingError(StriateError):
    """A setting does not exist, does not fit or does not apply."""


class ArgumentError(SettingError, TypeError):
    """A Python function has no argument of this name."""


class ShapeError(StriateError):
    """A tensor or image has a size that cannot work."""


class UnsupportedError(StriateError):
    """This network or method cannot do that."""


class MissingExtraError(StriateError):
    """An optional package is not installed."""

    def __init__(self, what: str, package: str, extra: str) -> None:
        super().__init__(f"{what} needs {package}, which is not installed: pip install 'striate[{extra}]'.")


class ArtifactError(StriateError):
    """A saved model or checkpoint is not what was written."""


class UntrustedCodeError(ArtifactError):
    """A model, a run or a recipe from outside brings Python code that its user has not agreed to."""


class WeightsError(StriateError):
    """External weights do not fit the network, or are not there."""


class RunError(StriateError):
    """A run folder is in use, absent or of another kind."""


class NumbersError(StriateError):
    """A loss or a weight is not finite."""


class DiskError(StriateError):
    """The disk refused to write or to read."""

    exit_code = 74


class Interrupted(StriateError):
    """A signal stopped the work; what was done is kept."""

    exit_code = 75


def nearest(word: str, known: Iterable[str], offer: int = 3) -> str:
    """A clause that offers the names most like `word`, or where none is near all of them, up to 40, else the first 12.

    >>> nearest("mnist_cn", ["mlp", "mnist_cnn"])
    'did you mean mnist_cnn?'
    >>> nearest("xyz", ["mlp", "mnist_cnn"])
    'there are: mlp, mnist_cnn.'
    """
    names = sorted(known)
    close = get_close_matches(word, names, n=offer, cutoff=0.6)
    if close:
        return f"did you mean {' or '.join(close)}?"
    if len(names) > _MOST_NAMES:
        return f"there are {len(names)}: {', '.join(names[:_FIRST_NAMES])} and {len(names) - _FIRST_NAMES} more."
    return f"there are: {', '.join(names)}."
