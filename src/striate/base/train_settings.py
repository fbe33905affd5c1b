"""The sections of a run's settings that say how weights are learned, and what every section is.

Legend: shares are of 1, times in minutes.
"""

from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator


class Section(BaseModel):
    """A frozen group of settings."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    def _refuse(self, fields: tuple[str, ...], because: str) -> None:
        """Refuse the first of `fields` that was given and has a value, since it would do nothing."""
        for name in fields:
            if name in self.model_fields_set and getattr(self, name) is not None:
                raise ValueError(f"{name} does not apply {because}; remove it")


class Train(Section):
    """The optimization."""

    epochs: int | None = Field(None, ge=1, description="passes over the training images; else by rule")
    steps: int | None = Field(None, ge=1, description="optimizer steps, instead of epochs")
    minutes: float | None = Field(None, gt=0, description="time to train for, instead of epochs: 20 steps are timed")
    batch_size: int = Field(64, ge=1, description="most images a step; an epoch is cut into equal batches")
    grad_accum_steps: int = Field(1, ge=1, description="work through each batch in this many parts, to save memory")
    optimizer: Literal["sgd", "adam", "adamw"] = Field("adamw", description="how gradients become steps")
    lr: float = Field(3e-3, gt=0, description="largest learning rate of the schedule")
    layer_decay: float | None = Field(
        None, gt=0, le=1, description="the rate of each layer is that of the next times this, and that of the last is whole"
    )
    lr_multipliers: dict[str, Annotated[float, Field(ge=0)]] | None = Field(
        None, description="factors of the rate by layer, as lr_multipliers.fc2=10; a layer of factor 0 is frozen"
    )
    momentum: float | None = Field(None, ge=0, lt=1, description="of sgd; else 0.9")
    nesterov: bool | None = Field(None, description="of sgd with momentum: look ahead; else no")
    betas: tuple[float, float] | None = Field(None, description="of adam and adamw; else (0.9, 0.999)")
    weight_decay: float = Field(0.01, ge=0, description="decoupled for adamw, added to the gradient for sgd and adam")
    schedule: Literal["constant", "step", "cosine", "one-cycle"] = Field("one-cycle", description="of the learning rate")
    warmup: float | None = Field(None, ge=0, lt=1, description="share of the steps that rise; one-cycle 0.3, else 0")
    step_every: float | None = Field(None, gt=0, lt=1, description="of step: share of the steps between two falls; 1/3")
    step_factor: float | None = Field(None, gt=0, lt=1, description="of step: what the rate is multiplied with; else 0.1")
    loss: Literal["cross-entropy", "weston-watkins", "crammer-singer"] = Field(
        "cross-entropy", description="what is minimized: cross-entropy, or hinge over the sum or the largest of the others"
    )
    label_smoothing: float | None = Field(
        None, ge=0, lt=1, description="of cross-entropy: share of the target spread over all classes; else 0.05"
    )
    focal: float | None = Field(None, gt=0, le=10, description="of cross-entropy: gamma that lets easy images weigh less")
    margin: float | None = Field(None, gt=0, description="of the hinge losses; else 1")
    squared: bool | None = Field(None, description="of the hinge losses: their squares; else no")
    l1: float = Field(0.0, ge=0, description="penalty l1 * sum of |w|")
    l1_by: Literal["proximal", "subgradient"] | None = Field(None, description="of l1; else proximal: exact zeros")
    l2: float = Field(0.0, ge=0, description="penalty l2 * sum of w^2 as a term of the loss; weight_decay is another thing")
    max_norm: float | None = Field(None, gt=0, description="largest norm of the weights that come into a unit; 3 to 4 is usual")
    class_weights: Literal["none", "balanced"] = Field("none", description="balanced: rare classes weigh more")
    sampling: Literal["each-once", "balanced"] = Field(
        "each-once", description="balanced: images of rare classes come again until all classes have as many as the largest"
    )
    ema_decay: float | None = Field(None, gt=0, lt=1, description="score and save a moving average of the weights")
    clip_grad_norm: float | None = Field(None, gt=0, description="largest norm of the gradient")
    patience: int | None = Field(None, ge=1, description="stop after so many epochs without a better validation score")
    checkpoint_minutes: float = Field(10.0, gt=0, description="most minutes between two checkpoints; one ends each epoch")

    @field_validator("lr_multipliers", mode="before")
    @classmethod
    def _flat(cls, value: Any) -> Any:
        """Names with dots, which TOML takes for groups within groups, as one name each."""
        return _flat(value) if isinstance(value, Mapping) else value

    @model_validator(mode="after")
    def _check(self) -> Self:
        lengths = [name for name in ("epochs", "steps", "minutes") if getattr(self, name) is not None]
        if len(lengths) > 1:
            raise ValueError(f"expected one of epochs, steps and minutes; got {' and '.join(lengths)}; remove one")
        if self.optimizer != "sgd":
            self._refuse(("momentum", "nesterov"), f"with optimizer='{self.optimizer}'")
        else:
            self._refuse(("betas",), "with optimizer='sgd'")
        if self.nesterov and self.momentum == 0:
            raise ValueError("nesterov needs momentum above 0; set momentum=0.9")
        if self.schedule != "step":
            self._refuse(("step_every", "step_factor"), f"with schedule='{self.schedule}'")
        if self.betas is not None and not all(0 <= beta < 1 for beta in self.betas):
            raise ValueError(f"betas must be two numbers from 0 to below 1; got {list(self.betas)}")
        if self.loss == "cross-entropy":
            self._refuse(("margin", "squared"), "with loss='cross-entropy'")
        else:
            self._refuse(("label_smoothing", "focal"), f"with loss='{self.loss}'")
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
    """A start from the weights of another training."""

    weights: str | None = Field(
        None, description="pretrained weights: NET@WEIGHTS, a run, or a model's folder; without it nothing is fine-tuned"
    )
    strategies: tuple[STRATEGY, ...] | None = Field(None, min_length=1, description="what is tried; else extract")
    minutes: float | None = Field(None, gt=0, description="most minutes that each strategy may train for")
    per_class: tuple[Annotated[int, Field(ge=1)], ...] | None = Field(
        None, min_length=1, description="training images of each class, for learning curves; all strategies at each number"
    )
    layers: tuple[str, ...] | None = Field(None, description="of extract: layers to compare; else the last before the head")
    classifier: Literal["svm", "logistic", "knn"] | None = Field(None, description="of extract: on the features; else svm")
    normalize: Literal["standardize", "l2"] | None = Field(None, description="of extract: the features; else standardize")
    augmented_copies: int | None = Field(
        None, ge=1, le=100, description="of adapt: augmented copies of each image; else 2, or 1 unchanged without augmentation"
    )
    freeze_batchnorm: bool | None = Field(None, description="of retrain: batch norms keep their statistics; else yes")
    unfreeze: Literal["at-once", "gradual"] | None = Field(
        None, description="of retrain: all layers from the start, or from the last to the first; else at-once"
    )
    adapt: Train | None = Field(None, description="how the new head is trained: settings of [train]; by rule where not given")
    retrain: Train | None = Field(None, description="how all weights are trained on: settings of [train]")
    scratch: Train | None = Field(None, description="how the control is trained: settings of [train]")

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
        if self.adapt and (self.adapt.sampling != "each-once" or self.adapt.lr_multipliers or self.adapt.layer_decay):
            raise ValueError(
                "adapt: sampling, lr_multipliers and layer_decay do not apply to one layer on kept features; remove them"
            )
        if self.unfreeze == "gradual" and self.retrain and (self.retrain.l1 or self.retrain.l2 or self.retrain.max_norm):
            raise ValueError("unfreeze=gradual does not go with l1, l2 or max_norm, which move frozen weights; remove one")
        return self


def _flat(tree: Mapping[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in tree.items():
        inner = _flat(value) if isinstance(value, Mapping) else None
        found |= {name: value} if inner is None else {f"{name}.{rest}": factor for rest, factor in inner.items()}
    return found
