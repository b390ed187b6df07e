"""Which cores every source reaches, counted by windows: sources with the same targets are looked at together.

A spike of one input of a convolution goes to all channels at a few positions, whichever channel it comes from; of a
dense layer, to everything. So pairs of a window and a core are counted, not single synapses. ``recount`` is the same by
brute force.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from ir.arrays import Array, Int32s, Ints
from ir.connection import Connection, Conv2d, Dense, Sparse
from ir.graph import slices
from ir.quantized import QuantizedNetwork

FEW = 8  # a core's sources are sorted where they are fewer than a FEW-th of all, else ticked off on a list of all


@dataclass(frozen=True, eq=False)
class Windows:
    """The cores that sources reach.

    Attributes:
        of_source: (M,) window of each source, the neurons first, then the inputs.
        n: windows.
        window, core: (P,) each window, and each core that it has a synapse on; sorted.
        synapses: (K,) on each core.
    """

    of_source: Int32s
    n: int
    window: Ints
    core: Ints
    synapses: Ints


@dataclass(frozen=True, eq=False)
class _Reach:
    """One block's or projection's part: (n,) window of each source, how many, and sorted window x K + core."""

    of_source: Ints
    n: int
    key: Ints


def windows(network: QuantizedNetwork, core_of_neuron: Array, k: int) -> Windows:
    """Find the windows of a network, and the cores that each reaches.

    Args:
        core_of_neuron: (N,) core of each neuron, one of ``k``.
    """
    core, at = np.asarray(core_of_neuron, np.int64), slices(network.populations)
    blocks = (*network.populations, *network.inputs)
    found: dict[str, _Reach] = {}
    held = np.zeros(k, np.int64)
    for e in network.projections:
        where = core[at[e.post]]
        reach = _reach(e.connection, where, k)
        held += np.bincount(where, _fan_in(e.connection), minlength=k).astype(np.int64)
        found[e.pre] = _both(found[e.pre], reach, k) if e.pre in found else reach
    sources, keys, low = [np.zeros(0, np.int32)], [np.zeros(0, np.int64)], 0
    for b in blocks:
        reach = found.get(b.name) or _Reach(np.zeros(b.n, np.int64), 1, np.zeros(0, np.int64))
        sources.append((reach.of_source + low).astype(np.int32))
        keys.append(reach.key + low * k)
        low += reach.n
    window, reached = np.divmod(np.concatenate(keys), k)
    return Windows(np.concatenate(sources), low, window, reached, held)


def _reach(c: Connection, where: Ints, k: int) -> _Reach:
    """Windows of one projection.

    Args:
        where: (n_post,) core of each target.
    """
    if isinstance(c, Dense):
        return _Reach(np.zeros(c.n_pre, np.int64), 1, np.unique(where))
    if isinstance(c, Sparse):
        return _Reach(np.arange(c.n_pre), c.n_pre, _listed(c, where, k))
    (_, high, wide), (_, out_high, out_wide) = c.in_shape, c.out_shape
    place = np.arange(c.n_pre) % (high * wide)
    window = np.repeat(np.arange(c.groups), c.n_pre // c.groups) * (high * wide) + place
    key = np.unique(_target(c) * k + where)
    key = np.unique(_spread(key, k, out_high, out_wide, high, taken(c, 0))[0])
    return _Reach(window, c.groups * high * wide, np.unique(_spread(key, k, out_wide, 1, wide, taken(c, 1))[0]))


def _target(c: Conv2d) -> Ints:
    """(n_post,) number of each target's group and position."""
    n_filters, high, wide = c.out_shape
    group = np.repeat(np.arange(c.groups), c.n_post // c.groups)
    return group * (high * wide) + np.tile(np.arange(high * wide), n_filters)


def taken(c: Conv2d, axis: int) -> tuple[Ints, Ints]:
    """Along one axis, every place of the output and every place of the input that it takes in; sorted by output."""
    out, kernel = c.out_shape[1 + axis], int(c.weight.shape[2 + axis])
    target = np.repeat(np.arange(out), kernel)
    source = target * c.stride[axis] + np.tile(np.arange(kernel), out) * c.dilation[axis] - c.padding[axis]
    inside = (source >= 0) & (source < c.in_shape[1 + axis])
    return target[inside], source[inside]


def _spread(key: Ints, k: int, n_out: int, inner: int, n_in: int, pairs: tuple[Ints, Ints]) -> tuple[Ints, Ints]:
    """Replace a place of the output by the places of the input it takes in, along one axis.

    Args:
        key: sorted (outer, place, inner, core), the places numbered to ``n_out``.
        pairs: of an output place and an input place, sorted by output.

    Returns:
        The new keys, some more than once, and how many each old key gave.
    """
    label, core = np.divmod(key, k)
    label, inside = np.divmod(label, inner)
    outer, place = np.divmod(label, n_out)
    size = np.bincount(pairs[0], minlength=n_out)
    first, many = (np.cumsum(size) - size)[place], size[place]
    which = np.arange(int(many.sum())) - np.repeat(np.cumsum(many) - many - first, many)
    new = np.repeat((outer * n_in) * inner + inside, many) + pairs[1][which] * inner
    return new * k + np.repeat(core, many), many


def _listed(c: Sparse, where: Ints, k: int) -> Ints:
    """Sorted source x K + core of single synapses, core by core."""
    seen, keys = np.zeros(c.n_pre, np.bool_), [np.zeros(0, np.int64)]
    for core, synapse in synapses_by_core(c, where, k):
        source = c.indices[synapse]
        if FEW * source.size < c.n_pre:
            held = np.unique(source)
        else:
            seen[source] = True
            held = np.flatnonzero(seen)
            seen[source] = False
        keys.append(held.astype(np.int64) * k + core)
    return np.sort(np.concatenate(keys))


def synapses_by_core(c: Sparse, where: Ints, k: int) -> Iterator[tuple[int, Ints]]:
    """Each core that holds targets, and the places of their synapses in ``c.indices``."""
    order = np.argsort(where, kind="stable")
    rows, size = c.indptr[order], np.diff(c.indptr)[order]
    ends = np.searchsorted(where[order], np.arange(k + 1))
    for core in np.flatnonzero(np.diff(ends)).tolist():
        here = slice(ends[core], ends[core + 1])
        many = size[here]
        yield core, np.arange(int(many.sum())) - np.repeat(np.cumsum(many) - many - rows[here], many)


def window_lists(c: Conv2d, where: Ints, k: int) -> tuple[Ints, Ints]:
    """Core and length of the list that each window has on each core it reaches; every channel of its group has one."""
    key, count = np.unique(_target(c) * k + where, return_counts=True)
    (_, high, wide), (_, out_high, out_wide) = c.in_shape, c.out_shape
    for n_out, inner, n_in, axis in ((out_high, out_wide, high, 0), (out_wide, 1, wide, 1)):
        new, many = _spread(key, k, n_out, inner, n_in, taken(c, axis))
        key, which = np.unique(new, return_inverse=True)
        count = np.bincount(which.reshape(-1), np.repeat(count, many), minlength=key.size).astype(np.int64)
    return key % k, count


def _fan_in(c: Connection) -> Array:
    """(n_post,) synapses of each target."""
    if isinstance(c, Dense):
        return np.full(c.n_post, c.n_pre)
    if isinstance(c, Sparse):
        return np.diff(c.indptr)
    rows, columns = (np.bincount(taken(c, axis)[0], minlength=c.out_shape[1 + axis]) for axis in (0, 1))
    return np.tile(np.outer(rows, columns).reshape(-1), int(c.weight.shape[0])) * int(c.weight.shape[1])


def _both(a: _Reach, b: _Reach, k: int) -> _Reach:
    """Windows of two projections of one block: sources that are in one window of each."""
    pair, joint = np.unique(a.of_source * b.n + b.of_source, return_inverse=True)
    keys = [_renamed(a, pair // b.n, k), _renamed(b, pair % b.n, k)]
    return _Reach(joint.reshape(-1), pair.size, np.unique(np.concatenate(keys)))


def _renamed(reach: _Reach, old: Ints, k: int) -> Ints:
    """The keys of windows that are each one of the old ones."""
    window, core = np.divmod(reach.key, k)
    size = np.bincount(window, minlength=reach.n)
    many, first = size[old], (np.cumsum(size) - size)[old]
    which = np.arange(int(many.sum())) - np.repeat(np.cumsum(many) - many - first, many)
    return np.repeat(np.arange(old.size), many) * k + core[which]
