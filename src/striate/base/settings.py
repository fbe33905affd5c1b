"""The sections of a run's settings: each field is described once, here and in `learning`.

Legend: shares are of 1, sides in pixels, angles in degrees, times in minutes.
"""

from typing import Any, Literal, Self

from pydantic import Field, model_validator

from striate.base.train_settings import Finetune, Section, Train

INIT = Literal[
    "paper", "torch", "gaussian", "constant", "scaled", "glorot", "he", "sparse", "orthogonal", "zero-gamma", "whitening"
]


class Data(Section):
    """Where the labeled images are and how they are divided."""

    path: str = Field("", description="a folder, a table, or one of digits, mnist, fashion-mnist, cifar10")
    data_dir: str | None = Field(None, description="where named data sets lie; else $STRIATE_DATA, else the cache")
    image_column: str = Field("path", description="of a table: the column with the paths of the images")
    label_column: str = Field("label", description="of a table: the column with the classes")
    group_column: str | None = Field(None, description="of a table: images of one group (patient, video) stay together")
    split_column: str | None = Field(None, description="of a table: train, val or test for each image")
    val_share: float = Field(0.1, gt=0, lt=0.5, description="share of the training images held out to choose by")
    test_share: float | None = Field(None, gt=0, lt=0.8, description="share to test on, where no test part is given; 0.2")
    split_seed: int = Field(0, ge=0, description="another seed divides otherwise; runs compare only within one split")
    folds: int | None = Field(None, ge=2, le=20, description="test on every image once, by this many trainings")
    fold: int | None = Field(None, ge=0, description="the part that is the test set of this one training, from 0")
    background: tuple[int, int, int] = Field((255, 255, 255), description="color behind transparent pixels, 0..255")

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.fold is not None and (self.folds is None or self.fold >= self.folds):
            raise ValueError(f"fold must be below folds={self.folds}; got {self.fold}")
        if not all(0 <= level <= 255 for level in self.background):
            raise ValueError(f"background must be three levels from 0 to 255; got {list(self.background)}")
        if self.folds is not None:
            self._refuse(("test_share",), f"with folds={self.folds}: each fold tests on 1/{self.folds} of the images")
        return self


class PreprocessSettings(Section):
    """From files to numbers."""

    size_px: int | None = Field(None, ge=1, le=4096, description="side of the square that the net sees; else by rule")
    channels: Literal[1, 3] | None = Field(None, description="1 gray or 3 color; else by rule")
    resize_mode: Literal["crop", "pad", "squash"] | None = Field(None, description="how other shapes are made square; by rule")
    center: Literal["pixel", "image", "none"] | None = Field(
        None, description="subtract the mean pixel, mean image, nothing; else pixel, image where whitened"
    )
    scale: Literal["std", "std-image", "pca", "zca", "none"] = Field(
        "std", description="divide by the deviation of each channel or of each pixel; whiten by pca or zca; or neither"
    )
    components: int | None = Field(None, ge=1, description="of pca and zca: directions that are kept; else all")
    epsilon: float | None = Field(
        None, gt=0, description="added under the root of the variance of [0, 1]; else 1e-6, 1e-5 where whitened"
    )
    pixel_cache_gb: float | None = Field(
        None, ge=0, description="most GB of decoded pixels to keep, else 50 or half of what is free; above, epochs decode anew"
    )

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.scale == "none":
            self._refuse(("epsilon",), "with scale='none'")
        if self.scale not in ("pca", "zca"):
            self._refuse(("components",), f"with scale='{self.scale}'")
        elif self.center not in (None, "image"):
            raise ValueError(f"scale='{self.scale}' is around the mean image; got center='{self.center}'; leave center out")
        return self


class Augment(Section):
    """Random changes to the training images: each is a function of (seed, epoch, image)."""

    flip: bool | None = Field(None, description="mirror left and right with probability 1/2; else by rule")
    flip_vertical: bool = Field(False, description="mirror top and bottom with probability 1/2")
    shift: float = Field(0.0, ge=0, le=0.5, description="most shift in each direction, as a share of the side; whole pixels")
    rotate: float = Field(0.0, ge=0, le=180, description="most turn to either side, in degrees")
    shear: float = Field(0.0, ge=0, le=45, description="most shear to either side, in degrees")
    scale: float = Field(0.0, ge=0, le=2, description="0.2 scales by 1/1.2 to 1.2")
    perspective: float = Field(0.0, ge=0, le=0.9, description="corners move in by up to half of this share of the side")
    crop: float | None = Field(None, gt=0, le=1, description="a random part of at least this share of the area fills the net")
    border: Literal["mirror", "edge", "black"] = Field("mirror", description="what lies outside of the image")
    brightness: float = Field(0.0, ge=0, le=1, description="0.4 multiplies by 0.6 to 1.4")
    contrast: float = Field(0.0, ge=0, le=1, description="the same for the distance to the image's mean gray")
    saturation: float = Field(0.0, ge=0, le=1, description="the same for the distance to each pixel's gray")
    hue: float = Field(0.0, ge=0, le=0.5, description="most turn of the color circle, as a share of it")
    pca_noise: float = Field(0.0, ge=0, le=1, description="AlexNet's color noise: deviation of its factors, there 0.1")
    gray: float = Field(0.0, ge=0, le=1, description="probability of a gray image")
    posterize: int = Field(0, ge=0, le=7, description="most bits of the 8 of a level that are taken away")
    solarize: float = Field(0.0, ge=0, le=1, description="most of the range of levels that is inverted, the bright end first")
    equalize: float = Field(0.0, ge=0, le=1, description="probability that each channel's levels are spread evenly")
    autocontrast: float = Field(0.0, ge=0, le=1, description="probability that each channel is stretched from black to white")
    policy: Literal["randaugment", "trivialaugment"] | None = Field(
        None, description="drawn changes besides: a few of one strength, or one of any strength"
    )
    policy_ops: int | None = Field(None, ge=1, le=14, description="of randaugment: changes to each image; else 2")
    policy_magnitude: int | None = Field(None, ge=0, le=30, description="of randaugment: strength of each, 0 to 30; else 9")
    random_erasing: float = Field(0.0, ge=0, le=1, description="probability of a rectangle of mean color")
    mixup: float = Field(0.0, ge=0, le=1, description="lay the next image over each; Beta's parameter, 0.2 is usual")
    cutmix: float = Field(0.0, ge=0, le=1, description="put a square of the next image into each; Beta's parameter, 1 is usual")

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.policy != "randaugment":
            because = f"with policy='{self.policy}'" if self.policy else "without policy='randaugment'"
            self._refuse(("policy_ops", "policy_magnitude"), because)
        return self


class NetSettings(Section):
    """The network."""

    name: str | None = Field(None, description="a name of `striate nets`, a line of layers, or file.py:Class; by rule")
    dropout: float | None = Field(None, ge=0, lt=1, description="probability that a unit is dropped; else the net's own")
    activation: str | None = Field(None, description="relu, tanh, elu and more of striate.nets.blocks; else the net's own")
    pooling: Literal["max", "average"] | None = Field(None, description="of the pools; else the net's own")
    shortcut: Literal["A", "B", "C"] | None = Field(None, description="of residual blocks; else the net's own")
    v1: bool | None = Field(None, description="of bottlenecks: stride in the first 1x1, as in the paper; else in the 3x3")
    output: Literal["rbf", "linear"] | None = Field(None, description="of lenet5; else rbf for 10 classes")
    aux: bool | None = Field(None, description="auxiliary heads in training, of googlenet; else yes")
    feature_layer: str | None = Field(
        None, description="layer that the classes are read off, as conv3; else the last before the head"
    )
    unit_features: bool | None = Field(None, description="divide what the head is given by its length; else no")
    knn_memory: int | None = Field(None, ge=1, description="images that a head of nearest neighbors keeps, of finetune")
    knn_k: int | None = Field(None, ge=1, description="how many of these it asks, of finetune")
    init: INIT = Field("paper", description="how weights begin: a scheme of striate.nets.init")
    init_bias: float | None = Field(None, description="what biases begin with; else 0; 0.01 is usual for rectifiers")
    sparse_inputs: int | None = Field(None, ge=1, description="of init=sparse: weights of a unit that are not 0; else 15")

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
        given = {"init": self.init, "init_bias": self.init_bias, "sparse_inputs": self.sparse_inputs}
        return {name: value for name, value in given.items() if value is not None}

    def own(self) -> dict[str, Any]:
        """The settings that belong to one network or another: what `nets.factory.build` takes by keyword."""
        names = (
            "dropout", "activation", "pooling", "shortcut", "v1", "output", "aux", "feature_layer", "unit_features",
            "knn_memory", "knn_k",
        )  # fmt: skip
        return {name: getattr(self, name) for name in names if getattr(self, name) is not None}


class Engine(Section):
    """The machine; `auto` is explained in the output of every run."""

    device: str = Field("auto", description="auto, cpu, cuda, cuda:1, mps")
    precision: Literal["auto", "fp32", "bf16"] = Field("auto", description="of the products; weights are always fp32")
    channels_last: Literal["auto", "on", "off"] = Field("auto", description="memory order of images and filters")
    threads: int | None = Field(None, ge=1, description="CPU threads; else $OMP_NUM_THREADS, else one a core")
    workers: int | None = Field(None, ge=1, le=64, description="processes that decode images; else one a core, at most 8")


class Run(Section):
    """Everything that a run depends on, besides the images."""

    seed: int = Field(0, ge=0, lt=2**63, description="of initialization, order and dropout")
    recipe: str | None = Field(None, description="the recipe that the settings started from")
    data: Data = Data()
    preprocess: PreprocessSettings = PreprocessSettings()
    augment: Augment = Augment()
    net: NetSettings = NetSettings()
    train: Train = Train()
    finetune: Finetune = Finetune()
    engine: Engine = Engine()

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.finetune.weights is None and self.net.knn_memory is not None:
            raise ValueError(
                "net.knn_memory and net.knn_k belong to a classifier that is fitted and not trained: leave them out, or "
                "write `striate finetune DATA --from NAME --classifier knn`"
            )
        return self
