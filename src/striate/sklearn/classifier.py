"""`ConvNetClassifier`: striate's training and fine-tuning as a scikit-learn classifier.

Legend: N images, H x W pixels, C channels, K classes.
"""

import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted

from striate.base import config
from striate.base.errors import DataError, EstimatorError, SettingError
from striate.base.events import Json
from striate.data import in_memory
from striate.model import Model
from striate.sklearn import inputs
from striate.sklearn.artifact_pickle import ArtifactPickle
from striate.workflows.finetune.run import finetune
from striate.workflows.train.run import train


class ConvNetClassifier(ArtifactPickle, ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """A convolutional network as a scikit-learn classifier of images.

    X is a uint8 array N x H x W or N x H x W x C, an array N x D of flat images, or a list, array or pandas Series with one
    image each: paths, bytes of files, PIL images, arrays of several sizes. `y` holds labels of any type that scikit-learn
    takes, and `predict` gives them back as they were. A tenth of the images chooses the epoch; none is held out for testing
    unless `settings` have a `test_share`, since cross-validation does that.

    Args:
        net: a name of `striate nets`, a line of layers, or `file.py:Class`; else by striate's rule.
        weights: pretrained weights to start from, as `resnet20@cifar10`; "none" to train from scratch; else by striate's rule.
        strategy: of fine-tuning: extract, adapt, retrain or scratch; else extract.
        epochs: passes over the training images, of a training from scratch.
        minutes: time to train for, in place of epochs.
        image_shape: of flat rows: (height, width) or (height, width, channels), or "row" for one pixel row; else square.
        pixel_range: the values that are black and white; else 0 and 255 of uint8, and the least and greatest of other types
            that `fit` was given.
        settings: nested settings of striate, as in `{"train": {"lr": 0.01}}`.
        out: folder to keep the runs in; else they are removed, and the classifier alone keeps its model.
        report: write a report of each run into `out`.
        random_state: seed of initialization, order and augmentation: a number for the same classifier each time.

    Attributes:
        classes_: the K labels, sorted.
        n_features_in_: D, where X was flat.
        pixel_range_: the values that are black and white.
        model_: the trained `striate.Model`.
        result_: what `striate.train` or `striate.finetune` returned; its `run` is None unless `out` is given.

    Examples:
        >>> from sklearn.datasets import load_digits
        >>> images, labels = load_digits(return_X_y=True)
        >>> classifier = ConvNetClassifier("conv 3x3x8, relu, pool 2, fc", weights="none", epochs=3, random_state=0)
        >>> classifier.fit(images[:300], labels[:300]).score(images[300:400], labels[300:400]) > 0.5
        True

    """

    def __init__(
        self, net: str | None = None, *, weights: str | Path | None = None, strategy: str | None = None,
        epochs: int | None = None, minutes: float | None = None, image_shape: tuple[int, ...] | str | None = None,
        pixel_range: tuple[float, float] | None = None, settings: Mapping[str, Any] | None = None,
        out: str | Path | None = None, report: bool = False, random_state: Any = None,
    ) -> None:  # fmt: skip
        self.net = net
        self.weights = weights
        self.strategy = strategy
        self.epochs = epochs
        self.minutes = minutes
        self.image_shape = image_shape
        self.pixel_range = pixel_range
        self.settings = settings
        self.out = out
        self.report = report
        self.random_state = random_state

    def fit(self, X: Any, y: Any) -> Self:
        """Train a network on images and their labels.

        Args:
            X: N images; see the class.
            y: N labels.

        Raises:
            ValueError: images or labels cannot be used, or a class has fewer than two images.

        """
        images = inputs.images(self, X, fitting=True)
        self.classes_, codes_N = np.unique(inputs.labels(self, y, images), return_inverse=True)
        names = inputs.class_names(self.classes_)
        if len(names) < 2:
            raise EstimatorError(f"expected labels of at least two classes; got 1 class, {self.classes_[0]!r}.")
        with _folder(self.out) as folder:
            try:
                result = self._train(images, [names[code] for code in codes_N], folder)
            except (DataError, SettingError) as error:
                raise EstimatorError(str(error)) from error
            self.model_ = Model.load(Path(result["run"]) / "model")
        self.result_ = result if self.out is not None else {**result, "run": None}
        return self

    def _train(self, images: inputs.Images, labels: list[str], folder: Path) -> Json:
        """Train in `folder`, and give the run's result."""
        if self.report and self.out is None:
            raise EstimatorError("expected out=FOLDER with report=True: without it nothing of a run is kept. Give it.")
        settings = config.merge({"data": {"test_share": 0}}, self.settings or {})
        state = self.random_state
        seed = state if isinstance(state, int | np.integer) else check_random_state(state).randint(2**31 - 1)
        source = in_memory.stored(images, labels, cache=folder / "data" if self.out is None else None)
        common: dict[str, Any] = {
            "minutes": self.minutes, "seed": int(seed), "name": folder.name, "out": folder.parent,
            "report": self.report, "settings": settings,
        }  # fmt: skip
        if self.strategy is None:
            return train(source, net=self.net, weights=self.weights, epochs=self.epochs, **common)
        if self.weights == "none":
            raise EstimatorError("strategy does not apply to a training from scratch, as weights='none' asks for; remove it.")
        for name in ("net", "epochs"):
            if getattr(self, name) is not None:
                raise EstimatorError(f"{name} does not apply to a fine-tuning, as strategy asks for; remove it.")
        return finetune(source, weights=self.weights, strategies=self.strategy, **common)

    def predict(self, X: Any) -> NDArray[Any]:
        """The label of the most probable class of each image: N."""
        shares_NK = self.predict_proba(X)
        labels_N: NDArray[Any] = self.classes_[shares_NK.argmax(axis=1)]
        return labels_N

    def predict_proba(self, X: Any) -> NDArray[np.float64]:
        """The probability of each class, in the order of `classes_`: N x K."""
        check_is_fitted(self)
        images = inputs.images(self, X, fitting=False)
        names = inputs.class_names(self.classes_)
        columns = [names.index(name) for name in self.model_.classes]
        shares_NK = np.zeros((len(images), len(names)))
        model, chunks = self.model_, inputs.pixel_chunks(images, self.model_)
        shares_NK[:, columns] = np.concatenate([model.probabilities(model.logits(pixels_NHWC)) for pixels_NHWC in chunks])
        return shares_NK

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.three_d_array = True
        tags.input_tags.string = True
        return tags


@contextmanager
def _folder(out: str | Path | None) -> Iterator[Path]:
    """A folder of its own for one run: in `out`, else a temporary one that is removed."""
    if out is not None:
        Path(out).mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix="fit-" if out is not None else "striate-", dir=out))
    try:
        yield folder
    finally:
        if out is None:
            shutil.rmtree(folder, ignore_errors=True)
