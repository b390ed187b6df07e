"""Drawn networks."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from hypothesis import strategies as st

from ir.connection import Connection, Conv2d, Dense
from ir.network import Input
from ir.quantized import FixedPopulation, FixedProjection, QuantizedNetwork
from tests.strategies.connections import connections, doubled, draw_weights, sparse, typical_drive
from tests.strategies.neurons import neurons
from tests.strategies.options import ORDINARY, Draw, seeds

WIDELY = ["plain"] * 6 + ["bits"] * 5 + ["huge", "edge"]
EDGY = ["edge"] * 4 + ["bits", "huge", "plain"]

Block = tuple[str, tuple[int, ...]]


@st.composite
def networks(draw: st.DrawFn, options: Draw = ORDINARY) -> QuantizedNetwork:
    """Draw a network: a chain first, then skip and recurrent edges unless a chain was asked for."""
    rng = np.random.default_rng(draw(seeds))
    arithmetic = draw(st.sampled_from(options.arithmetics))
    loose = options.wide and not options.chain
    if options.wide:
        mood = draw(st.sampled_from(["", "", "edges", "early", "early"]))
        options = replace(options, edges=mood == "edges" and not options.lava, early=mood == "early" and loose)
    inputs = [Input("in", draw(_input_shapes(options)))]
    if loose:
        inputs += [Input(f"in{i}", draw(_input_shapes(options))) for i in range(draw(st.sampled_from([0, 0, 1, 2])))]
    blocks: list[Block] = [(block.name, block.shape) for block in reversed(inputs)]
    populations: list[FixedPopulation] = []
    projections: list[FixedProjection] = []
    for i in range(draw(st.integers(3 if options.early else 1, options.max_populations))):
        n = draw(st.integers(1, options.max_side))
        pre: Block | None = blocks[-1]
        if options.early and draw(st.integers(0, 2)) == 2:
            pre = None
        elif loose and draw(st.integers(0, 2)) == 2:
            pre = draw(st.sampled_from([*blocks, None]))
        if pre is None:
            shape, drive = (n,), 0
        else:
            projection, shape = draw(_main_edges(pre, f"p{i}", n, options, not i, rng))
            drive = typical_drive(projection.connection, projection.weight_exp)
            projections.append(projection)
        neuron = draw(neurons(int(np.prod(shape)), options, drive, rng))
        populations.append(FixedPopulation(f"p{i}", shape, neuron))
        blocks.insert(len(inputs) if pre is None and options.early else len(blocks), (f"p{i}", shape))
    output = populations[-1].name
    if not options.chain:
        projections += draw(_extra_edges(blocks, len(inputs), options, rng))
    if loose:
        output = draw(st.sampled_from([output, *(p.name for p in populations)]))
        populations, projections = draw(st.permutations(populations)), draw(st.permutations(projections))
        if draw(st.sampled_from([*range(16)])) == 15:
            projections = []
    return QuantizedNetwork(tuple(inputs), tuple(populations), tuple(projections), output, arithmetic=arithmetic)


@st.composite
def _input_shapes(draw: st.DrawFn, options: Draw) -> tuple[int, ...]:
    if options.conv and draw(st.booleans()):
        return tuple(draw(st.integers(1, 3)) if i == 0 else draw(st.integers(2, 5)) for i in range(3))
    return (draw(st.integers(1, options.max_side)),)


@st.composite
def _main_edges(
    draw: st.DrawFn, pre: Block, post: str, n: int, options: Draw, first: bool, rng: np.random.Generator
) -> tuple[FixedProjection, tuple[int, ...]]:
    """The projection that a population is there for, and the population's shape."""
    style = "plain"
    if options.wide and not options.lava:
        style = draw(st.sampled_from(EDGY if options.edges else [*WIDELY, *["negative"] * (not first)]))
    elif options.extremes:
        often = ["plain", "huge"] if first else ["plain", "plain", "plain", "huge", "huge", "negative"]
        style = draw(st.sampled_from(often))
    exponent = None
    if style == "bits":
        bits = draw(st.integers(1, 31))
        style = str(bits)
        exponent = min(max(draw(st.integers(3, 14)) - bits, -31), 31)
    elif style == "edge":
        exponent = draw(st.integers(-8, 0) if options.edges else st.integers(-31, 0) | st.integers(-31, 31))
    connection, shape = draw(connections(pre[1], n, options, style, rng))
    return draw(_projection(pre[0], post, connection, options, exponent)), shape


@st.composite
def _projection(
    draw: st.DrawFn, pre: str, post: str, connection: Connection, options: Draw, exponent: int | None = None
) -> FixedProjection:
    exponents = st.sampled_from([0, 0, 0, 1, -1]) if not options.extremes else st.sampled_from([0, 0, 2, 7, -3])
    conv = isinstance(connection, Conv2d)
    if options.lava and conv:
        exponent = 0
    elif exponent is None:
        exponent = draw(exponents)
        if options.wide and not options.lava and draw(st.integers(0, 15)) == 15:
            exponent = draw(st.integers(-12, 12) | st.integers(-31, 31))
    delay: Any = 0
    if not options.asynchronous and not (options.lava and conv) and draw(st.integers(0, 3)) == 0:
        delay = np.array([draw(st.integers(0, 3)) for _ in range(connection.n_pre)])
    return FixedProjection(pre, post, connection, exponent, delay)


@st.composite
def _extra_edges(
    draw: st.DrawFn, blocks: list[Block], n_inputs: int, options: Draw, rng: np.random.Generator
) -> list[FixedProjection]:
    """Up to two edges beside the chain, four in wide draws: skips, parallels and, where allowed, recurrent ones."""
    edges = []
    for _ in range(draw(st.integers(2 if options.early else 0, 4 if options.wide else 2))):
        a, b = draw(st.integers(0, len(blocks) - 1)), draw(st.integers(n_inputs, len(blocks) - 1))
        if options.early and draw(st.booleans()):
            a, b = n_inputs, len(blocks) - 1
        if b <= a and not options.recurrent:
            continue
        (pre, pre_shape), (post, post_shape) = blocks[a], blocks[b]
        style = "edge" if options.edges and draw(st.booleans()) else "plain"
        weight = draw_weights(rng, (int(np.prod(post_shape)), int(np.prod(pre_shape))), options, style)
        weight = weight if style == "edge" else weight // 4 * 2
        connection = Dense(weight) if draw(st.booleans()) else sparse(weight, rng.random(weight.shape) < 0.3)
        if options.wide and not isinstance(connection, Dense) and draw(st.booleans()):
            connection = doubled(connection, rng)
        exponent = draw(st.integers(-8, 0)) if style == "edge" else None
        edges.append(draw(_projection(pre, post, connection, options, exponent)))
    return edges
