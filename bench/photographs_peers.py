"""The other sides of `photographs.py`: each library's shortest script on the same files. Nothing of striate is imported.

    python bench/photographs_peers.py SIDE FOLDER WEIGHTS SEED THREADS

FOLDER has train, val and test, each a folder by class; WEIGHTS is a file of tf_efficientnet_lite0 with timm's names. The last
line of output is the number of correct test images, and of all.
"""

import json
import os
import sys
from pathlib import Path

FINE_TUNED, FROM_SCRATCH, KERAS_EPOCHS = 10, 20, 15


def with_fastai(folder: Path, weights: str | None, seed: int, threads: int) -> tuple[int, int]:
    """The quick start of fastai's documentation, with the network of timm; `fine_tune` begins with an epoch of the head."""
    import torch
    from fastai.vision.all import ImageDataLoaders, Resize, accuracy, get_image_files, set_seed, vision_learner

    torch.set_num_threads(threads)
    set_seed(seed)
    loaders = ImageDataLoaders.from_folder(folder, train="train", valid="val", item_tfms=Resize(224), num_workers=0)
    name, local = "tf_efficientnet_lite0", {} if weights is None else {"pretrained_cfg_overlay": {"file": weights}}
    learner = vision_learner(loaders, name, metrics=accuracy, pretrained=weights is not None, **local)
    with learner.no_bar():
        if weights is None:
            learner.fit_one_cycle(FROM_SCRATCH)
        else:
            learner.fine_tune(FINE_TUNED)
        test = loaders.test_dl(sorted(get_image_files(folder / "test")), with_labels=True)
        predicted, labels = learner.get_preds(dl=test)
    return int((predicted.argmax(1) == labels).sum()), len(labels)


def with_keras(folder: Path, seed: int, threads: int) -> tuple[int, int]:
    """The network of TensorFlow's tutorial of image classification, with its augmentation and dropout."""
    os.environ.setdefault("KERAS_BACKEND", "torch")
    import keras
    import numpy as np
    import torch
    from keras import layers

    torch.set_num_threads(threads)
    keras.utils.set_random_seed(seed)
    names = sorted(path.name for path in (folder / "train").iterdir())

    def part(name: str) -> tuple[np.ndarray, np.ndarray]:
        paths = sorted((folder / name).glob("*/*"))
        images = [keras.utils.img_to_array(keras.utils.load_img(path, target_size=(180, 180))) for path in paths]
        return np.stack(images), np.array([names.index(path.parent.name) for path in paths])

    model = keras.Sequential([
        layers.Input((180, 180, 3)), layers.RandomFlip("horizontal"), layers.RandomRotation(0.1), layers.RandomZoom(0.1),
        layers.Rescaling(1 / 255),
        layers.Conv2D(16, 3, padding="same", activation="relu"), layers.MaxPooling2D(),
        layers.Conv2D(32, 3, padding="same", activation="relu"), layers.MaxPooling2D(),
        layers.Conv2D(64, 3, padding="same", activation="relu"), layers.MaxPooling2D(),
        layers.Dropout(0.2), layers.Flatten(), layers.Dense(128, activation="relu"), layers.Dense(len(names)),
    ])  # fmt: skip
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(optimizer="adam", loss=loss, metrics=["accuracy"])
    model.fit(*part("train"), validation_data=part("val"), epochs=KERAS_EPOCHS, verbose=0)
    images, labels = part("test")
    return int((model.predict(images, verbose=0).argmax(1) == labels).sum()), len(labels)


def main() -> None:
    side, folder, weights, seed, threads = sys.argv[1], Path(sys.argv[2]), sys.argv[3], int(sys.argv[4]), int(sys.argv[5])
    if side == "keras-scratch":
        counts = with_keras(folder, seed, threads)
    else:
        counts = with_fastai(folder, None if side == "fastai-scratch" else weights, seed, threads)
    print(json.dumps(counts))


if __name__ == "__main__":
    main()
