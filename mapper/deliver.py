"""Partitions as they are delivered: cut for output axons, settings and thresholds before they are compared."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from ir.arrays import Int32s, Ints
from ir.chip import Chip
from ir.kernels import kept_on_disk
from ir.quantized import QuantizedNetwork
from mapper.memory.settings import split_settings
from mapper.memory.words import synapse_words
from mapper.search.candidates import Candidate, spare_cores
from mapper.view.hypergraph import Caps
from mapper.view.reach import Reach
from mapper.view.twins import Cells, km1_of_neurons

CUTS = 40  # times that cores with too many output axons are cut before a partition is given up


@dataclass(frozen=True, eq=False)
class Delivery:
    """What cutting and costing a partition needs.

    Attributes:
        order: (N,) the order along which cores are cut.
    """

    network: QuantizedNetwork
    chip: Chip
    cells: Cells
    caps: Caps
    order: Int32s

    def delivered(self, candidate: Candidate) -> Candidate | None:
        """Cut a partition until every core keeps the limits that the search does not know."""
        core = split_settings(self.network, self.chip, candidate.block)
        for _ in range(CUTS):
            sent, km1 = self._sent(core)
            if int(sent.max()) <= self.caps.out_axons:
                return replace(candidate, block=core, km1=km1, n_cores=sent.size, spare=self._spare(core))
            if (np.bincount(core)[sent > self.caps.out_axons] == 1).any():
                return None
            core = cut_senders(core, sent, self.caps, self.order)
        return None

    def _spare(self, core: Int32s) -> int:
        """``spare_cores`` by the words that the checker counts."""
        k, neurons = int(core.max()) + 1, int(self.cells.taken.sum()) / self.caps.neurons
        if spare_cores(k, [neurons]) == 0:
            return 0
        words = int(synapse_words(self.network, self.chip, core).sum()) / max(self.chip.limits.max_synapse_words, 1)
        return spare_cores(k, [neurons, words])

    def _sent(self, core: Int32s) -> tuple[Ints, int]:
        """(K,) output axons of each core, and the packets of a time step."""
        k = int(core.max()) + 1
        slots = Reach.of(self.cells, core, k).slots
        km1 = int(km1_of_neurons(self.cells.cell, self.cells.rate, core, *slots))
        return output_axons(self.cells.cell, core, k, *slots), km1


def cut_senders(core: Int32s, sent: Ints, caps: Caps, order: Int32s) -> Int32s:
    """Cut cores with too many output axons into equal runs of ``order``; no part needs more than its core did.

    Args:
        sent: (K,) output axons of each core.
    """
    neurons = np.bincount(core, minlength=sent.size)
    parts = np.minimum(-(-sent // caps.out_axons), neurons)
    along = order[np.argsort(core[order], kind="stable")]
    first = np.cumsum(neurons) - neurons
    rank = np.arange(core.size) - first[core[along]]
    part = np.empty(core.size, np.int64)
    part[along] = rank * parts[core[along]] // neurons[core[along]]
    return np.unique(part * neurons.size + core, return_inverse=True)[1].reshape(-1).astype(np.int32)


@kept_on_disk
def output_axons(cell, core, k, slot_start, slot_len, slot_block):
    """(K,) pairs of a neuron on the core and another core that its cell reaches."""
    sent = np.zeros(k, np.int64)
    for i in range(core.size):
        c, home = cell[i], core[i]
        sent[home] += slot_len[c]
        for j in range(slot_start[c], slot_start[c] + slot_len[c]):
            if slot_block[j] == home:
                sent[home] -= 1
    return sent
