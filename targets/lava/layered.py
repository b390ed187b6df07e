"""A mapped network as a pipeline of stock Lava processes: one tick a hop (Lava 0.10.0, Python 3.10 only)."""

# pyright: basic, reportAssignmentType=false, reportOptionalSubscript=false, reportAttributeAccessIssue=false

from __future__ import annotations

from collections.abc import Collection

import numpy as np
from lava.proc.conv.process import Conv
from lava.proc.dense.process import DelayDense, Dense
from lava.proc.sparse.process import DelaySparse, Sparse
from lava.utils.weightutils import SignMode
from scipy.sparse import csr_matrix

from ir.connection import Conv2d, synapses
from ir.graph import layered_order, slices
from ir.mapped import MappedNetwork
from ir.state import State, is_graded, with_past
from ir.stimulus import Stimulus
from targets.lava.collect import Records
from targets.lava.cut import Start
from targets.lava.group import Neurons
from targets.lava.neurons import MODELS
from targets.lava.probe import Pipeline, Probe
from targets.lava.processes.layered import FrameSource
from targets.lava.processes.lif import stock_lif
from targets.lava.processes.own import OwnNeurons
from targets.lava.processes.sigma_delta import stock_sigma_delta
from targets.lava.registers import none_reached
from targets.lava.routes import Route, plan_routes
from targets.lava.shared import shared_zeros

STOCK = {"lif": stock_lif, "sigma_delta": stock_sigma_delta}
"""What builds Lava's own process for a model, where ``MODELS`` says that there is one; all others move in ours."""


class LayeredGraph:
    """The processes of one network under the layered schedule.

    Attributes:
        pipeline: which tick works on which time step.
        neurons: the process of each population.
        progress: shared (2,): frames sent, ticks.
    """

    def __init__(self, mapped: MappedNetwork, stimulus: Stimulus, record: Collection[str], state: State | None) -> None:
        network = mapped.network
        self.network, self.state = network, state
        self.stimulus = stimulus if state is None else with_past(stimulus, state)
        self.past = self.stimulus.n_steps - stimulus.n_steps
        self.order = layered_order(network)
        self.routes = plan_routes(network, self.stimulus.frames)
        gap = max((r.look_back for r in self.routes), default=0)
        self.pipeline = Pipeline(stimulus.n_samples, self.stimulus.n_steps, gap, self.order.n_places)
        self.progress = shared_zeros(2, np.int64)
        shape = self.pipeline.n_frames, network.n_neurons
        self.states = {name: shared_zeros(shape, np.int32) for name in record}
        self.fired, self.m = shared_zeros(shape, np.bool_), shared_zeros(shape, np.int32)
        self.payload = shared_zeros(shape, np.int32) if is_graded(network) else None
        self.limits = shared_zeros((len(network.populations), len(none_reached(network))), np.int64)
        self.neurons = {p.name: self._neurons(p, limits) for p, limits in zip(network.populations, self.limits)}
        self.sources: dict[tuple, FrameSource] = {}
        for route in self.routes:
            self._connect(route)
        self._tie_together()

    @property
    def start(self):
        return next(iter(self.neurons.values()))

    @property
    def n_ticks(self) -> int:
        return self.pipeline.n_ticks

    def _neurons(self, population, limits):
        """Lava's own process for the population's model, or ours."""
        at = slices(self.network.populations)[population.name]
        rows = self.pipeline.rows(self.order.place[population.name] + 1)
        start = None if self.state is None else Start.of(self.state, at)
        shared = self.fired, self.m, self.states, limits, self.payload
        probe = Probe(rows, self.pipeline.n_steps, start, at, *shared)
        model = population.neuron.MODEL
        if MODELS[model].is_stock(population):
            return STOCK[model](population, self.network, probe)
        everything_at_once = {p.name: 0 for p in self.network.populations}
        neurons = Neurons(self.network, np.arange(at.start, at.stop), everything_at_once, layered=True)
        return OwnNeurons(name=population.name, neurons=neurons, probe=probe)

    def _connect(self, route: Route) -> None:
        p = route.projection
        connection = _connection(route)
        source = self.neurons[p.pre].s_out if p.pre in self.neurons else self._source(route).s_out
        target = self.neurons[p.post].a_in
        if isinstance(p.connection, Conv2d) and route.kind == "Conv":
            source.reshape(p.connection.in_shape).transpose((1, 2, 0)).connect(connection.s_in)
            connection.a_out.transpose((2, 0, 1)).reshape((p.connection.n_post,)).connect(target)
        else:
            source.connect(connection.s_in)
            connection.a_out.connect(target)

    def _source(self, route: Route) -> FrameSource:
        name, address = route.projection.pre, _address(route)
        if address not in self.sources:
            at = slices(self.network.inputs)[name]
            frames = held_back(self.stimulus.frames[:, :, at], route.input_delay)
            rows = self.pipeline.rows(route.late)
            progress = None if self.sources else self.progress
            self.sources[address] = FrameSource(name=f"input {name}", frames=frames, rows=rows, progress=progress)
        return self.sources[address]

    def _tie_together(self) -> None:
        """Join loose parts by connections of weight zero: Lava compiles only what hangs together."""
        parts = {name: {name} for name in self.neurons}
        for route in self.routes:
            pre, post = route.projection.pre, route.projection.post
            shared = [r.projection.post for r in self.routes if _address(r) == _address(route)]
            ends = [pre, post] if pre in parts else shared
            joined = set().union(*(parts[e] for e in ends))
            parts.update({name: joined for name in joined})
        first, *rest = {id(part): part for part in parts.values()}.values()
        for part in rest:
            a, b = self.neurons[min(first)], self.neurons[min(part)]
            nothing = Dense(weights=np.zeros((a.a_in.shape[0], b.s_out.shape[0]), np.int32), name="no synapse")
            b.s_out.connect(nothing.s_in)
            nothing.a_out.connect(a.a_in)

    def records(self) -> Records:
        """Read the shared records."""
        n_steps, n_samples = self.pipeline.n_steps, self.pipeline.n_samples
        own = np.arange(n_samples * n_steps) % n_steps >= self.past
        row, neuron = np.nonzero(self.fired)
        place = [self.order.place[p.name] for p in self.network.populations]
        k = np.repeat(place, [p.n for p in self.network.populations])[neuron]
        ids = np.repeat(np.asarray(self.stimulus.sample_ids), n_steps)
        columns = [ids[row], row % n_steps - self.past, k, neuron, self.m[row, neuron], k]
        rows = np.stack(columns if self.payload is None else [*columns, self.payload[row, neuron]], axis=1)
        reached = dict(zip(none_reached(self.network), np.sum(self.limits, axis=0)))
        states = {name: x[own] for name, x in self.states.items()}
        return Records(states, np.full(own.sum(), self.order.n_places, np.int32), reached, [rows])


def _address(route: Route):
    """Routes from an input share a source where these are equal."""
    return route.projection.pre, route.late, route.input_delay.tobytes()


def held_back(frames, delay):
    """(B * T, n) counts, sample by sample; input i comes ``delay[i]`` time steps late."""
    out = np.zeros_like(frames)
    for d in np.unique(delay):
        which = np.flatnonzero(delay == d)
        out[d:, :, which] = frames[: max(len(frames) - d, 0), :, which]
    return np.ascontiguousarray(out.transpose(1, 0, 2)).reshape(-1, frames.shape[2]).astype(np.int32)


def _connection(route: Route):
    """The stock process that carries a route; its weights are stored exactly (see ``weights``)."""
    p = route.projection
    c = p.connection
    name = f"{p.pre} -> {p.post}"
    bits = 24 if route.graded else 0
    if route.format is None:
        assert isinstance(c, Conv2d)
        shift = p.weight_exp
        weight = c.weight.astype(np.int32) << shift if shift >= 0 else c.weight.astype(np.int32) >> -shift
        return Conv(
            weight=np.ascontiguousarray(weight.transpose(0, 2, 3, 1)[:, ::-1, ::-1]),
            input_shape=(c.in_shape[1], c.in_shape[2], c.in_shape[0]),
            stride=c.stride,
            padding=c.padding,
            dilation=c.dilation,
            groups=c.groups,
            num_message_bits=bits,
            name=name,
        )
    common = {
        "name": name,
        "num_message_bits": bits,
        "weight_exp": p.weight_exp,
        "sign_mode": SignMode[route.format.sign_mode],
        "num_weight_bits": route.format.bits,
    }
    if route.kind in ("Dense", "DelayDense"):
        weights = np.asarray(c.weight, np.int64)
        if route.kind == "Dense":
            return Dense(weights=weights, **common)
        return DelayDense(weights=weights, delays=np.tile(route.delay, (c.n_post, 1)), **common)
    pre, post, weight = synapses(c)
    matrix = csr_matrix((weight.astype(np.int32), (post, pre)), shape=(c.n_post, c.n_pre))
    if route.kind == "Sparse":
        return Sparse(weights=matrix, **common)
    held = matrix.copy()
    held.data = route.delay[held.indices]
    return DelaySparse(weights=matrix, delays=held, max_delay=int(route.delay.max()), **common)
