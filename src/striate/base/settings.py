"""The sections of a run's settings: each field is described once, here and in `train_settings`.

Legend: shares are of 1, sides in pixels, angles in degrees, times in minutes.
"""

import re
from typing import Any, Literal, Self

from pydantic import field_validator, model_validator

from striate.base import addresses, several_labels
from striate.base.train_settings import Finetune, Section, Train, field

INIT = Literal[
    "paper", "torch", "gaussian", "constant", "scaled", "glorot", "he", "sparse", "orthogonal", "zero-gamma", "whitening"
]


_BURSTS = re.compile(r"exif:(burst|\d{1,6}(\.\d{1,3})?)")


def _refuse_expression(name: str, value: str, others: str) -> None:
    """Refuse what is not `name:` and a regular expression with one group."""
    kind, _, expression = value.partition(":")
    try:
        groups = re.compile(expression).groups if kind == "name" and len(expression) <= 200 else 0
    except re.error as error:
        raise ValueError(f"{name} is no regular expression: {error}; got {value!r}") from None
    if groups != 1:
        raise ValueError(
            f"{name} must be {others} name: and a regular expression with one group in at most 200 letters, as "
            f"name:(.+)_[0-9]; got {value!r}"
        )


class Data(Section):
    """Where the labeled images are and how they are divided."""

    path: str = field(
        "", "a folder, a table, the address of shards, hf: and a data set of Hugging Face, or a name: digits, mnist, "
        "fashion-mnist, cifar10",
    )  # fmt: skip
    data_dir: str | None = field(None, "folder of named data sets; else $STRIATE_DATA, else the cache")
    image_column: str | None = field(
        None, "of a table: the column with the paths of the images; else path, or another that is evident"
    )
    multi_label: bool | None = field(
        None,
        "of a table: an image has several labels or none, in one cell as cat|dog, or in columns of 0 and 1, one for each; off",
    )
    label_separator: str | None = field(
        None, "of several labels in a cell: what is between them; else |, ; or a comma, the first of these that is in a cell",
        min_length=1, max_length=10,
    )  # fmt: skip
    label_column: str | None = field(None, "of a table: the column with the classes; else label, or another that is evident")
    group: str | None = field(
        None,
        "images of one group (patient, video) stay in one part of the split: a column of a table; name:EXPRESSION, what the "
        "one group of a regular expression is in the file's name, as name:(.+)_[0-9]+; parent, the folder that a file lies in; "
        "or exif:burst, photographs of one camera, each at most 3 s from another, as exif:60 for 60 s; off",
    )
    split_column: str | None = field(
        None, "of a table: train, val or test for each image; empty for none; else a column split or the like"
    )
    table_encoding: str | None = field(None, "of a CSV table: its encoding, as gb18030; else UTF-8, UTF-16 or cp1252, as it is")
    missing_labels: tuple[str, ...] = field(
        ("nan", "NaN", "NAN", "<NA>", "NaT", "None", "null", "NULL", "NA", "N/A", "#N/A"),
        "of a table: labels that mean no label, as the empty one always does",
    )
    labels_from: str | None = field(
        None,
        "of a folder: parent, the folder that each file lies in, at any depth; top, the folders at the top; or "
        "name:EXPRESSION, what the one group of a regular expression is in the file's name, as name:(.+)_[0-9]; else by rule",
    )
    follow_links: bool = field(False, "of a folder: follow links that lead out of it")
    relabel: str | None = field(
        None, "a table with the columns path and new_label (or label): other labels for some images; off; changes no file"
    )
    exclude: str | None = field(
        None, "images to leave out: a table with the column path, or a path in each line; off; changes no file"
    )
    val_share: float = field(0.1, "share of the training images held out for validation", gt=0, lt=0.5)
    test_share: float | None = field(
        None, "share of the images held out for testing, 0 for none, where the data has no test part; else 0.2", ge=0, lt=0.8
    )
    score_test: bool = field(True, "false: the test images are held out, but not scored, as in the trials of `striate tune`")
    split_seed: int = field(0, "seed of the split; runs are comparable only on the same split", ge=0)
    near_duplicates: bool = field(
        True, "images that are nearly equal stay in one part of a split that is made, and are reported of one that is given"
    )
    folds: int | None = field(None, "number of cross-validation folds, each one training; off", ge=2, le=20)
    fold: int | None = field(None, "train only this fold, from 0", ge=0)
    background: tuple[int, int, int] = field((255, 255, 255), "color behind transparent pixels, 0..255")
    white_level: float | None = field(
        None, "of gray images of more than 8 bits: the value that is white, 4095 for 12 bits; else 65535, of floats 1 or 255",
        gt=0,
    )  # fmt: skip

    @property
    def group_column(self) -> str | None:
        """The column of a table that `group` names; None where it is not a column."""
        return None if self.group is None or self.group.startswith(("name:", "exif:")) else self.group

    @field_validator("path")
    @classmethod
    def _without_secrets(cls, path: str) -> str:
        return addresses.take(path)

    @model_validator(mode="after")
    def _check(self) -> Self:
        if not self.multi_label:
            self._refuse(("label_separator",), "without multi_label=true")
        if self.multi_label:
            self._refuse(("relabel",), "with multi_label=true, since it gives an image one label")
        if self.fold is not None and (self.folds is None or self.fold >= self.folds):
            raise ValueError(f"fold must be below folds={self.folds}; got {self.fold}")
        if not all(0 <= level <= 255 for level in self.background):
            raise ValueError(f"background must be three levels from 0 to 255; got {list(self.background)}")
        if self.labels_from not in (None, "parent", "top"):
            _refuse_expression("labels_from", str(self.labels_from), "parent, top, or")
        if self.group is not None and self.group.startswith("name:"):
            _refuse_expression("group", self.group, "a column, parent, exif:burst, or")
        if self.group is not None and self.group.startswith("exif:") and not _BURSTS.fullmatch(self.group):
            raise ValueError(f"group must be exif:burst, or exif: and a number of seconds, as exif:60; got {self.group!r}")
        if self.table_encoding is not None:
            try:
                "".encode(self.table_encoding)
            except LookupError:
                raise ValueError(f"table_encoding must be one that Python knows; got {self.table_encoding!r}") from None
        if self.folds is not None:
            self._refuse(("test_share",), f"with folds={self.folds}: each fold tests on 1/{self.folds} of the images")
            if not self.score_test:
                raise ValueError(
                    f"score_test=false does not apply with folds={self.folds}, whose tests are the score; remove one"
                )
        if self.val_share + (self.test_share or 0) >= 1:
            raise ValueError(
                f"val_share and test_share must be below 1 together, so that images are left to train on; got "
                f"{self.val_share:g} and {self.test_share:g}"
            )
        return self


class PreprocessSettings(Section):
    """From image files to the network's input."""

    size_px: int | None = field(None, "side of the square input in pixels; else by rule", ge=1, le=4096)
    channels: Literal[1, 3] | None = field(None, "1 gray or 3 color; else by rule")
    resize_mode: Literal["crop", "pad", "squash"] | None = field(
        None, "how images that are not square are made square; else by rule"
    )
    crop_share: float | None = field(
        None,
        "of resize_mode=crop: the share of the short side that is kept; else all, or as the pretrained weights have it",
        gt=0,
        le=1,
    )
    interpolation: Literal["bilinear", "bicubic"] | None = field(
        None, "how images are resized; else bilinear, or as the pretrained weights have it"
    )
    center: Literal["pixel", "image", "none"] | None = field(
        None, "subtract the mean pixel, the mean image, or nothing; else pixel, or image where whitened"
    )
    scale: Literal["std", "std-image", "pca", "zca", "none"] = field(
        "std", "divide by the standard deviation per channel (std) or pixel (std-image), whiten by pca or zca, or nothing"
    )
    components: int | None = field(None, "of pca and zca: number of principal components; else all", ge=1)
    epsilon: float | None = field(None, "added to the variance, of values in [0, 1]; else 1e-6, or 1e-5 where whitened", gt=0)
    pixel_cache_gb: float | None = field(
        None, "most GB of decoded pixels to cache, else 50 or half of the free space; above, each epoch decodes again", ge=0
    )

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.resize_mode in ("pad", "squash"):
            self._refuse(("crop_share",), f"with resize_mode='{self.resize_mode}', which shows the whole image")
        if self.scale == "none":
            self._refuse(("epsilon",), "with scale='none'")
        if self.scale not in ("pca", "zca"):
            self._refuse(("components",), f"with scale='{self.scale}'")
        elif self.center not in (None, "image"):
            raise ValueError(f"scale='{self.scale}' is around the mean image; got center='{self.center}'; leave center out")
        return self


class Augment(Section):
    """Random changes to the training images: each is a function of (seed, epoch, image)."""

    flip: bool | None = field(None, "horizontal flip with probability 1/2; else by rule")
    flip_alternate: bool = field(
        False, "of flip: mirror each image in every second epoch; by chance only whether in the first (alternating flip)"
    )
    flip_vertical: bool = field(False, "vertical flip with probability 1/2")
    shift: float = field(0.0, "largest shift in each direction, as a share of the side, in whole pixels", ge=0, le=0.5)
    rotate: float = field(0.0, "largest rotation to either side, in degrees", ge=0, le=180)
    shear: float = field(0.0, "largest shear to either side, in degrees", ge=0, le=45)
    scale: float = field(0.0, "random scale: 0.2 scales by 1/1.2 to 1.2", ge=0, le=2)
    perspective: float = field(
        0.0, "random perspective: corners move inward by up to half of this share of the side", ge=0, le=0.9
    )
    crop: float | None = field(None, "random resized crop of at least this share of the area; off", gt=0, le=1)
    border: Literal["mirror", "edge", "black"] = field("mirror", "fill for pixels outside of the image")
    brightness: float = field(0.0, "brightness factor: 0.4 multiplies by 0.6 to 1.4", ge=0, le=1)
    contrast: float = field(0.0, "contrast factor: the same for the difference from the image's mean gray", ge=0, le=1)
    saturation: float = field(0.0, "saturation factor: the same for the difference from each pixel's gray", ge=0, le=1)
    hue: float = field(0.0, "largest hue shift, as a share of the color circle", ge=0, le=0.5)
    pca_noise: float = field(0.0, "AlexNet's PCA color noise: standard deviation of its factors, 0.1 in the paper", ge=0, le=1)
    gray: float = field(0.0, "probability of conversion to gray", ge=0, le=1)
    posterize: int = field(0, "largest number of the 8 bits of a level that are removed", ge=0, le=7)
    solarize: float = field(0.0, "largest share of the range of levels that is inverted, from the bright end", ge=0, le=1)
    equalize: float = field(0.0, "probability of histogram equalization of each channel", ge=0, le=1)
    autocontrast: float = field(0.0, "probability that each channel is stretched from black to white", ge=0, le=1)
    policy: Literal["randaugment", "trivialaugment"] | None = field(
        None, "also apply a random policy: RandAugment, or TrivialAugment; off"
    )
    policy_ops: int | None = field(None, "of randaugment: operations per image; else 2", ge=1, le=14)
    policy_magnitude: int | None = field(None, "of randaugment: magnitude of each, 0 to 30; else 9", ge=0, le=30)
    random_erasing: float = field(0.0, "probability that a random rectangle is erased to the mean color", ge=0, le=1)
    mixup: float = field(0.0, "mixup with the next image: parameter of the Beta distribution, 0.2 is usual", ge=0, le=1)
    cutmix: float = field(0.0, "CutMix with the next image: parameter of the Beta distribution, 1 is usual", ge=0, le=1)

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.policy != "randaugment":
            because = f"with policy='{self.policy}'" if self.policy else "without policy='randaugment'"
            self._refuse(("policy_ops", "policy_magnitude"), because)
        if self.flip is False and self.flip_alternate:
            self._refuse(("flip_alternate",), "with flip=false")
        return self


class NetSettings(Section):
    """The network."""

    name: str | None = field(None, "a name of `striate nets`, a line of layers, or file.py:Class; else by rule")
    dropout: float | None = field(None, "dropout probability; else the network's own", ge=0, lt=1)
    activation: str | None = field(
        None, "activation function: relu, tanh, elu and more of striate.nets.blocks; else the network's own"
    )
    pooling: Literal["max", "average"] | None = field(None, "kind of pooling; else the network's own")
    shortcut: Literal["A", "B", "C"] | None = field(None, "shortcut type of residual blocks; else the network's own")
    v1: bool | None = field(None, "of bottlenecks: stride in the first 1x1 convolution, as in the paper; else in the 3x3")
    output: Literal["rbf", "linear"] | None = field(None, "output layer of lenet5; else rbf for 10 classes")
    views: Literal[1, 2, 6] | None = field(
        None, "of airbench94: views of an image whose logits are averaged at inference, 2 with its mirror, 6 also moved; else 1"
    )
    aux: bool | None = field(None, "of googlenet: auxiliary heads in training; else true")
    feature_layer: str | None = field(
        None, "layer whose output the classifier uses, as conv3, or the means of several, as conv3+conv5; else the head's input"
    )
    unit_features: bool | None = field(None, "divide the features by their L2 norm; else false")
    knn_memory: int | None = field(None, "of a k-nearest-neighbors head from finetune: number of stored images", ge=1)
    knn_k: int | None = field(None, "of a k-nearest-neighbors head from finetune: number of neighbors", ge=1)
    init: INIT = field("paper", "initialization of the weights: a scheme of striate.nets.init")
    init_bias: float | None = field(None, "initial bias; else 0; 0.01 is usual for ReLU")
    sparse_inputs: int | None = field(None, "of init=sparse: nonzero weights per unit; else 15", ge=1)

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.init in ("paper", "torch", "zero-gamma", "whitening"):
            self._refuse(("init_bias",), f"with init='{self.init}', which has biases of its own")
        if self.init != "sparse":
            self._refuse(("sparse_inputs",), f"with init='{self.init}'")
        if (self.knn_memory or 0) < (self.knn_k or 0) or (self.knn_memory is None) != (self.knn_k is None):
            raise ValueError(
                f"knn_memory and knn_k come together, the first at least as large; got {self.knn_memory} and {self.knn_k}"
            )
        return self

    def start(self) -> dict[str, Any]:
        """How the weights begin: what `nets.factory.build` takes by keyword, without what it takes by default."""
        return self.model_dump(include={"init", "init_bias", "sparse_inputs"}, exclude_none=True)

    def own(self) -> dict[str, Any]:
        """The settings that belong to one network or another: what `nets.factory.build` takes by keyword."""
        return self.model_dump(exclude={"name", "init", "init_bias", "sparse_inputs"}, exclude_none=True)


class Engine(Section):
    """The machine; every run logs what `auto` chose."""

    device: str = field("auto", "device to compute on: auto, cpu, cuda, cuda:1, mps")
    precision: Literal["auto", "fp32", "bf16"] = field(
        "auto", "precision of convolutions and matrix products in training; auto is bf16 where CPU or GPU have it"
    )
    channels_last: Literal["auto", "on", "off"] = field("auto", "channels-last memory format")
    threads: int | None = field(None, "CPU threads; else $OMP_NUM_THREADS, else one per core", ge=1, le=1024)
    sync_batchnorm: bool = field(
        True, "of several processes that train: batch norm over the images of all of them, as one process has it"
    )
    workers: int | None = field(None, "processes that decode images; else one per core, at most 8", ge=1, le=64)


class Run(Section):
    """Everything that a run depends on, besides the images."""

    seed: int = field(0, "seed of initialization, order, augmentation and dropout", ge=0, lt=2**63)
    recipe: str | None = field(None, "the recipe that the settings started from")
    tensorboard: bool = field(False, "log epochs, weights and filters for TensorBoard in RUN/tensorboard; needs striate[log]")
    unknown_rate: float = field(
        0.05, "share of images like those of the training that may be flagged as unknown; 0 for no flag", ge=0, lt=1
    )
    data: Data = Data()
    preprocess: PreprocessSettings = PreprocessSettings()
    augment: Augment = Augment()
    net: NetSettings = NetSettings()
    train: Train = Train()
    finetune: Finetune = Finetune()
    engine: Engine = Engine()

    @model_validator(mode="after")
    def _check(self) -> Self:
        several_labels.check(self)
        if self.net.views in (2, 6) and self.augment.flip is False:
            raise ValueError(f"net.views={self.net.views} shows mirror images, which augment.flip=false excludes; remove one")
        if self.finetune.weights is None and self.net.knn_memory is not None:
            raise ValueError(
                "net.knn_memory and net.knn_k belong to a classifier that is fitted and not trained: leave them out, or "
                "write `striate finetune DATA --from NAME --classifier knn`"
            )
        return self
