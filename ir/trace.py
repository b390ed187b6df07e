"""What a run leaves behind: every spike with its address, membranes, forward steps."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ir.arrays import Ints, frozen_array, set_field
from ir.check import require
from ir.schedule import Schedule

Array = NDArray[Any]


@dataclass(frozen=True, eq=False)
class Spikes:
    """Spikes sorted by (sample, t, k, neuron), one row each.

    Attributes:
        sample: (n,) sample ids.
        t, k: (n,) time step and forward step of firing.
        neuron: (n,) global indices.
        m: (n,) membrane just before the reset.
        k_served: (n,) forward step in which the spike left the queue; -1 = never.
    """

    sample: Array
    t: Array
    k: Array
    neuron: Array
    m: Array
    k_served: Array

    def __post_init__(self) -> None:
        columns = [np.asarray(x) for x in (self.sample, self.t, self.k, self.neuron)]
        order = slice(None) if _ascends(columns) else np.lexsort(columns[::-1])
        for name, dtype in (
            ("sample", np.int64),
            ("t", np.int32),
            ("k", np.int32),
            ("neuron", np.int32),
            ("k_served", np.int32),
        ):
            set_field(self, name, frozen_array(np.asarray(getattr(self, name))[order], dtype))
        set_field(self, "m", frozen_array(np.asarray(self.m)[order]))
        require(
            len({len(getattr(self, f)) for f in ("sample", "t", "k", "neuron", "m", "k_served")}) == 1,
            "spike columns differ in length",
        )

    def __len__(self) -> int:
        return len(self.sample)


@dataclass(frozen=True, eq=False)
class Trace:
    """One run of one network on a batch.

    Attributes:
        executor: ``E0`` to ``E3`` of the execution contract.
        spikes: every spike; None in a run that only counted.
        counts: (B, N) spikes of each neuron.
        v: (T, B, N) membranes at the end of each time step; None where not recorded.
        forward_steps: (T, B) rounds of each time step.
        sample_ids: (B,).
        populations: (name, size) in the order of the global index.
        output: the population that decides.
        schedule: how it ran.
        labels: (B,) right classes; None = unknown.
        core_of_neuron: (N,); None = unmapped.
        limits_reached: how often each register limit was reached, by name.
        u: (T, B, N) synaptic currents where asked for.
    """

    executor: str
    spikes: Spikes | None
    counts: Array
    v: Array | None
    forward_steps: Array
    sample_ids: Array
    populations: tuple[tuple[str, int], ...]
    output: str
    schedule: Schedule = field(default_factory=Schedule)
    labels: Array | None = None
    core_of_neuron: Array | None = None
    limits_reached: dict[str, int] = field(default_factory=dict)
    u: Array | None = None

    def __post_init__(self) -> None:
        set_field(self, "populations", tuple((str(n), int(size)) for n, size in self.populations))
        for name, dtype in (
            ("counts", np.int32),
            ("forward_steps", np.int32),
            ("sample_ids", np.int64),
            ("labels", np.int64),
            ("core_of_neuron", np.int32),
            ("v", None),
            ("u", None),
        ):
            if getattr(self, name) is not None:
                set_field(self, name, frozen_array(getattr(self, name), dtype))
        n = sum(size for _, size in self.populations)
        t, b = self.forward_steps.shape
        require(
            self.counts.shape == (b, n) and self.sample_ids.shape == (b,),
            f"trace of {b} samples and {n} neurons has counts {self.counts.shape}",
        )
        require(self.v is None or self.v.shape == (t, b, n), "trace membranes must be (T, B, N)")
        require(self.output in dict(self.populations), f"trace output {self.output!r} is no population")

    @property
    def n_neurons(self) -> int:
        return int(self.counts.shape[1])

    def population_slice(self, name: str) -> slice:
        """Where population ``name`` lies in the global index."""
        start = 0
        for other, size in self.populations:
            if other == name:
                return slice(start, start + size)
            start += size
        raise ValueError(f"the trace has no population {name!r}")

    def address(self, neuron: int) -> tuple[str, int]:
        """Population name and local index of a global index."""
        start = 0
        for name, size in self.populations:
            if neuron < start + size:
                return name, neuron - start
            start += size
        raise ValueError(f"neuron {neuron} is out of range")


def _ascends(columns: list[Array]) -> bool:
    """Whether rows are in order by the first column, ties by the next: far cheaper to see than to sort."""
    tied = np.ones(max(len(columns[0]) - 1, 0), bool)
    for column in columns:
        if len(column) != len(columns[0]) or bool((tied & (column[1:] < column[:-1])).any()):
            return False
        tied &= column[1:] == column[:-1]
    return True


def count_spikes(spikes: Spikes, sample_ids: Ints, n_neurons: int) -> Array:
    """(B, N) spikes of each neuron in each sample."""
    counts = np.zeros((len(sample_ids), n_neurons), np.int32)
    order = np.argsort(sample_ids)
    rows = order[np.searchsorted(sample_ids, spikes.sample, sorter=order)]
    np.add.at(counts, (rows, spikes.neuron), 1)
    return counts
