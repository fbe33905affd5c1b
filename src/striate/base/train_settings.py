"""The settings of training and fine-tuning, and the base class of every section.

Legend: shares are of 1, times in minutes.
"""

from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator


def field(default: Any, description: str, **limits: Any) -> Any:
    """A setting: its default, what help and documentation say of it, and the limits of pydantic's `Field`."""
    return Field(default, description=description, **limits)


class Section(BaseModel):
    """A frozen group of settings."""

    # What checks it is built when it is first used, which no command needs that has no settings
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, defer_build=True)

    def _refuse(self, fields: tuple[str, ...], because: str) -> None:
        """Refuse the first of `fields` that was given and has a value, since it would do nothing."""
        for name in fields:
            if name in self.model_fields_set and getattr(self, name) is not None:
                raise ValueError(f"{name} does not apply {because}; remove it")


LOSS = Literal["cross-entropy", "weston-watkins", "crammer-singer", "binary-cross-entropy", "asymmetric"]
MUON_LR = 0.1  # of the kernels that muon-adamw takes by muon
_MUON = ("muon", "muon-adamw")
OF_SEVERAL_LABELS = ("binary-cross-entropy", "asymmetric")


class Train(Section):
    """The optimization."""

    epochs: int | None = field(None, "passes over the training images; else by rule", ge=1)
    steps: int | None = field(None, "optimizer steps to train for, instead of epochs", ge=1)
    minutes: float | None = field(
        None,
        "minutes of the whole command, report included, instead of epochs; 20 steps are timed to fix the number of steps",
        gt=0,
    )
    batch_size: int = field(64, "largest number of images in a batch; an epoch is divided into equal batches", ge=1)
    grad_accum_steps: int = field(1, "accumulate gradients over this many parts of each batch, to save memory", ge=1)
    optimizer: Literal["sgd", "adam", "adamw", "muon", "muon-adamw"] = field(
        "adamw",
        "optimization algorithm; muon keeps the norm of the weights of hidden layers, and trains the rest by sgd; muon-adamw "
        "takes the kernels of convolutions but the first by muon, and the rest by adamw",
    )
    lr: float = field(3e-3, "peak learning rate of the schedule", gt=0)
    muon_lr: float | None = field(
        None, f"of muon-adamw: peak learning rate of the kernels that muon takes, by the same schedule; else {MUON_LR}", gt=0
    )
    lr_batch_size: int | None = field(
        None, "batch size that lr is for: larger or smaller batches scale it in proportion, with a warm-up; off", ge=1
    )
    layer_decay: float | None = field(
        None, "learning rate of each layer as a fraction of the next layer's; the last layer has the full rate", gt=0, le=1
    )
    lr_multipliers: dict[str, Annotated[float, Field(ge=0)]] | None = field(
        None, "factors of the learning rate by layer or parameter, as lr_multipliers.fc2=10; 0 freezes"
    )
    bias_multiplier: float | None = field(None, "factor of the learning rate of all biases, those of norms too; else 1", gt=0)
    momentum: float | None = field(None, "of sgd, muon and muon-adamw; else 0.9 for sgd and 0.6 for the others", ge=0, lt=1)
    nesterov: bool | None = field(None, "of sgd: Nesterov momentum; else false")
    betas: tuple[float, float] | None = field(None, "of adam, adamw and muon-adamw; else (0.9, 0.999)")
    weight_decay: float = field(
        0.01,
        "weight decay: decoupled for adamw, added to the gradient for sgd and adam; muon: of biases and the last layer; "
        "muon-adamw: of what adamw takes",
        ge=0,
    )
    schedule: Literal["constant", "step", "linear", "cosine", "one-cycle"] = field("one-cycle", "learning-rate schedule")
    warmup: float | None = field(
        None, "share of the steps in which the learning rate rises; else 0.3 for one-cycle and 0 for the others", ge=0, lt=1
    )
    step_every: float | None = field(None, "of step: share of the steps between two drops; else 1/3", gt=0, lt=1)
    step_factor: float | None = field(None, "of step: factor of the learning rate at each drop; else 0.1", gt=0, lt=1)
    loss: LOSS = field(
        "cross-entropy",
        "cross-entropy, or a multi-class hinge loss: the sum over classes or the largest violation; of several labels an image "
        "binary-cross-entropy, which is their default, or asymmetric",
    )
    label_smoothing: float | None = field(
        None, "of cross-entropy: share of the target distributed over all classes; else 0.05", ge=0, lt=1
    )
    focal: float | None = field(
        None, "of cross-entropy: gamma of the focal loss, which gives easy images less weight; off", gt=0, le=10
    )
    margin: float | None = field(None, "of the hinge losses: the margin; else 1", gt=0)
    squared: bool | None = field(None, "of the hinge losses: square them; else false")
    gamma_positive: float | None = field(
        None,
        "of asymmetric: exponent by which labels that an image has weigh less where they are probable; else 0",
        ge=0,
        le=10,
    )
    gamma_negative: float | None = field(
        None, "of asymmetric: exponent by which labels that it does not have weigh less where improbable; else 4", ge=0, le=10
    )
    shift: float | None = field(
        None, "of asymmetric: probability below which a label that an image does not have costs nothing; else 0.05", ge=0, lt=1
    )
    l1: float = field(0.0, "weight penalty l1 * sum of |w| in the loss", ge=0)
    l1_by: Literal["proximal", "subgradient"] | None = field(
        None, "of l1: how it is applied; else proximal, which makes exact zeros"
    )
    l2: float = field(0.0, "weight penalty l2 * sum of w^2 in the loss, apart from weight_decay", ge=0)
    max_norm: float | None = field(None, "largest norm of a unit's incoming weights; 3 to 4 is usual; off", gt=0)
    class_weights: Literal["none", "balanced"] = field(
        "none", "balanced: weight the loss of each class inversely to its frequency"
    )
    sampling: Literal["each-once", "balanced"] = field(
        "each-once", "balanced: oversample rare classes until every class has as many images as the largest"
    )
    ema_decay: float | None = field(
        None, "decay of the exponential moving average of the weights that is evaluated and saved; off", gt=0, lt=1
    )
    clip_grad_norm: float | None = field(None, "clip the gradient to this norm; off", gt=0)
    keep: Literal["best", "last"] = field("best", "weights to keep: those of the best epoch on validation, or the last")
    patience: int | None = field(None, "stop after this many epochs without a better validation score; off", ge=1)
    early_stop: bool = field(
        False, "stop once every validation image is right and nothing gets better; on where the epochs are chosen by rule"
    )
    checkpoint_minutes: float = field(10.0, "most minutes between two checkpoints; each epoch also ends with one", gt=0)

    @field_validator("lr_multipliers", mode="before")
    @classmethod
    def _join_names(cls, value: Any) -> Any:
        """Names with dots, which TOML takes for groups within groups, as one name each."""
        return _flatten(value) if isinstance(value, Mapping) else value

    @model_validator(mode="after")
    def _check(self) -> Self:
        lengths = [name for name in ("epochs", "steps", "minutes") if getattr(self, name) is not None]
        if len(lengths) > 1:
            raise ValueError(f"expected one of epochs, steps and minutes; got {' and '.join(lengths)}; remove one")
        if self.optimizer in ("sgd", "muon"):
            self._refuse(("betas",), f"with optimizer='{self.optimizer}'")
        if self.optimizer in ("adam", "adamw"):
            self._refuse(("momentum",), f"with optimizer='{self.optimizer}'")
        if self.optimizer != "muon-adamw":
            self._refuse(("muon_lr",), f"with optimizer='{self.optimizer}'")
        if self.optimizer != "sgd":
            self._refuse(("nesterov",), f"with optimizer='{self.optimizer}'")
        if self.optimizer in _MUON:
            for name in ("l1", "l2", "max_norm"):
                if getattr(self, name):
                    self._refuse((name,), f"with optimizer='{self.optimizer}', which keeps the norm of the weights")
        if self.keep == "last":
            self._refuse(("patience",), "with keep='last'")
            if self.early_stop:
                self._refuse(("early_stop",), "with keep='last'")
        if self.nesterov and self.momentum == 0:
            raise ValueError("nesterov needs momentum above 0; set momentum=0.9")
        if self.schedule != "step":
            self._refuse(("step_every", "step_factor"), f"with schedule='{self.schedule}'")
        if self.betas is not None and not all(0 <= beta < 1 for beta in self.betas):
            raise ValueError(f"betas must be two numbers from 0 to below 1; got {list(self.betas)}")
        for losses, fields in (
            (("cross-entropy",), ("label_smoothing", "focal")), (("weston-watkins", "crammer-singer"), ("margin", "squared")),
            (("asymmetric",), ("gamma_positive", "gamma_negative", "shift")),
        ):  # fmt: skip
            if self.loss not in losses:
                self._refuse(fields, f"with loss='{self.loss}'")
        if not self.l1:
            self._refuse(("l1_by",), "without l1")
        if self.class_weights == self.sampling == "balanced":
            raise ValueError("class_weights and sampling are both balanced, which would count rare classes twice; remove one")
        if self.grad_accum_steps > self.batch_size:
            raise ValueError(
                f"grad_accum_steps={self.grad_accum_steps} parts need batch_size of at least as many; got {self.batch_size}"
            )
        return self


STRATEGY = Literal["extract", "adapt", "retrain", "scratch"]


class Finetune(Section):
    """Training from pretrained weights."""

    weights: str | None = field(
        None, "pretrained weights: NET@WEIGHTS, a run, or a model's folder; without it nothing is fine-tuned"
    )
    strategies: tuple[STRATEGY, ...] | None = field(None, "strategies to compare; else extract", min_length=1)
    minutes: float | None = field(None, "most minutes of the whole command, report included", gt=0)
    per_class: tuple[Annotated[int, Field(ge=1)], ...] | None = field(
        None, "numbers of training images per class, for learning curves; all strategies run with each", min_length=1
    )
    layers: tuple[str, ...] | None = field(None, "of extract: layers to compare as features; else the input of the head")
    classifier: Literal["svm", "logistic", "knn"] | None = field(None, "of extract: classifier on the features; else svm")
    normalize: Literal["standardize", "l2"] | None = field(None, "of extract: how features are scaled; else standardize")
    augmented_copies: int | None = field(
        None, "of adapt: augmented copies of each image; else 2, or 1 unchanged without augmentation", ge=1, le=100
    )
    freeze_batchnorm: bool | None = field(None, "of retrain: keep the parameters and statistics of batch norms; else true")
    unfreeze: Literal["at-once", "gradual"] | None = field(
        None, "of retrain: train all layers from the start, or unfreeze them from the last to the first; else at-once"
    )
    adapt: Train | None = field(None, "settings of [train] for the new head; else by rule")
    retrain: Train | None = field(None, "settings of [train] for all weights; else by rule")
    scratch: Train | None = field(None, "settings of [train] for the control; else by rule")

    @model_validator(mode="after")
    def _check(self) -> Self:
        names = self.strategies or ("extract",)
        if self.weights is None:
            self._refuse(tuple(name for name in type(self).model_fields if name != "weights"), "without finetune.weights")
        if len(set(names)) < len(names):
            raise ValueError(f"strategies: expected each once; got {', '.join(names)}")
        if self.per_class and list(self.per_class) != sorted(set(self.per_class)):
            raise ValueError(f"per_class: expected rising numbers, as 5, 10, 20; got {', '.join(map(str, self.per_class))}")
        if "extract" not in names:
            self._refuse(("layers", "classifier", "normalize"), "without the strategy extract")
        if not {"adapt", "retrain"} & {*names}:  # retrain begins with an adapted head
            self._refuse(("augmented_copies", "adapt"), "without the strategies adapt and retrain")
        for name, fields in (("retrain", ("freeze_batchnorm", "unfreeze", "retrain")), ("scratch", ("scratch",))):
            if name not in names:
                self._refuse(fields, f"without the strategy {name}")
        for name in {part.optimizer for part in (self.adapt, self.retrain) if part} & {*_MUON}:
            raise ValueError(
                f"adapt and retrain: optimizer='{name}' does not apply to pretrained weights, whose size it changes; "
                "expected sgd, adam or adamw"
            )
        if self.adapt and (self.adapt.sampling != "each-once" or self.adapt.lr_multipliers or self.adapt.layer_decay):
            raise ValueError(
                "adapt: sampling, lr_multipliers and layer_decay do not apply to one layer on cached features; remove them"
            )
        if self.unfreeze == "gradual" and self.retrain and (self.retrain.l1 or self.retrain.l2 or self.retrain.max_norm):
            raise ValueError(
                "unfreeze=gradual cannot be combined with l1, l2 or max_norm, which move frozen weights; remove one"
            )
        return self


def _flatten(tree: Mapping[str, Any]) -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for name, value in tree.items():
        inner = _flatten(value) if isinstance(value, Mapping) else None
        flat |= {name: value} if inner is None else {f"{name}.{rest}": factor for rest, factor in inner.items()}
    return flat
