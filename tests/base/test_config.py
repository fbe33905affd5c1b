import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from striate.base import config
from striate.base.config import Run
from striate.base.errors import SettingError

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
SHARES = st.floats(0, 0.99)
ABOVE_0 = st.floats(1e-6, 0.99)
COUNTS = st.integers(1, 10**6)


def some(**fields: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    """Any of these settings, or none."""
    return st.fixed_dictionaries({}, optional=fields)


@st.composite
def data(draw: st.DrawFn) -> dict[str, Any]:
    tree = draw(
        some(
            path=TEXTS, data_dir=TEXTS, image_column=TEXTS, group=TEXTS, val_share=st.floats(0.01, 0.49),
            split_seed=COUNTS, background=st.tuples(*[st.integers(0, 255)] * 3),
        )
    )  # fmt: skip
    folds = draw(st.none() | st.integers(2, 20))
    if folds:
        return {**tree, "folds": folds, **draw(some(fold=st.integers(0, folds - 1)))}
    left = 0.99 - tree.get("val_share", 0.1)  # something is left to train on
    return {**tree, **draw(some(test_share=st.floats(0.0, min(0.79, left))))}


@st.composite
def train(draw: st.DrawFn) -> dict[str, Any]:
    tree = draw(
        some(
            grad_accum_steps=st.integers(1, 64), lr=st.floats(1e-9, 1e3), weight_decay=SHARES, warmup=SHARES,
            label_smoothing=SHARES, class_weights=st.sampled_from(["none", "balanced"]), ema_decay=ABOVE_0, patience=COUNTS,
            clip_grad_norm=st.floats(1e-3, 1e6), checkpoint_minutes=st.floats(1e-3, 1e3), batch_size=st.integers(64, 10**6),
        )
    )  # fmt: skip
    length = draw(st.sampled_from(["epochs", "steps", "minutes", None]))
    optimizer = draw(st.sampled_from(["sgd", "adam", "adamw"]))
    schedule = draw(st.sampled_from(["constant", "step", "cosine", "one-cycle"]))
    of_sgd, of_adam = {"momentum": ABOVE_0, "nesterov": st.booleans()}, {"betas": st.tuples(SHARES, SHARES)}
    tree |= draw(some(**(of_sgd if optimizer == "sgd" else of_adam))) | {"optimizer": optimizer, "schedule": schedule}
    if schedule == "step":
        tree |= draw(some(step_every=ABOVE_0, step_factor=ABOVE_0))
    return tree | ({length: draw(COUNTS)} if length else {})


@st.composite
def preprocess(draw: st.DrawFn) -> dict[str, Any]:
    tree = draw(
        some(
            size_px=st.integers(1, 4096), channels=st.sampled_from([1, 3]),
            resize_mode=st.sampled_from(["crop", "pad", "squash"]),
            center=st.sampled_from(["pixel", "image", "none"]), scale=st.sampled_from(["std", "none"]),
        )
    )  # fmt: skip
    return tree if tree.get("scale") == "none" else {**tree, **draw(some(epsilon=ABOVE_0))}


RUNS = some(
    seed=st.integers(0, 2**63 - 1), recipe=TEXTS, data=data(), preprocess=preprocess(), train=train(),
    net=some(name=TEXTS, dropout=SHARES, init=st.sampled_from(["paper", "torch", "glorot", "he", "whitening"])),
    engine=some(device=TEXTS, precision=st.sampled_from(["auto", "fp32", "bf16"]), threads=st.integers(1, 1024)),
)  # fmt: skip


def reread(run: Run, path: Path) -> Run:
    path.write_text(config.to_toml(run), "utf-8")
    return config.build(config.read_toml(path))


@given(RUNS)
def test_a_run_comes_back_from_toml_unchanged(tmp_path_factory: pytest.TempPathFactory, tree: dict[str, Any]):
    run = config.build(tree)
    assert reread(run, tmp_path_factory.getbasetemp() / "run.toml") == run


@given(RUNS)
def test_what_the_user_gave_is_told_from_the_defaults(tree: dict[str, Any]):
    asked = config.given_by_user(config.build(tree))
    assert config.build(asked) == config.build(tree)
    assert {name: set(inner) for name, inner in asked.items() if isinstance(inner, dict)} == {
        name: set(inner) for name, inner in tree.items() if isinstance(inner, dict)
    }


def test_the_whole_run_is_written_with_its_defaults(tmp_path: Path):
    text = config.to_toml(Run())
    assert "seed = 0\n" in text
    assert "lr = 0.003\n" in text
    assert "momentum" not in text  # it has no value, and would not apply
    assert reread(Run(), tmp_path / "run.toml") == Run()


def test_settings_are_frozen():
    with pytest.raises(ValueError, match="frozen"):
        Run().train.lr = 0.1


def test_every_setting_is_described_in_one_clause():
    sections = {name for name, value in Run() if isinstance(value, config.Section)}
    assert sections == {"data", "preprocess", "augment", "net", "train", "finetune", "engine"}
    alone = {name: field for name, field in Run.model_fields.items() if name not in sections}
    fields = [alone, *(type(getattr(Run(), name)).model_fields for name in sections)]
    for name, field in (pair for group in fields for pair in group.items()):
        assert field.description, name
        assert field.description[-1] not in ".;,", name


@pytest.mark.parametrize(
    ("tree", "text"),
    [
        ({"train": {"epoch": 3}}, "There is no setting train.epoch; did you mean epochs?"),
        ({"train": {"size_px": 3}}, "There is no setting train.size_px; did you mean preprocess.size_px?"),
        ({"lr": 0.1}, "There is no setting lr; did you mean train.lr?"),
        ({"sed": 1}, "There is no setting sed; did you mean seed?"),
        (
            {"engine": {"xyz": 1}},
            "There is no setting engine.xyz; there are: channels_last, device, precision, sync_batchnorm, threads, workers.",
        ),
        ({"train": {"epochs": 0}}, "train.epochs: input should be greater than or equal to 1; got 0."),
        ({"train": {"lr": float("nan")}}, "train.lr: input should be a finite number; got nan."),
        (
            {"augment": {"flip": False, "flip_alternate": True}},
            "augment: flip_alternate does not apply with flip=false; remove it.",
        ),
        (
            {"augment": {"flip": False}, "net": {"views": 6}},
            "net.views=6 shows mirror images, which augment.flip=false excludes; remove one.",
        ),
        ({"preprocess": {"channels": 2}}, "preprocess.channels: input should be 1 or 3; got 2."),
        ({"train": 5}, "train: input should be a valid dictionary or instance of Train; got 5."),
        ({"seed": 2**63}, f"seed: input should be less than {2**63}; got {2**63}."),
        (
            {"train": {"epochs": 1, "steps": 2}},
            "train: expected one of epochs, steps and minutes; got epochs and steps; remove one.",
        ),
        (
            {"train": {"epochs": 1, "steps": 2, "minutes": 3}},
            "train: expected one of epochs, steps and minutes; got epochs and steps and minutes; remove one.",
        ),
        ({"train": {"optimizer": "adam", "momentum": 0.9}}, "train: momentum does not apply with optimizer='adam'; remove it."),
        ({"train": {"nesterov": False}}, "train: nesterov does not apply with optimizer='adamw'; remove it."),
        ({"train": {"optimizer": "sgd", "betas": [0.9, 0.99]}}, "train: betas does not apply with optimizer='sgd'; remove it."),
        (
            {"train": {"optimizer": "sgd", "momentum": 0.0, "nesterov": True}},
            "train: nesterov needs momentum above 0; set momentum=0.9.",
        ),
        (
            {"train": {"schedule": "cosine", "step_every": 0.5}},
            "train: step_every does not apply with schedule='cosine'; remove it.",
        ),
        ({"train": {"step_factor": 0.5}}, "train: step_factor does not apply with schedule='one-cycle'; remove it."),
        ({"train": {"betas": [0.9, 1.0]}}, "train: betas must be two numbers from 0 to below 1; got [0.9, 1.0]."),
        (
            {"train": {"batch_size": 4, "grad_accum_steps": 5}},
            "train: grad_accum_steps=5 parts need batch_size of at least as many; got 4.",
        ),
        (
            {"preprocess": {"scale": "none", "epsilon": 1e-3}},
            "preprocess: epsilon does not apply with scale='none'; remove it.",
        ),
        ({"preprocess": {"components": 9}}, "preprocess: components does not apply with scale='std'; remove it."),
        (
            {"preprocess": {"scale": "zca", "center": "pixel"}},
            "preprocess: scale='zca' is around the mean image; got center='pixel'; leave center out.",
        ),
        (
            {"net": {"knn_memory": 3, "knn_k": 5}},
            "net: knn_memory and knn_k come together, the first at least as large; got 3 and 5.",
        ),
        ({"net": {"knn_k": 5}}, "net: knn_memory and knn_k come together, the first at least as large; got None and 5."),
        (
            {"net": {"knn_memory": 5, "knn_k": 3}},
            "net.knn_memory and net.knn_k belong to a classifier that is fitted and not trained: leave them out, or "
            "write `striate finetune DATA --from NAME --classifier knn`.",
        ),
        ({"finetune": {"classifier": "svm"}}, "finetune: classifier does not apply without finetune.weights; remove it."),
        ({"data": {"fold": 0}}, "data: fold must be below folds=None; got 0."),
        ({"data": {"folds": 3, "fold": 3}}, "data: fold must be below folds=3; got 3."),
        (
            {"data": {"folds": 4, "test_share": 0.2}},
            "data: test_share does not apply with folds=4: each fold tests on 1/4 of the images; remove it.",
        ),
        ({"data": {"background": [0, 0, 256]}}, "data: background must be three levels from 0 to 255; got [0, 0, 256]."),
    ],
)
def test_a_wrong_setting_is_refused_with_what_to_do(tree: dict[str, Any], text: str):
    with pytest.raises(SettingError) as refused:
        config.build(tree)
    assert str(refused.value) == text


def test_all_wrong_settings_are_named_at_once():
    with pytest.raises(SettingError) as refused:
        config.build({"train": {"epochs": 0, "epoch": 1}, "sed": 2})
    assert [name for name in ("train.epochs:", "train.epoch;", "sed;") if name in str(refused.value)] == [
        "train.epochs:", "train.epoch;", "sed;",
    ]  # fmt: skip


def test_a_path_that_is_no_text_is_refused_since_toml_cannot_hold_it():
    with pytest.raises(SettingError) as refused:
        config.to_toml(config.build({"data": {"path": "photos\udce9"}}))
    assert str(refused.value) == (
        "expected names of files and folders in UTF-8, which run.toml can hold; got 'path = \"photos\\udce9\"'. Rename it."
    )


@pytest.mark.parametrize(
    "tree",
    [
        {"optimizer": "adam", "momentum": None},
        {"optimizer": "sgd", "momentum": 0.0},
        {"optimizer": "sgd", "nesterov": True},
        {"schedule": "step", "step_every": 0.5, "step_factor": 0.5},
        {"schedule": "constant", "step_every": None},
    ],
)
def test_a_setting_that_applies_or_has_no_value_is_accepted(tree: dict[str, Any]):
    found = config.build({"train": tree}).train
    assert {name: getattr(found, name) for name in tree} == tree


@pytest.mark.parametrize("name", sorted(config.recipes()))
def test_every_recipe_of_the_package_builds_and_carries_its_name(name: str, tmp_path: Path):
    run = config.build(config.recipe(name))
    assert run.recipe == name
    assert run.net.name is not None
    assert reread(run, tmp_path / "run.toml") == run


def test_the_textbook_recipe_is_the_chapters_training():
    train = config.build(config.recipe("mnist_cnn_textbook")).train
    assert (train.steps, train.batch_size, train.optimizer, train.lr) == (20_000, 100, "sgd", 0.001)
    assert (train.momentum, train.weight_decay, train.schedule) == (0, 0, "constant")


def test_a_recipe_may_be_a_file(tmp_path: Path):
    path = tmp_path / "mine.toml"
    path.write_text("[train]\nepochs = 7\n", "utf-8")
    assert config.recipe(str(path)) == {"train": {"epochs": 7}, "recipe": str(path)}


@pytest.mark.parametrize(
    ("name", "text"),
    [
        (
            "mnist_cn",
            "There is no recipe 'mnist_cn'; did you mean mnist_cnn or mnist_cnn_textbook? A file needs the ending .toml.",
        ),
        ("none.toml", "expected a TOML file at none.toml; there is none."),
    ],
)
def test_an_unknown_recipe_is_refused(name: str, text: str):
    with pytest.raises(SettingError) as refused:
        config.recipe(name)
    assert str(refused.value) == text


@pytest.mark.parametrize("content", [b"epochs 7", b"\xff\xfe", b"a = 1\na = 2"])
def test_a_file_that_is_not_toml_is_refused_with_its_path(tmp_path: Path, content: bytes):
    (tmp_path / "x.toml").write_bytes(content)
    with pytest.raises(SettingError) as refused:
        config.read_toml(tmp_path / "x.toml")
    assert str(refused.value).startswith(f"{tmp_path / 'x.toml'} is not TOML: ")


@pytest.mark.parametrize(
    ("text", "tree"),
    [
        ("seed=1", {"seed": 1}),
        ("train.lr=1e-3", {"train": {"lr": 0.001}}),
        ("train.nesterov=true", {"train": {"nesterov": True}}),
        ("train.betas=[0.9, 0.99]", {"train": {"betas": [0.9, 0.99]}}),
        ("train.optimizer=sgd", {"train": {"optimizer": "sgd"}}),
        ('train.optimizer="sgd"', {"train": {"optimizer": "sgd"}}),
        (" net.name = conv 5x5x32, relu, fc 10 ", {"net": {"name": "conv 5x5x32, relu, fc 10"}}),
        ("data.path=a=b", {"data": {"path": "a=b"}}),
        ("data.path=", {"data": {"path": ""}}),
        ("data.path=1\nseed=2", {"data": {"path": "1\nseed=2"}}),
    ],
)
def test_a_setting_of_the_command_line_is_toml_or_else_text(text: str, tree: dict[str, Any]):
    assert config.setting(text) == tree


@pytest.mark.parametrize("text", ["train.lr", "=1", " =1", ""])
def test_a_setting_without_name_or_value_is_refused(text: str):
    with pytest.raises(SettingError) as refused:
        config.setting(text)
    assert str(refused.value) == f"expected --set name=value, as in --set train.lr=0.1; got {text!r}."


def test_of_two_trees_the_later_wins_and_none_says_nothing():
    below = {"seed": 1, "train": {"epochs": 2, "lr": 0.1}}
    above = {"seed": None, "train": {"epochs": 3, "lr": None}, "net": {"name": "mlp"}}
    assert config.merge(below, above) == {"seed": 1, "train": {"epochs": 3, "lr": 0.1}, "net": {"name": "mlp"}}
    assert below == {"seed": 1, "train": {"epochs": 2, "lr": 0.1}}


@given(RUNS, RUNS, RUNS)
def test_laying_over_may_be_bracketed_as_one_likes(a: config.Tree, b: config.Tree, c: config.Tree):
    assert config.merge(config.merge(a, b), c) == config.merge(a, config.merge(b, c)) == config.merge(a, b, c)
    assert config.merge(a, {}) == config.merge({}, a) == config.merge(a, a)


def test_a_length_of_training_takes_the_place_of_another():
    below = {"train": {"steps": 20_000, "lr": 0.1}}
    assert config.lay_over(below, {"train": {"epochs": 2}}) == {"train": {"epochs": 2, "lr": 0.1}}
    assert config.lay_over(below, {"train": {"epochs": None}}) == below
    assert config.lay_over(below, {"seed": 1}) == {**below, "seed": 1}


@pytest.mark.parametrize("value", ["mlp", 5, ["mlp"], False])
def test_a_value_for_a_whole_group_is_refused_and_not_forgotten(value: object):
    text = re.escape(f"net is a group of settings; expected one of them, as in net.NAME=...; got net={value!r}.")
    with pytest.raises(SettingError, match=text):
        config.merge({"net": value}, {"net": {"name": None}})
    with pytest.raises(SettingError, match=text):
        config.section({"net": value}, "net")
    with pytest.raises(SettingError, match="train is a group of settings"):
        config.lay_over({"train": value}, {"train": {"epochs": 2}})
    with pytest.raises(SettingError, match="train is a group of settings"):
        config.lay_over({}, {"train": value})


def test_a_group_that_is_none_says_nothing():
    assert config.merge({"net": None}, {"net": {"name": "mlp"}}) == {"net": {"name": "mlp"}}
    assert config.lay_over({"train": {"steps": 1}}, {"train": None}) == {"train": {"steps": 1}}


def test_a_command_of_one_section_takes_no_other():
    assert config.section({"data": {"val_share": 0.2}}, "data") == {"val_share": 0.2}
    assert config.section({}, "data") == {}
    with pytest.raises(SettingError) as refused:
        config.section({"train": {"epochs": 1}}, "data")
    assert str(refused.value) == "train does not apply to this command, which takes settings of data alone; remove it."
