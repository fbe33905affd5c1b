"""The unit of McCulloch & Pitts 1943, networks of it, and what they compute.

A unit has excitatory and inhibitory edges, all alike, and an integer threshold. One tick later it fires if no inhibitory edge
is active and at least as many excitatory ones as its threshold. One active inhibitory edge silences it whatever the others say
(absolute inhibition): such an edge is a veto, not a weight of 0 or -1. Two edges from one source count twice, which makes
integer weights. There is no learning in the paper, and none here: networks are compiled from what they are to do.

Sources: McCulloch & Pitts, "A logical calculus of the ideas immanent in nervous activity", 1943; the unit as in Rojas, "Neural
Networks", 1996, chapter 2. That networks with circles do what finite automata do, and the reverse, is in the third part of
the paper, which later readers found obscure and flawed; the clean proof is Kleene's, 1956.

Legend: I inputs, U units, V = I + U signals, T ticks, N copies of a network that run side by side.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from itertools import compress, product
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from striate.base.errors import SettingError
from striate.history.mcculloch_pitts.automaton import Automaton

Bits = NDArray[np.bool_]


class Unit(NamedTuple):
    """A unit, with the names of the inputs and units that its edges come from; a name given twice is two edges."""

    excitatory: tuple[str, ...] = ()
    inhibitory: tuple[str, ...] = ()
    threshold: int = 0


def fires(unit: Unit, signals: Mapping[str, bool]) -> bool:
    """Whether a unit fires one tick after these signals: the whole of the model.

    >>> fires(Unit(("a", "b"), ("veto",), 2), {"a": True, "b": True, "veto": False})
    True
    >>> fires(Unit(("a", "b"), ("veto",), 2), {"a": True, "b": True, "veto": True})
    False
    """
    vetoed = any(signals[name] for name in unit.inhibitory)
    return not vetoed and sum(signals[name] for name in unit.excitatory) >= unit.threshold


def AND(*sources: str) -> Unit:
    """All of them."""
    return Unit(sources, (), len(sources))


def OR(*sources: str) -> Unit:
    """At least one of them; of none, never."""
    return Unit(sources, (), 1)


def NOR(*sources: str) -> Unit:
    """None of them: of one source it is NOT, of no source the constant 1."""
    return Unit((), sources, 0)


def AND_NOT(source: str, veto: str) -> Unit:
    """The one without the other."""
    return Unit((source,), (veto,), 1)


@dataclass(frozen=True)
class Network:
    """Units that all take their step at the same tick; edges may lead in circles. Unknown or equal names: SettingError."""

    inputs: tuple[str, ...]  # names of the signals that come from outside
    units: Mapping[str, Unit]
    outputs: tuple[str, ...]  # names of units that are read
    firing: tuple[str, ...] = ()  # names of units that fire at tick 0, before any input

    def __post_init__(self) -> None:
        known = {*self.inputs, *self.units}
        if len(known) < len(self.inputs) + len(self.units):
            raise SettingError(f"expected each input and unit to have a name of its own; got {[*self.inputs, *self.units]}.")
        for name, unit in self.units.items():
            if unknown := {*unit.excitatory, *unit.inhibitory} - known:
                raise SettingError(f"unit {name!r} has an edge from {min(unknown)!r}, which is neither an input nor a unit.")
            if unit.threshold < 0:
                raise SettingError(f"unit {name!r} has threshold {unit.threshold}; expected 0 or more.")
        if unknown := {*self.outputs, *self.firing} - set(self.units):
            raise SettingError(f"expected a unit named {min(unknown)!r}; there are {', '.join(self.units)}.")


def at_start(network: Network) -> Bits:
    """Which units fire at tick 0, as U bits."""
    return np.array([name in network.firing for name in network.units])


def run(network: Network, inputs_TIN: NDArray[np.generic], start_U: Bits | None = None) -> Bits:
    """What U units do at ticks 1 to T, in N copies at once, from inputs and units of the tick before: fired_TUN."""
    names, units = [*network.inputs, *network.units], network.units.values()
    excitatory_UV = np.array([[unit.excitatory.count(name) for name in names] for unit in units], float)
    inhibitory_UV = np.array([[unit.inhibitory.count(name) for name in names] for unit in units], float)
    thresholds_U1 = np.array([[unit.threshold] for unit in units])
    start_U = at_start(network) if start_U is None else start_U
    state_UN = np.repeat(start_U[:, None], inputs_TIN.shape[2], axis=1)
    fired_TUN = np.empty((len(inputs_TIN), *state_UN.shape), bool)
    for tick, inputs_IN in enumerate(inputs_TIN):
        signals_VN = np.concatenate([inputs_IN != 0, state_UN]).astype(float)
        vetoed_UN = inhibitory_UV @ signals_VN > 0
        state_UN = fired_TUN[tick] = ~vetoed_UN & (excitatory_UV @ signals_VN >= thresholds_U1)
    return fired_TUN


def settled(network: Network, inputs_NI: NDArray[np.generic]) -> Bits:
    """The outputs, a row for each of inputs, once these were held long enough; a network with a circle: SettingError."""
    ticks = latency(network)
    if ticks is None:
        raise SettingError("expected a network without circles; this one may never settle: run it tick by tick.")
    held_TIN = np.repeat(np.asarray(inputs_NI).T[None], max(ticks, 1), axis=0)
    rows = [[*network.units].index(name) for name in network.outputs]
    last_UN: Bits = run(network, held_TIN)[-1]
    return last_UN[rows].T


def _sources(network: Network) -> dict[str, set[str]]:
    return {name: {*unit.excitatory, *unit.inhibitory} for name, unit in network.units.items()}


def layers(network: Network) -> list[tuple[str, ...]]:
    """Inputs, then units by their delay: longest path from the inputs; shortest, where edges lead in circles."""
    sources = _sources(network)
    depth = dict.fromkeys(network.inputs, 0)
    try:
        for name in TopologicalSorter(sources).static_order():
            if name in sources:
                depth[name] = 1 + max((depth[source] for source in sources[name]), default=0)
    except CycleError:
        depth = dict.fromkeys(network.inputs, 0)
        for level in range(1, len(sources) + 1):
            ready = [name for name in sources if name not in depth and sources[name] & depth.keys()]
            depth |= dict.fromkeys(ready, level)
        depth = dict.fromkeys(sources, 1) | depth  # what no input reaches
    return [tuple(name for name in depth if depth[name] == level) for level in range(max(depth.values(), default=0) + 1)]


def latency(network: Network) -> int | None:
    """Ticks from a change of the inputs until the outputs have followed; None where edges lead in circles."""
    try:
        TopologicalSorter(_sources(network)).prepare()
    except CycleError:
        return None
    return max(level for level, names in enumerate(layers(network)) if {*names} & {*network.outputs})


# Any truth table, and what one unit alone can do


def compile_truth_table(values: Sequence[int]) -> Network:
    """Two layers for any function: a unit for each row that is 1, which only that row fires, and one OR of them.

    The 2^n `values` are of the rows in counting order, the first input slowest: 0 1 1 0 is XOR.
    """
    n = len(values).bit_length() - 1
    if n < 1 or len(values) != 2**n or not {*values} <= {0, 1}:
        raise SettingError(f"expected a truth table of 2, 4, 8, ... values, each 0 or 1; got {len(values)}: {[*values]}.")
    inputs = tuple(f"x{i + 1}" for i in range(n))
    rows = {}
    for row in compress(product((0, 1), repeat=n), values):
        active = tuple(compress(inputs, row))
        silent = tuple(name for name in inputs if name not in active)
        rows["".join(map(str, row))] = Unit(active, silent, len(active))
    return Network(inputs, {**rows, "out": OR(*rows)}, ("out",))


def single_units(n: int, copies: int = 1) -> Iterator[Unit]:
    """Every unit on n inputs: each absent, inhibitory, or excitatory with one to `copies` edges; every threshold that matters.

    An input with edges of both kinds is not listed: where it is active it is a veto, so it does what an inhibitory one does.
    """
    for edges in product(range(-1, copies + 1), repeat=n):
        excitatory = tuple(f"x{i + 1}" for i, count in enumerate(edges) for _ in range(count))
        inhibitory = tuple(f"x{i + 1}" for i, count in enumerate(edges) if count < 0)
        for threshold in range(n * copies + 2):
            yield Unit(excitatory, inhibitory, threshold)


def computed_by_one(n: int, copies: int = 1) -> dict[tuple[int, ...], Unit]:
    """Every truth table that one unit on n inputs computes, with one that has the fewest edges."""
    rows = [{f"x{i + 1}": bool(bit) for i, bit in enumerate(row)} for row in product((0, 1), repeat=n)]
    units: dict[tuple[int, ...], Unit] = {}
    for unit in sorted(single_units(n, copies), key=lambda unit: len(unit.excitatory + unit.inhibitory)):
        units.setdefault(tuple(int(fires(unit, row)) for row in rows), unit)
    return units


# Finite automata: into networks, and out of them


def compile_automaton(machine: Automaton) -> Network:
    """A network that does what an automaton does, two ticks a symbol: an AND for each state and symbol, an OR for each state.

    A state is held by the one unit that fires, and one more puts out: k states and s symbols take k s + k + 1 units.
    """

    def name(pair: tuple[str, str]) -> str:
        return ", ".join(pair)

    inputs = {name((state, symbol)): AND(f"at {state}", symbol) for state, symbol in machine.next}
    reached = {
        f"at {state}": OR(*(name(pair) for pair, after in machine.next.items() if after == state)) for state in machine.states
    }
    out = OR(*(name(pair) for pair in machine.next if pair in machine.emits))
    firing = (f"at {machine.start}", *(["out"] if machine.emits_first else []))
    return Network(machine.symbols, {**inputs, **reached, "out": out}, ("out",), firing)


def every_second_tick(symbols: Sequence[str]) -> dict[str, Bits]:
    """How a compiled automaton is fed: for each symbol two ticks of inputs, its own line active and then none."""
    return {symbol: np.array([[name == symbol for name in symbols], [False] * len(symbols)]) for symbol in symbols}


def every_input(network: Network) -> dict[str, Bits]:
    """All 2^I patterns of the inputs as letters of one tick each, named by their bits."""
    return {"".join(map(str, row)): np.array([row], bool) for row in product((0, 1), repeat=len(network.inputs))}


def extract(network: Network, letters: Mapping[str, Bits], most_states: int = 4096) -> Automaton:
    """The automaton that a network with one output is: every state of its units that some word reaches, at most 2^U of them.

    `letters` give for each symbol what the inputs do while it is read, ticks x I: `every_input`, `every_second_tick`.
    """
    if len(network.outputs) != 1:
        raise SettingError(f"expected a network with one output; got {len(network.outputs)}: {', '.join(network.outputs)}.")
    out, start_U = [*network.units].index(network.outputs[0]), at_start(network)
    states = {_bits(start_U): start_U}
    following: dict[tuple[str, str], str] = {}
    emits: set[tuple[str, str]] = set()
    names = [*states]
    for name in names:  # grows meanwhile
        for letter, inputs_TI in letters.items():
            after_U = run(network, inputs_TI[:, :, None], states[name])[-1, :, 0]
            after = following[name, letter] = _bits(after_U)
            if after_U[out]:
                emits.add((name, letter))
            if after not in states:
                states[after] = after_U
                names.append(after)
        if len(states) > most_states:
            count = len(network.units)
            raise SettingError(f"expected at most {most_states:,} states; the {count} units of this network reach more.")
    return Automaton(tuple(letters), names[0], following, frozenset(emits), bool(start_U[out]))


def _bits(state_U: Bits) -> str:
    return "".join("1" if fired else "0" for fired in state_U)


# Three by three pixels, and a memory of one bit

PIXELS = ("nw", "n", "ne", "w", "here", "e", "sw", "s", "se")
# An active pixel with an inactive one among its eight neighbors. The relay `also` holds the pixel back by one tick, since
# `full` takes one to see all nine
OUTLINE = Network(PIXELS, {"full": AND(*PIXELS), "also": OR("here"), "edge": AND_NOT("also", "full")}, ("edge",))
# An active pixel with an inactive one on this side: one unit each
SIDES: Mapping[str, Network] = {
    side: Network(PIXELS, {"edge": AND_NOT("here", pixel)}, ("edge",))
    for side, pixel in {"top": "n", "left": "w", "right": "e", "bottom": "s"}.items()
}
LATCH = Network(("set", "reset"), {"memory": Unit(("set", "memory"), ("reset",), 1)}, ("memory",))


def over(network: Network, image_HW: NDArray[np.generic]) -> Bits:
    """Put a network of the nine `PIXELS` on every pixel of a binary image, H x W; around the image nothing is active."""
    windows_HW33 = np.lib.stride_tricks.sliding_window_view(np.pad(image_HW != 0, 1), (3, 3))
    return settled(network, windows_HW33.reshape(-1, 9))[:, 0].reshape(image_HW.shape)
