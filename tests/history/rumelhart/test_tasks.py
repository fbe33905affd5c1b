"""The tasks are those of the papers: patterns, families and facts."""

import pytest

from striate.history.rumelhart import tasks


def test_the_two_families_have_104_facts_of_112_persons():
    facts = tasks.facts()
    assert len(facts) == 104
    assert sum(len(fact.others) for fact in facts) == 112
    english = [(fact.person, fact.relation, fact.others) for fact in facts if fact.person < 12]
    italian = [
        (fact.person - 12, fact.relation, tuple(other - 12 for other in fact.others)) for fact in facts if fact.person >= 12
    ]
    assert english == italian


@pytest.mark.parametrize(
    ("person", "relation", "others"),
    [
        ("Colin", "aunt", {"Margaret", "Jennifer"}),  # one of them by marriage
        ("Colin", "uncle", {"Arthur", "Charles"}),
        ("Charlotte", "brother", {"Colin"}),
        ("Arthur", "niece", {"Charlotte"}),
        ("Charles", "nephew", {"Colin"}),
        ("Christopher", "wife", {"Penelope"}),
        ("Victoria", "father", {"Christopher"}),
        ("James", "sister", {"Jennifer"}),
        ("Andrew", "daughter", {"Jennifer"}),
        ("Sophia", "mother", {"Lucia"}),
        ("Emilio", "wife", {"Gina"}),
    ],
)
def test_a_fact(person: str, relation: str, others: set[str]):
    names = [*tasks.PERSONS["English"], *tasks.PERSONS["Italian"]]
    key = names.index(person), tasks.RELATIONS.index(relation)
    (persons,) = (fact.others for fact in tasks.facts() if (fact.person, fact.relation) == key)
    assert {names[other] for other in persons} == others


def test_nobody_is_his_own_relative_and_relations_are_mutual():
    facts = {(fact.person, fact.relation): fact.others for fact in tasks.facts()}
    husband, wife = tasks.RELATIONS.index("husband"), tasks.RELATIONS.index("wife")
    assert all(person not in others for (person, _), others in facts.items())
    assert {(person, others[0]) for (person, relation), others in facts.items() if relation == wife} == {
        (others[0], person) for (person, relation), others in facts.items() if relation == husband
    }


def test_the_network_of_the_families_has_the_published_layers():
    task = tasks.families(tasks.facts()[:2])
    assert task.layout.sizes == {
        "person": 24, "relation": 12, "person code": 6, "relation code": 6, "hidden": 12, "output code": 6, "output": 24
    }  # fmt: skip
    assert task.inputs["person"].sum(axis=1).tolist() == [1, 1]
    assert task.targets_NJ.shape == (2, 24)


def test_exclusive_or_and_the_encoder():
    assert tasks.xor(2, direct=False).targets_NJ.ravel().tolist() == [0, 1, 1, 0]
    assert ("input", "output") in tasks.xor(1, direct=True).layout.links
    assert tasks.encoder().targets_NJ.sum(axis=0).tolist() == [1] * 8
