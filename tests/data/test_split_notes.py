"""What the split says of itself."""

from dataclasses import replace
from pathlib import Path

import numpy as np

from striate.base.config import Data
from striate.data.examples import Examples, Part
from striate.data.examples_from_source import ids_of
from striate.data.split import check


def test_a_test_set_that_is_cut_for_want_of_a_test_part_is_said_and_none_where_none_is_cut():
    names, labels_N = [f"{number}.png" for number in range(40)], np.arange(40) % 2
    parts_N = np.full(40, Part.TRAIN, np.uint8)
    examples = Examples(Path(), tuple(names), labels_N, ("a", "b"), ids_of(names), parts_N)
    examples = replace(examples, without_test="There is no test part")
    note = "There is no test part, so a test set is cut from the training images."
    assert note in check(examples, Data(path=".")).notes
    assert not check(examples, Data(path=".", test_share=0)).notes
    assert not check(examples, Data(path=".", folds=3)).notes
