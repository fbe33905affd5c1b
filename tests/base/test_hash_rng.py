import hashlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from striate.base import hash_rng

GAMMA = 0x9E3779B97F4A7C15


def ids(n: int, begin: int = 0) -> hash_rng.Words:
    return np.arange(begin, begin + n, dtype=np.uint64)


def test_mixing_is_splitmix64_with_its_published_outputs_for_seed_0():
    # the generator adds gamma to its state and mixes: state 0, gamma, 2 gamma
    states = np.array([0, GAMMA, 2 * GAMMA % 2**64], dtype=np.uint64)
    assert [hex(word) for word in hash_rng._mix(states).tolist()] == [
        "0xe220a8397b1dcdaf", "0x6e789e6aa1b965f4", "0x6c45d188009454f",
    ]  # fmt: skip


def test_an_id_is_the_first_8_bytes_of_blake2b():
    expected = int.from_bytes(hashlib.blake2b(b"cat/1.png", digest_size=8).digest(), "little")
    assert hash_rng.name_id("cat/1.png") == hash_rng.name_id(b"cat/1.png") == expected


def test_a_file_name_that_is_no_text_has_the_id_of_its_bytes():
    assert hash_rng.name_id("caf\udce9.png") == hash_rng.name_id(b"caf\xe9.png")


def test_a_key_names_its_parts_with_their_kinds_and_order():
    assert hash_rng.key(1, 0, "flip") == hash_rng.name_id("i1\x1fi0\x1fsflip")
    assert len({int(hash_rng.key(*parts)) for parts in [(1, 12), (11, 2), (12, 1), ("1", 12), (112,), (1, 1, 2)]}) == 6


def test_words_are_the_hash_of_id_and_purpose_worked_out_step_by_step():
    mixed = hash_rng._mix(np.array([7], dtype=np.uint64) ^ hash_rng.key(3, "crop"))
    assert hash_rng.words(ids(1, 7), 3, "crop").tolist() == hash_rng._mix(mixed).tolist()


def test_a_draw_depends_on_its_id_alone_and_not_on_its_neighbors():
    alone = [hash_rng.uniform(ids(1, i), 5, "x")[0] for i in range(50)]
    assert hash_rng.uniform(ids(50), 5, "x").tolist() == alone
    assert hash_rng.uniform(ids(50)[::-1], 5, "x").tolist() == alone[::-1]


def test_uniform_draws_are_spread_evenly_over_0_to_1():
    drawn = hash_rng.uniform(ids(100_000), 0, 0, "x")
    assert drawn.min() >= 0
    assert drawn.max() < 1
    assert abs(drawn.mean() - 1 / 2) < 5 * (1 / 12 / 100_000) ** 0.5  # five standard errors
    assert abs(drawn.var() - 1 / 12) < 5 * (1 / 180 / 100_000) ** 0.5
    counts = np.bincount((drawn * 20).astype(int), minlength=20)
    assert ((counts - 5000) ** 2 / 5000).sum() < 50  # chi-squared with 19 degrees of freedom: 43.8 is met once in a thousand


def test_uniform_has_53_random_bits():
    whole = hash_rng.uniform(ids(10_000), 1, "x") * 2.0**53
    assert (whole == np.floor(whole)).all()
    assert 0.45 < (whole % 2).mean() < 0.55


@pytest.mark.parametrize("other", [(0, 1, "crop"), (0, 0, "flip"), (1, 0, "crop"), (0, 0, "crop", 1)])
def test_draws_for_another_purpose_epoch_or_seed_are_unrelated(other: tuple[int | str, ...]):
    first, second = hash_rng.uniform(ids(20_000), 0, 0, "crop"), hash_rng.uniform(ids(20_000), *other)
    assert abs(np.corrcoef(first, second)[0, 1]) < 5 / 20_000**0.5


def test_neighboring_ids_are_unrelated():
    drawn = hash_rng.uniform(ids(20_001), 0, "x")
    assert abs(np.corrcoef(drawn[1:], drawn[:-1])[0, 1]) < 5 / 20_000**0.5


@pytest.mark.parametrize("n", [*range(1, 70), 127, 128, 129, 1000, 4097])
def test_all_positions_make_a_permutation(n: int):
    assert sorted(hash_rng.permute(np.arange(n), n, 0, 0, "order").tolist()) == list(range(n))


@given(st.integers(1, 3000), st.integers(0, 2**63 - 1), st.integers(0, 100))
def test_it_is_a_permutation_for_any_n_seed_and_epoch(n: int, seed: int, epoch: int):
    assert sorted(hash_rng.permute(np.arange(n), n, seed, epoch, "order").tolist()) == list(range(n))


@given(st.integers(1, 2**62), st.data())
def test_a_part_of_the_positions_gives_that_part_of_the_order(n: int, data: st.DataObject):
    chosen = data.draw(st.lists(st.integers(0, n - 1), min_size=1, max_size=20, unique=True))
    at_once = hash_rng.permute(np.array(chosen), n, 0, "order").tolist()
    assert at_once == [hash_rng.permute(np.array([position]), n, 0, "order")[0] for position in chosen]
    assert len(set(at_once)) == len(chosen)
    assert all(0 <= place < n for place in at_once)


def test_one_position_of_a_huge_list_needs_no_table():
    place = hash_rng.permute(np.array([10**12]), 10**15, 0, 0, "order")
    assert place.shape == (1,)
    assert 0 <= place[0] < 10**15


def test_a_position_goes_everywhere_equally_often():
    places = [int(hash_rng.permute(np.array([2]), 5, seed, "order")[0]) for seed in range(1500)]
    counts = np.bincount(places, minlength=5)
    assert ((counts - 300) ** 2 / 300).sum() < 18.5  # chi-squared with 4 degrees of freedom: met once in a thousand


def test_the_order_of_each_epoch_is_another_and_shuffled():
    orders = [hash_rng.permute(np.arange(2000), 2000, 0, epoch, "order") for epoch in range(3)]
    for order in (*orders, orders[0][orders[1]]):
        assert abs(np.corrcoef(np.arange(2000), order)[0, 1]) < 5 / 2000**0.5
        assert (order == np.arange(2000)).sum() < 10  # one is expected to stay in its place
    assert abs(np.corrcoef(orders[0], orders[1])[0, 1]) < 5 / 2000**0.5


def test_no_positions_have_no_places():
    assert hash_rng.permute(np.array([], dtype=np.int64), 5, 0).tolist() == []


@pytest.mark.parametrize(("position", "n"), [(5, 5), (-1, 5), (0, 0)])
def test_a_position_outside_is_refused(position: int, n: int):
    with pytest.raises(IndexError, match=rf"expected positions below n={n}; got array\(\[{position}\]\)\."):
        hash_rng.permute(np.array([position]), n, 0)


def test_a_seed_for_torch_is_below_2_to_the_63_and_differs_by_purpose():
    seeds = [hash_rng.seed_of(0, step, "dropout") for step in range(1000)]
    assert len(set(seeds)) == 1000
    assert all(0 <= seed < 2**63 for seed in seeds)
    assert max(seeds) > 2**62
    assert hash_rng.seed_of(3, "x") == int(hash_rng._mix(np.array([hash_rng.key(3, "x")]))[0]) // 2
