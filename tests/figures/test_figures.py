from math import exp, log, sqrt
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from striate.base.events import Json
from striate.figures import (
    activations,
    batchnorm,
    dropout,
    inception,
    initialization,
    losses,
    noisy_filters,
    penalties,
    pooling,
    receptive_field,
    relu_against_tanh,
    volumes,
)
from striate.figures.catalogue import FIGURES, OTHER_COMMANDS, FigureResult
from striate.figures.draw_by_name import draw
from striate.training import loss

NAMES = [figure.name for figure in FIGURES]

EVENTS: dict[str, list[Json]] = {name: [] for name in NAMES}


class DrawnWhenAsked(dict[str, tuple[Path, FigureResult]]):
    """Figures by name, each drawn once in a process, when the first test wants it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __missing__(self, name: str) -> tuple[Path, FigureResult]:
        with pytest.MonkeyPatch.context() as patch:
            for setting, least in {"SEEDS": (0,), "EPOCHS": 2, "IMAGES": 100}.items():  # it trains, and is tested whole below
                patch.setattr(relu_against_tanh, setting, least)
            self[name] = draw(name, self.folder / f"{name}.png", watch=EVENTS[name].append)
        return self[name]


@pytest.fixture(scope="session")  # of a module they would be drawn anew whenever a process comes back to it
def results(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[Path, FigureResult]]:
    return DrawnWhenAsked(tmp_path_factory.mktemp("figures"))


def numbers_of(results: dict[str, tuple[Path, FigureResult]], name: str) -> Any:
    return results[name][1].numbers


@pytest.mark.parametrize("name", NAMES)
def test_each_figure_is_a_image_with_lines_and_numbers(name: str, results: dict[str, tuple[Path, FigureResult]]):
    path, drawn = results[name]
    with Image.open(path) as image:
        image.load()
        assert min(image.size) > 400
        assert len(image.convert("L").getcolors() or range(257)) > 20
    assert drawn.lines
    assert all("nan" not in line for line in drawn.lines)
    assert drawn.numbers
    assert bool(EVENTS[name]) == next(figure.trains for figure in FIGURES if figure.name == name)


def test_figures_that_train_say_how_far_they_are(results: dict[str, tuple[Path, FigureResult]]):
    assert all(results[name] for name in ("relu_tanh", "noisy_filters"))
    networks = [(event["done"], event["total"]) for event in EVENTS["relu_tanh"]]
    assert networks == [(done, 6) for done in range(7)]  # 3 rates x 2 activations x 1 seed
    assert [event["step"] for event in EVENTS["noisy_filters"]] == [*range(1, 201)]


def test_the_table_and_the_files_are_the_same_and_no_name_is_there_twice():
    folder = Path(pooling.__file__).parent
    files = {path.stem for path in folder.glob("*.py")} - {"__init__", "draw_by_name", "catalogue"}
    assert {figure.module.rpartition(".")[2] for figure in FIGURES} == files
    both = [*NAMES, *(figure.name for figure in OTHER_COMMANDS)]
    assert len(both) == len(set(both))


def test_the_same_figure_has_the_same_bytes(tmp_path: Path, results: dict[str, tuple[Path, FigureResult]]):
    for name in ("dropout", "batchnorm"):  # which draw at random
        again, _ = draw(name, tmp_path / f"{name}.png")
        assert again.read_bytes() == results[name][0].read_bytes()


def test_a_filter_of_three_channels_adds_75_products_and_its_bias(results: dict[str, tuple[Path, FigureResult]]):
    numbers = numbers_of(results, "multichannel")
    # Red, a bar of 4 among 1: each of five rows has -1 + 2 x 4 - 1 = 6 under (-1, 0, 2, 0, -1), and 8 under ones.
    # Green, (row + column) modulo 3: the columns of the window sum to 6, 5, 4, 6, 5, its rows to 6, 5, 4, 6, 5.
    # Blue, 2 in the middle row: 5 x 2 under ones, 5 x 2 x 2 under (-1, 0, 2, 0, -1) down.
    assert numbers["sums"] == [[5 * 6, -6 + 2 * 4 - 5, 10], [5 * 8, -6 + 2 * 4 - 5, 20]]
    first, second = numbers["maps"]
    assert (first[0][1], second[0][1]) == (30 - 3 + 10 + 1, 40 - 3 + 20 - 2)
    image, filters = numbers["image"], numbers["filters"]
    for d, values in enumerate(numbers["maps"]):
        for y in range(2):
            for x in range(2):
                products = [filters[d][c][i][j] * image[c][y + i][x + j] for c in range(3) for i in range(5) for j in range(5)]
                assert (len(products), sum(products) + numbers["biases"][d]) == (75, values[y][x])


def test_the_mean_of_k_by_k_leaves_a_kth_of_the_noise(results: dict[str, tuple[Path, FigureResult]]):
    noise = numbers_of(results, "multichannel")["noise"]
    assert noise["none"] == pytest.approx(0.2, rel=0.03)
    assert noise["3 x 3"] == pytest.approx(0.2 / 3, rel=0.05)
    assert noise["5 x 5"] == pytest.approx(0.2 / 5, rel=0.08)


def test_pooling_takes_the_largest_or_the_mean_and_its_gradient_goes_there(results: dict[str, tuple[Path, FigureResult]]):
    two, three = numbers_of(results, "pooling")["2x2"], numbers_of(results, "pooling")["3x3"]
    assert two["max"] == [[8, 5], [6, 9]]
    assert two["average"] == [[4, 2], [2.25, 5.75]]
    assert two["gradient"]["max"] == [[0, 0, 0, 0], [0, 1, 1, 0], [0, 1, 0, 0], [0, 0, 0, 1]]
    assert three["max"] == [[8, 7], [8, 9]]
    assert three["average"][0][0] == pytest.approx(38 / 9)
    assert three["gradient"]["average"][2][2] == pytest.approx(4 / 9)  # the middle lies in all four windows
    assert numbers_of(results, "pooling")["volume"] == {"input": [12, 32, 32], "output": [12, 16, 16], "parameters": 0}


def test_dropout_scales_what_it_keeps_and_nothing_in_use(results: dict[str, tuple[Path, FigureResult]]):
    numbers = numbers_of(results, "dropout")
    assert numbers["inference"] == list(dropout.OUTPUTS)
    for row in numbers["training"]:
        assert all(value in (0, 2 * output) for value, output in zip(row, dropout.OUTPUTS, strict=True))
    assert numbers["mean"] == pytest.approx(dropout.OUTPUTS, abs=0.03)
    assert numbers["variance"] == pytest.approx([output**2 for output in dropout.OUTPUTS], rel=0.05)  # x² (1 - p) / p
    assert numbers["kept"] == pytest.approx([1 / 16, 4 / 16, 6 / 16, 4 / 16, 1 / 16], abs=0.02)
    assert dropout.binomial(4, 0.8)[4] == pytest.approx(0.4096)


@settings(max_examples=40)
@given(st.floats(-4, 4).filter(lambda x: abs(x) > 1e-3))
def test_slopes_are_those_of_the_functions(x: float):
    for names in activations.GROUPS.values():
        for name in names:
            step = 1e-4
            rise = (activations.at(name, x + step)[0] - activations.at(name, x - step)[0]) / (2 * step)
            assert activations.at(name, x)[1] == pytest.approx(rise, abs=1e-4)


def test_activations_have_the_papers_numbers(results: dict[str, tuple[Path, FigureResult]]):
    numbers = numbers_of(results, "activations")
    assert numbers["sigmoid"]["largest_derivative"] == pytest.approx(0.25)
    assert numbers["scaled_tanh"]["at_1"] == pytest.approx(0.999997, abs=1e-6)
    assert activations.at("scaled_tanh", 0.0)[1] == pytest.approx(1.14393, abs=1e-5)
    assert numbers["relu"]["derivative_at_-3"] == 0


@pytest.mark.soak
def test_relu_is_sooner_at_a_small_rate_and_not_at_the_rate_that_is_best_for_tanh(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(relu_against_tanh, "SEEDS", (0,))
    numbers = draw("relu_tanh", tmp_path / "relu_tanh.png")[1].numbers
    assert isinstance(numbers, dict)
    runs = {(row["rate"], row["activation"]): row for row in numbers["runs"]}
    epochs = {key: row["epochs"][0] for key, row in runs.items()}
    assert 2 * epochs[0.02, "relu"] < epochs[0.02, "tanh"]
    assert epochs[0.1, "relu"] == epochs[0.1, "tanh"]
    assert epochs[0.5, "relu"] is None
    assert epochs[0.5, "tanh"] < epochs[0.1, "relu"]
    for row in runs.values():
        assert [share < relu_against_tanh.GOAL for share in row["errors"][0]] == [
            *[False] * (len(row["errors"][0]) - 1),
            row["epochs"][0] is not None,
        ]
    for path in ("story.md", "story.zh.md"):
        text = (Path(__file__).parents[2] / "docs" / "tutorials" / path).read_text("utf-8")
        assert f"{epochs[0.02, 'relu']}, 5, 5" in text.replace("、", ", ")
        assert f"{epochs[0.02, 'tanh']}, 10, 11" in text.replace("、", ", ")


def test_losses_are_the_textbooks(results: dict[str, tuple[Path, FigureResult]]):
    numbers = numbers_of(results, "losses")
    assert numbers["losses"]["cross-entropy"][0] == pytest.approx(log(1 + exp(-15) + exp(-5)), rel=1e-4)
    assert [numbers["losses"][name] for name in ("Weston-Watkins", "Weston-Watkins, squared", "Crammer-Singer")] == [
        [5, 13], [25, 89], [5, 8],
    ]  # fmt: skip
    assert numbers["multi_margin_loss"] == pytest.approx(5 / 3)
    assert numbers["softmax"] == pytest.approx([0.9933068, 3.0385e-7, 0.0066928], rel=1e-4)
    values, slopes = losses.over(loss.weston_watkins(1.0), torch.tensor([-1.0, 0.5, 2.0]))
    assert values.tolist() == [2, 0.5, 0]
    assert slopes.tolist() == [-1, -1, 0]


def test_penalties_end_where_the_slopes_balance(results: dict[str, tuple[Path, FigureResult]]):
    numbers = numbers_of(results, "penalties")
    # H (w - m) + 2 l2 w = 0 for L2; on the corner of L1 the second alone: w2 = 1.5 + 0.3 * 0.4 - 0.6
    curvature, minimum = torch.tensor(penalties.CURVATURE), torch.tensor(penalties.MINIMUM)
    by_hand = torch.linalg.solve(curvature + 0.6 * torch.eye(2), curvature @ minimum)
    assert numbers["L2"]["weights"] == pytest.approx(by_hand.tolist(), abs=1e-5)
    assert numbers["L1"]["weights"] == pytest.approx([0, 1.02], abs=1e-5)
    assert numbers["L1"]["weights"][0] == 0 != numbers["L1"]["by_subgradient"][0]
    assert sqrt(sum(w**2 for w in numbers["max-norm"]["weights"])) == pytest.approx(1)
    assert all(w != 0 for name in ("L2", "elastic net", "max-norm") for w in numbers[name]["weights"])


def test_deviations_fade_explode_or_stay(results: dict[str, tuple[Path, FigureResult]]):
    numbers = numbers_of(results, "initialization")["deviations"]
    assert numbers["tanh"]["N(0, 0.01²)"][9] < 1e-6
    assert min(numbers["tanh"]["N(0, 1)"]) > 0.95
    assert numbers["relu"]["N(0, 1/n)"][9] / numbers["relu"]["N(0, 1/n)"][0] == pytest.approx(2**-4.5, rel=0.3)
    assert 0.5 < numbers["relu"]["N(0, 2/n)"][9] / numbers["relu"]["N(0, 2/n)"][0] < 2
    for act in ("tanh", "relu"):
        normed = numbers[act]["N(0, 0.01²) and batch norm"]
        assert max(normed) < 1.1 * min(normed)
    assert len(initialization.activations("relu", "N(0, 2/n)")) == initialization.LAYERS


def test_batch_norm_by_hand_and_by_its_running_statistics(results: dict[str, tuple[Path, FigureResult]]):
    numbers = numbers_of(results, "batchnorm")
    assert numbers["four_numbers"] == pytest.approx([-1.341635, -0.447212, 0.447212, 1.341635], abs=1e-6)
    assert numbers["running_mean"] == pytest.approx(batchnorm.MEANS, abs=0.05)
    assert numbers["running_std"] == pytest.approx(batchnorm.STDS, rel=0.02)
    _, normalized, moved = numbers["stages"].values()
    assert normalized == [[pytest.approx(0, abs=1e-5), pytest.approx(1, abs=1e-4)] for _ in range(3)]
    assert [mean for mean, _ in moved] == pytest.approx(batchnorm.BETA, abs=1e-5)
    assert [deviation for _, deviation in moved] == pytest.approx(batchnorm.GAMMA, abs=1e-4)


def test_three_small_windows_see_what_a_large_one_sees(results: dict[str, tuple[Path, FigureResult]]):
    numbers = numbers_of(results, "receptive")
    row = [1, 3, 6, 7, 6, 3, 1]
    assert numbers["paths"] == [[a * b for b in row] for a in row]
    assert numbers["stacks"] == {
        "three 3 x 3, stride 1": {"field": 7, "jump": 1, "weights": 27 * 64**2},
        "one 7 x 7, stride 1": {"field": 7, "jump": 1, "weights": 49 * 64**2},
        "one 7 x 7, stride 4": {"field": 7, "jump": 4, "weights": 49 * 64**2},
    }
    assert int((receptive_field.paths(5, 2) > 0).sum()) == 81


def test_an_inception_module_costs_what_its_table_says(results: dict[str, tuple[Path, FigureResult]]):
    numbers = numbers_of(results, "inception")
    per_place = 192 * 64 + 192 * 96 + 9 * 96 * 128 + 192 * 16 + 25 * 16 * 32 + 192 * 32
    assert (numbers["parameters"], numbers["channels"], numbers["macs"]) == (163_696, 256, 28 * 28 * per_place)
    naive = 192 * 64 + 9 * 192 * 128 + 25 * 192 * 32
    assert numbers["without_reductions"] == {"channels": 64 + 128 + 32 + 192, "macs": 28 * 28 * naive}
    assert [branch[-1].channels for branch in inception.reduced()] == [64, 128, 32, 32]


def test_a_residual_block_has_the_slope_of_f_and_one_more(results: dict[str, tuple[Path, FigureResult]]):
    numbers = numbers_of(results, "residual")
    assert numbers["value"] == pytest.approx(2.3)
    assert numbers["derivatives"] == pytest.approx([0.5 * 0.3, 0.5 * 0.3 + 1])


def test_filters_are_noise_at_first_and_smooth_after_training(results: dict[str, tuple[Path, FigureResult]]):
    first, last = (numbers_of(results, "noisy_filters")[f"{steps} steps"] for steps in noisy_filters.SHOWN)
    assert (sum(first["noisy"]), sum(last["noisy"])) == (16, 0)
    white = 2 * 5**2 / (5**2 - 1)  # of k x k white noise: 2 k² / (k² - 1)
    assert sum(first["roughness"]) / 16 == pytest.approx(white, rel=0.05)
    assert max(last["roughness"]) < white / 1.5


def test_deeper_without_shortcuts_is_worse_and_its_signals_do_not_vanish(results: dict[str, tuple[Path, FigureResult]]):
    numbers = numbers_of(results, "degradation")
    last = {name: row["last"] for name, row in numbers["losses"].items()}
    assert last["plain56"] - last["plain20"] == pytest.approx(0.61)
    assert last["resnet56"] - last["resnet20"] == pytest.approx(0.047)
    table = (Path(__file__).parents[2] / "bench" / "README.md").read_text("utf-8")
    for name, row in numbers["losses"].items():
        assert f"| {name} | {row['first']:.3f} | {row['last']:.3f} | {row['validation']:.3f} |" in table
    variances = {name: list(rows.values()) for name, rows in numbers["variances"].items()}
    assert [len(rows) for rows in variances.values()] == [27, 27]  # 56 layers: the first, the last and 27 blocks of two
    assert min(variance for rows in variances.values() for variance, _ in rows) > 0.1  # batch norm keeps the outputs alive
    plain, residual_net = (rows[0][1] / rows[-1][1] for rows in variances.values())
    assert plain > 1e5 > 1e4 > residual_net > 10  # towards the image the gradients grow, without shortcuts far more


def test_volumes_are_those_of_the_layer_table(results: dict[str, tuple[Path, FigureResult]], tmp_path: Path):
    numbers = numbers_of(results, "volumes")
    assert numbers["parameters"] == 60_965_224
    assert {row["name"]: row["output"][-1] for row in numbers["layers"] if len(row["output"]) == 3} == {
        "conv1": 55, "pool1": 27, "conv2": 27, "pool2": 13, "conv3": 13, "conv4": 13, "conv5": 13, "pool5": 6,
    }  # fmt: skip
    line = volumes.draw(tmp_path / "line.svg", net="conv 5x5x8, pool 2, fc 3")
    assert [row["output"] for row in line.numbers["layers"]][:2] == [[8, 28, 28], [8, 14, 14]]
