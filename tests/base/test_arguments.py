"""A keyword that a public function does not have is refused before anything is done, with what was probably meant."""

import inspect
from collections.abc import Callable
from typing import Any

import pytest

import striate
from striate.base.arguments import named_arguments
from striate.base.errors import ArgumentError, SettingError
from striate.interpret import attribution

FUNCTIONS = {name: thing for name in striate.__all__ if inspect.isfunction(thing := getattr(striate, name))}
METHODS = {f"Model.{name}": getattr(striate.Model, name) for name in vars(striate.Model) if name[0] != "_"}
METHODS = {name: method for name, method in METHODS.items() if inspect.isroutine(method)}
ATTRIBUTIONS = {name: getattr(attribution, name) for name in (*attribution.METHODS, "explain_all")}


@pytest.mark.parametrize("name", sorted(FUNCTIONS | METHODS | ATTRIBUTIONS))
def test_every_public_function_refuses_a_keyword_that_it_does_not_have(name: str):
    function: Callable[..., Any] = (FUNCTIONS | METHODS | ATTRIBUTIONS)[name]
    with pytest.raises(ArgumentError) as refused:
        function(no_such_thing=1)
    assert str(refused.value).startswith(f"{name}() has no argument 'no_such_thing'; it has")


def test_the_methods_and_functions_above_are_those_of_the_package():
    assert {"train", "taps", "draw", "survey"} <= FUNCTIONS.keys()
    assert METHODS.keys() == {
        f"Model.{name}"
        for name in (
            "answers",
            "classify",
            "embed",
            "images",
            "input_spec_for",
            "load",
            "logits",
            "logits_and_embeddings",
            "pixels",
            "probabilities",
            "predict",
            "save",
        )
    }


@pytest.mark.parametrize(
    ("function", "keyword", "hint"),
    [
        (striate.train, "epoch", "did you mean epochs?"),
        (striate.train, "lr", "did you mean settings={'train': {'lr': ...}}?"),
        (striate.train, "train.lr", "did you mean settings={'train': {'lr': ...}}?"),
        (striate.train, "batch", "did you mean settings={'train': {'batch_size': ...}}?"),
        (striate.train, "augment", "did you mean settings={'augment': ...}?"),
        (striate.train, "crop", "did you mean settings={'augment': {'crop': ...}}?"),
        (striate.finetune, "strategy", "did you mean strategies?"),
        (striate.find_lr, "epoch", "did you mean epochs?"),
        (striate.survey, "val_share", "did you mean settings={'val_share': ...}?"),
        (striate.survey, "lr", "it has: data, labels, pairs, settings, watch."),
        (striate.draw, "size", "did you mean size_px?"),
        (striate.layers, "shortcut", "did you mean settings={'shortcut': ...}?"),
        (striate.Model.predict, "crop", "did you mean crops?"),
        (striate.Model.load, "trust", "did you mean trust_code?"),
        (striate.doctor, "verbose", "it has none."),
    ],
)  # fmt: skip
def test_what_was_probably_meant_is_offered_also_where_it_is_a_setting(function: Callable[..., Any], keyword: str, hint: str):
    with pytest.raises(TypeError) as refused:
        function(**{keyword: 1})
    assert isinstance(refused.value, SettingError)
    assert str(refused.value) == f"{function.__qualname__}() has no argument {keyword!r}; {hint}"


def test_the_function_is_called_as_it_was_and_looks_as_it_did():
    def plain(a: int, /, b: int = 2, *rest: int, c: int, **others: int) -> tuple[object, ...]:
        """What it does."""
        return a, b, rest, c, others

    decorated = named_arguments("d")(plain)
    assert decorated(1, 3, 4, c=5, d=6) == (1, 3, (4,), 5, {"d": 6})
    assert (decorated.__name__, decorated.__doc__, decorated.__module__) == ("plain", "What it does.", __name__)
    assert inspect.signature(decorated) == inspect.signature(plain)
    with pytest.raises(ArgumentError, match="has no argument 'a'; it has: b, c, d"):
        decorated(a=1, c=2)


def test_labels_are_given_by_name():
    with pytest.raises(
        ArgumentError, match=r"train\(\) takes 1 argument by position; got 2. Give labels by name: labels=\.\.\."
    ):
        striate.train("images", ["a", "b"])  # type: ignore[misc]
    with pytest.raises(
        ArgumentError, match=r"survey\(\) expects settings to be a dictionary; got list \['a'\]. Give labels by name"
    ):
        striate.survey("images", ["a"])  # type: ignore[arg-type]
    with pytest.raises(
        ArgumentError, match=r"Model.input_spec_for\(\) takes 2 arguments by position; got 3. Give the others by name"
    ):
        striate.Model.input_spec_for(object(), 1, 2)  # type: ignore[arg-type, call-arg]


@pytest.mark.parametrize(
    ("argument", "value", "text"),
    [
        ("settings", [("lr", 1)], r"settings to be a dictionary; got list \[\('lr', 1\)\]\."),
        ("settings", "train.lr=0.1", r"settings to be a dictionary; got str 'train.lr=0.1'\."),
        ("out", 3, r"out to be a path; got int 3\."),
        ("name", 3, r"name to be text; got int 3\."),
        ("net", ["mlp"], r"net to be text: a name of striate nets, .*; got list \['mlp'\]\."),
    ],
)
def test_an_argument_of_another_type_is_refused(argument: str, value: object, text: str):
    with pytest.raises(ArgumentError, match=rf"train\(\) expects {text}"):
        striate.train("nothing", **{argument: value})  # type: ignore[arg-type]
