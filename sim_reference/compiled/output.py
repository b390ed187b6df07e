"""Where compiled runs write: counts always, spikes and registers where asked for."""

from __future__ import annotations

from functools import partial
from typing import Any, NamedTuple

import numpy as np

from ir.arithmetic import LIMITS
from ir.arrays import Array, ascends
from ir.trace import Spikes, unchecked
from sim_reference.compiled.jit import kernel, kernel_inside

Int = Any
"""An integer of numpy or Python: compiled code sees no difference."""

T, K, NEURON, M, K_SERVED, EARLIER = range(6)
"""Columns of ``Output.rows``; ``EARLIER`` is the row of the spike before in the same queue entry, or -1."""


REGISTERS = ("v", "u", "late")
"""What neurons keep from one time step to the next, by the names of their states."""


class Output(NamedTuple):
    """What a range of samples leaves behind.

    ``counts`` (B, N); ``forward_steps`` (T, B); ``kept`` (R, T, B, N) the registers ``which`` (R,), places in
    ``REGISTERS``; ``rows`` (capacity, 6) spikes, none kept where ``keep_rows`` is False; ``row_start`` (B + 1,) where
    each sample's rows begin; ``full`` (1,) set where rows ran out.
    """

    counts: Array
    forward_steps: Array
    kept: Array
    which: Array
    rows: Array
    row_start: Array
    full: Array
    keep_rows: bool

    def freeze(self) -> None:
        """Let nobody write there any more: a trace takes such arrays as they are, without a copy."""
        for array in (self.counts, self.forward_steps, self.kept):
            array.setflags(write=False)


class Cut(NamedTuple):
    """Where samples begin and end when a run is cut in time.

    ``t0`` time steps before the run; ``begin`` (3, B, N) registers to begin with, (3, 0, 0): zero; ``sent`` (H, B, N)
    and ``inputs`` (H, B, N_in) of the time steps before, of the layered schedule alone; ``end`` (3, B, N) registers at
    the end, (3, 0, 0): nobody asks.
    """

    t0: int
    begin: Array
    sent: Array
    inputs: Array
    end: Array


@kernel
def begin_sample(cut: Cut, b: Int, registers: Array) -> None:
    """Set the registers that sample b begins with."""
    for r in range(registers.shape[0]):
        for i in range(registers.shape[1]):
            registers[r, i] = cut.begin[r, b, i] if cut.begin.size else 0


@kernel
def end_sample(cut: Cut, b: Int, registers: Array) -> None:
    """Write the registers that sample b ends with, where somebody asks."""
    if cut.end.size:
        for r in range(registers.shape[0]):
            for i in range(registers.shape[1]):
                cut.end[r, b, i] = registers[r, i]


def new_rows(capacity: int) -> Array:
    """Room for spikes."""
    return np.empty((capacity, 6), np.int32)


@kernel_inside
def add_spike(out: Output, at: Array, b: Int, t: Int, k: Int, neuron: Int, m: Int, k_served: Int, earlier: Int) -> Int:
    """Count a spike and keep it where asked for; returns its row, -1 without one.

    Args:
        at: (1,) the next free row.
    """
    out.counts[b, neuron] += 1
    if not out.keep_rows:
        return -1
    row = at[0]
    if row >= out.rows.shape[0]:
        out.full[0] = 1
        return -1
    out.rows[row, T] = t
    out.rows[row, K] = k
    out.rows[row, NEURON] = neuron
    out.rows[row, M] = m
    out.rows[row, K_SERVED] = k_served
    out.rows[row, EARLIER] = earlier
    at[0] = row + 1
    return row


@kernel
def keep_registers(out: Output, b: Int, t: Int, registers: Array) -> None:
    """Write the registers at the end of a time step where they are recorded."""
    for r in range(out.which.size):
        for i in range(registers.shape[1]):
            out.kept[r, t, b, i] = registers[out.which[r], i]


class Share(NamedTuple):
    """What one worker found: spikes of samples ``first``, ... in turn, ``n_rows`` a sample, and its limit counts."""

    first: int
    n_rows: Array
    rows: Array
    limits: Array


def limits_of(shares: list[Share]) -> dict[str, int]:
    """How often each limit was reached, by its name."""
    found = [sum(reached) for reached in zip(*(s.limits.tolist() for s in shares))]
    return dict(zip(LIMITS, found or [0] * len(LIMITS)))


def joined(shares: list[Share], ids: Array) -> Spikes:
    """The workers' spikes together; ``ids`` (B,) of all samples."""
    one = len(shares) == 1
    rows = shares[0].rows if one else np.concatenate([new_rows(0), *(s.rows for s in shares)])
    n_rows = shares[0].n_rows if one else np.concatenate([np.zeros(0, np.int64), *(s.n_rows for s in shares)])
    columns = np.array(rows.T, order="C")
    sample, m = np.repeat(ids, n_rows), columns[M].astype(np.int64)
    for array in (columns, sample, m):
        array.setflags(write=False)
    t, k, neuron, k_served = (columns[i] for i in (T, K, NEURON, K_SERVED))
    made = partial(unchecked, Spikes) if ascends([sample, t, k, neuron]) else Spikes
    return made(sample=sample, t=t, k=k, neuron=neuron, m=m, k_served=k_served)
