"""A plan as flat arrays for compiled code: parts, links with their geometry, weights in the order spikes read them."""

from __future__ import annotations

from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ir.connection import Connection, Conv2d, Dense, Sparse, synapses, with_weight
from ir.held import Held
from ir.neurons import RESETS
from trainer.engines.neurons.lif import lif_facts
from trainer.engines.parts import Link, Part
from trainer.engines.plan import Plan

Ints = NDArray[np.int64]

DENSE, CONV, SPARSE = 0, 1, 2

(KIND, PRE, N_PRE, POST, N_POST, POST_PART, WEIGHT, SYNAPSE, BASE, EXPONENT) = range(10)
(TAP, PLACES, KERNEL, GROUP_IN, AREA, GROUP_OUT) = range(10, 16)
"""Of a convolution: where its taps begin; places of an input channel, elements of the kernel; channels of a group."""

POOLS = 16
"""Whether a link leads into a max pooling."""

WIDE = 17
"""Whether the gradients of its weights are added up later; see ``later``."""

N_FIELDS = 18

WIDE_FROM = 1 << 18
"""Weights of a dense link that is wide: a core's own cache holds no more, beside their gradients."""

WIDE_ROW = 128
"""Its least targets: shorter rows are added as quickly as noted."""

VALUES, BLOCKS, SLOT, ROUNDS, EVENTS, CLIPS, FIRED, SERVED, INT32, ACCUMULATOR, U, V = range(12)
N_USED = 12
"""What a tape counts: its own entries, then how often each register limit changed a value."""

BLOCK_PART, FIRST_VALUE = range(2)
FIRST_BLOCK, FIRST_SLOT, FIRST_CLIP = range(3)
FIRST_ROUND, FIRST_EVENT = range(2)
SAMPLE, TIME_STEP, ROUND, NEURON = range(4)
"""Columns of a tape's ``block``; of ``round``; of ``step``; of ``fired`` and ``served``."""


class Net(NamedTuple):
    """Static structure.

    Attributes:
        part_at: (P + 1,) where each population begins in the global index.
        part_of: (N,) the population of each neuron.
        depth, refractory, has_current: (P,); subtract, late, waits: (P,) what ``ir.neurons.RESETS`` says of its reset.
        escapes: (P,) whether refractory dropout lets neurons fire again.
        pools: (P,) max poolings, whose gradient goes to the first spike of each window.
        keeps: (P,) whether a wide link leads into a population.
        sends: (P,) whether a population has a projection; ``input_sends``: (N_in,) likewise each input.
        v_min: (P,) lowest membrane; -inf = unbounded.
        link: (L, N_FIELDS) geometry of each link, columns named above; one into a max pooling is sparse.
        input_links: (.,) the links that read inputs.
        from_at, from_links: links that leave each population, ``from_links[from_at[p]:from_at[p + 1]]``.
        into_at, into_links: likewise the links that enter it.
        synapse_at, synapse_post: sparse links, grouped by source.
        tap_at, tap_to, tap_weight: convolutions, grouped by place (y, x) of a source: the places of an output channel
            that it reaches, and where the weights of all output channels of the group begin.
        out_start, out_stop: the output population.
        n_sums: length of the sums that spikes are delivered to.
    """

    part_at: Ints
    part_of: Ints
    depth: Ints
    refractory: NDArray[np.uint8]
    has_current: NDArray[np.uint8]
    subtract: NDArray[np.uint8]
    late: NDArray[np.uint8]
    waits: NDArray[np.uint8]
    pools: NDArray[np.uint8]
    keeps: NDArray[np.uint8]
    escapes: NDArray[np.uint8]
    sends: NDArray[np.uint8]
    input_sends: NDArray[np.uint8]
    v_min: NDArray[np.float64]
    link: Ints
    input_links: Ints
    from_at: Ints
    from_links: Ints
    into_at: Ints
    into_links: Ints
    synapse_at: Ints
    synapse_post: Ints
    tap_at: Ints
    tap_to: Ints
    tap_weight: Ints
    out_start: int
    out_stop: int
    n_sums: int


def _groups(owners: list[int], n: int) -> tuple[Ints, Ints]:
    """Items grouped by owner: (n + 1,) starts and the items; owner -1 = none."""
    rows = [[i for i, owner in enumerate(owners) if owner == p] for p in range(n)]
    starts = np.cumsum([0, *(len(r) for r in rows)]).astype(np.int64)
    return starts, np.array([i for r in rows for i in r], np.int64)


def _links_of_parts(links: tuple[Link, ...], starts: list[int]) -> tuple[tuple[Ints, Ints], tuple[Ints, Ints]]:
    """Links grouped by the part that they leave, those from inputs left out, and by the part that they enter."""
    leave = [-1 if e.from_input else starts.index(e.pre.start) for e in links]
    enter = [starts.index(e.post.start) for e in links]
    return _groups(leave, len(starts)), _groups(enter, len(starts))


def _sparse_order(c: Sparse) -> tuple[Ints, Ints, Ints]:
    """Synapses by source: starts (n_pre + 1,), targets, and where each weight stood."""
    order = np.argsort(c.indices, kind="stable")
    post = np.repeat(np.arange(c.n_post), np.diff(c.indptr))[order]
    starts = np.concatenate([[0], np.cumsum(np.bincount(c.indices, minlength=c.n_pre))])
    return starts.astype(np.int64), post.astype(np.int64), order.astype(np.int64)


def _windows(c: Connection) -> tuple[Ints, Ints, Ints]:
    """The same of the spikes that each window of a max pooling reads; weights of 0 belong to no window."""
    pre, post, weight = synapses(c)
    place = np.arange(c.weight.size).reshape(c.weight.shape)
    at = synapses(with_weight(c, place))[2]
    seen = np.flatnonzero(np.asarray(weight) != 0)
    order = seen[np.argsort(pre[seen], kind="stable")]
    starts = np.concatenate([[0], np.cumsum(np.bincount(pre[seen], minlength=c.n_pre))])
    return starts.astype(np.int64), post[order].astype(np.int64), at[order].astype(np.int64)


def _reached(size: int, kernel: int, out: int, stride: int, pad: int, dilation: int) -> tuple[Ints, NDArray[np.bool_]]:
    """(size, kernel) along one axis: where each kernel element carries each coordinate, and whether it does."""
    moved = np.arange(size)[:, None] + pad - np.arange(kernel) * dilation
    return moved // stride, (moved >= 0) & (moved % stride == 0) & (moved // stride < out)


def _taps(c: Conv2d) -> tuple[Ints, Ints, Ints]:
    """A convolution by place of the source: starts (h * w + 1,), places reached, where their weights begin."""
    (_, h, w), (_, ho, wo) = c.in_shape, c.out_shape
    c_out, _, kh, kw = c.weight.shape
    rows, in_rows = _reached(h, kh, ho, c.stride[0], c.padding[0], c.dilation[0])
    columns, in_columns = _reached(w, kw, wo, c.stride[1], c.padding[1], c.dilation[1])
    inside = in_rows[:, None, :, None] & in_columns[None, :, None, :]
    y, x, a, b = np.nonzero(inside)
    starts = np.concatenate([[0], np.cumsum(inside.sum((2, 3)).reshape(-1))])
    return starts.astype(np.int64), rows[y, a] * wo + columns[x, b], (a * kw + b) * (c_out // c.groups)


def _geometry(c: Any, tap: int) -> list[int]:
    """The convolution columns of a link's row; ``tap``: where its starts begin among those of all."""
    if not isinstance(c, Conv2d):
        return [0] * (POOLS - TAP)
    (_, h, w), (_, ho, wo) = c.in_shape, c.out_shape
    c_out, c_group, kh, kw = c.weight.shape
    return [tap, h * w, kh * kw, c_group, ho * wo, c_out // c.groups]


def _flags(parts: tuple[Part, ...]) -> dict[str, NDArray[np.uint8]]:
    """(P,) of each flag of populations, by the names of :class:`Net`."""
    rows = []
    for part in parts:
        facts = lif_facts(part)
        reset = RESETS[facts.reset]
        kept = facts.has_current, reset.subtracts, reset.late, reset.waits
        rows.append([part.refractory, *kept, facts.pools, facts.escapes, part.sends])
    names = "refractory", "has_current", "subtract", "late", "waits", "pools", "escapes", "sends"
    return dict(zip(names, np.array(rows, np.uint8).T.copy()))


class FlatPlan:
    """The flat form of one plan, made once.

    Attributes:
        net: what the kernels read; ``sizes``: weights of each link.
        spare, spare_weights, spare_gradients: tapes, flat weights and their gradients, whose memory the next run may
            take.
        usual: (N_USED,) what the last run wrote on its tape for a sample and time step.
    """

    _nothing: NDArray[Any] = np.zeros((0, 0, 0))

    def __init__(self, plan: Plan, separate_sums: bool) -> None:
        starts, facts = [p.at.start for p in plan.parts], [lif_facts(p) for p in plan.parts]
        part_at = np.array([*starts, plan.n_neurons], np.int64)
        rows, synapse_at, synapse_post, base, weight_at = [], [], [], 0, 0
        n_at = n_synapses = n_tap_at = n_taps = 0
        tap_at, tap_to, tap_weight = [], [], []
        self.links, self.orders, self.sizes, self.usual = plan.links, [], [], np.zeros(N_USED)
        self.spare: list[Any] = []
        self.spare_weights: list[Any] = []
        self.spare_gradients: list[Any] = []
        self.pools: list[bool] = []
        for link in plan.links:
            c, order = link.connection, None
            pools = facts[starts.index(link.post.start)].pools
            kind = SPARSE if pools else DENSE if isinstance(c, Dense) else CONV if isinstance(c, Conv2d) else SPARSE
            ends = [link.pre.start, c.n_pre, link.post.start, c.n_post, starts.index(link.post.start)]
            sums = [base if separate_sums else link.post.start, link.weight_exp]
            n_weights = int(c.weight.size)
            wide = kind == DENSE and n_weights >= WIDE_FROM and c.n_post >= WIDE_ROW
            rows.append([kind, *ends, weight_at, n_at, *sums, *_geometry(c, n_tap_at), pools, wide])
            if isinstance(c, Conv2d):
                at, to, which = _taps(c)
                tap_at.append(at + n_taps)
                tap_to.append(to)
                tap_weight.append(which)
                n_tap_at, n_taps = n_tap_at + len(at), n_taps + len(to)
            if pools or isinstance(c, Sparse):
                at, post, order = _sparse_order(c) if isinstance(c, Sparse) and not pools else _windows(c)
                synapse_at.append(at + n_synapses)
                synapse_post.append(post)
                n_at, n_synapses, n_weights = n_at + len(at), n_synapses + len(post), len(post)
            self.orders.append(None if order is None else torch.as_tensor(order))
            self.pools.append(pools)
            self.sizes.append(n_weights)
            base, weight_at = base + c.n_post, weight_at + n_weights
        (from_at, from_links), (into_at, into_links) = _links_of_parts(plan.links, starts)
        links = np.array(rows, np.int64).reshape(-1, N_FIELDS)
        self.net = Net(
            part_at=part_at,
            part_of=np.repeat(np.arange(len(starts)), np.diff(part_at)).astype(np.int64),
            depth=np.array([p.depth for p in plan.parts], np.int64),
            **_flags(plan.parts),
            input_sends=plan.inputs_that_send().astype(np.uint8),
            v_min=np.array([-np.inf if f.v_min is None else f.v_min for f in facts], np.float64),
            keeps=np.isin(np.arange(len(starts)), links[links[:, WIDE] != 0, POST_PART]).astype(np.uint8),
            link=links,
            input_links=np.array([i for i, e in enumerate(plan.links) if e.from_input], np.int64),
            from_at=from_at,
            from_links=from_links,
            into_at=into_at,
            into_links=into_links,
            synapse_at=np.concatenate([*synapse_at, np.zeros(1, np.int64)]),
            synapse_post=np.concatenate([*synapse_post, np.zeros(1, np.int64)]),
            tap_at=np.concatenate([*tap_at, np.zeros(1, np.int64)]),
            tap_to=np.concatenate([*tap_to, np.zeros(1, np.int64)]),
            tap_weight=np.concatenate([*tap_weight, np.zeros(1, np.int64)]),
            out_start=int(plan.output.start),
            out_stop=int(plan.output.stop),
            n_sums=base if separate_sums else plan.n_neurons,
        )

    @cached_property
    def held(self) -> Held:
        """The same structure for kernels."""
        return Held(self.net)

    def nothing(self, like: NDArray[Any]) -> NDArray[Any]:
        """Zeros of a shape and type, to be read only; kept until others are asked for."""
        if (self._nothing.shape, self._nothing.dtype) != (like.shape, like.dtype):
            self._nothing = np.zeros(like.shape, like.dtype)
            self._nothing.flags.writeable = False
        return self._nothing

    def flatten(self, weights: list[Tensor], flat: Tensor) -> None:
        """All weights in one row, ``flat``, those of a source beside each other."""
        each = zip(torch.split(flat, self.sizes), self.links, weights, self.orders, self.pools)
        for part, link, weight, order, pools in each:
            by_source = weight.reshape(-1)[order] if pools else _by_source(link, weight, order)
            part.view(by_source.shape).copy_(by_source)

    def unflatten(self, flat: Tensor) -> list[Tensor]:
        """The inverse of ``flatten``, link by link in the layout of ``ir.connection``; 0 where a max pooling reads.

        What it returns does not share the memory of ``flat``.
        """
        parts = torch.split(flat, self.sizes)
        return [
            w.new_zeros(e.connection.weight.shape) if pools else _by_link(e, w, o)
            for e, w, o, pools in zip(self.links, parts, self.orders, self.pools)
        ]


def _by_source(link: Link, weight: Tensor, order: Tensor | None) -> Tensor:
    """The weights with those of a source beside each other, in any shape."""
    c = link.connection
    if isinstance(c, Dense):
        return weight.t()
    if isinstance(c, Conv2d):
        return weight.reshape(c.groups, -1, *weight.shape[1:]).permute(0, 2, 3, 4, 1)
    return weight if order is None else weight[order]


def _by_link(link: Link, flat: Tensor, order: Tensor | None) -> Tensor:
    c = link.connection
    if isinstance(c, Dense):
        return flat.new_empty(c.n_post, c.n_pre).copy_(flat.view(c.n_pre, c.n_post).t())
    if isinstance(c, Conv2d):
        c_out, c_group, kh, kw = c.weight.shape
        grouped = flat.reshape(c.groups, c_group, kh, kw, c_out // c.groups)
        return flat.new_empty(c.weight.shape).copy_(grouped.permute(0, 4, 1, 2, 3).reshape(c.weight.shape))
    return flat.clone() if order is None else torch.empty_like(flat).index_copy_(0, order, flat)
