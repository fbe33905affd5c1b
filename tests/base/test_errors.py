import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from striate.base import errors
from striate.base.errors import DiskError, Interrupted, MissingExtraError, StriateError, nearest


def drawn() -> dict[str, str]:
    """Class -> the class it hangs under, as the docstring draws it."""
    above: dict[int, str] = {}
    tree: dict[str, str] = {}
    for line in (errors.__doc__ or "").splitlines():
        found = re.match(r"^    ([│├└─ ]*)([A-Z]\w+)  +\S", line)
        if found:
            depth = len(found[1]) // 4
            above[depth] = found[2]
            tree[found[2]] = above[depth - 1] if depth else "Exception"
    return tree


def defined() -> dict[str, str]:
    found = (thing for thing in vars(errors).values() if isinstance(thing, type) and thing.__module__ == errors.__name__)
    return {thing.__name__: thing.__base__.__name__ for thing in found if thing.__base__ is not None}


def test_the_drawn_tree_is_the_tree_of_classes():
    assert len(drawn()) > 5
    assert drawn() == defined()


@pytest.mark.parametrize("name", sorted(defined()))
def test_every_error_ends_the_command_line_with_its_code(name: str):
    expected = {"DiskError": 74, "Interrupted": 75}.get(name, 2)
    assert getattr(errors, name).exit_code == expected
    assert issubclass(getattr(errors, name), StriateError)


def test_codes_are_drawn_as_they_are():
    text = errors.__doc__ or ""
    assert re.search(rf"DiskError +exit {DiskError.exit_code}", text)
    assert re.search(rf"Interrupted +exit {Interrupted.exit_code}", text)
    assert re.search(rf"StriateError +exit {StriateError.exit_code}", text)


def test_a_missing_package_comes_with_the_command_that_brings_it():
    error = MissingExtraError("reading Parquet", "pyarrow", "tables")
    assert str(error) == "reading Parquet needs pyarrow, which is not installed: pip install 'striate[tables]'."


@pytest.mark.parametrize(
    ("word", "offer"),
    [
        ("mnist_cn", "did you mean mnist_cnn?"),
        ("lenet", "did you mean lenet5 or lenet1?"),
        ("vgg", "there are: lenet1, lenet5, mnist_cnn."),
        ("", "there are: lenet1, lenet5, mnist_cnn."),
    ],
)
def test_the_nearest_names_are_offered_or_else_all(word: str, offer: str):
    assert nearest(word, ["mnist_cnn", "lenet5", "lenet1"]) == offer


@given(st.lists(st.text("abcdefghij", min_size=3, max_size=8), min_size=1, unique=True))
def test_a_known_name_is_the_nearest_to_itself(names: list[str]):
    assert nearest(names[0], names).startswith(f"did you mean {names[0]}")


def test_of_very_many_names_the_first_are_offered():
    names = [f"layer{number:02}" for number in range(41)]
    assert nearest("x", names[:40]) == f"there are: {', '.join(names[:40])}."
    assert nearest("x", names) == f"there are 41: {', '.join(names[:12])} and 29 more."
