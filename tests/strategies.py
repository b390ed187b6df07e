"""Hypothesis strategies that draw integer networks, stimuli and schedules; most of the networks spike.

The share of networks that spike is asserted in ``tests/sim_reference/test_laws.py``. Shapes, wiring and settings
are drawn by hypothesis, so that they shrink; bulk numbers come from a drawn seed.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from hypothesis import strategies as st

from ir.arithmetic import ARITHMETICS
from ir.connection import Connection, Conv2d, Dense, Sparse
from ir.mapped import Core, MappedNetwork
from ir.network import Input
from ir.quantized import FixedLIF, FixedPopulation, FixedProjection, QuantizedNetwork
from ir.schedule import INPUT_RULES, ORDERS, Schedule
from ir.stimulus import Stimulus

seeds = st.integers(0, 2**32 - 1)
decays = st.sampled_from([0, 1, 200, 410, 2048, 4095, 4096])


@dataclass(frozen=True)
class Draw:
    """What may occur in a drawn network.

    Attributes:
        extremes: registers saturate and wrap, thresholds at their limits, inputs that only inhibit.
        asynchronous: only what the asynchronous schedule defines (no delays, no reset by subtraction).
        lava: only what lava-nc's stock processes hold (weights, thresholds and biases within the chip's formats).
        chain: every population sees the one before it and nothing else.
        current, bias, resets, conv, recurrent: whether those are drawn.
        repeated: neurons without refractoriness, which fire several times in a time step, are drawn too.
    """

    extremes: bool = False
    asynchronous: bool = True
    lava: bool = False
    chain: bool = False
    current: bool = True
    bias: bool = True
    resets: bool = True
    conv: bool = True
    recurrent: bool = True
    repeated: bool = False
    arithmetics: tuple[str, ...] = tuple(ARITHMETICS)
    max_populations: int = 4
    max_side: int = 12


def _weights(rng: np.random.Generator, shape: tuple[int, ...], draw: Draw, style: str) -> np.ndarray:
    """Mostly excitatory even weights; ``huge`` ones reach the int32 and accumulator edges."""
    if style == "huge":
        top = 254 if draw.lava else 1 << 18
        w = rng.choice([-top, -top // 2, 0, top // 2, top, top], shape)
    elif style == "negative":
        w = -rng.integers(0, 120, shape)
    else:
        w = rng.integers(-60, 127, shape)
    return (w * 2 if style != "huge" else w // 2 * 2).astype(np.int32)


@st.composite
def connections(
    draw: st.DrawFn, pre: tuple[int, ...], post_n: int, options: Draw, style: str, rng: np.random.Generator
) -> tuple[Connection, tuple[int, ...]]:
    """A connection from a block of shape ``pre``, and the shape of its targets."""
    n_pre = int(np.prod(pre))
    kind = draw(st.sampled_from(["dense", "sparse", "conv"] if options.conv and len(pre) == 3 else ["dense", "sparse"]))
    if kind == "conv":
        groups = draw(st.sampled_from([1, pre[0]]))
        kernel = tuple(draw(st.integers(1, min(3, side))) for side in pre[1:])
        stride, padding, dilation = (
            (draw(st.integers(1, 2)), draw(st.integers(1, 2))),
            (draw(st.integers(0, 1)),) * 2,
            1,
        )
        if min(pre[1:]) > 2 * (max(kernel) - 1):
            dilation = draw(st.integers(1, 2))
        channels = groups * draw(st.integers(1, 2))
        weight = _weights(rng, (channels, pre[0] // groups, *kernel), options, style)
        conv = Conv2d(weight, (pre[0], pre[1], pre[2]), stride, padding, (dilation, dilation), groups)
        return conv, conv.out_shape
    weight = _weights(rng, (post_n, n_pre), options, style)
    if kind == "dense":
        return Dense(weight), (post_n,)
    return sparse(weight, rng.random(weight.shape) < 0.5), (post_n,)


def sparse(weight: np.ndarray, kept: np.ndarray) -> Sparse:
    """Only the ``kept`` synapses of a dense weight."""
    indptr = np.concatenate([[0], np.cumsum(kept.sum(1))])
    return Sparse(indptr, np.nonzero(kept)[1].astype(np.int32), weight[kept], weight.shape[1])


@st.composite
def neurons(draw: st.DrawFn, n: int, options: Draw, drive: int, rng: np.random.Generator) -> FixedLIF:
    """A neuron model whose threshold a typical ``drive`` (mantissa) crosses."""
    if options.extremes and draw(st.integers(0, 3)) == 0:
        threshold: Any = draw(st.sampled_from([0, 0, 0, 1, 1, (1 << 17) - 1]))
    else:
        threshold = max(1, int(drive * draw(st.sampled_from([0.2, 0.5, 1.0, 1.5]))))
        threshold = min(threshold, (1 << 17) - 1)
        if not options.lava and draw(st.integers(0, 3)) == 0:
            threshold = np.minimum(rng.integers(max(1, threshold // 2), 2 * threshold + 1, n), (1 << 17) - 1)
    per_neuron = not options.lava and draw(st.integers(0, 3)) == 0
    decay_v, decay_u = draw(decays), draw(decays) if options.current and draw(st.integers(0, 2)) == 0 else 4096
    bias, bias_exp = None, 0
    if options.bias and draw(st.integers(0, 2)) == 0:
        bias_exp = draw(st.integers(0, 6))
        bias = rng.integers(-4096, 4096, n) if options.extremes else rng.integers(-drive // 8 - 1, drive // 4 + 2, n)
        bias = np.clip(bias, -4096, 4095)
    interval = draw(st.integers(2, 5)) if options.resets and draw(st.integers(0, 4)) == 0 else 0
    return FixedLIF(
        decay_v=rng.integers(0, 4097, n) if per_neuron else decay_v,
        v_threshold=threshold,
        decay_u=decay_u,
        bias=bias,
        bias_exp=bias_exp,
        reset="zero" if options.asynchronous or options.lava else draw(st.sampled_from(["zero", "zero", "subtract"])),
        refractory=not (options.repeated and draw(st.booleans())),
        reset_interval=interval,
        reset_offset=draw(st.integers(0, 4)) if interval else 0,
        v_min=-drive * 32 if not options.lava and draw(st.integers(0, 5)) == 0 else None,
    )


def _typical_drive(connection: Connection, weight_exp: int) -> int:
    """About what a fifth of the sources brings to a target, in mantissa units; at least 1."""
    total = float(np.maximum(connection.weight, 0).sum()) * 2.0**weight_exp
    share = total / connection.weight.shape[0] if not isinstance(connection, Sparse) else total / connection.n_post
    return max(1, min(int(share / 5), 1 << 22))


@st.composite
def networks(draw: st.DrawFn, options: Draw = Draw()) -> QuantizedNetwork:
    """Draw a network: a chain first, then skip and recurrent edges unless a chain was asked for."""
    rng = np.random.default_rng(draw(seeds))
    arithmetic = draw(st.sampled_from(options.arithmetics))
    image = options.conv and draw(st.booleans())
    shape = tuple(draw(st.integers(1, 3)) if i == 0 else draw(st.integers(2, 5)) for i in range(3)) if image else None
    inputs = (Input("in", shape or (draw(st.integers(1, options.max_side)),)),)
    blocks: list[tuple[str, tuple[int, ...]]] = [("in", inputs[0].shape)]
    populations: list[FixedPopulation] = []
    projections: list[FixedProjection] = []
    for i in range(draw(st.integers(1, options.max_populations))):
        style = (
            draw(st.sampled_from(["plain", "plain", "plain", "huge", "huge", "negative"] if i else ["plain", "huge"]))
            if options.extremes
            else "plain"
        )
        pre, pre_shape = blocks[-1]
        n = draw(st.integers(1, options.max_side))
        connection, post_shape = draw(connections(pre_shape, n, options, style, rng))
        projection = draw(_projection(pre, f"p{i}", connection, options))
        drive = _typical_drive(connection, projection.weight_exp)
        neuron = draw(neurons(int(np.prod(post_shape)), options, drive, rng))
        populations.append(FixedPopulation(f"p{i}", post_shape, neuron))
        projections.append(projection)
        blocks.append((f"p{i}", post_shape))
    if not options.chain:
        projections += draw(_extra_edges(blocks, options, rng))
    return QuantizedNetwork(inputs, tuple(populations), tuple(projections), populations[-1].name, arithmetic=arithmetic)


@st.composite
def _projection(draw: st.DrawFn, pre: str, post: str, connection: Connection, options: Draw) -> FixedProjection:
    exponents = st.sampled_from([0, 0, 0, 1, -1]) if not options.extremes else st.sampled_from([0, 0, 2, 7, -3])
    conv = isinstance(connection, Conv2d)
    exponent = 0 if options.lava and conv else draw(exponents)
    delay: Any = 0
    if not options.asynchronous and not (options.lava and conv) and draw(st.integers(0, 3)) == 0:
        delay = np.array([draw(st.integers(0, 3)) for _ in range(connection.n_pre)])
    return FixedProjection(pre, post, connection, exponent, delay)


@st.composite
def _extra_edges(
    draw: st.DrawFn, blocks: list[tuple[str, tuple[int, ...]]], options: Draw, rng: np.random.Generator
) -> list[FixedProjection]:
    """Up to two edges beside the chain: skips and, where allowed, recurrent ones."""
    edges = []
    for _ in range(draw(st.integers(0, 2))):
        a, b = draw(st.integers(0, len(blocks) - 1)), draw(st.integers(1, len(blocks) - 1))
        if b <= a and not options.recurrent:
            continue
        (pre, pre_shape), (post, post_shape) = blocks[a], blocks[b]
        weight = _weights(rng, (int(np.prod(post_shape)), int(np.prod(pre_shape))), options, "plain") // 4 * 2
        connection = Dense(weight) if draw(st.booleans()) else sparse(weight, rng.random(weight.shape) < 0.3)
        edges.append(draw(_projection(pre, post, connection, options)))
    return edges


@st.composite
def stimuli(
    draw: st.DrawFn, network: QuantizedNetwork, extremes: bool = False, counts: bool = True, max_samples: int = 3
) -> Stimulus:
    """Frames of counts with any sample ids; with ``extremes`` some only inhibit."""
    rng = np.random.default_rng(draw(seeds))
    t, b = draw(st.integers(3, 6)), draw(st.integers(1, max_samples))
    rate = draw(st.sampled_from([0.9, 0.5, 0.2]))
    frames = (rng.random((t, b, network.n_inputs)) < rate).astype(np.int32)
    if counts:
        frames *= rng.integers(1, 4, frames.shape)
    if extremes and draw(st.integers(0, 15)) == 15:
        frames = -frames
    ids = rng.choice(100_000, b, replace=False)
    labels = rng.integers(0, dict((p.name, p.n) for p in network.populations)[network.output], b)
    return Stimulus(frames, ids, labels)


@st.composite
def stamped(draw: st.DrawFn, stimulus: Stimulus) -> Stimulus:
    """The same counts as events with drawn time stamps."""
    rng = np.random.default_rng(draw(seeds))
    t, b, i = (np.repeat(x, stimulus.frames[stimulus.frames > 0]) for x in np.nonzero(stimulus.frames > 0))
    events = np.stack([b, t, rng.integers(0, 1000, len(t)), i], 1)
    return Stimulus(stimulus.frames, stimulus.sample_ids, stimulus.labels, events)


@st.composite
def schedules(draw: st.DrawFn, first_only: bool = False, scope: str = "network") -> Schedule:
    """Asynchronous schedules: orders, group sizes, input rules, stop rules, seeds."""
    rule = draw(
        st.sampled_from(["first"] if first_only else [r for r in INPUT_RULES if scope == "network" or r != "queued"])
    )
    return Schedule(
        F=draw(st.sampled_from([None, 1, 1, 2, 3, 8])),
        order=draw(st.sampled_from(ORDERS)),
        scope=scope,  # type: ignore[arg-type]
        input=rule,
        R=draw(st.integers(1, 6)) if rule == "paced" else None,
        stop_after=draw(st.sampled_from([None, None, 1, 2, 5])),
        stop_after_output=draw(st.sampled_from([None, None, 0, 1, 3])),
        seed=draw(st.integers(-(2**63), 2**64)),
    )


@st.composite
def partitions(draw: st.DrawFn, network: QuantizedNetwork) -> MappedNetwork:
    """Put the neurons on one to four cores, anyhow."""
    rng = np.random.default_rng(draw(seeds))
    n_cores = draw(st.integers(1, 4))
    cores = tuple(Core(i, x=i) for i in range(n_cores))
    return MappedNetwork(network, None, rng.integers(0, n_cores, network.n_neurons), cores)


LAYERED = Schedule(kind="layered", F=None)


@st.composite
def cases(draw: st.DrawFn, options: Draw = Draw(), layered: bool = False) -> tuple[MappedNetwork, Stimulus, Schedule]:
    """A mapped network with a stimulus and a schedule that go together."""
    network = draw(networks(options))
    mapped = draw(partitions(network))
    stimulus = draw(stimuli(network, options.extremes))
    if layered:
        return mapped, stimulus, LAYERED
    negative = bool((stimulus.frames < 0).any())
    schedule = draw(schedules(first_only=negative, scope=draw(st.sampled_from(["network", "network", "core"]))))
    if options.repeated and schedule.stop_after is None:
        schedule = replace(schedule, stop_after=draw(st.integers(3, 9)))
    if schedule.input != "first" and draw(st.booleans()):
        stimulus = draw(stamped(stimulus))
    return mapped, stimulus, schedule
