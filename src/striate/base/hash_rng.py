"""Randomness as a function: every draw is a hash of what it is for, never the next value of a hidden state.

A draw about an example is a hash of (seed, epoch, example id, purpose); the order of an epoch is a keyed permutation that
maps a position to an example without a table. So nothing depends on the batch size, on the number of workers or on where a
run was interrupted, and there is no random state to store.

The mixing function is the finalizer of SplitMix64 (Steele, Lea & Flood 2014, "Fast splittable pseudorandom number
generators", fig. 14); the permutation is a Feistel network of six rounds with cycle walking (Black & Rogaway 2002, "Ciphers
with arbitrary finite domains", sections 3 and 4).
"""

import hashlib

import numpy as np
from numpy.typing import NDArray

Words = NDArray[np.uint64]

_GAMMA = np.uint64(0x9E3779B97F4A7C15)
_MULTIPLY_1 = np.uint64(0xBF58476D1CE4E5B9)
_MULTIPLY_2 = np.uint64(0x94D049BB133111EB)
_ROUNDS = 6


def name_id(text: str | bytes) -> int:
    """The 64-bit id of a name: the first 8 bytes of its BLAKE2b hash, little endian.

    Names of files may hold bytes that are no text; `os.fsdecode` marks them as surrogates, which are taken back here.
    """
    raw = text if isinstance(text, bytes) else text.encode("utf-8", "surrogateescape")
    return int.from_bytes(hashlib.blake2b(raw, digest_size=8).digest(), "little")


def key(*parts: int | str) -> np.uint64:
    """One 64-bit word from the parts of a purpose, as in `key(seed, epoch, "flip")`; their order matters."""
    text = "\x1f".join(f"{type(part).__name__[0]}{part}" for part in parts)
    return np.uint64(name_id(text))


def _mix(words: Words) -> Words:
    with np.errstate(over="ignore"):
        words = words + _GAMMA
        words = (words ^ (words >> np.uint64(30))) * _MULTIPLY_1
        words = (words ^ (words >> np.uint64(27))) * _MULTIPLY_2
        return words ^ (words >> np.uint64(31))


def words(ids_N: Words, *purpose: int | str) -> Words:
    """N independent 64-bit words, one for each example id, for this purpose."""
    return _mix(_mix(np.asarray(ids_N, dtype=np.uint64) ^ key(*purpose)))


def uniform(ids_N: Words, *purpose: int | str) -> NDArray[np.float64]:
    """N draws from [0, 1) with 53 random bits, one for each example id, for this purpose."""
    shifted: Words = words(ids_N, *purpose) >> np.uint64(11)
    return shifted.astype(np.float64) * 2.0**-53


def permute(positions_M: NDArray[np.int64], n: int, *purpose: int | str) -> NDArray[np.int64]:
    """Where each of M positions of a shuffled list of n stands in the unshuffled one.

    Memory and time depend on M alone. Over all n positions the result is a permutation of 0 .. n-1.

    >>> sorted(permute(np.arange(10), 10, 1, 0, "order").tolist()) == list(range(10))
    True
    """
    positions = np.asarray(positions_M, dtype=np.uint64)
    if n < 1 or (positions.size and int(positions.max()) >= n):
        raise IndexError(f"expected positions below n={n}; got {positions_M!r}.")
    half = np.uint64(max(1, ((n - 1).bit_length() + 1) // 2))
    keys = [key(*purpose, "feistel", turn) for turn in range(_ROUNDS)]
    places_M = _feistel(positions, half, keys)
    while (outside := places_M >= n).any():  # the domain is less than 4 n, so the walk is short: on average under 4 turns
        places_M[outside] = _feistel(places_M[outside], half, keys)
    return places_M.astype(np.int64)


def _feistel(values: Words, half: np.uint64, keys: list[np.uint64]) -> Words:
    mask = (np.uint64(1) << half) - np.uint64(1)
    left, right = values >> half, values & mask
    for round_key in keys:
        left, right = right, left ^ (_mix(right ^ round_key) & mask)
    return (left << half) | right


def seed_of(*purpose: int | str) -> int:
    """A seed below 2**63 for a generator that keeps a state of its own, such as torch's."""
    return int(_mix(np.asarray([key(*purpose)]))[0] >> np.uint64(1))


def places(first: int, end: int, count: int, seed: int | None, epoch: int) -> NDArray[np.int64]:
    """Which of `count` images an epoch shows from `first` to before `end`, at most `count` + 1; in order without seed."""
    positions: NDArray[np.int64] = np.arange(first, min(end, count + 1)) % count
    return positions if seed is None else permute(positions, count, seed, epoch, "order")
