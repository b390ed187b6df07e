"""Which cores each twin class reaches, read off the classes: no neuron's targets are listed."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ir.arrays import Array, Int32s, Ints
from ir.kernels import kept_on_disk
from mapper.view.hypergraph import run_starts
from mapper.view.tiles import reached_labels
from mapper.view.twins import Cells


@dataclass(frozen=True, eq=False)
class Reach:
    """The cores of twin classes under a partition.

    Attributes:
        held_start, held: cores that hold a neuron of each class, as compressed rows.
        start, length, core: where the cores that each class reaches begin, how many, and (P,) which.
    """

    held_start: Ints
    held: Int32s
    start: Ints
    length: Int32s
    core: Int32s

    @classmethod
    def of(cls, cells: Cells, core: Int32s, k: int) -> Reach:
        """Follow every class to the cores of the classes it feeds.

        Args:
            core: (N,) core of each neuron, one of ``k``.
        """
        n_cells = cells.start.size - 1
        pairs = np.unique(cells.cell[: cells.n_neurons].astype(np.int64) * k + core)
        held_start, held = run_starts(pairs // k, n_cells), (pairs % k).astype(np.int32)
        start, reached, _ = reached_labels(cells.start, cells.target, held_start, held, np.zeros((2, k), np.uint64))
        return cls(held_start, held, start, np.diff(start).astype(np.int32), reached)

    @property
    def slots(self) -> tuple[Ints, Int32s, Int32s]:
        """Where each class's cores begin, how many, and which."""
        return self.start, self.length, self.core

    def rates(self, cell: Int32s, rate: Array, core: Int32s) -> Ints:
        """(pairs of ``held``,) rate of all neurons of a class on a core."""
        return rate_held(cell, rate, core, self.held_start, self.held)


@kept_on_disk
def rate_held(cell, rate, core, start, held):
    """Sum the rates of the neurons of each class on each core that holds some."""
    total = np.zeros(held.size, np.int64)
    for i in range(core.size):
        j = start[cell[i]]
        while held[j] != core[i]:
            j += 1
        total[j] += rate[i]
    return total
