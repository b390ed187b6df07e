"""SpikingGamma under the layered schedule, compiled: one sample in one call, independent of the plain dynamics."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from ir.arrays import Array
from ir.connection import source_lists
from ir.neurons import FixedSpikingGamma
from sim_reference.compiled.jit import fingerprint, kernel, kernel_on_disk
from sim_reference.layout import Layout

Int = Any
"""An integer of numpy or Python: compiled code sees no difference."""

V, E, TH, X0 = range(4)
"""Rows of the registers; bucket k lies in row X0 + k."""

INT32, ACCUMULATOR, FIRST_ROW = range(3)
"""Where edges are counted; that of a register's row lies at FIRST_ROW + row."""

START, STOP, BUCKETS, SHIFT, STRICT, FIRES, ADAPTATION, DECAY_TH, LINK_START, LINK_STOP = range(10)
FROM_INPUT, PRE, N_PRE, EXP, POINTER, DELAY = range(6)
HALF = 1 << 31
PAYLOAD = 6
FOUR_K = 4096


class GammaNet(NamedTuple):
    """A network's arrays: ``pop`` (P, 10) in the order in which populations fire; ``link`` (L, 6), those into one
    population side by side; ``decay`` (P, K); ``weight`` (N, K), ``threshold``, ``quantum``, ``ceiling`` (N,) of each
    neuron; synapses by source, ``post`` counted from the population's start; ``accumulator`` -1 = none."""

    pop: Array
    link: Array
    decay: Array
    weight: Array
    threshold: Array
    quantum: Array
    ceiling: Array
    pointer: Array
    post: Array
    synapse: Array
    delay: Array
    weight_shift: int
    accumulator: int
    v_max: int


def flatten_gamma(layout: Layout) -> GammaNet:
    """Lay a network of SpikingGamma alone out for the kernel."""
    populations = {p.name: p for p in layout.network.populations}
    neurons = {name: p.neuron for name, p in populations.items() if isinstance(p.neuron, FixedSpikingGamma)}
    assert len(neurons) == len(populations)
    most, n = max(x.decay_shares.size for x in neurons.values()), layout.n_neurons
    pop, decay = np.zeros((len(neurons), 10), np.int64), np.zeros((len(neurons), most), np.int64)
    weight, (threshold, quantum, ceiling) = np.zeros((n, most), np.int64), np.ones((3, n), np.int64)
    links: list[list[int]] = []
    lists: list[tuple[Array, Array, Array, Array]] = []
    n_pointers, n_synapses = 0, 0
    for row, name in enumerate(layout.order.order):
        x, at, first = neurons[name], layout.blocks[name], len(links)
        k = x.decay_shares.size
        decay[row, :k], weight[at, :k] = x.decay_shares, x.bucket_weights
        quantum[at], ceiling[at] = x.quantum, x.ceilings
        threshold[at] = 1 if x.v_threshold is None else x.v_threshold
        for link in layout.links:
            if link.post == at:
                s = source_lists(link.connection)
                links.append([link.from_input, link.pre.start, link.connection.n_pre, link.weight_exp, n_pointers, 0])
                links[-1][DELAY] = sum(len(x[3]) for x in lists)
                lists.append((np.asarray(s.indptr) + n_synapses, s.post, s.weight, link.delay_steps))
                n_pointers, n_synapses = n_pointers + len(s.indptr), n_synapses + len(s.post)
        adaptation = x.adaptation if x.adapts else 0
        numbers = at.start, at.stop, k, x.bucket_shift, x.strict, x.fires, adaptation, x.decay_threshold
        pop[row] = *numbers, first, len(links)
    none = np.zeros(0, np.int64)
    columns = [np.concatenate([none, *(part[i] for part in lists)]).astype(np.int64) for i in range(4)]
    a = layout.arithmetic
    accumulator = -1 if a.accumulator_bits is None else a.accumulator_bits
    table = np.array(links, np.int64).reshape(-1, 6)
    pointer, post, synapse, delay = columns
    own = pop, table, decay, weight, threshold, quantum, ceiling
    return GammaNet(*own, pointer, post, synapse, delay, a.weight_shift, accumulator, a.v_max)


@kernel
def share(x: Int, of: Int) -> Int:
    """``x of / 4096``, toward zero."""
    return (x * of) // FOUR_K if x >= 0 else -((-x * of) // FOUR_K)


@kernel
def wrapped(x: Int, half: Int, which: Int, limits: Array) -> Int:
    """Two's complement in ``[-half, half)``; counts what was outside."""
    if -half <= x < half:
        return x
    limits[which] += 1
    return (x + half) % (2 * half) - half


@kernel
def held(x: Int, most: Int, row: Int, limits: Array) -> Int:
    """At the edge of a register; counts what was outside."""
    if -most <= x <= most:
        return x
    limits[FIRST_ROW + row] += 1
    return most if x > 0 else -most


@kernel
def arrive(net: GammaNet, p: Int, t: Int, frames: Array, sent: Array, one: Array, drive: Array, limits: Array) -> None:
    """Sum what arrives at population p in time step t of those known, (n,) register units."""
    n = net.pop[p, STOP] - net.pop[p, START]
    drive[:n] = 0
    for link in range(net.pop[p, LINK_START], net.pop[p, LINK_STOP]):
        one[:n] = 0
        exp = net.link[link, EXP]
        for i in range(net.link[link, N_PRE]):
            when = t - net.delay[net.link[link, DELAY] + i]
            if when < 0:
                continue
            source = net.link[link, PRE] + i
            q = np.int64(frames[when, source]) if net.link[link, FROM_INPUT] else sent[when, source]
            if q != 0:
                at = net.link[link, POINTER] + i
                for s in range(net.pointer[at], net.pointer[at + 1]):
                    one[net.post[s]] += q * net.synapse[s]
        for j in range(n):
            total = one[j] << exp if exp >= 0 else one[j] >> -exp
            drive[j] += wrapped(total, HALF, INT32, limits)
    for j in range(n):
        x = wrapped(wrapped(drive[j], HALF, INT32, limits) << net.weight_shift, HALF, INT32, limits)
        drive[j] = x if net.accumulator < 0 else wrapped(x, 1 << net.accumulator, ACCUMULATOR, limits)


@kernel
def filtered(net: GammaNet, p: Int, i: Int, x: Int, registers: Array, limits: Array) -> None:
    """Move a neuron's buckets on, the last one first, and weigh them."""
    total = np.int64(0)
    for k in range(net.pop[p, BUCKETS] - 1, 0, -1):
        now = registers[X0 + k, i]
        now += share(registers[X0 + k - 1, i] - now, net.decay[p, k])
        registers[X0 + k, i] = now
        total += net.weight[i, k] * now
    first = share(registers[X0, i], FOUR_K - net.decay[p, 0]) + x
    first = held(wrapped(first, HALF, INT32, limits), net.v_max, X0, limits)
    registers[X0, i] = first
    total = wrapped(total + net.weight[i, 0] * first, HALF, INT32, limits)
    registers[V, i] = held(total >> net.pop[p, SHIFT], net.v_max, V, limits)


@kernel
def coded(net: GammaNet, p: Int, i: Int, registers: Array, limits: Array) -> Int:
    """Let a neuron tell what its sum is above what it has told; returns what its spike carries, 0 = none."""
    adapts = net.pop[p, ADAPTATION] > 0
    threshold, quantum, payload = net.threshold[i], net.quantum[i], np.int64(1)
    if adapts:
        threshold += registers[TH, i]
        payload = (threshold << PAYLOAD) // net.threshold[i]
        quantum = payload * quantum >> PAYLOAD
    error = min(max(registers[V, i], 0), net.ceiling[i]) - registers[E, i]
    spikes = error > threshold or (error == threshold and net.pop[p, STRICT] == 0)
    if adapts:
        above = share(registers[TH, i], FOUR_K - net.pop[p, DECAY_TH])
        if spikes:
            above += share(threshold, net.pop[p, ADAPTATION])
        registers[TH, i] = held(above, net.v_max, TH, limits)
    told = registers[E, i] + (quantum if spikes else 0)
    registers[E, i] = held(told, net.v_max, E, limits)
    return payload if spikes else 0


@kernel
def _run_sample(
    net: GammaNet, frames: Array, past: Int, registers: Array, sent: Array, kept: Array, which: Array, v: Array,
    one: Array, drive: Array, limits: Array,
) -> None:  # fmt: skip
    """Run one sample.

    Args:
        frames: (H + T, N_in). past: H.
        registers: (3 + K, N) to begin with, and at the end.
        sent: (H + T, N), the first H filled.
        kept: (R, T, N) the rows ``which`` (R,) of the registers; v: (T, N) those of spikes.
        one, drive: scratch.
    """
    for t in range(v.shape[0]):
        for p in range(net.pop.shape[0]):
            if net.pop[p, FIRES]:
                for i in range(net.pop[p, START], net.pop[p, STOP]):
                    registers[E, i] = share(registers[E, i], FOUR_K - net.decay[p, 0])
        for p in range(net.pop.shape[0]):
            arrive(net, p, past + t, frames, sent, one, drive, limits)
            start = net.pop[p, START]
            for i in range(start, net.pop[p, STOP]):
                filtered(net, p, i, drive[i - start], registers, limits)
                sent[past + t, i] = coded(net, p, i, registers, limits) if net.pop[p, FIRES] else 0
                v[t, i] = registers[V, i]
        for r in range(which.size):
            for i in range(v.shape[1]):
                kept[r, t, i] = registers[which[r], i]


def _entry(source: int) -> Any:
    """What Python calls; ``source`` goes into the code that is kept, so that changed kernels are compiled anew."""

    @kernel_on_disk
    def run_sample(net, frames, past, registers, sent, kept, which, v, one, drive, limits):
        _run_sample(net, frames, past, registers, sent, kept, which, v, one, drive, limits)
        return source

    return run_sample


run_sample = _entry(fingerprint())
