"""Finite automata that put out 0 or 1: what a McCulloch-Pitts network is compared with.

The equality of two is decided for words of every length, by walking both in step.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from striate.base.errors import SettingError


@dataclass(frozen=True)
class Automaton:
    """A finite automaton that puts out 0 or 1 with each symbol it reads (Mealy)."""

    symbols: tuple[str, ...]  # that it reads
    start: str  # the state it begins in
    next: Mapping[tuple[str, str], str]  # from each state and symbol, the state that follows
    emits: frozenset[tuple[str, str]]  # the states and symbols with which it puts out 1
    emits_first: bool = False  # whether it puts out 1 before any symbol, so accepts the empty word

    @property
    def states(self) -> tuple[str, ...]:
        """By name, in the order of the table."""
        return tuple(dict.fromkeys(state for state, _ in self.next))


def moore(symbols: Sequence[str], table: Mapping[str, Sequence[str]], accepting: Sequence[str]) -> Automaton:
    """An automaton whose output belongs to its states (Moore): 1 in those that accept. The table's first state is the start."""
    following = {(state, symbol): row[i] for state, row in table.items() for i, symbol in enumerate(symbols)}
    emits = frozenset(pair for pair, state in following.items() if state in accepting)
    start = next(iter(table))
    return Automaton(tuple(symbols), start, following, emits, start in accepting)


def read_word(machine: Automaton, word: Sequence[str]) -> list[bool]:
    """What an automaton puts out: before the first symbol, then with each; the last says whether it accepts the word."""
    state, out = machine.start, [machine.emits_first]
    for symbol in word:
        out.append((state, symbol) in machine.emits)
        state = machine.next[state, symbol]
    return out


def difference(first: Automaton, second: Automaton) -> tuple[str, ...] | None:
    """The shortest word with which two automata put out different things; None where there is none, of any length.

    Both are walked in step (product construction), so each pair of states is visited once.
    """
    if {*first.symbols} != {*second.symbols}:
        raise SettingError(f"expected automata over the same symbols; got {first.symbols} and {second.symbols}.")
    if first.emits_first != second.emits_first:
        return ()
    words: dict[tuple[str, str], tuple[str, ...]] = {(first.start, second.start): ()}
    pairs = [*words]
    for here, there in pairs:  # grows meanwhile
        for symbol in first.symbols:
            word = (*words[here, there], symbol)
            if ((here, symbol) in first.emits) != ((there, symbol) in second.emits):
                return word
            pair = (first.next[here, symbol], second.next[there, symbol])
            if pair not in words:
                words[pair] = word
                pairs.append(pair)
    return None


class Language(NamedTuple):
    """A set of words, as an automaton and as a rule in plain Python."""

    machine: Automaton  # accepts the words of the set
    holds: Callable[[str], bool]  # whether a word is in it


_BINARY = ("0", "1")
# Words of 0 and 1 that are told apart with two or three states
LANGUAGES: Mapping[str, Language] = {
    "odd number of 1": Language(
        moore(_BINARY, {"even": ("even", "odd"), "odd": ("odd", "even")}, ["odd"]),
        lambda word: word.count("1") % 2 == 1,
    ),
    "ends in 01": Language(
        moore(_BINARY, {"none": ("0", "none"), "0": ("0", "01"), "01": ("0", "none")}, ["01"]),
        lambda word: word.endswith("01"),
    ),
    "divisible by 3": Language(
        moore(
            _BINARY,
            {"rest 0": ("rest 0", "rest 1"), "rest 1": ("rest 2", "rest 0"), "rest 2": ("rest 1", "rest 2")},
            ["rest 0"],
        ),
        lambda word: int(word or "0", 2) % 3 == 0,
    ),
}
