"""What a fine-tuning gives: a table of its strategies, and the result that is printed and kept."""

from typing import NamedTuple

from striate.base.events import Json
from striate.metrics.strategy_choice import Recommendation
from striate.workflows.finetune.task import Outcome
from striate.workflows.several_labels.label_set_scores import MapScore
from striate.workflows.train.artifacts import Score, score, score_json


class Table(NamedTuple):
    """The outcomes of the strategies of a task, and the recommended one."""

    outcomes: dict[str, Outcome]
    recommended: Recommendation
    folds: tuple[Score | MapScore | None, ...] | None = None  # the score of each fold; None where there are no folds

    def as_json(self) -> list[Json]:
        """A row for each strategy."""
        return [
            {
                "name": name, "val": score_json(score(outcome.val)), "test": score_json(score(outcome.test)),
                "seconds": round(outcome.seconds, 2), "p_value": self.recommended.p_values.get(name),
                "parameters": sum(parameter.numel() for parameter in outcome.model.net.parameters()), **outcome.more,
            }
            for name, outcome in self.outcomes.items()
        ]  # fmt: skip


class FinetuneResult(NamedTuple):
    """What `striate finetune --json` prints, and `result.json` holds; `extract` has the values of that strategy."""

    run: str
    weights: str | None
    net: str
    strategies: list[Json]
    recommended: str
    sentence: str
    extract: Json
    steps: int
    seconds: float
    val: Score | MapScore | None
    test: Score | MapScore | None
    seed: int
    images: dict[str, int]
    quarantined: int
    ignored: int
    curve: list[Json]
    drawn: str | None
    report: str | None
    weights_sha256: str
    class_scores: Json
    folds: tuple[Score | MapScore | None, ...] | None = None  # the score of each fold; None where there are no folds

    def as_json(self) -> Json:
        """As a dictionary for JSON; without `folds` where there are none."""
        values = {**self._asdict(), "val": score_json(self.val), "test": score_json(self.test)}
        del values["extract"], values["folds"]
        if self.folds is not None:
            values["folds"] = [score_json(fold) for fold in self.folds]
        return {**self.extract, **values}
