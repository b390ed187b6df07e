"""A layout as the flat arrays that compiled kernels read."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from ir.arithmetic import DECAY_ALL
from ir.arrays import Array
from ir.connection import Conv2d, Dense, Sparse, source_lists
from ir.neurons import as_lif
from sim_reference.compiled.narrow import is_narrow
from sim_reference.layout import Layout, Link
from sim_reference.neurons.lif import Columns, columns_of

DENSE, SPARSE, CONV = 0, 1, 2
"""Kinds of links."""

START, STOP, DEPTH, DUE, KEEPS, REFRACTORY, INTERVAL, OFFSET, IN_START, IN_STOP, PLACE = range(11)
RESET, BIAS_U = 11, 12
"""Columns of ``FlatNetwork.pop``: where its neurons lie; its neurons' properties; its part of ``in_links``; its place
in the layered order; its reset, a number of ``RESETS``; whether its current has a bias."""

PRE_START, PRE_STOP, POST, KIND, EXPONENT, N_POST, WEIGHT_AT, ACC_AT, RECURRENT, DELAY_AT, MAX_DELAY = range(11)
LIST_AT, POSITION_AT = 11, 12
C_IN, HEIGHT, WIDTH, C_OUT, HEIGHT_OUT, WIDTH_OUT, KERNEL_H, KERNEL_W = range(13, 21)
STRIDE_Y, STRIDE_X, PAD_Y, PAD_X, DILATION_Y, DILATION_X, GROUPS = range(21, 28)
"""Columns of ``FlatNetwork.link``: its sources, the population it ends in, how it connects, and where its weights,
sums, delays, target lists (sparse) and output positions (convolution) begin; then a convolution's geometry."""

ZERO, SUBTRACT, ZERO_LATE, SUBTRACT_LATE, NONE = range(5)
RESETS = {
    "zero": ZERO,
    "subtract": SUBTRACT,
    "zero_late": ZERO_LATE,
    "subtract_late": SUBTRACT_LATE,
    "none": NONE,
}
"""The resets that are compiled, by their names in ``ir.neurons.RESETS``."""

POPULATION, CORE = 0, 1
"""Rows of ``FlatNetwork.place_of``."""

N_GEOMETRY = GROUPS + 1 - C_IN

NO_THRESHOLD = (1 << 31) - 1
"""Above every membrane."""


class FlatNetwork(NamedTuple):
    """Populations, links, neurons (0..N-1) and sources (the neurons, then the inputs).

    Attributes:
        pop: (P, 13) and link: (L, 28), see the columns above.
        in_links: links by the population they end in.
        order: populations in the layered order.
        keep_v: (2, N) shares left by the leak, exact in float64, and in row 1 ones, for what has leaked already.
        keep_u: (N,) the same of the current.
        threshold, bias, bias_u, v_min: (N,) register values, int32.
        sends: (N + N_in,) whether a source's population or input has a projection.
        place_of: (2, N) population and core of each neuron.
        delay: one a source of each link.
        list_start, list_post: sparse links: where each source's targets begin, and the targets.
        weight: of all links, in the order in which spikes read them, without the factors of two that all weights of a
            link share: those are in its exponent.
        u_edge: a place in ``ir.arithmetic.U_WRAPS``.
        narrow: sums provably stay inside int32 and within one wrap of u, so that vector code may be used.
    """

    pop: Array
    link: Array
    in_links: Array
    order: Array
    keep_v: Array
    keep_u: Array
    threshold: Array
    bias: Array
    bias_u: Array
    v_min: Array
    sends: Array
    place_of: Array
    delay: Array
    list_start: Array
    list_post: Array
    weight: Array
    accumulator_bits: int
    u_bits: int
    u_edge: int
    bias_in_u: bool
    v_max: int
    shift: int
    n_inputs: int
    n_acc: int
    n_positions: int
    output_start: int
    output_stop: int
    last_due: int
    n_places: int
    narrow: bool


def starts(sizes: Any) -> Array:
    """Where blocks of ``sizes`` begin, and the end of the last."""
    return np.concatenate([[0], np.cumsum(np.asarray(sizes, np.int64))]).astype(np.int64)


def flatten(layout: Layout, most: tuple[int, int], layered: bool) -> FlatNetwork:
    """Lay everything out for the kernels.

    Args:
        most: how often an input, and a neuron, delivers its weights at once at most; ``narrow`` follows from it.
    """
    network, links, arithmetic = layout.network, layout.links, layout.arithmetic
    lif = columns_of(layout.members(network.populations))
    names = [p.name for p in network.populations]
    incoming = [[i for i, link in enumerate(links) if link.post == layout.blocks[n]] for n in names]
    lists = [_lists(link) for link in links]
    shared = [_shared_zeros(link) for link in links]
    weights = [_source_major(link) >> zeros for link, zeros in zip(links, shared)]
    narrow = is_narrow(layout, lif, incoming, most, layered)
    list_at = starts([len(post) for _, post in lists])
    owners = np.repeat(np.arange(len(names)), [p.n for p in network.populations])
    return FlatNetwork(
        pop=_pop_table(layout, lif, names, incoming),
        link=_link_table(layout, names, weights, lists, shared),
        in_links=np.array([i for x in incoming for i in x], np.int64),
        order=np.array([names.index(x) for x in layout.order.order], np.int64),
        keep_v=np.stack([(DECAY_ALL - lif.decay_v) / DECAY_ALL, np.ones(layout.n_neurons)]),
        keep_u=(DECAY_ALL - lif.decay_u) / DECAY_ALL,
        threshold=np.minimum(lif.threshold, NO_THRESHOLD).astype(np.int32),
        bias=lif.bias.astype(np.int32),
        bias_u=lif.bias_u.astype(np.int32),
        v_min=lif.v_min.astype(np.int32),
        sends=np.concatenate([layout.sends, layout.sends_input]),
        place_of=np.stack([owners, layout.core_of_neuron]).astype(np.int64),
        delay=_joined([link.delay_steps for link in links], np.int64),
        list_start=_joined([begin + at for (begin, _), at in zip(lists, list_at)], np.int64),
        list_post=_joined([post for _, post in lists], np.int64),
        weight=_joined(weights, _narrowest(weights) if narrow else np.int32),
        accumulator_bits=arithmetic.accumulator_bits or 0,
        u_bits=arithmetic.u_bits,
        u_edge=arithmetic.u_edge,
        bias_in_u=arithmetic.bias_in_u,
        v_max=arithmetic.v_max,
        shift=arithmetic.weight_shift,
        n_inputs=network.n_inputs,
        n_acc=sum(link.connection.n_post for link in links),
        n_positions=sum(_n_positions(link) for link in links),
        output_start=layout.output.start,
        output_stop=layout.output.stop,
        last_due=layout.last_due,
        n_places=layout.order.n_places,
        narrow=narrow,
    )


def _pop_table(layout: Layout, lif: Columns, names: list[str], incoming: list[list[int]]) -> Array:
    first = np.array([layout.blocks[n].start for n in names], np.int64)
    in_start = starts([len(x) for x in incoming])
    columns = {
        START: first,
        STOP: [layout.blocks[n].stop for n in names],
        DEPTH: layout.depth[first],
        DUE: layout.due[first],
        KEEPS: lif.has_current[first],
        REFRACTORY: layout.refractory[first],
        INTERVAL: lif.reset_interval[first],
        OFFSET: lif.reset_offset[first],
        IN_START: in_start[:-1],
        IN_STOP: in_start[1:],
        PLACE: [layout.order.place[n] for n in names],
        RESET: [RESETS[as_lif(p.name, p.neuron, "the compiled simulator").reset] for p in layout.network.populations],
        BIAS_U: [bool(lif.bias_u[layout.blocks[n]].any()) for n in names],
    }
    return _table(columns, len(names))


def _link_table(
    layout: Layout, names: list[str], weights: list[Array], lists: list[tuple[Array, Array]], shared: list[int]
) -> Array:
    links = layout.links
    shift = np.array([layout.n_neurons if link.from_input else 0 for link in links], np.int64)
    owner = {layout.blocks[n].start: i for i, n in enumerate(names)}
    columns = {
        PRE_START: [link.pre.start for link in links] + shift,
        PRE_STOP: [link.pre.stop for link in links] + shift,
        POST: [owner[link.post.start] for link in links],
        KIND: [_kind(link) for link in links],
        EXPONENT: [link.weight_exp + zeros for link, zeros in zip(links, shared)],
        N_POST: [link.connection.n_post for link in links],
        WEIGHT_AT: starts([w.size for w in weights])[:-1],
        ACC_AT: starts([link.connection.n_post for link in links])[:-1],
        RECURRENT: [link.recurrent for link in links],
        DELAY_AT: starts([link.connection.n_pre for link in links])[:-1],
        MAX_DELAY: [int(link.delay_steps.max(initial=0)) for link in links],
        LIST_AT: starts([len(begin) for begin, _ in lists])[:-1],
        POSITION_AT: starts([_n_positions(link) for link in links])[:-1],
    }
    geometry = np.array([_geometry(link) for link in links], np.int64).reshape(len(links), N_GEOMETRY)
    return np.ascontiguousarray(np.concatenate([_table(columns, len(links)), geometry], 1))


def _table(columns: dict[int, Any], n: int) -> Array:
    """Columns in the order of their numbers."""
    return np.array([np.asarray(columns[i], np.int64) for i in range(len(columns))]).reshape(len(columns), n).T.copy()


def _n_positions(link: Link) -> int:
    """Places of a convolution's output; 0 for other links."""
    return int(np.prod(link.connection.out_shape[1:])) if isinstance(link.connection, Conv2d) else 0


def _joined(parts: list[Array], dtype: Any) -> Array:
    return np.concatenate([np.zeros(0, dtype), *(p.reshape(-1).astype(dtype) for p in parts)])


def _kind(link: Link) -> int:
    return {Dense: DENSE, Sparse: SPARSE, Conv2d: CONV}[type(link.connection)]


def _source_major(link: Link) -> Array:
    """Weights in the order in which a source's spike reads them; a convolution as (C_in, kh, kw, C_out / groups)."""
    c = link.connection
    if isinstance(c, Dense):
        return np.ascontiguousarray(c.weight.T)
    if isinstance(c, Sparse):
        return source_lists(c).weight
    c_out, per_in, kh, kw = c.weight.shape
    grouped = c.weight.reshape(c.groups, c_out // c.groups, per_in, kh, kw)
    return np.ascontiguousarray(grouped.transpose(0, 2, 3, 4, 1))


def _shared_zeros(link: Link) -> int:
    """How often all weights of a link can be halved: even 8-bit weights of mixed sign then fit a byte."""
    bits = int(np.bitwise_or.reduce(link.connection.weight, axis=None, initial=0))
    return (bits & -bits).bit_length() - 1 if bits else 0


def _narrowest(weights: list[Array]) -> Any:
    """The smaller of two integer types that holds all weights."""
    byte = np.iinfo(np.int8)
    fits = all(w.min(initial=0) >= byte.min and w.max(initial=0) <= byte.max for w in weights)
    return np.int8 if fits else np.int16


def _lists(link: Link) -> tuple[Array, Array]:
    """Where each source's targets begin, and the targets; empty where they follow from the shape."""
    if not isinstance(link.connection, Sparse):
        return np.zeros(0, np.int64), np.zeros(0, np.int64)
    found = source_lists(link.connection)
    return found.indptr.astype(np.int64), found.post.astype(np.int64)


def _geometry(link: Link) -> tuple[int, ...]:
    c = link.connection
    if not isinstance(c, Conv2d):
        return (0,) * N_GEOMETRY
    return (*c.in_shape, *c.out_shape, *c.weight.shape[2:], *c.stride, *c.padding, *c.dilation, c.groups)
