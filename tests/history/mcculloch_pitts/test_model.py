"""The unit by hand; every function of two and three inputs; what one unit cannot; automata into networks and back."""

from collections.abc import Callable
from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from striate.base.errors import SettingError
from striate.history.mcculloch_pitts.automaton import LANGUAGES, Automaton, difference, read_word
from striate.history.mcculloch_pitts.model import (
    AND,
    AND_NOT,
    LATCH,
    NOR,
    OR,
    OUTLINE,
    PIXELS,
    SIDES,
    Network,
    Unit,
    compile_automaton,
    compile_truth_table,
    computed_by_one,
    every_input,
    every_second_tick,
    extract,
    fires,
    latency,
    layers,
    over,
    run,
    settled,
    single_units,
)

NAMES = ("a", "b", "c")
ROWS = [*product((0, 1), repeat=2)]


def table(unit: Unit) -> tuple[int, ...]:
    return tuple(int(fires(unit, {"a": bool(a), "b": bool(b)})) for a, b in ROWS)


@pytest.mark.parametrize(
    ("unit", "values"),
    [
        (AND("a", "b"), (0, 0, 0, 1)),
        (OR("a", "b"), (0, 1, 1, 1)),
        (NOR("a", "b"), (1, 0, 0, 0)),
        (NOR("a"), (1, 1, 0, 0)),  # NOT
        (AND_NOT("a", "b"), (0, 0, 1, 0)),
        (OR("b"), (0, 1, 0, 1)),  # a delay of one tick
        (NOR(), (1, 1, 1, 1)),
        (Unit(("a", "b"), (), 3), (0, 0, 0, 0)),
        (OR(), (0, 0, 0, 0)),
    ],
)
def test_the_gates(unit: Unit, values: tuple[int, ...]):
    assert table(unit) == values


def test_one_veto_is_stronger_than_any_number_of_excitatory_edges():
    unit = Unit(("a",) * 9 + ("b",), ("c",), 1)
    assert fires(unit, {"a": True, "b": True, "c": False})
    assert not fires(unit, {"a": True, "b": True, "c": True})
    assert table(Unit(("a", "b"), ("b",), 1)) == table(AND_NOT("a", "b"))  # an input that does both, forbids


def test_an_edge_given_twice_counts_twice():
    weighted = Unit(("a", "a", "b", "c"), (), 2)  # 2 a + b + c >= 2
    for a, b, c in product((False, True), repeat=3):
        assert fires(weighted, {"a": a, "b": b, "c": c}) == (2 * a + b + c >= 2)


names = st.lists(st.sampled_from(("x", "y", "u0", "u1", "u2")), max_size=4).map(tuple)
networks = st.lists(st.builds(Unit, names, names, st.integers(0, 3)), min_size=3, max_size=3).map(
    lambda units: Network(("x", "y"), {f"u{i}": unit for i, unit in enumerate(units)}, ("u2",), ("u1",))
)


@given(networks, st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=6))
def test_a_network_steps_each_unit_as_the_unit_alone_says(net: Network, inputs: list[tuple[bool, bool]]):
    fired_TU = run(net, np.array(inputs)[:, :, None])[:, :, 0]
    state = {name: name in net.firing for name in net.units}
    for (x, y), row in zip(inputs, fired_TU, strict=True):
        state = {name: fires(unit, state | {"x": x, "y": y}) for name, unit in net.units.items()}
        assert row.tolist() == [*state.values()]


@pytest.mark.parametrize("n", [1, 2, 3])
def test_every_function_is_compiled_into_two_layers(n: int):
    rows_NI = np.array([*product((0, 1), repeat=n)])
    for values in product((0, 1), repeat=2**n):
        net = compile_truth_table(values)
        assert settled(net, rows_NI)[:, 0].tolist() == [bool(value) for value in values]
        assert len(net.units) == sum(values) + 1 <= 2**n + 1
        assert latency(net) == (2 if any(values) else 1)


def test_a_compiled_table_answers_a_new_question_every_tick_two_ticks_later():
    net = compile_truth_table((0, 1, 1, 0))
    inputs_TI = np.random.default_rng(0).integers(0, 2, (40, 2))
    out_T = run(net, inputs_TI[:, :, None])[:, -1, 0]
    assert out_T[1:].tolist() == (inputs_TI[:-1, 0] != inputs_TI[:-1, 1]).tolist()


def test_one_unit_computes_eleven_functions_of_two_inputs_and_xor_is_not_among_them():
    units = computed_by_one(2)
    assert len([*single_units(2)]) == 3 * 3 * 4
    assert units.keys() == {
        (0, 0, 0, 0), (1, 1, 1, 1), (0, 0, 1, 1), (0, 1, 0, 1), (1, 1, 0, 0), (1, 0, 1, 0),  # 0, 1, x, y, NOT x, NOT y
        (0, 0, 0, 1), (0, 1, 1, 1), (1, 0, 0, 0), (0, 0, 1, 0), (0, 1, 0, 0),  # AND, OR, NOR, x AND NOT y, y AND NOT x
    }  # fmt: skip
    assert (0, 1, 1, 0) not in units
    assert computed_by_one(2, copies=3).keys() == units.keys()
    assert units[(0, 0, 0, 0)] == Unit((), (), 1)


def test_of_three_inputs_one_unit_computes_as_many_functions_as_can_be_counted_by_hand():
    # NOR of some inputs and a monotone function, not 0, of the others: 20 - 1, 3 (6 - 1), 3 (3 - 1), 2 - 1; and the constant 0
    assert len(computed_by_one(3, copies=2)) == 19 + 15 + 6 + 1 + 1
    assert computed_by_one(3, copies=3).keys() == computed_by_one(3, copies=2).keys()
    assert len(computed_by_one(3)) == 36  # with single edges: without x AND (y OR z), x OR (y AND z), three times each
    assert (0, 0, 0, 1, 0, 1, 1, 1) in computed_by_one(3)  # majority


@pytest.mark.parametrize("values", [(), (1,), (0, 1, 1), (0, 1, 2, 0)])
def test_what_is_no_truth_table_is_refused(values: tuple[int, ...]):
    with pytest.raises(SettingError, match=r"expected a truth table of 2, 4, 8, \.\.\. values, each 0 or 1; got"):
        compile_truth_table(values)


@pytest.mark.parametrize(("name", "language"), LANGUAGES.items(), ids=LANGUAGES)
def test_a_compiled_automaton_accepts_the_words_of_its_language_and_no_others(name: str, language: object):
    machine, holds = LANGUAGES[name]
    net = compile_automaton(machine)
    letters = every_second_tick(net.inputs)
    back = extract(net, letters)
    assert len(net.units) == 2 * len(machine.states) + len(machine.states) + 1
    assert len(back.states) == len(machine.states)
    assert difference(back, machine) is None
    for length in range(1, 9):
        for word in map("".join, product("01", repeat=length)):
            assert read_word(back, word)[-1] == holds(word), word
    word = "0110100110010110"
    fired_TU = run(net, np.concatenate([letters[letter] for letter in word])[:, :, None])[:, :, 0]
    assert fired_TU[1::2, -1].tolist() == [holds(word[: i + 1]) for i in range(len(word))]
    assert not fired_TU[::2, -1].any()  # silent while a letter is on its way


@st.composite
def automata(draw: st.DrawFn) -> Automaton:
    states, symbols = [f"s{i}" for i in range(draw(st.integers(1, 4)))], ("a", "b", "c")[: draw(st.integers(1, 3))]
    pairs = [*product(states, symbols)]
    following = {pair: draw(st.sampled_from(states)) for pair in pairs}
    return Automaton(symbols, "s0", following, frozenset(draw(st.sets(st.sampled_from(pairs)))), draw(st.booleans()))


@given(automata())
def test_any_automaton_survives_the_way_into_a_network_and_back(machine: Automaton):
    net = compile_automaton(machine)
    k, s = len(machine.states), len(machine.symbols)
    assert len(net.units) == k * s + k + 1
    assert difference(extract(net, every_second_tick(net.inputs)), machine) is None


@given(networks, st.data())
def test_any_network_is_an_automaton_which_another_network_computes(net: Network, data: st.DataObject):
    machine = extract(net, every_input(net))
    assert len(machine.states) <= 2 ** len(net.units)
    word = data.draw(st.lists(st.sampled_from(machine.symbols), min_size=1, max_size=8))
    inputs_TI = np.array([[letter == "1" for letter in symbol] for symbol in word])
    assert read_word(machine, word)[1:] == run(net, inputs_TI[:, :, None])[:, 2, 0].tolist()
    again = compile_automaton(machine)
    assert difference(extract(again, every_second_tick(again.inputs)), machine) is None


def test_a_ring_of_units_reaches_as_many_states_as_it_has_places_and_a_limit_is_kept():
    ring = Network((), {f"u{i}": OR(f"u{(i - 1) % 6}") for i in range(6)}, ("u5",), ("u0",))
    assert len(extract(ring, {"tick": np.zeros((1, 0), bool)}).states) == 6
    with pytest.raises(SettingError, match="expected at most 4 states; the 6 units of this network reach more"):
        extract(ring, {"tick": np.zeros((1, 0), bool)}, most_states=4)
    with pytest.raises(SettingError, match="expected a network with one output; got 2: u0, u5"):
        extract(Network((), ring.units, ("u0", "u5")), {})


def test_the_latch_keeps_what_was_set_until_it_is_reset_and_reset_wins():
    inputs_TI = np.array([[0, 0], [1, 0], [0, 0], [0, 0], [0, 1], [0, 0], [1, 1], [0, 0]])
    assert run(LATCH, inputs_TI[:, :, None])[:, 0, 0].astype(int).tolist() == [0, 1, 1, 1, 0, 0, 0, 0]
    assert latency(LATCH) is None
    with pytest.raises(SettingError, match="expected a network without circles"):
        settled(LATCH, np.zeros((1, 2)))


def test_three_units_find_the_outline_as_the_table_of_all_512_windows_says():
    windows_NI = np.array([*product((0, 1), repeat=9)])
    is_edge_N = (windows_NI[:, 4] == 1) & (windows_NI.sum(axis=1) < 9)
    compiled = compile_truth_table(is_edge_N.astype(int).tolist())
    assert settled(OUTLINE, windows_NI)[:, 0].tolist() == is_edge_N.tolist()
    assert settled(compiled, windows_NI)[:, 0].tolist() == is_edge_N.tolist()
    assert (len(OUTLINE.units), len(compiled.units)) == (3, 256)
    assert latency(OUTLINE) == latency(compiled) == 2
    assert PIXELS[4] == "here"


def test_the_outline_of_a_square_by_hand():
    image_HW = np.zeros((6, 7), int)
    image_HW[1:5, 2:6] = 1
    ring_HW = image_HW.copy()
    ring_HW[2:4, 3:5] = 0
    assert over(OUTLINE, image_HW).astype(int).tolist() == ring_HW.tolist()
    left, bottom = over(SIDES["left"], image_HW), over(SIDES["bottom"], image_HW)
    assert np.argwhere(left).tolist() == [[row, 2] for row in range(1, 5)]
    assert np.argwhere(bottom).tolist() == [[4, column] for column in range(2, 6)]
    assert latency(SIDES["left"]) == 1


def test_around_the_image_nothing_is_active():
    assert np.argwhere(~over(OUTLINE, np.ones((4, 4)))).tolist() == [[1, 1], [1, 2], [2, 1], [2, 2]]


def test_layers_follow_the_delays_and_the_shortest_way_where_there_are_circles():
    net = Network(("a",), {"one": OR("a"), "two": AND("a", "one"), "constant": NOR()}, ("two",))
    assert layers(net) == [("a",), ("one", "constant"), ("two",)] or layers(net) == [("a",), ("constant", "one"), ("two",)]
    circle = Network(("a",), {"near": OR("a", "far"), "far": OR("near"), "alone": OR("alone")}, ("far",))
    assert [set(names) for names in layers(circle)] == [{"a"}, {"near", "alone"}, {"far"}]


@pytest.mark.parametrize(
    ("build", "text"),
    [
        (
            lambda: Network(("a",), {"a": NOR()}, ("a",)),
            "expected each input and unit to have a name of its own; got ['a', 'a'].",
        ),
        (
            lambda: Network(("a",), {"u": OR("b")}, ("u",)),
            "unit 'u' has an edge from 'b', which is neither an input nor a unit.",
        ),
        (lambda: Network(("a",), {"u": Unit(("a",), (), -1)}, ("u",)), "unit 'u' has threshold -1; expected 0 or more."),
        (lambda: Network(("a",), {"u": OR("a")}, ("a",)), "expected a unit named 'a'; there are u."),
    ],
)
def test_a_network_that_cannot_be_is_refused(build: Callable[[], Network], text: str):
    with pytest.raises(SettingError) as caught:
        build()
    assert str(caught.value) == text
