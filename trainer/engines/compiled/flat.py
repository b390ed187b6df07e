"""A plan as flat arrays for compiled code: parts, links with their geometry, weights in the order spikes read them."""

from __future__ import annotations

from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ir.connection import Conv2d, Dense, Sparse
from ir.held import Held
from ir.neurons import RESETS
from trainer.engines.compiled.geometry import (
    WORD,
    Grid,
    Taps,
    apart,
    grids_of,
    joined,
    links_of_parts,
    n_sites,
    numbers_in,
    sparse_order,
    taps_of,
    windows,
)
from trainer.engines.compiled.layout import Ends, Layout, end
from trainer.engines.neurons.lif import lif_facts
from trainer.engines.parts import Part
from trainer.engines.plan import Plan

Ints = NDArray[np.int64]

DENSE, CONV, SPARSE = 0, 1, 2

(KIND, PRE, N_PRE, POST, N_POST, POST_PART, WEIGHT, SYNAPSE, BASE, EXPONENT) = range(10)
(SOURCE, AREA, GROUP_OUT) = range(10, 13)
"""Of a convolution: where its sources begin; how far apart a place's channels are in the target; those of a group."""

REACH = 13
"""What becomes of its target's ``touched``: ``SOME`` or ``WHOLE``."""

POOLS = 14
"""Whether a link leads into a max pooling."""

WIDE = 15
"""Whether the gradients of its weights are added up later; see ``later``."""

N_FIELDS = 16

WIDE_FROM = 1 << 18
"""Weights of a dense link that is wide: a core's own cache holds no more, beside their gradients."""

WIDE_ROW = 128
"""Its least targets: shorter rows are added as quickly as noted."""

SOME, UNSEEN, WHOLE = 1, 2, 3
"""``REACH`` and ``SampleState.touched``, bits: a drive reaches sites, which are marked; then all are updated."""

VALUES, BLOCKS, SLOT, ROUNDS, EVENTS, CLIPS, FIRED, SERVED, INT32, ACCUMULATOR, U, V = range(12)
N_USED = 12
"""What a tape counts: its own entries, then how often each register limit changed a value."""

BLOCK_PART, FIRST_NEURON, STOP_NEURON = range(3)
FIRST_BLOCK, FIRST_SLOT, FIRST_CLIP, FIRST_VALUE = range(4)
FIRST_ROUND, FIRST_EVENT = range(2)
SAMPLE, TIME_STEP, ROUND, NEURON = range(4)
"""Columns of a tape's ``block``; of ``round``; of ``step``; of ``fired`` and ``served``."""


class Net(NamedTuple):
    """Static structure; neurons are numbered as in ``geometry``, populations lie as in the global index.

    Attributes:
        part_at: (P + 1,) where each population begins in the global index.
        part_of: (N,) the population of each neuron.
        name: (N,) the global index of each neuron, which keys and traces know it by; ``number``: the inverse.
        site: (P,) neurons of a site; word_at: (P + 1,) where the marks of its sites begin.
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
        source, tap_at, tap: sources and taps of convolutions; see ``geometry.Taps``.
        out_start, out_stop: the output population.
        n_sums: length of the sums that spikes are delivered to.
    """

    part_at: Ints
    part_of: Ints
    name: NDArray[np.int32]
    number: NDArray[np.int32]
    site: Ints
    word_at: Ints
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
    source: NDArray[np.int32]
    tap_at: NDArray[np.int32]
    tap: NDArray[np.int32]
    out_start: int
    out_stop: int
    n_sums: int


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
        net: what the kernels read; ``layouts``, ``sizes``: of each link's weights.
        most_blocks: of a round on a tape.
        spare, spare_weights, spare_gradients: tapes, flat weights and their gradients, whose memory the next run may
            take.
        usual: (N_USED,) what the last run wrote on its tape for a sample and time step.
    """

    _nothing: NDArray[Any] = np.zeros((0, 0, 0))

    def __init__(self, plan: Plan, separate_sums: bool) -> None:
        self.spare: list[Any] = []
        self.spare_weights: list[Any] = []
        self.spare_gradients: list[Any] = []
        self.usual = np.zeros(N_USED)
        starts, facts = [p.at.start for p in plan.parts], [lif_facts(p) for p in plan.parts]
        grids = grids_of(plan.parts, plan.links)
        inside = [numbers_in(grid, p.n) for grid, p in zip(grids, plan.parts)]
        links, self.layouts, synapses, taps, n_sums = _links_of(plan, grids, inside, separate_sums)
        self.sizes = [layout.size for layout in self.layouts]
        (from_at, from_links), (into_at, into_links) = links_of_parts(plan.links, starts)
        number = np.concatenate([p.at.start + x for p, x in zip(plan.parts, inside)]).astype(np.int32)
        part_at = np.array([*starts, plan.n_neurons], np.int64)
        self.most_blocks = len(grids) + WORD * int(_words(grids)[-1])
        self._moved = any(not np.array_equal(x, np.arange(len(x))) for x in inside)
        self.net = Net(
            part_at=part_at,
            part_of=np.repeat(np.arange(len(starts)), np.diff(part_at)).astype(np.int64),
            name=np.argsort(number).astype(np.int32),
            number=number,
            site=np.array([p.n if grid is None else grid.site for grid, p in zip(grids, plan.parts)], np.int64),
            word_at=_words(grids),
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
            synapse_at=synapses[0],
            synapse_post=synapses[1],
            source=taps.source,
            tap_at=taps.at,
            tap=taps.tap,
            out_start=int(plan.output.start),
            out_stop=int(plan.output.stop),
            n_sums=n_sums,
        )

    @cached_property
    def held(self) -> Held:
        """The same structure for kernels."""
        return Held(self.net)

    def inward(self, x: NDArray[Any]) -> NDArray[Any]:
        """An array whose last axis is neurons in their order outside, in that of the kernels."""
        return np.take(x, self.net.name, axis=-1) if self._moved and x.shape[-1] == len(self.net.name) else x

    def outward(self, x: NDArray[Any]) -> NDArray[Any]:
        """The inverse of ``inward``."""
        return np.take(x, self.net.number, axis=-1) if self._moved and x.shape[-1] == len(self.net.name) else x

    def nothing(self, like: NDArray[Any]) -> NDArray[Any]:
        """Zeros of a shape and type, to be read only; kept until others are asked for."""
        nothing = self._nothing  # looked at once: another thread may ask for another shape meanwhile
        if (nothing.shape, nothing.dtype) != (like.shape, like.dtype):
            nothing = np.zeros(like.shape, like.dtype)
            nothing.flags.writeable = False
            self._nothing = nothing
        return nothing

    def flatten(self, weights: list[Tensor], flat: Tensor) -> None:
        """All weights in one row, ``flat``, those of a source beside each other."""
        for part, layout, weight in zip(torch.split(flat, self.sizes), self.layouts, weights):
            by_source = layout.by_source(weight)
            part.view(by_source.shape).copy_(by_source)

    def unflatten(self, flat: Tensor) -> list[Tensor]:
        """The inverse of ``flatten``, link by link in the layout of ``ir.connection``; 0 where a max pooling reads.

        What it returns does not share the memory of ``flat``.
        """
        return [layout.by_link(w) for layout, w in zip(self.layouts, torch.split(flat, self.sizes))]


def _words(grids: list[Grid | None]) -> Ints:
    """(P + 1,) where the marks of each population's sites begin."""
    return np.cumsum([0, *(-(-n_sites(grid) // WORD) for grid in grids)]).astype(np.int64)


def _links_of(
    plan: Plan, grids: list[Grid | None], inside: list[Ints], separate_sums: bool
) -> tuple[Ints, list[Layout], tuple[Ints, Ints], Taps, int]:
    """The rows of all links, how their weights lie, synapses, taps, and how many sums there are."""
    starts, words = [p.at.start for p in plan.parts], _words(grids)
    rows, layouts, taps, synapse_at, synapse_post = [], [], [], [], []
    base = weight_at = n_at = n_synapses = n_sources = 0
    for link in plan.links:
        c, order, to = link.connection, None, starts.index(link.post.start)
        source = None if link.from_input else starts.index(link.pre.start)
        pre, post = np.arange(c.n_pre) if source is None else inside[source], inside[to]
        pools = lif_facts(plan.parts[to]).pools
        kind = SPARSE if pools else DENSE if isinstance(c, Dense) else CONV if isinstance(c, Conv2d) else SPARSE
        n_weights = int(c.weight.size)
        wide = kind == DENSE and n_weights >= WIDE_FROM and c.n_post >= WIDE_ROW
        ends = [link.pre.start, c.n_pre, link.post.start, c.n_post, to]
        sums = [base if separate_sums else link.post.start, link.weight_exp]
        geometry = [n_sources, apart(c, grids[to]), c.weight.shape[0] // c.groups] if isinstance(c, Conv2d) else [0] * 3
        reach = WHOLE if kind != CONV or grids[to] is None else SOME
        rows.append([kind, *ends, weight_at, n_at, *sums, *geometry, reach, pools, wide])
        if kind == CONV:
            assert isinstance(c, Conv2d)
            taps.append(taps_of(c, pre, grids[to], int(words[to])))
            n_sources += c.n_pre
        elif kind == SPARSE:
            at, targets, order = (
                sparse_order(c, pre, post) if isinstance(c, Sparse) and not pools else windows(c, pre, post)
            )
            synapse_at.append(at + n_synapses)
            synapse_post.append(targets)
            n_at, n_synapses, n_weights = n_at + len(at), n_synapses + len(targets), len(targets)
        stands = Ends(end(pre), end(post)) if kind == DENSE else Ends(None, None)
        layouts.append(Layout(link, n_weights, stands, None if order is None else torch.as_tensor(order), pools))
        base, weight_at = base + c.n_post, weight_at + n_weights
    nothing = np.zeros(1, np.int64)
    links = np.array(rows, np.int64).reshape(-1, N_FIELDS)
    kept = np.isin(links[:, POST_PART], links[links[:, WIDE] != 0, POST_PART])
    links[kept, REACH] = WHOLE  # what is noted of a round is a population's whole row
    synapses = np.concatenate([*synapse_at, nothing]), np.concatenate([*synapse_post, nothing])
    return links, layouts, synapses, joined(taps), base if separate_sums else plan.n_neurons
