"""The independent checker: recount every limit and cost from the network and the finished assignment alone."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from ir.arrays import Array, Bits, Ints
from ir.quantized import QuantizedNetwork
from mapper.windows import Windows, windows

DENSE = 50_000_000  # (source, core) flags kept as a table up to here
KEPT = 20_000_000  # pairs that are collected before those counted twice are dropped


@dataclass(frozen=True, eq=False)
class Tally:
    """What an assignment costs and what each core holds.

    Attributes:
        km1: rate x cores other than its own that each source reaches, summed.
        neurons, synapses, axons, out_axons: (K,) of each core.
        places: (K,) how many neurons those of each core are worth (``FixedNeuron.places``).
    """

    km1: int
    neurons: Ints
    synapses: Ints
    axons: Ints
    out_axons: Ints
    places: Ints

    def violations(self, neurons: float, synapses: float, axons: float) -> int:
        """Number of (core, limit) pairs that are exceeded."""
        return int((self.places > neurons).sum() + (self.synapses > synapses).sum() + (self.axons > axons).sum())


def recount_network(
    network: QuantizedNetwork, core_of_neuron: Array, rate: Array, places: Array | None = None
) -> Tally:
    """Count by windows: what ``recount`` finds in the network's synapses, without looking at each.

    Args:
        core_of_neuron: (N,) core of each neuron.
        rate: (N + inputs,) rate of each source.
        places: (N,) of each neuron; None = 1.
    """
    core = np.asarray(core_of_neuron, np.int64)
    n, k = core.size, int(core.max()) + 1
    found, rate = windows(network, core, k), np.asarray(rate, np.int64)
    total, sources = np.zeros(found.n, np.int64), np.bincount(found.of_source, minlength=found.n)
    np.add.at(total, found.of_source, rate)
    reached = np.bincount(found.window, minlength=found.n)
    home = reaches_home(found, core, k)
    return Tally(
        int(total @ reached - rate[:n][home].sum()),
        np.bincount(core, minlength=k),
        found.synapses,
        np.bincount(found.core, sources[found.window], minlength=k).astype(np.int64),
        np.bincount(core, reached[found.of_source[:n]] - home, minlength=k).astype(np.int64),
        np.bincount(core, places, minlength=k).astype(np.int64),
    )


def reaches_home(found: Windows, core: Ints, k: int) -> Bits:
    """(N,) whether each neuron has a target on its own core."""
    pairs, own = found.window * k + found.core, found.of_source[: core.size].astype(np.int64) * k + core
    at = np.searchsorted(pairs, own)
    return np.append(pairs, -1)[at] == own


def recount(
    edges: Iterable[tuple[Array, Array]], core_of_neuron: Array, rate: Array, places: Array | None = None
) -> Tally:
    """Count from single synapses; ``recount_network`` finds the same sooner.

    Args:
        edges: (pre, post) index arrays; pre >= N is an input. Any split into pieces will do.
        core_of_neuron: (N,) core of each neuron.
        rate: (N + inputs,) rate of each source.
        places: (N,) of each neuron; None = 1.
    """
    core = np.asarray(core_of_neuron, np.int64)
    n, k = core.size, int(core.max()) + 1
    source, reached, held = reached_cores(edges, core, k, rate.size)
    home = np.full(rate.size, -1, np.int64)
    home[:n] = core
    remote = home[source] != reached
    fired = home[source[remote]]
    return Tally(
        int(np.asarray(rate, np.int64)[source[remote]].sum()),
        np.bincount(core, minlength=k),
        held,
        np.bincount(reached, minlength=k),
        np.bincount(fired[fired >= 0], minlength=k),
        np.bincount(core, places, minlength=k).astype(np.int64),
    )


def reached_cores(edges: Iterable[tuple[Array, Array]], core: Ints, k: int, n_sources: int) -> tuple[Ints, Ints, Ints]:
    """Pairs (source, core it has a synapse on), sorted, and (K,) synapses of each core.

    Args:
        edges: as ``recount`` takes them. core: (N,) core of each neuron, one of ``k``.
        n_sources: neurons and inputs.
    """
    held, pairs, waiting = np.zeros(k, np.int64), [np.zeros(0, np.int64)], 0
    dense = np.zeros((n_sources, k), np.bool_) if n_sources * k <= DENSE else None
    for pre, post in edges:
        where = core[post]
        held += np.bincount(where, minlength=k)
        if dense is not None:
            dense[pre, where] = True
            continue
        pairs.append(np.unique(np.asarray(pre, np.int64) * k + where))
        waiting += pairs[-1].size
        if waiting > max(KEPT, pairs[0].size):
            pairs, waiting = [np.unique(np.concatenate(pairs))], 0
    source, reached = np.divmod(np.unique(np.concatenate(pairs)), k) if dense is None else np.nonzero(dense)
    return source, reached, held
