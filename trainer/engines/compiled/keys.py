"""The keys of ``ir.schedule`` for compiled code: unsigned 64 bit, a prefix shared by all neurons of a round."""

from __future__ import annotations

import numpy as np

from ir.schedule import GOLDEN, MIX_A, MIX_B
from trainer.engines.compiled.jit import apart, exact

S11, S27, S30, S31 = np.uint64(11), np.uint64(27), np.uint64(30), np.uint64(31)
UNIT = 2.0**-53


@exact
def mix(x):
    """One step of splitmix64; see ``ir.schedule.mix``."""
    x = x + GOLDEN
    x = (x ^ (x >> S30)) * MIX_A
    x = (x ^ (x >> S27)) * MIX_B
    return x ^ (x >> S31)


@exact
def extend(h, part):
    """Add one part of an address to a key's prefix; negative parts in two's complement."""
    return mix(h + np.uint64(part))


@exact
def draw(h, neuron):
    """A uniform number in [0, 1) for one neuron under prefix ``h``."""
    return np.float64(extend(h, neuron) >> S11) * UNIT


@apart
def fill_keys_of(h, neurons, n, keys):
    """The keys of the first ``n`` of some neurons under prefix ``h``."""
    for i in range(n):
        keys[i] = mix(h + np.uint64(neurons[i]))
