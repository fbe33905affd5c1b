from itertools import product

import pytest

from striate.base.errors import SettingError
from striate.history.mcculloch_pitts.automaton import LANGUAGES, Automaton, difference, moore, read_word


@pytest.mark.parametrize("name", LANGUAGES)
def test_an_automaton_accepts_what_its_rule_says(name: str):
    machine, holds = LANGUAGES[name]
    for length in range(9):
        for word in map("".join, product("01", repeat=length)):
            assert read_word(machine, word)[-1] == holds(word), word


def test_outputs_come_before_the_first_symbol_and_with_each():
    parity = LANGUAGES["odd number of 1"].machine
    assert read_word(parity, "1101") == [False, True, False, False, True]
    # Of Mealy: says whether the letter is the one before
    same = Automaton(
        ("a", "b"), "none", {(s, x): x for s in ("none", "a", "b") for x in "ab"}, frozenset({("a", "a"), ("b", "b")})
    )
    assert read_word(same, "aabba") == [False, False, True, False, True, False]


def test_two_automata_are_told_apart_by_the_shortest_word():
    by_three = LANGUAGES["divisible by 3"].machine
    by_six = moore("01", {str(r): (str(2 * r % 6), str((2 * r + 1) % 6)) for r in range(6)}, ["0", "3"])
    only_six = moore("01", {str(r): (str(2 * r % 6), str((2 * r + 1) % 6)) for r in range(6)}, ["0"])
    assert difference(by_three, by_six) is None  # more states, the same words
    assert difference(by_three, only_six) == ("1", "1")  # three
    assert difference(by_three, LANGUAGES["odd number of 1"].machine) == ()  # the empty word


def test_automata_of_other_symbols_are_not_compared():
    other = moore("ab", {"s": ("s", "s")}, [])
    with pytest.raises(SettingError, match=r"expected automata over the same symbols; got \('0', '1'\) and \('a', 'b'\)\."):
        difference(LANGUAGES["ends in 01"].machine, other)
