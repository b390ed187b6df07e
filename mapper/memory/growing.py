"""Synapse memory of a core that takes one neuron after another: the words of ``words.py``, kept up to date."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ir.arrays import Array, Ints
from ir.chip import Chip
from ir.connection import Conv2d, Dense, synapses
from ir.graph import slices
from ir.kernels import part
from ir.quantized import FixedProjection, QuantizedNetwork
from mapper.edges import pieces
from mapper.memory.layout import MemoryLayout, layout, list_words, taps

MOST = 20_000_000  # synapses looked at one by one; of a network with more of them nothing is counted


class Growing(NamedTuple):
    """What every neuron adds to a core.

    Attributes:
        start, list: (N + 1,), (P,) lists in which each neuron has a synapse.
        times, form: (L,) how many lists are like each one, and its row in ``words``.
        words: (R, n + 1) words of a list of 0, 1, ..., n synapses.
        kernel_start: (N + 1,) where each neuron's kernels begin in the three arrays that follow.
        kernel, channel, place: (Q,) group of channels of a convolution, output channel, position.
        tap_start, tap: (places + 1,) and weights of the kernel that are in use at each position.
        taps_before: (G,) where each kernel's weights begin.
        depth, kernel_form: (G,) input channels of each kernel, and its row in ``words``.
        n_taps, n_channels: weights of all kernels, without channels, and output channels.
    """

    start: Ints
    list: Ints
    times: Ints
    form: Ints
    words: Ints
    kernel_start: Ints
    kernel: Ints
    channel: Ints
    place: Ints
    tap_start: Ints
    tap: Ints
    taps_before: Ints
    depth: Ints
    kernel_form: Ints
    n_taps: int
    n_channels: int


class Held(NamedTuple):
    """What the open core holds; a count is of the core named beside it, else it is 0.

    Attributes:
        synapses, core_of_list: (L,).
        channels, in_use, core_of_kernel: (G,) output channels and weights of each kernel.
        core_of_channel, core_of_tap: the core that each was last seen on.
    """

    synapses: Array
    core_of_list: Array
    channels: Array
    in_use: Array
    core_of_kernel: Array
    core_of_channel: Array
    core_of_tap: Array


@part
def added_words(v, core, g, held):
    """Words that neuron v would add to the open core."""
    total = 0
    for i in range(g.start[v], g.start[v + 1]):
        one = g.list[i]
        n = held.synapses[one] if held.core_of_list[one] == core else 0
        total += g.times[one] * (g.words[g.form[one], n + 1] - g.words[g.form[one], n])
    for i in range(g.kernel_start[v], g.kernel_start[v + 1]):
        e = g.kernel[i]
        channels, in_use = 0, 0
        if held.core_of_kernel[e] == core:
            channels, in_use = held.channels[e], held.in_use[e]
        before = in_use * g.words[g.kernel_form[e], channels]
        if held.core_of_channel[g.channel[i]] != core:
            channels += 1
        for j in range(g.tap_start[g.place[i]], g.tap_start[g.place[i] + 1]):
            if held.core_of_tap[g.taps_before[e] + g.tap[j]] != core:
                in_use += 1
        total += g.depth[e] * (in_use * g.words[g.kernel_form[e], channels] - before)
    return total


@part
def take_up(v, core, g, held):
    """Put neuron v on the open core."""
    for i in range(g.start[v], g.start[v + 1]):
        one = g.list[i]
        if held.core_of_list[one] != core:
            held.core_of_list[one] = core
            held.synapses[one] = 0
        held.synapses[one] += 1
    for i in range(g.kernel_start[v], g.kernel_start[v + 1]):
        e = g.kernel[i]
        if held.core_of_kernel[e] != core:
            held.core_of_kernel[e] = core
            held.channels[e], held.in_use[e] = 0, 0
        if held.core_of_channel[g.channel[i]] != core:
            held.core_of_channel[g.channel[i]] = core
            held.channels[e] += 1
        for j in range(g.tap_start[g.place[i]], g.tap_start[g.place[i] + 1]):
            t = g.taps_before[e] + g.tap[j]
            if held.core_of_tap[t] != core:
                held.core_of_tap[t] = core
                held.in_use[e] += 1


def nothing_held(g: Growing) -> Held:
    """Before the first core."""
    lists, kernels = g.times.size, g.depth.size
    return Held(
        np.zeros(lists, np.int64),
        np.full(lists, -1, np.int32),
        np.zeros(kernels, np.int64),
        np.zeros(kernels, np.int64),
        np.full(kernels, -1, np.int32),
        np.full(g.n_channels, -1, np.int32),
        np.full(g.n_taps, -1, np.int32),
    )


def growing(network: QuantizedNetwork, chip: Chip) -> Growing | None:
    """Read off the layers what every neuron adds; None where synapses are too many to look at one by one."""
    ways = [(e, layout(e, chip)) for e in network.projections]
    listed = [(e, way) for e, way in ways if not (way.kernel or _alike(e, way))]
    if sum(_synapses(e) for e, _ in listed) > MOST:
        return None
    bits = sorted({way.bits for _, way in ways})
    longest = max((e.connection.n_post for e in network.projections), default=1)
    words = np.stack([list_words(chip).of_list(np.arange(longest + 2), b) for b in bits or [1]])
    lists = _lists(network, ways, bits)
    kernels = [(e, way) for e, way in ways if way.kernel]
    return Growing(*lists, words, *_kernels(network, kernels, bits))


def _alike(e: FixedProjection, way: MemoryLayout) -> bool:
    """Whether all lists of a projection have the same length on any core."""
    return isinstance(e.connection, Dense) and way.zeros


def _synapses(e: FixedProjection) -> int:
    """Synapses of a projection, zero weights included, at most."""
    c = e.connection
    return int(c.n_post * c.weight[0].size) if isinstance(c, Conv2d) else int(c.weight.size)


def _lists(
    network: QuantizedNetwork, ways: list[tuple[FixedProjection, MemoryLayout]], bits: list[int]
) -> tuple[Ints, Ints, Ints, Ints]:
    """``start``, ``list``, ``times`` and ``form`` of ``Growing``."""
    at, neuron, own = slices(network.populations), [np.zeros(0, np.int64)], [np.zeros(0, np.int64)]
    times, form = [np.zeros(0, np.int64)], [np.zeros(0, np.int64)]
    low = 0
    for e, way in ways:
        n_lists = 1 if _alike(e, way) else e.connection.n_pre
        if way.kernel:
            continue
        if _alike(e, way):
            neuron.append(np.arange(at[e.post].start, at[e.post].stop))
            own.append(np.full(neuron[-1].size, low))
        else:
            for first, piece in pieces(e.connection):
                pre, post, weight = synapses(piece)
                there = np.ones(pre.size, bool) if way.zeros else weight != 0
                neuron.append(post[there] + (at[e.post].start + first))
                own.append(pre[there] + low)
        times.append(np.full(n_lists, e.connection.n_pre if _alike(e, way) else 1))
        form.append(np.full(n_lists, bits.index(way.bits)))
        low += n_lists
    of = np.concatenate(neuron)
    order = np.argsort(of, kind="stable")
    start = np.concatenate([[0], np.cumsum(np.bincount(of, minlength=network.n_neurons))])
    return start.astype(np.int64), np.concatenate(own)[order], np.concatenate(times), np.concatenate(form)


def _kernels(
    network: QuantizedNetwork, ways: list[tuple[FixedProjection, MemoryLayout]], bits: list[int]
) -> tuple[Ints, Ints, Ints, Ints, Ints, Ints, Ints, Ints, Ints, int, int]:
    """``kernel_start`` and all that follows in ``Growing``."""
    at = slices(network.populations)
    neuron, kernel, channel, place = ([np.zeros(0, np.int64)] for _ in range(4))
    sizes, tap, before = [np.zeros(1, np.int64)], [np.zeros(0, np.int64)], [np.zeros(0, np.int64)]
    depth, form = [np.zeros(0, np.int64)], [np.zeros(0, np.int64)]
    kernels = channels = places = weights = 0
    for e, way in ways:
        c = e.connection
        assert isinstance(c, Conv2d)
        n_out, (_, height, width), size = int(c.weight.shape[0]), c.out_shape, int(c.weight[0, 0].size)
        own, where = np.divmod(np.arange(c.n_post), height * width)
        neuron.append(np.arange(at[e.post].start, at[e.post].stop))
        kernel.append(own // (n_out // c.groups) + kernels)
        channel.append(own + channels)
        place.append(where + places)
        inside = (taps(c, 0)[:, None, :, None] & taps(c, 1)[None, :, None, :]).reshape(height * width, size)
        sizes.append(inside.sum(1))
        tap.append(np.nonzero(inside)[1])
        before.append(weights + size * np.arange(c.groups))
        depth.append(np.full(c.groups, int(c.weight.shape[1])))
        form.append(np.full(c.groups, bits.index(way.bits)))
        kernels, channels, places = kernels + c.groups, channels + n_out, places + height * width
        weights += size * c.groups
    of = np.concatenate(neuron)
    order = np.argsort(of, kind="stable")
    start = np.concatenate([[0], np.cumsum(np.bincount(of, minlength=network.n_neurons))]).astype(np.int64)
    return (
        start,
        np.concatenate(kernel)[order],
        np.concatenate(channel)[order],
        np.concatenate(place)[order],
        np.cumsum(np.concatenate(sizes)),
        np.concatenate(tap),
        np.concatenate(before),
        np.concatenate(depth),
        np.concatenate(form),
        weights,
        channels,
    )
