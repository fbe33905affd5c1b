import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from striate.data.names import Names

TEXT = st.text(st.characters(exclude_categories=()), max_size=8)  # lone surrogates too, as of file names that are no text


@given(st.lists(TEXT, max_size=8), st.integers(-9, 9), st.integers(-9, 9))
def test_it_is_the_tuple_of_its_names(names: list[str], first: int, last: int):
    made, plain = Names(names), tuple(names)
    assert list(made) == names
    assert len(made) == len(plain)
    assert made[first:last] == plain[first:last]
    assert made == plain
    assert made == names
    assert made == Names(names)
    assert hash(made) == hash(Names(names))
    assert made != (*plain, "")
    elsewhere = Names.of_buffers(np.frombuffer(made.text, np.uint8), np.array(made.ends, np.int64))  # as of a mapped file
    assert elsewhere == made
    assert (list(elsewhere), hash(elsewhere)) == (names, hash(made))
    assert pickle.loads(pickle.dumps(elsewhere)) == pickle.loads(pickle.dumps(made)) == made
    for place, name in enumerate(names):
        assert made[place] == made[place - len(names)] == name
        assert made.index(name) == plain.index(name)
        assert name in made


@pytest.mark.parametrize("place", [2, -3])
def test_a_name_that_is_not_there_is_refused(place: int):
    with pytest.raises(IndexError, match=f"name {place} of 2"):
        Names(["a", "b"])[place]


def test_it_is_no_string_and_no_number():
    assert Names(["a"]) != "a"
    assert Names([]) != 0
    assert repr(Names(["a", "ß"])) == "Names(['a', 'ß'])"
