"""Settings that the neurons of a core share: how many different ones a core holds, and cores cut until they fit."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ir.arrays import Array, Int32s, Ints
from ir.chip import Chip
from ir.neurons import FixedNeuron
from ir.quantized import QuantizedNetwork

TABLE = 50_000_000  # (core, label) counts kept as a table up to here


def neuron_configs(network: QuantizedNetwork) -> Ints:
    """(N,) number of each neuron's setting: for a LIF decays, reset, refractoriness, lower edge.

    Neurons of two models share none.
    """
    models = list(dict.fromkeys(p.neuron.MODEL for p in network.populations))
    return _numbered(network, lambda neuron: (models.index(neuron.MODEL), *neuron.settings()))


def neuron_thresholds(network: QuantizedNetwork) -> Ints:
    """(N,) number of each neuron's threshold; a neuron that never fires has one too."""
    return _numbered(network, lambda neuron: (neuron.threshold_setting(),))


def _numbered(network: QuantizedNetwork, read: Callable[[FixedNeuron], tuple[Array | int, ...]]) -> Ints:
    """Number neurons with equal values alike; a population that shares its values is looked at once."""
    read_of = [read(p.neuron) for p in network.populations]
    width = max(map(len, read_of))
    rows: list[Array] = []
    times: list[int] = []
    for p, own in zip(network.populations, read_of):
        columns = np.broadcast_arrays(*own, *(0 for _ in range(width - len(own))))
        values = np.stack([np.asarray(x, np.int64) for x in columns], axis=-1)
        rows.append(values.reshape(-1, values.shape[-1]))
        times.append(p.n if values.ndim == 1 else 1)
    number = np.unique(np.concatenate(rows), axis=0, return_inverse=True)[1].reshape(-1)
    repeats = np.concatenate([np.full(len(block), t) for block, t in zip(rows, times)])
    return np.repeat(number, repeats).astype(np.int64)


def distinct_per_core(label: Ints, core: Array, k: int) -> Ints:
    """(K,) different labels on each core."""
    n_labels = int(label.max()) + 1
    key = np.asarray(core, np.int64) * n_labels + label
    if k * n_labels <= TABLE:
        return (np.bincount(key, minlength=k * n_labels).reshape(k, n_labels) > 0).sum(1)
    return np.bincount(np.unique(key) // n_labels, minlength=k)


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
        if n_labels <= limit:
            continue
        held = np.unique(core * n_labels + label)
        first = np.searchsorted(held, held // n_labels * n_labels)
        part = (np.arange(held.size) - first) // limit
        name = part[np.searchsorted(held, core * n_labels + label)]
        _, core = np.unique(name * (int(core.max()) + 1) + core, return_inverse=True)
        core = core.reshape(-1)
    return core.astype(np.int32)
