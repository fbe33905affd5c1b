"""`Embedder`: what a network makes of images before it chooses a class, as features for scikit-learn.

Legend: N images, D features.
"""

from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.utils.validation import check_is_fitted

from striate.sklearn import inputs
from striate.sklearn.artifact_pickle import ArtifactPickle
from striate.workflows.load_model import load_network


class Embedder(ArtifactPickle, ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """A trained network as a transformer: images in, the features that its last layer classifies by out.

    For `make_pipeline(Embedder(), LogisticRegression())`, clustering or a search. Nothing is learned: `fit` loads the model and
    notes which values are black and white. X is what `ConvNetClassifier` takes.

    Args:
        weights: `NET@WEIGHTS`, a run by name or folder, or a model's folder.
        image_shape: of flat rows; see `ConvNetClassifier`.
        pixel_range: the values that are black and white; see `ConvNetClassifier`.

    Attributes:
        model_: the `striate.Model`.
        n_features_in_: numbers in a row of X, where X was flat.
        pixel_range_: the values that are black and white.

    Examples:
        >>> import numpy as np
        >>> Embedder("resnet20@cifar10").fit_transform(np.zeros((2, 8, 8), np.uint8)).shape
        (2, 64)

    """

    def __init__(
        self, weights: str | Path = "resnet20@cifar10", *, image_shape: tuple[int, ...] | str | None = None,
        pixel_range: tuple[float, float] | None = None,
    ) -> None:  # fmt: skip
        self.weights = weights
        self.image_shape = image_shape
        self.pixel_range = pixel_range

    def fit(self, X: Any, y: Any = None) -> Self:  # noqa: ARG002
        """Load the model, and note which values are black and white.

        Args:
            X: N images; see the class.
            y: not used.

        Raises:
            ValueError: X holds no images.

        """
        inputs.images(self, X, fitting=True)
        self.model_ = load_network(self.weights)
        self._n_features_out = self.model_.embed([]).shape[1]
        return self

    def transform(self, X: Any) -> NDArray[np.float32]:
        """The features of images: N x D."""
        check_is_fitted(self)
        images = inputs.images(self, X, fitting=False)
        chunks = inputs.pixel_chunks(images, self.model_)
        return np.concatenate([self.model_.logits_and_embeddings(pixels_NHWC).embeddings_ND for pixels_NHWC in chunks])

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.three_d_array = True
        tags.input_tags.string = True
        tags.transformer_tags.preserves_dtype = []
        return tags
