"""The tasks of 1986: exclusive or, mirror symmetry, the encoder, and two families.

Source: as of `model.py`; the families are of Hinton 1986, "Learning distributed representations of concepts", figure 2.

Legend: N patterns, J output units.
"""

from itertools import product
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from striate.history.rumelhart.model import Layout, Task

PERSONS = {
    "English": ("Christopher", "Penelope", "Andrew", "Christine", "Margaret", "Arthur", "Victoria", "James", "Jennifer",
                "Charles", "Colin", "Charlotte"),
    "Italian": ("Roberto", "Maria", "Pierro", "Francesca", "Gina", "Emilio", "Lucia", "Marco", "Angela", "Tomaso", "Alfonso",
                "Sophia"),
}  # fmt: skip
WOMEN = frozenset((1, 3, 4, 6, 8, 11))  # by position in each family
MARRIED = ((0, 1), (2, 3), (5, 4), (7, 6), (9, 8))  # husband, wife
CHILDREN = {(0, 1): (5, 6), (2, 3): (7, 8), (7, 6): (10, 11)}
RELATIONS = ("father", "mother", "husband", "wife", "son", "daughter", "uncle", "aunt", "brother", "sister", "nephew", "niece")


def xor(hidden: int, direct: bool) -> Task:
    """Whether one of two inputs is on but not both; with links from the inputs straight to the output, or without."""
    links = [("input", "hidden"), ("hidden", "output"), *([("input", "output")] if direct else [])]
    layout = Layout({"input": 2, "hidden": hidden, "output": 1}, tuple(links), "output")
    patterns = np.array([*product((0.0, 1.0), repeat=2)])
    return Task(layout, {"input": patterns}, (patterns.sum(axis=1, keepdims=True) == 1).astype(float))


def symmetry(size: int = 6, hidden: int = 2) -> Task:
    """Whether a row of inputs is its own mirror image: 8 of the 64 rows of six are."""
    layout = Layout({"input": size, "hidden": hidden, "output": 1}, (("input", "hidden"), ("hidden", "output")), "output")
    patterns = np.array([*product((0.0, 1.0), repeat=size)])
    return Task(layout, {"input": patterns}, (patterns == patterns[:, ::-1]).all(axis=1, keepdims=True).astype(float))


def encoder(size: int = 8, hidden: int = 3) -> Task:
    """One of eight inputs is on, and the target is the same output, through three hidden units."""
    layout = Layout({"input": size, "hidden": hidden, "output": size}, (("input", "hidden"), ("hidden", "output")), "output")
    return Task(layout, {"input": np.eye(size)}, np.eye(size))


class Fact(NamedTuple):
    """A person, a relation, and those who are that to him or her: 24 persons, the Italians after the English."""

    person: int
    relation: int
    others: tuple[int, ...]


def facts() -> tuple[Fact, ...]:
    """The 104 facts of the two families, who have the same tree."""
    return tuple(
        Fact(person + offset, relation, tuple(other + offset for other in others))
        for offset in (0, 12)
        for person in range(12)
        for relation, name in enumerate(RELATIONS)
        if (others := sorted(_others(person, name)))
    )


def _parents(person: int) -> tuple[int, ...]:
    return next((parents for parents, children in CHILDREN.items() if person in children), ())


def _children(person: int) -> set[int]:
    return {child for parents, children in CHILDREN.items() if person in parents for child in children}


def _spouse(person: int) -> set[int]:
    return {other for pair in MARRIED if person in pair for other in pair if other != person}


def _siblings(person: int) -> set[int]:
    return {child for parent in _parents(person) for child in _children(parent)} - {person}


def _others(person: int, relation: str) -> set[int]:
    """Uncles and aunts by marriage count, and so do nephews and nieces."""
    of_parents = {sibling for parent in _parents(person) for sibling in _siblings(parent)}
    of_pair = {person} | _spouse(person)
    related = {
        "father": set(_parents(person)), "mother": set(_parents(person)), "husband": _spouse(person), "wife": _spouse(person),
        "son": _children(person), "daughter": _children(person), "brother": _siblings(person), "sister": _siblings(person),
        "uncle": of_parents | {other for sibling in of_parents for other in _spouse(sibling)},
        "nephew": {child for parent in of_pair for sibling in _siblings(parent) for child in _children(sibling)},
    }  # fmt: skip
    related |= {"aunt": related["uncle"], "niece": related["nephew"]}
    woman = relation in ("mother", "wife", "daughter", "aunt", "sister", "niece")
    return {other for other in related[relation] if (other in WOMEN) == woman}


def families(chosen: tuple[Fact, ...]) -> Task:
    """Facts as patterns: 24 persons and 12 relations come in by 6 units each, and 24 persons come out by 6."""
    sizes = {"person": 24, "relation": 12, "person code": 6, "relation code": 6, "hidden": 12, "output code": 6, "output": 24}
    links = (
        ("person", "person code"), ("relation", "relation code"), ("person code", "hidden"), ("relation code", "hidden"),
        ("hidden", "output code"), ("output code", "output"),
    )  # fmt: skip
    targets_NJ = np.zeros((len(chosen), 24))
    for row, fact in enumerate(chosen):
        targets_NJ[row, list(fact.others)] = 1
    persons: NDArray[np.float64] = np.eye(24)[[fact.person for fact in chosen]]
    relations: NDArray[np.float64] = np.eye(12)[[fact.relation for fact in chosen]]
    return Task(Layout(sizes, links, "output"), {"person": persons, "relation": relations}, targets_NJ)
