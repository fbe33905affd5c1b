"""The training images of a run that look most like an image to its network.

Legend: B training images that are compared with, D features.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from striate.base.errors import DataError, SettingError
from striate.lab.models import Loaded
from striate.lab.views import Json

_NEAREST = 5  # as `striate inspect RUN IMAGE` shows


def neighbors(loaded: Loaded, pixels_HWC: NDArray[np.uint8]) -> Json:
    """`images`, the most similar first; `reason` where there are none: no run, or its images cannot be read."""
    if loaded.choice.kind != "run":
        return {"images": [], "reason": None}
    try:
        if "training images" not in loaded.known:
            loaded.known["training images"] = _training_images(loaded)
    except (DataError, SettingError) as error:
        return {"images": [], "reason": str(error)}
    from striate.interpret.nearest_images import nearest

    names, labels, features_BD, pixels_BHWC = loaded.known["training images"]
    near = nearest(loaded.model.logits_and_embeddings(pixels_HWC[None]).embeddings_ND, features_BD, _NEAREST)
    rows = zip(near.rows_Qk[0].tolist(), near.cosine_Qk[0].tolist(), strict=True)
    images = [{"path": names[b], "class": labels[b], "similarity": cosine, "pixels": pixels_BHWC[b]} for b, cosine in rows]
    return {"images": images, "reason": None}


def _training_images(loaded: Loaded) -> tuple[list[str], list[str], Any, Any]:
    """Names, labels, features and pixels of the training images that are compared with; of a network of its own."""
    from striate.base.events import quiet
    from striate.base.signals import catch_signals
    from striate.workflows.inspect.model_on_data import bank
    from striate.workflows.load_model import load_network
    from striate.workflows.open_run import images_of, open_run

    settings, _ = images_of(loaded.source, None)
    if settings is None:
        raise SettingError("This run names no images.")
    with catch_signals() as stop, open_run(settings, load_network(loaded.source), stop, quiet) as model_on_data:
        examples, stored = model_on_data.dataset.examples, model_on_data.dataset.stored
        train = bank(model_on_data)
        rows = train.rows_B.tolist()
        pixels_BHWC = np.array(stored.pixels_NHWC[train.rows_B])
        return [examples.names[row] for row in rows], [examples.label_of(row) for row in rows], train.features_BD, pixels_BHWC
