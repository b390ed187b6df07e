"""Settings that the neurons of a core share: how many different ones a core holds, and cores cut until they fit."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ir.arrays import Int32s, Ints
from ir.chip import Chip
from ir.graph import slices
from ir.quantized import QuantizedNetwork

Array = NDArray[Any]


def neuron_configs(network: QuantizedNetwork) -> Ints:
    """(N,) number of each neuron's setting: decays, reset, refractoriness, lower edge; not threshold, not bias."""
    rows = np.zeros((network.n_neurons, 7), np.int64)
    for p, at in zip(network.populations, slices(network.populations).values()):
        lif = p.neuron
        rows[at, 0], rows[at, 1] = lif.decay_v, lif.decay_u
        rows[at, 2:5] = lif.reset == "subtract", lif.refractory, lif.reset_interval
        rows[at, 5] = lif.reset_offset % lif.reset_interval if lif.reset_interval else 0
        rows[at, 6] = 1 if lif.v_min is None else lif.v_min
    return _numbered(rows)


def neuron_thresholds(network: QuantizedNetwork) -> Ints:
    """(N,) number of each neuron's threshold; a neuron that never fires has one too."""
    rows = np.full((network.n_neurons, 1), -1, np.int64)
    for p, at in zip(network.populations, slices(network.populations).values()):
        if p.neuron.v_threshold is not None:
            rows[at, 0] = p.neuron.v_threshold
    return _numbered(rows)


def _numbered(rows: Array) -> Ints:
    """Number equal rows alike."""
    return np.unique(rows, axis=0, return_inverse=True)[1].reshape(-1).astype(np.int64)


def distinct_per_core(label: Ints, core: Array, k: int) -> Ints:
    """(K,) different labels on each core."""
    n_labels = int(label.max()) + 1
    return np.bincount(np.unique(np.asarray(core, np.int64) * n_labels + label) // n_labels, minlength=k)


def split_settings(network: QuantizedNetwork, chip: Chip, core_of_neuron: Array) -> Int32s:
    """Move neurons to further cores until no core holds more settings or thresholds than the chip allows.

    A part of a core needs no more of anything than the core.
    """
    core = np.asarray(core_of_neuron, np.int64)
    kinds = (
        (neuron_configs(network), chip.limits.max_neuron_configs),
        (neuron_thresholds(network), chip.limits.max_thresholds),
    )
    for label, limit in kinds:
        n_labels = int(label.max()) + 1
        held = np.unique(core * n_labels + label)
        first = np.searchsorted(held, held // n_labels * n_labels)
        part = (np.arange(held.size) - first) // limit
        name = part[np.searchsorted(held, core * n_labels + label)]
        _, core = np.unique(name * (int(core.max()) + 1) + core, return_inverse=True)
        core = core.reshape(-1)
    return core.astype(np.int32)
