"""Projection of features to two dimensions: principal components, and t-SNE of these.

Legend: N images, D features.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from striate.base.errors import DataError

Features = NDArray[np.floating]

_KEPT = 50  # components that t-SNE is given, as its authors do (van der Maaten & Hinton 2008, section 4.1)
_FEWEST = 5


class Plane(NamedTuple):
    """N points."""

    points_N2: NDArray[np.float64]  # coordinates; of t-SNE only nearness has a meaning
    shares_2: tuple[float, float] | None  # of principal components: share of the variance along each; None for t-SNE
    perplexity: float | None  # of t-SNE; None for principal components


def principal(features_ND: Features) -> Plane:
    """The two directions in which the features of at least five images (DataError) spread most."""
    points_NK, shares_K = _components(features_ND, 2)
    return Plane(points_NK, (float(shares_K[0]), float(shares_K[1])), None)


def tsne(features_ND: Features, seed: int = 0) -> Plane:
    """t-distributed stochastic neighbor embedding (van der Maaten & Hinton 2008) of the first 50 components.

    The perplexity is 30, or a fourth of the images where that is less. DataError for fewer than five images.
    """
    from sklearn.manifold import TSNE

    points_NK, _ = _components(features_ND, _KEPT)
    if not np.ptp(points_NK):  # all images have the same features
        return Plane(np.zeros((len(points_NK), 2)), None, None)
    perplexity = min(30.0, len(points_NK) / 4)
    projector = TSNE(2, perplexity=perplexity, init="pca", learning_rate="auto", random_state=seed, n_jobs=1, max_iter=500)
    return Plane(np.asarray(projector.fit_transform(points_NK), np.float64), None, perplexity)


def _components(features_ND: Features, most: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    if len(features_ND) < _FEWEST:
        raise DataError(f"expected at least {_FEWEST} images to project; got {len(features_ND)}. Give more images.")
    centered_ND = np.asarray(features_ND, np.float64) - np.mean(features_ND, axis=0, dtype=np.float64)
    if centered_ND.shape[1] < 2:
        centered_ND = np.pad(centered_ND, ((0, 0), (0, 2 - centered_ND.shape[1])))
    left_NN, sizes, _ = np.linalg.svd(centered_ND, full_matrices=False)
    points_NK = (left_NN * sizes)[:, :most]
    points_NK *= np.where(points_NK[np.abs(points_NK).argmax(axis=0), np.arange(points_NK.shape[1])] < 0, -1.0, 1.0)
    return points_NK, sizes[:most] ** 2 / max(float((sizes**2).sum()), 1e-30)
