"""The tasks of 1986, each learned by networks from several seeds at once.

Legend: S seeds, N patterns, P persons, J units.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from striate.base.errors import SettingError
from striate.base.events import Json
from striate.history.demonstration import Demonstration
from striate.history.rumelhart import plots, tasks
from striate.history.rumelhart.model import Floats, Schedule, Task, Trained, Training, forward, initial_weights, learn

_SEEDS = 20
_FAMILIES = 8
_HELD_OUT = 4
_NATIONS = np.repeat([0, 1], 12)
_GENERATIONS = np.tile([1] * 4 + [2] * 6 + [3] * 2, 2)
_NAMES = [name for family in tasks.PERSONS.values() for name in family]
_THRESHOLD = 0.5  # an output is correct on its side of this


class _Trial(NamedTuple):
    title: str
    task: Task
    training: Training
    paper: int | None = None  # sweeps of the paper's network, where there is a figure


_XOR = Training([Schedule(0.5, 0.9)], 5000, tolerance=0.1)
_DETECTION = Training([Schedule(0.1, 0.9)], 4000, _THRESHOLD)
_TRIALS = {
    "xor_direct": _Trial("exclusive or: one hidden unit, direct links", tasks.xor(1, direct=True), _XOR, 558),
    "xor": _Trial("exclusive or: two hidden units", tasks.xor(2, direct=False), _XOR),
    "symmetry": _Trial("mirror symmetry of six", tasks.symmetry(), _DETECTION, 1425),
    "encoder": _Trial("encoder: eight through three", tasks.encoder(), _DETECTION),
}
_FAMILY_TRAINING = Training(
    [Schedule(0.005, 0.5, sweeps=20), Schedule(0.05, 0.9)], 1500, tolerance=0.2, slack=0.2 - 1e-9, decay=0.0002
)


def demonstrate(out: Path, seed: int = 0) -> Demonstration:
    """Learn all tasks, and draw three images.

    Args:
        out: folder for the figures.
        seed: the first of twenty seeds of weights, and that of the four facts that are held out.

    """
    if seed < 0:
        raise SettingError(f"expected a seed of 0 or more; got {seed}.")
    seeds = range(seed, seed + _SEEDS)
    trained = {name: learn(row.task, initial_weights(row.task.layout, seeds), row.training) for name, row in _TRIALS.items()}
    numbers: Json = {name: _summary(result, seeds, _TRIALS[name].paper) for name, result in trained.items()}
    numbers["symmetry"] |= _symmetry(trained["symmetry"])
    numbers["encoder"] |= _codes(trained["encoder"])
    numbers["families"] = _families(seed)
    curves = [
        plots.Curves(trial.title, trained[name].errors.T.tolist(), numbers[name]["sweeps"], trial.paper)
        for name, trial in _TRIALS.items()
    ]
    files = [out / f"{name}.png" for name in ("learning", "hidden", "families")]
    plots.draw_learning(curves, files[0])
    plots.draw_hidden(numbers["symmetry"]["shown"], numbers["encoder"]["shown"], files[1])
    plots.draw_families(numbers["families"], files[2])
    return Demonstration(numbers, _lines(numbers), files)


def _summary(trained: Trained, seeds: Sequence[int], paper: int | None) -> Json:
    learned = trained.sweeps_S[trained.sweeps_S >= 0]
    return {
        "seeds": list(seeds), "sweeps": [int(sweep) if sweep >= 0 else None for sweep in trained.sweeps_S],
        "learned": len(learned), "median": float(np.median(learned)) if len(learned) else None, "paper": paper,
    }  # fmt: skip


def _symmetry(trained: Trained) -> Json:
    """How far weights to the two hidden units are from their mirror images' opposites, and the ratio of their sizes."""
    weights_SIJ = trained.weights["input", "hidden"]
    away_S = np.abs(weights_SIJ + weights_SIJ[:, ::-1]).max(axis=(1, 2)) / np.abs(weights_SIJ).max(axis=(1, 2))
    sizes_S3 = np.sort(np.abs(weights_SIJ[:, :3]).mean(axis=2), axis=1)
    learned = np.flatnonzero(trained.sweeps_S >= 0)
    ratios_S3 = sizes_S3 / sizes_S3[:, :1]
    numbers: Json = {"away": away_S.tolist(), "ratios": ratios_S3.tolist(), "shown": None}
    if len(learned):
        best = int(learned[np.abs(ratios_S3[learned] - (1, 2, 4)).max(axis=1).argmin()])
        numbers["shown"] = {"network": best, "weights": weights_SIJ[best].T.tolist(), "ratio": ratios_S3[best].tolist()}
    return numbers


def _codes(trained: Trained) -> Json:
    """The codes of the eight patterns in three hidden units; how near the two nearest are, in the unit that differs most."""
    task = _TRIALS["encoder"].task
    codes_SNJ = forward(task.layout, trained.weights, task.inputs)["hidden"]
    distances_SNN = np.abs(codes_SNJ[:, :, None] - codes_SNJ[:, None]).max(axis=3) + 2 * np.eye(8)
    distinct = [len({*map(tuple, np.round(codes_NJ).astype(int).tolist())}) for codes_NJ in codes_SNJ]
    return {"nearest": distances_SNN.min(axis=(1, 2)).tolist(), "distinct": distinct, "shown": codes_SNJ[0].tolist()}


def _families(seed: int) -> Json:
    """100 of the 104 facts are learned, and the other four tested."""
    facts = tasks.facts()
    held_out = sorted(np.random.default_rng(seed).choice(len(facts), _HELD_OUT, replace=False).tolist())
    task = tasks.families(tuple(fact for number, fact in enumerate(facts) if number not in held_out))
    test_task = tasks.families(tuple(facts[number] for number in held_out))
    seeds = range(seed, seed + _FAMILIES)
    trained = learn(task, initial_weights(task.layout, seeds, limit=1.0), _FAMILY_TRAINING)
    correct = [_correct(trained, part).sum(axis=1).tolist() for part in (task, test_task)]
    best = int(np.argmax(np.add(*correct)))
    weights_PJ = trained.weights["person", "person code"][best]
    return {
        "seeds": list(seeds), "sweeps": _FAMILY_TRAINING.max_sweeps, "facts": len(facts), "learned": correct[0],
        "held_out_correct": correct[1], "held_out": [_sentence(facts[number]) for number in held_out], "paper": 1500,
        "shown": {
            "network": best, "weights": weights_PJ.T.tolist(), "nation": _explained(weights_PJ, _NATIONS),
            "generation": _explained(weights_PJ, _GENERATIONS),
        },
        "persons": _NAMES,
    }  # fmt: skip


def _explained(weights_PJ: Floats, groups_P: NDArray[np.int64]) -> list[float]:
    """The share of the variance of each unit's weights that lies between groups of persons."""
    means_PJ = np.stack([weights_PJ[groups_P == group].mean(axis=0) for group in groups_P])
    shares: list[float] = (means_PJ.var(axis=0) / weights_PJ.var(axis=0)).tolist()
    return shares


def _correct(trained: Trained, task: Task) -> NDArray[np.bool_]:
    """S x N: whether exactly the persons of the fact are on."""
    outputs_SNJ = forward(task.layout, trained.weights, task.inputs)[task.layout.output]
    correct: NDArray[np.bool_] = ((outputs_SNJ > _THRESHOLD) == (task.targets_NJ > _THRESHOLD)).all(axis=2)
    return correct


def _sentence(fact: tasks.Fact) -> str:
    others = " and ".join(_NAMES[other] for other in fact.others)
    return f"{_NAMES[fact.person]} has {tasks.RELATIONS[fact.relation]} {others}"


def _lines(numbers: Json) -> list[str]:
    lines = []
    for name, trial in _TRIALS.items():
        summary = numbers[name]
        median = "" if summary["median"] is None else f", median {summary['median']:.0f} sweeps"
        paper = f"; the paper's took {summary['paper']:,}" if summary["paper"] else ""
        lines.append(f"{trial.title}: {summary['learned']} of {len(summary['seeds'])} networks{median}{paper}")
    if numbers["symmetry"]["shown"]:
        ratio = " : ".join(f"{part:.2f}" for part in numbers["symmetry"]["shown"]["ratio"])
        lines.append(f"symmetry, the network nearest to 1 : 2 : 4: weights of opposite sign about the center, {ratio}")
    lines.append(f"encoder: least distance of two codes {min(numbers['encoder']['nearest']):.2f}, over all networks")
    families = numbers["families"]
    lines.append(
        f"families, after {families['sweeps']:,} sweeps: {min(families['learned'])} to {max(families['learned'])} of 100 facts "
        f"and {', '.join(map(str, families['held_out_correct']))} of the {_HELD_OUT} held out"
    )
    for group in ("nation", "generation"):
        shares = families["shown"][group]
        unit = int(np.argmax(shares)) + 1
        lines.append(
            f"in the network with most facts, unit {unit} encodes the {group}: {100 * max(shares):.0f} % of its variance"
        )
    return lines
