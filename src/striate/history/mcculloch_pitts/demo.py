"""McCulloch & Pitts 1943: what one unit computes, any truth table, automata as networks and back, and edges of an image."""

from collections.abc import Sequence
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from striate.base.errors import SettingError
from striate.history.demonstration import Demonstration
from striate.history.mcculloch_pitts import model as mp
from striate.history.mcculloch_pitts.automaton import LANGUAGES, Language, difference
from striate.history.mcculloch_pitts.plots import Table, Trace, network, tables, traces
from striate.history.sample_images import SampleImage, gray
from striate.plots import image_panels

XOR = (0, 1, 1, 0)
NAMES: dict[tuple[int, ...], str] = {
    (0, 0, 0, 0): "0", (1, 1, 1, 1): "1", (0, 0, 1, 1): "x1", (0, 1, 0, 1): "x2", (1, 1, 0, 0): "NOT x1",
    (1, 0, 1, 0): "NOT x2", (0, 0, 0, 1): "AND", (0, 1, 1, 1): "OR", (1, 0, 0, 0): "NOR", (0, 0, 1, 0): "x1 AND NOT x2",
    (0, 1, 0, 0): "x2 AND NOT x1", (1, 1, 1, 0): "NAND", XOR: "XOR", (1, 0, 0, 1): "XNOR", (1, 0, 1, 1): "x1 OR NOT x2",
    (1, 1, 0, 1): "x2 OR NOT x1",
}  # fmt: skip
LONGEST = 10  # letters of the words that are all read
_MOST_PX = 256
_MOST_INPUTS, _MOST_LETTERS = 5, 24


def demonstrate(image: Path | None = None, *, table: str = "0110", word: str = "0110100", out: Path) -> Demonstration:
    """Compile, run, extract and draw.

    Args:
        image: an image whose edges are found; else shapes drawn here.
        table: the truth table that is compiled: 2 to 32 values of 0 and 1 in counting order; 0110 is XOR.
        word: of 0 and 1, that three automata read.
        out: folder for the figures.

    """
    values = _bits("a truth table of 2, 4, 8, 16 or 32 values", table, [2**n for n in range(1, _MOST_INPUTS + 1)])
    _bits(f"a word of 1 to {_MOST_LETTERS} letters", word, range(1, _MOST_LETTERS + 1))
    sample = gray(image, _MOST_PX)
    names = ("one_unit", "table", "automata", "latch", "latch_network", "edges", "edge_network")
    files = {name: out / f"{name}.png" for name in names}
    numbers: dict[str, Any] = {
        "one_unit": _one_unit(files["one_unit"]),
        "truth_tables": [_all_tables(n) for n in (2, 3)],
        "table": _compile_table(table, values, files["table"]),
        "automata": [
            _automaton(name, language, out / f"automaton_{name.replace(' ', '_')}.png") for name, language in LANGUAGES.items()
        ],
    }
    _draw_words(word, files["automata"])
    _draw_latch(files["latch"])
    network("A memory of one bit: one unit that excites itself", mp.LATCH, files["latch_network"])
    network("The outline detector of one pixel: active, and not all nine are", mp.OUTLINE, files["edge_network"])
    numbers["edges"] = _edges(sample, files["edges"])
    drawn = [*files.values(), *(Path(row["file"]) for row in numbers["automata"])]
    return Demonstration(numbers, _lines(numbers), drawn)


def _bits(expected: str, text: str, lengths: Sequence[int]) -> tuple[int, ...]:
    if len(text) not in lengths or not {*text} <= {"0", "1"}:
        raise SettingError(f"expected {expected}, each 0 or 1, such as 0110; got {text!r}.")
    return tuple(map(int, text))


def _one_unit(path: Path) -> dict[str, Any]:
    """All 16 functions of two inputs against all units; edges may be tripled, which changes nothing."""
    by_one, tripled = mp.computed_by_one(2), mp.computed_by_one(2, copies=3)
    rows = [Table(values, name, by_one.get(values)) for values, name in NAMES.items()]
    tables(f"Functions of two inputs: one unit computes {len(by_one)} of {len(NAMES)} (blue), not XOR", rows, path)
    return {
        "units": len([*mp.single_units(2)]),
        "units_tripled": len([*mp.single_units(2, copies=3)]),
        "computed": [name for values, name in NAMES.items() if values in by_one],
        "not_computed": [name for values, name in NAMES.items() if values not in by_one],
        "same_with_tripled_edges": by_one.keys() == tripled.keys(),
        "xor": XOR in by_one or XOR in tripled,
        "of_three_inputs": len(mp.computed_by_one(3, copies=2)),
    }


def _outputs(net: mp.Network) -> tuple[int, ...]:
    """The truth table of a network without circles."""
    rows_NI = np.array([*product((0, 1), repeat=len(net.inputs))])
    return tuple(mp.settled(net, rows_NI)[:, 0].astype(int).tolist())


def _all_tables(n: int) -> dict[str, int]:
    """Compile every function of n inputs and compare the network with the table, row by row."""
    functions = [*product((0, 1), repeat=2**n)]
    nets = [mp.compile_truth_table(values) for values in functions]
    correct = sum(_outputs(net) == values for net, values in zip(nets, functions, strict=True))
    return {"inputs": n, "functions": len(functions), "correct": correct, "most_units": max(len(net.units) for net in nets)}


def _compile_table(table: str, values: tuple[int, ...], path: Path) -> dict[str, Any]:
    net = mp.compile_truth_table(values)
    name = f" ({NAMES[values]})" if values in NAMES else ""
    network(f"The truth table {table}{name}: a unit for each row that is 1, then OR", net, path)
    outputs = "".join(map(str, _outputs(net)))
    return {"values": table, "outputs": outputs, "units": len(net.units), "latency_ticks": mp.latency(net)}


def _automaton(name: str, language: Language, path: Path) -> dict[str, Any]:
    """Compile an automaton, read every word up to a length with the network, and extract the automaton from it again."""
    net = mp.compile_automaton(language.machine)
    extracted = mp.extract(net, mp.every_second_tick(net.inputs))
    read, correct = 0, 0
    for length in range(LONGEST + 1):
        words = ["".join(word) for word in product(net.inputs, repeat=length)]
        correct += sum(accepted == language.holds(word) for accepted, word in zip(_accepted(net, words), words, strict=True))
        read += len(words)
    network(f'The automaton "{name}": a unit for each state and letter, then one for each state', net, path)
    return {
        "name": name, "states": len(language.machine.states), "units": len(net.units),
        "states_reached": len(extracted.states), "states_possible": 2 ** len(net.units), "words_read": read,
        "words_correct": correct, "equal": difference(language.machine, extracted) is None, "file": str(path),
    }  # fmt: skip


def _accepted(net: mp.Network, words: Sequence[str]) -> list[bool]:
    """Whether a compiled automaton accepts each of these words of one length, all read side by side."""
    out = [*net.units].index(net.outputs[0])
    if not words[0]:
        return [bool(mp.at_start(net)[out])]
    fired_TUN = mp.run(net, np.stack([_fed(net, word) for word in words], axis=2))
    return [bool(fired) for fired in fired_TUN[-1, out]]


def _fed(net: mp.Network, word: str) -> NDArray[np.bool_]:
    """The inputs while a word is read, T x I: a letter at every second tick."""
    letters = mp.every_second_tick(net.inputs)
    return np.concatenate([letters[letter] for letter in word])


def _draw_words(word: str, path: Path) -> None:
    panels = []
    for name, (machine, _) in LANGUAGES.items():
        net = mp.compile_automaton(machine)
        shown = [unit for unit in net.units if unit.startswith("at ")] + ["out"]
        title = f"{name}: {word!r} is {'accepted' if _accepted(net, [word])[0] else 'not accepted'}"
        panels.append(_trace(title, net, _fed(net, word), shown))
    traces(f"Three networks read {word}, a letter every second tick", panels, path)


def _draw_latch(path: Path) -> None:
    inputs_TI = np.zeros((16, 2), bool)
    inputs_TI[[2, 10, 11], 0] = True
    inputs_TI[[7, 11], 1] = True
    panel = _trace("memory: excited by set and by itself, inhibited by reset", mp.LATCH, inputs_TI, ["memory"])
    traces("A memory of one bit: an edge that leads back", [panel], path)


def _trace(title: str, net: mp.Network, inputs_TI: NDArray[np.bool_], shown: Sequence[str]) -> Trace:
    """Inputs, and the units named, from tick 0 to one after the last input."""
    fired_UT = np.concatenate([mp.at_start(net)[None], mp.run(net, inputs_TI[:, :, None])[:, :, 0]]).T
    rows = [[*net.units].index(name) for name in shown]
    inputs_IT = np.pad(inputs_TI.T, ((0, 0), (0, 1)))
    names = [*(f"input {name}" for name in net.inputs), *shown]
    return Trace(title, names, np.concatenate([inputs_IT, fired_UT[rows]]), len(names) - 1)


def _edges(sample: SampleImage, path: Path) -> dict[str, Any]:
    """The outline and the four sides of what is brighter than the mean of the image."""
    active_HW = sample.levels_HW > sample.levels_HW.mean()
    nets = {"outline": mp.OUTLINE, **{f"{side} edge": net for side, net in mp.SIDES.items()}}
    maps = {name: mp.over(net, active_HW) for name, net in nets.items()}
    shown = {f"{name}: {len(nets[name].units)} a pixel, tick {mp.latency(nets[name])}": edges for name, edges in maps.items()}
    gray_and_active = {sample.description: sample.levels_HW, "brighter than its mean": active_HW}
    title = "Edges by McCulloch-Pitts units that see 3 x 3 pixels: how many units a pixel, and when the output comes"
    image_panels.draw(title, gray_and_active | shown, path, across=4)
    return {
        "image": sample.description, "pixels": active_HW.size, "active": int(active_HW.sum()),
        "units": active_HW.size * len(mp.OUTLINE.units), "latency_ticks": mp.latency(mp.OUTLINE),
        **{name.replace(" ", "_"): int(edges.sum()) for name, edges in maps.items()},
    }  # fmt: skip


def _lines(result: dict[str, Any]) -> list[str]:
    single, table, edges = result["one_unit"], result["table"], result["edges"]
    return [
        f"one unit, two inputs: all {single['units']} units compute {len(single['computed'])} of 16 functions; none of them "
        f"computes {', '.join(single['not_computed'])}",
        f"with up to three edges from an input: {single['units_tripled']} units, the same functions",
        f"one unit, three inputs: {single['of_three_inputs']} of 256 functions",
        *(
            f"compiled: {row['correct']} of {row['functions']} functions of {row['inputs']} inputs are correct in every row, "
            f"two layers, at most {row['most_units']} units"
            for row in result["truth_tables"]
        ),
        f"truth table {table['values']} -> units: {table['units']}, outputs: {table['outputs']}, "
        f"after ticks: {table['latency_ticks']}",
        *(
            f"{row['name']}: {row['units']} units hold {row['states']} states, reach {row['states_reached']} of "
            f"{row['states_possible']:,}; {row['words_correct']:,} of {row['words_read']:,} words up to {LONGEST} letters "
            f"correct; the extracted automaton is {'the same' if row['equal'] else 'another'} for words of any length"
            for row in result["automata"]
        ),
        f"edges of {edges['image']}: {edges['units']:,} units find in {edges['latency_ticks']} ticks that "
        f"{edges['outline']:,} of {edges['active']:,} active pixels are on an outline",
    ]
