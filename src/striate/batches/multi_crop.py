"""Several crops of one image, whose probabilities are averaged: five or ten crops (Krizhevsky et al. 2012, section 4.1).

The image is brought to a square that is larger by 8/7, as AlexNet's 256 pixels are than its 224; crops are its four corners
and its center, and of ten also their mirror images. One crop is the image as in training.

Legend: V crops, N images, K classes, H x W pixels, C channels.
"""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from striate.base.errors import SettingError
from striate.data.decode import InputSpec

NUMBERS = (1, 5, 10)


def check(crops: int, mirrored: bool | None) -> None:
    """Refuse a number of crops other than 1, 5 and 10, or 10 for a model trained without mirrored images (`mirrored`)."""
    if crops not in NUMBERS:
        raise SettingError(f"expected 1, 5 or 10 crops: the image, five crops, or those and their mirrors; got {crops}.")
    if crops == 10 and mirrored is False:
        raise SettingError(
            "half of 10 crops are mirror images, and this model was trained without any (augment.flip=false); ask for 5 crops."
        )


def decode_spec(own: InputSpec, crops: int) -> InputSpec:
    """What images are brought to for so many crops: the model's own size, or one with sides larger by 8/7, rounded.

    Where the model's input_spec keeps a part of the short side only, as much more of it is kept, up to all.
    """
    if crops == 1:
        return own
    return own._replace(size_px=round(own.size_px * 8 / 7), share=min(1.0, own.share * 8 / 7))


def cut(pixels_NHWC: NDArray[np.uint8], size_px: int, crops: int) -> Iterator[NDArray[np.uint8]]:
    """V times N x size_px x size_px x C: top left, top right, bottom left, bottom right, center; then their mirror images."""
    if crops == 1:
        yield pixels_NHWC
        return
    far = pixels_NHWC.shape[1] - size_px
    for mirror in range(crops // 5):
        for top, left in ((0, 0), (0, far), (far, 0), (far, far), (far // 2, far // 2)):
            crop_NHWC = pixels_NHWC[:, top : top + size_px, left : left + size_px]
            yield crop_NHWC[:, :, ::-1] if mirror else crop_NHWC


def mean_logits(logits_VNK: NDArray[np.float32], temperature: float = 1.0) -> NDArray[np.float32]:
    """N x K logits of which softmax, at this temperature, gives the mean of the crops' probabilities; of one crop its own."""
    if len(logits_VNK) == 1:
        own_NK: NDArray[np.float32] = logits_VNK[0]
        return own_NK
    logits = logits_VNK.astype(np.float64) / temperature
    logs = logits - np.logaddexp.reduce(logits, axis=2, keepdims=True)
    mean_NK: NDArray[np.float64] = np.logaddexp.reduce(logs, axis=0) - np.log(len(logs))
    return (temperature * mean_NK).astype(np.float32)
