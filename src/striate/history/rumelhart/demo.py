"""The tasks of 1986, each learned by networks from several seeds at once.

Legend: S seeds, N patterns, J units.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from striate.base.errors import SettingError
from striate.history.demonstration import Demonstration
from striate.history.rumelhart import tasks
from striate.history.rumelhart.model import Floats, Learned, Schedule, draw, everywhere_near, forward, learn
from striate.history.rumelhart.tasks import Task

Json = dict[str, Any]

_SEEDS = 20
_FAMILIES = 8
_HELD = 4
_SWEEPS = 1500
_NATIONS = np.repeat([0, 1], 12)
_GENERATIONS = np.tile([1] * 4 + [2] * 6 + [3] * 2, 2)
_RIGHT = 0.5  # an output is right on its side of this


def demonstrate(out: Path, seed: int = 0) -> Demonstration:
    """Learn all tasks, and draw three images.

    Args:
        out: folder for the figures.
        seed: the first of twenty seeds of weights, and that of the four facts that are held out.

    Raises:
        SettingError: a seed below 0.

    """
    if seed < 0:
        raise SettingError(f"expected a seed of 0 or more; got {seed}.")
    from striate.history.rumelhart import plots as images

    seeds = range(seed, seed + _SEEDS)
    learned = {
        "xor_direct": _learn(tasks.xor(1, direct=True), seeds, 0.5, most=5000, near=0.1),
        "xor": _learn(tasks.xor(2, direct=False), seeds, 0.5, most=5000, near=0.1),
        "symmetry": _learn(tasks.symmetry(), seeds, 0.1, most=4000, near=_RIGHT),
        "encoder": _learn(tasks.encoder(), seeds, 0.1, most=4000, near=_RIGHT),
    }
    result: Json = {name: _summary(one, seeds, paper) for (name, one), paper in zip(learned.items(), _PAPER, strict=True)}
    result["symmetry"] |= _mirrors(learned["symmetry"])
    result["encoder"] |= _codes(learned["encoder"])
    result["families"] = _families(seed)
    images.draw_learning(
        [
            images.Curves(title, learned[name].errors.T.tolist(), result[name]["sweeps"], result[name]["paper"])
            for name, title in _TITLES.items()
        ],
        out / "learning.png",
    )
    images.draw_hidden(result["symmetry"]["shown"], result["encoder"]["shown"], out / "hidden.png")
    images.draw_families(result["families"], out / "families.png")
    files = [out / f"{name}.png" for name in ("learning", "hidden", "families")]
    return Demonstration(result, _lines(result), files)


_TITLES = {
    "xor_direct": "exclusive or: one hidden unit, direct links",
    "xor": "exclusive or: two hidden units",
    "symmetry": "mirror symmetry of six",
    "encoder": "encoder: eight through three",
}
_PAPER = (558, None, 1425, None)  # sweeps, where there is a figure


def _learn(task: Task, seeds: Sequence[int], rate: float, most: int, near: float) -> Learned:
    weights = draw(task.layout, seeds)
    return learn(task.layout, weights, task.inputs, task.targets_NJ, [Schedule(rate, 0.9)], most, everywhere_near(near))


def _summary(learned: Learned, seeds: Sequence[int], paper: int | None) -> Json:
    done = learned.sweeps_S[learned.sweeps_S >= 0]
    return {
        "seeds": list(seeds), "sweeps": [int(sweep) if sweep >= 0 else None for sweep in learned.sweeps_S],
        "learned": len(done), "median": float(np.median(done)) if len(done) else None, "paper": paper,
    }  # fmt: skip


def _mirrors(learned: Learned) -> Json:
    """How far weights to the two hidden units are from their mirror images' opposites, and the ratio of their sizes."""
    weights_SIJ = learned.weights.links["input", "hidden"]
    away_S = np.abs(weights_SIJ + weights_SIJ[:, ::-1]).max(axis=(1, 2)) / np.abs(weights_SIJ).max(axis=(1, 2))
    sizes_S3 = np.sort(np.abs(weights_SIJ[:, :3]).mean(axis=2), axis=1)
    done = np.flatnonzero(learned.sweeps_S >= 0)
    ratios_S3 = sizes_S3 / sizes_S3[:, :1]
    result: Json = {"away": away_S.tolist(), "ratios": ratios_S3.tolist(), "shown": None}
    if len(done):
        best = int(done[np.abs(ratios_S3[done] - (1, 2, 4)).max(axis=1).argmin()])
        result["shown"] = {"network": best, "weights": weights_SIJ[best].T.tolist(), "ratio": ratios_S3[best].tolist()}
    return result


def _codes(learned: Learned) -> Json:
    """What the three hidden units make of the eight patterns; how near the two nearest are, in the unit that differs most."""
    task = tasks.encoder()
    codes_SNJ = forward(task.layout, learned.weights, task.inputs)["hidden"]
    apart_SNN = np.abs(codes_SNJ[:, :, None] - codes_SNJ[:, None]).max(axis=3) + 2 * np.eye(8)
    distinct = [len({*map(tuple, np.round(codes_NJ).astype(int).tolist())}) for codes_NJ in codes_SNJ]
    return {"nearest": apart_SNN.min(axis=(1, 2)).tolist(), "distinct": distinct, "shown": codes_SNJ[0].tolist()}


def _families(seed: int) -> Json:
    """100 of the 104 facts are learned, and the other four asked for."""
    every = tasks.facts()
    held = sorted(np.random.default_rng(seed).choice(len(every), _HELD, replace=False).tolist())
    task = tasks.families(tuple(fact for number, fact in enumerate(every) if number not in held))
    training_task = tasks.families(tuple(every[number] for number in held))
    seeds = range(seed, seed + _FAMILIES)
    learned = learn(
        task.layout, draw(task.layout, seeds, reach=1.0), task.inputs, task.targets_NJ,
        [Schedule(0.005, 0.5, sweeps=20), Schedule(0.05, 0.9)], _SWEEPS, everywhere_near(0.2), slack=0.2 - 1e-9, decay=0.0002,
    )  # fmt: skip
    right = [_right(learned, part).sum(axis=1).tolist() for part in (task, training_task)]
    best = int(np.argmax(np.add(*right)))
    weights_PJ = learned.weights.links["person", "who"][best]
    return {
        "seeds": list(seeds), "sweeps": _SWEEPS, "facts": len(every), "learned": right[0], "held_right": right[1],
        "held": [_sentence(every[number]) for number in held], "paper": 1500,
        "shown": {
            "network": best, "weights": weights_PJ.T.tolist(), "nation": _explained(weights_PJ, _NATIONS),
            "generation": _explained(weights_PJ, _GENERATIONS),
        },
        "persons": [name for family in tasks.PERSONS.values() for name in family],
    }  # fmt: skip


def _explained(weights_PJ: Floats, groups_P: NDArray[np.int64]) -> list[float]:
    """The share of the variance of each unit's weights that lies between groups of persons."""
    means_PJ = np.stack([weights_PJ[groups_P == group].mean(axis=0) for group in groups_P])
    shares: list[float] = (means_PJ.var(axis=0) / weights_PJ.var(axis=0)).tolist()
    return shares


def _right(learned: Learned, task: Task) -> NDArray[np.bool_]:
    """S x N: whether exactly the persons who belong there are on."""
    outputs_SNJ = forward(task.layout, learned.weights, task.inputs)[task.layout.output]
    correct: NDArray[np.bool_] = ((outputs_SNJ > _RIGHT) == (task.targets_NJ > _RIGHT)).all(axis=2)
    return correct


def _sentence(fact: tasks.Fact) -> str:
    names = [name for family in tasks.PERSONS.values() for name in family]
    return f"{names[fact.person]} has {tasks.RELATIONS[fact.relation]} {' and '.join(names[other] for other in fact.others)}"


def _lines(result: Json) -> list[str]:
    lines = []
    for name, title in _TITLES.items():
        one = result[name]
        median = "" if one["median"] is None else f", median {one['median']:.0f} sweeps"
        lines.append(
            f"{title}: {one['learned']} of {len(one['seeds'])} networks{median}"
            + (f"; the paper's took {one['paper']:,}" if one["paper"] else "")
        )
    if result["symmetry"]["shown"]:
        ratio = " : ".join(f"{part:.2f}" for part in result["symmetry"]["shown"]["ratio"])
        lines.append(f"symmetry, the network nearest to 1 : 2 : 4: weights of opposite sign about the middle, {ratio}")
    lines.append(f"encoder: least distance of two codes {min(result['encoder']['nearest']):.2f}, over all networks")
    families = result["families"]
    lines.append(
        f"families, after {families['sweeps']:,} sweeps: {min(families['learned'])} to "
        f"{max(families['learned'])} of 100 facts, and "
        f"{', '.join(map(str, families['held_right']))} of the {_HELD} held out"
    )
    for what in ("nation", "generation"):
        shares = families["shown"][what]
        unit = int(np.argmax(shares)) + 1
        lines.append(f"in the network with most facts, unit {unit} tells the {what}: {max(shares):.0%} of its variance")
    return lines
