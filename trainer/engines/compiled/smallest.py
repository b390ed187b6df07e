"""The smallest of some keys without sorting: a limit is searched for that lets just enough of them through."""

from __future__ import annotations

import numpy as np

from trainer.engines.compiled.jit import exact
from trainer.engines.compiled.lanes import NOTHING

HIGHEST = np.uint64(0xFFFFFFFFFFFFFFFF)
ONE = np.uint64(1)
NEAR = 3
"""So many keys too few or too many are gone through one by one: no more than a guess takes each."""


@exact
def count_up_to(keys, limit):
    """How many keys are at most ``limit``."""
    total = 0
    for i in range(keys.shape[0]):
        total += np.int64(keys[i] <= limit)
    return total


@exact
def moved_limit(keys, limit, found, room):
    """The limit that lets ``room`` keys through, from one that lets ``found`` through."""
    for _ in range(found, room):
        above = HIGHEST
        for i in range(keys.shape[0]):
            above = min(above, keys[i] if keys[i] > limit else HIGHEST)
        limit = above
    for _ in range(room, found):
        most = NOTHING
        for i in range(keys.shape[0]):
            most = max(most, keys[i] if keys[i] <= limit else NOTHING)
        limit = most - ONE
    return limit


@exact
def limit_of_smallest(keys, n, room):
    """The limit that lets ``room`` of the ``n`` keys below ``HIGHEST`` through; all where there are no more.

    Keys of one round are distinct and spread evenly, so guesses by proportion close in within a few counts;
    every fourth guess halves the interval, whatever the keys are. The last few keys are gone through one by one.
    """
    if room >= n:
        return HIGHEST
    low, high, n_low, n_high = np.uint64(0), HIGHEST, 0, n
    step = 0
    while high - low > ONE:
        step += 1
        share = 0.5 if step % 4 == 0 else (room - n_low + 0.5) / (n_high - n_low + 1)
        guess = low + np.uint64(np.float64(high - low) * share)
        guess = min(max(guess, low + ONE), high - ONE)
        found = count_up_to(keys, guess)
        if abs(found - room) <= NEAR:
            return moved_limit(keys, guess, found, room)
        if found < room:
            low, n_low = guess, found
        else:
            high, n_high = guess, found
    return high
