"""Which settings apply where an image may have several labels, and what is chosen for them where nothing was given."""

from typing import TYPE_CHECKING

from striate.base.train_settings import OF_SEVERAL_LABELS, Train

if TYPE_CHECKING:
    from striate.base.settings import Run

LOSS = "binary-cross-entropy"
_OF_ONE = ("label_smoothing", "focal", "margin", "squared")  # settings of losses of one label
_BALANCING = {"sampling": "each-once", "class_weights": "none"}
_GIVEN = "does not apply with data.multi_label=true"


def check(run: "Run") -> None:
    """Refuse settings of one label an image where it may have several, and the other way round.

    Raises:
        ValueError: naming the first that does not apply, and what to do.

    """
    own = {f"finetune.{name}": getattr(run.finetune, name) for name in ("adapt", "retrain", "scratch")}
    for path, train in {"train": run.train, **own}.items():
        if train is not None and run.data.multi_label:
            if path != "train" or run.finetune.weights is None:  # each strategy has settings of its own in its place
                _refuse_of_one(path, train)
        elif train is not None and train.loss in OF_SEVERAL_LABELS:
            raise ValueError(
                f"{path}.loss={train.loss!r} is for several labels an image; set data.multi_label=true (--multi-label), or "
                "leave it out"
            )
    if not run.data.multi_label:
        return
    if "unknown_rate" in run.model_fields_set and run.unknown_rate:
        raise ValueError(f"unknown_rate {_GIVEN}, where unknown images are not flagged; remove it")
    _check_finetune(run)


def _refuse_of_one(path: str, train: Train) -> None:
    if "loss" in train.model_fields_set and train.loss not in OF_SEVERAL_LABELS:
        raise ValueError(
            f"{path}.loss={train.loss!r} {_GIVEN}, since it is for one label an image; expected "
            f"{' or '.join(OF_SEVERAL_LABELS)}"
        )
    for name in _OF_ONE:
        if getattr(train, name) is not None:
            raise ValueError(f"{path}.{name} {_GIVEN}; remove it")
    for name, plain in _BALANCING.items():
        if getattr(train, name) != plain:
            raise ValueError(
                f"{path}.{name} {_GIVEN}, where an image counts for several; remove it. train.loss=asymmetric gives frequent "
                "absences less weight"
            )


def _check_finetune(run: "Run") -> None:
    names = run.finetune.strategies or ()
    if run.finetune.classifier == "knn":
        raise ValueError(
            f"finetune.classifier='knn' {_GIVEN}, since the neighbors of an image vote for one class; expected logistic or "
            "svm, which tell each label from its absence"
        )
    if len(names) > 1:
        raise ValueError(
            "finetune.strategies: expected one with data.multi_label=true, since several are compared by a test on images that "
            f"are right or wrong; got {', '.join(names)}"
        )
    if run.finetune.per_class:
        raise ValueError(f"finetune.per_class {_GIVEN}; remove it")
