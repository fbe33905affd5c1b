"""GMDH against numbers of another implementation, and against what follows from its definition."""

import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.polynomial import Polynomial
from numpy.typing import NDArray

from striate.base.errors import DataError, SettingError
from striate.history.gmdh.criteria import named
from striate.history.gmdh.model import GMDH, GMDHClassifier, grow_layer, pruned

Floats = NDArray[np.float64]


def columns(rows: int, count: int) -> Floats:
    i, j = np.arange(1.0, rows + 1)[:, None], np.arange(1.0, count + 1)
    return np.sin(i * (0.7 * j + 0.3)) + 0.5 * np.cos(0.011 * i**2 * j)


@pytest.fixture(scope="module")
def checked() -> tuple[Floats, Floats]:
    X = columns(80, 5)
    y = 1 + 2 * X[:, 0] - X[:, 1] * X[:, 2] + 0.5 * X[:, 3] ** 2 + X[:, 0] * X[:, 4]
    assert X[0].tolist() == pytest.approx([1.34144074, 1.49154382, 1.17519096, 0.54109674, -0.11261395], abs=5e-9)
    assert y[:3].tolist() == pytest.approx([1.92536057, 6.07377769, 2.69672280], abs=5e-9)
    return X, y


def noisy(seed: int, rows: int = 80) -> tuple[Floats, Floats]:
    draw = np.random.default_rng(seed)
    X = draw.uniform(-1, 1, (rows, 8))
    return X, 1 + 2 * X[:, 0] - X[:, 1] * X[:, 2] + 0.5 * X[:, 3] ** 2 + 0.6 * draw.standard_normal(rows)


# The best criterion of each layer, the last refused, and the prediction of the last row, as PyPI's gmdh 1.0.3 `Mia` gives them
@pytest.mark.parametrize(
    ("keep", "criteria", "last_row"),
    [
        (3, [20.168699, 19.637813, 19.685698], -1.2522241277),
        (4, [20.168699, 19.637813, 19.685698], -1.2522241277),
        (6, [20.168699, 19.246238, 16.247236, 16.614861], -1.3383024648),
    ],
)
def test_it_grows_as_the_reference_implementation(
    keep: int, criteria: list[float], last_row: float, checked: tuple[Floats, Floats]
):
    X, y = checked
    network = GMDH(keep=keep).fit(X, y)
    assert [round(step.criterion, 6) for step in network.history_] == criteria
    assert [step.accepted for step in network.history_] == [True] * (len(criteria) - 1) + [False]
    assert network.predict(X)[-1] == pytest.approx(last_row, abs=1e-9)
    assert network.degree == 2 ** (len(criteria) - 1)


def test_the_winners_of_both_layers_are_those_of_the_reference(checked: tuple[Floats, Floats]):
    X, y = checked
    first = grow_layer(X[:40], X[40:], y[:40], y[40:], named("regularity"), 3)
    assert (first.pairs_K2 + 1).tolist() == [[1, 5], [1, 4], [1, 2]]
    second = grow_layer(first.forward(X[:40]), first.forward(X[40:]), y[:40], y[40:], named("regularity"), 3)
    assert (second.pairs_K2 + 1).tolist() == [[1, 2], [1, 3], [2, 3]]


def test_a_polynomial_of_one_pair_is_found_again_exactly():
    X = columns(40, 4)
    network = GMDH(limit=1e-9).fit(X, 3 - 2 * X[:, 1] + X[:, 3] + 0.5 * X[:, 1] * X[:, 3] - 1.5 * X[:, 3] ** 2)
    (layer,) = network.layers_
    assert layer.pairs_K2.tolist() == [[1, 3]]
    assert layer.weights_KQ[0].tolist() == pytest.approx([3, -2, 1, 0.5, 0, -1.5], abs=1e-12)
    assert layer.criteria_K[0] < 1e-26
    assert network.formula() == "y = 3 - 2 x2 + 1 x4 + 0.5 x2 x4 - 1.5 x4^2"


def test_a_square_of_a_sum_reads_as_its_three_terms():
    X = np.random.default_rng(1).integers(-9, 9, (20, 4)).astype(float)
    assert GMDH(limit=1e-9).fit(X, (X[:, 0] + X[:, 3]) ** 2).formula() == "y = 2 x1 x4 + 1 x1^2 + 1 x4^2"


def test_the_formula_of_a_deeper_network_is_what_it_computes(checked: tuple[Floats, Floats]):
    X, y = checked
    network = GMDH(keep=6).fit(X, y)
    names = {f"x{j}": X[:, j - 1] for j in range(1, 6)}
    for line in network.formula(digits=17).splitlines():
        name, _, text = line.partition(" = ")
        words = text.replace("^", "**").split(" ")
        joined = "".join(f" {word} " if word in "+-" else f"*{word}" for word in words)
        names[name] = eval(joined.replace("+ *", "+ ").replace("- *", "- ").removeprefix("*"), {}, names)
    assert names["y"] == pytest.approx(network.predict(X), abs=1e-12)
    assert len(network.formula().splitlines()) == 4 + 2 + 1  # of 6 + 6 + 6 elements the best needs so many


def test_growth_is_watched_by_the_mean_of_the_best_few_and_must_fall_by_more_than_the_limit(checked: tuple[Floats, Floats]):
    X, y = checked
    first = grow_layer(X[:40], X[40:], y[:40], y[40:], named("regularity"), 3)
    (step, *_) = GMDH(keep=3, average=3).fit(X, y).history_
    assert step.mean == pytest.approx(first.criteria_K.mean())
    assert step.criterion == first.criteria_K[0] < step.mean
    # The second layer is better by 20.168699 - 19.637813 = 0.530886
    assert [len(GMDH(keep=3, limit=limit).fit(X, y).layers_) for limit in (0.53, 0.54)] == [2, 1]


def test_pruning_changes_no_prediction(checked: tuple[Floats, Floats]):
    X, y = checked
    outputs, layers = X, []
    for _ in range(3):
        layers.append(grow_layer(outputs[:40], outputs[40:], y[:40], y[40:], named("regularity"), 6))
        outputs = layers[-1].forward(outputs)
    small = X
    for layer in pruned(layers):
        small = layer.forward(small)
    assert small[:, 0].tolist() == outputs[:, 0].tolist()
    assert [len(layer.pairs_K2) for layer in pruned(layers)] == [4, 2, 1]


def along_a_ray(network: GMDH, ray: Floats) -> Polynomial:
    """The grown polynomial at t times a ray, as a polynomial in t, multiplied out."""
    inputs = [Polynomial([0.0, slope]) for slope in ray]
    for layer in network.layers_:
        inputs = [
            w[0] + w[1] * inputs[i] + w[2] * inputs[j] + w[3] * inputs[i] * inputs[j] + w[4] * inputs[i] ** 2
            + w[5] * inputs[j] ** 2
            for (i, j), w in zip(layer.pairs_K2, layer.weights_KQ, strict=True)
        ]  # fmt: skip
    return inputs[0]


def test_the_degree_doubles_with_each_layer_to_256_in_the_eight_layer_configuration():
    X, y = noisy(0)
    for layers in (1, 2, 3, 8):
        network = GMDH(keep=6, layers=layers, limit=-math.inf).fit(X, y)
        assert network.degree == 2**layers
        assert len(network.layers_) == layers
        polynomial = along_a_ray(network, X[0])
        assert polynomial.degree() == 2**layers
        assert polynomial.coef[-1] != 0
        assert polynomial(0.5) == pytest.approx(network.predict(0.5 * X[:1])[0], rel=1e-9)


@pytest.mark.parametrize("criterion", ["regularity", "symmetric_regularity", "stability", "unbiased_outputs"])
@pytest.mark.parametrize("average", [1, 3])
@pytest.mark.parametrize("seed", range(3))
def test_the_criterion_falls_along_the_layers_that_stay(criterion: str, average: int, seed: int):
    history = GMDH(criterion, keep=8, average=average).fit(*noisy(seed)).history_
    means = [step.mean for step in history if step.accepted]
    assert all(after < before for before, after in pairwise(means))
    assert all(step.mean >= means[-1] for step in history if not step.accepted)


@pytest.mark.parametrize("seed", range(3))
def test_without_an_external_criterion_the_error_falls_where_it_is_fitted_and_rises_elsewhere(seed: int):
    with np.errstate(over="ignore", invalid="ignore"):
        history = GMDH("training_error", keep=12, layers=5, limit=-math.inf).fit(*noisy(seed)).history_
    fitted = [step.error_A for step in history]
    assert fitted == sorted(fitted, reverse=True)
    assert history[-1].error_B > 1.1 * history[0].error_B
    assert GMDH(keep=12).fit(*noisy(seed)).history_[-1].error_B < history[0].error_B


@given(
    scales=st.lists(st.floats(0.01, 100), min_size=5, max_size=5),
    shifts=st.lists(st.floats(-3, 3), min_size=5, max_size=5),
)
def test_other_units_of_the_inputs_change_nothing(scales: list[float], shifts: list[float]):
    X = columns(80, 5)
    y = 1 + 2 * X[:, 0] - X[:, 1] * X[:, 2] + 0.5 * X[:, 3] ** 2 + X[:, 0] * X[:, 4]
    other = X * scales + np.multiply(shifts, scales)
    first, second = GMDH(keep=6).fit(X, y), GMDH(keep=6).fit(other, y)
    assert [step.criterion for step in second.history_] == pytest.approx([step.criterion for step in first.history_], rel=1e-6)
    assert second.predict(other) == pytest.approx(first.predict(X), abs=1e-6)


def test_few_pairs_at_a_time_give_the_same_layer(checked: tuple[Floats, Floats], monkeypatch: pytest.MonkeyPatch):
    X, y = checked
    whole = GMDH(keep=6).fit(X, y)
    monkeypatch.setattr("striate.history.gmdh.model._AT_ONCE", 1000)
    parts = GMDH(keep=6).fit(X, y)
    assert [step.criterion for step in parts.history_] == [step.criterion for step in whole.history_]


def test_growth_ends_where_no_pair_is_left(checked: tuple[Floats, Floats]):
    X, y = checked
    network = GMDH(keep=2, limit=-math.inf).fit(X[:, :2], y)
    assert [step.candidates for step in network.history_] == [1]
    assert GMDH(keep=2, limit=-math.inf).fit(X, y).history_[1].candidates == 1


def test_two_equal_columns_do_no_harm(checked: tuple[Floats, Floats]):
    X, y = checked
    twice = np.concatenate([X, X], axis=1)
    assert np.isfinite(GMDH(keep=6).fit(twice, y).predict(twice)).all()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"criterion": "regularly"}, "There is no criterion 'regularly'; did you mean regularity"),
        ({"keep": 1}, "expected keep to be at least 2; got 1."),
        ({"test_share": 1.0}, "expected test_share to be between 0 and 1; got 1.0."),
        ({"layers": 0}, "expected layers to be at least 1; got 0."),
        ({"average": 4}, "expected average to be from 1 to keep=3; got 4."),
    ],
)
def test_settings_out_of_range_are_refused(settings: dict[str, object], message: str, checked: tuple[Floats, Floats]):
    with pytest.raises(SettingError) as caught:
        GMDH(**settings).fit(*checked)
    assert str(caught.value).startswith(message)


def test_rows_that_do_not_do_are_refused(checked: tuple[Floats, Floats]):
    X, y = checked
    for wrong, message in (
        ((X, y[:-1]), "expected a finite number for each of the 80 rows of X; got y of shape (79,)."),
        (
            (X[:11], y[:11]),
            "expected at least 2 columns, and 6 rows on either side of the cut; got 5 columns, and 5 and 6 rows.",
        ),
        (
            (X[:, :1], y),
            "expected at least 2 columns, and 6 rows on either side of the cut; got 1 columns, and 40 and 40 rows.",
        ),
        ((X[0], y), "expected finite numbers, a row for each example; got an array of shape (5,)."),
        ((X * np.nan, y), "expected finite numbers"),
    ):
        with pytest.raises(DataError) as caught:
            GMDH().fit(*wrong)
        assert str(caught.value).startswith(message)
    with pytest.raises(DataError, match="expected 5 columns, as in fit; got 4"):
        GMDH().fit(X, y).predict(X[:, :4])
    with pytest.raises(SettingError, match="call fit"):
        GMDH().predict(X)
    with pytest.raises(SettingError, match="call fit"):
        GMDHClassifier().predict(X)


def test_the_classifier_grows_one_network_for_each_class_and_the_largest_output_wins():
    X = np.random.default_rng(0).uniform(-1, 1, (300, 4))
    labels = np.where(X[:, 1] * X[:, 2] > 0, "same", "other")  # no line divides these
    networks = GMDHClassifier(keep=4).fit(X[:200], labels[:200])
    assert networks.classes_.tolist() == ["other", "same"]
    alone = GMDH(keep=4).fit(X[:200], labels[:200] == "same")
    outputs = networks.decision_function(X)
    assert outputs[:, 1].tolist() == alone.predict(X).tolist()
    assert networks.predict(X).tolist() == [networks.classes_[k] for k in outputs.argmax(axis=1)]
    assert networks.score(X[200:], labels[200:]) > 0.85
