from pathlib import Path

import pytest

from striate.base.errors import DataError
from striate.base.option_names import setting
from striate.data import table_labels
from striate.data.table_cells import Table
from striate.data.table_columns import Roles
from striate.data.table_labels import NoLabel


def of(cells: list[str], missing: tuple[str, ...] = ("nan", "None")):
    table = Table(Path("t.csv"), {"path": ["x"] * len(cells), "label": cells}, list(range(1, len(cells) + 1)))
    return table_labels.of_rows(table, Roles("path", "label", (), None, ()), missing)


def test_words_for_no_label_are_no_classes_unless_the_settings_say_so():
    labels, notes = of(["a", "nan", "", " ", "None", "none", "[]"])
    assert [isinstance(label, NoLabel) for label in labels] == [False, True, True, True, True, False, True]
    assert notes == [
        "'None' and 'nan' in the column 'label' means no label (2 rows); "
        f"{setting('data.missing_labels', [])} takes it for a class."
    ]
    labels, notes = of(["a", "nan", ""], missing=())
    assert [isinstance(label, NoLabel) for label in labels] == [False, False, True]
    assert notes == []


@pytest.mark.parametrize(
    "cells",
    [
        ["cat", "dog", "cat|dog"], ["cat", "dog", "dog;cat"], ["cat", "dog", "cat, dog"], ["scab", "rust", "scab rust"],
        ["a", "['a', 'b']", "b"], ['["a"]', '["b"]'], ["[0, 1]", "[1]"],
    ],
)  # fmt: skip
def test_several_labels_in_a_cell_are_refused(cells: list[str]):
    with pytest.raises(DataError, match=r"expected one label in each cell of the column 'label'; got several in .*\(row \d\)"):
        of(cells)


def test_cells_with_several_labels_are_listed_up_to_ten():
    with pytest.raises(
        DataError, match=r"'a\|b' \(row 12\) and 4 more\. One label per .*\(train --multi-label .*\): keep one, or remove"
    ):
        of(["a", "b", *["a|b"] * 14])


@pytest.mark.parametrize(
    "cells",
    [["a, or b", "c"], ["golden retriever", "pug"], ["animal|cat", "animal|dog"], ["[unknown]", "cat"], ["cat", "cat | cat"]],
)
def test_a_name_of_several_words_is_one_class(cells: list[str]):
    assert of(cells) == (cells, [])


def test_combinations_of_few_words_are_pointed_out():
    cells = ["haze primary", "clear primary", "haze water", "clear water", "haze road", "clear road", "haze primary road"]
    cells += ["clear primary road", "haze water road", "clear water road"]
    assert of(cells)[1] == [
        "Labels such as 'clear primary' look like several in one cell: 10 of them are made of 5 words. Each is taken for a "
        "class of its own."
    ]
