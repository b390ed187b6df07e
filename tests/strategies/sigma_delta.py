"""Drawn layered runs of networks of sigma-delta neurons."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from hypothesis import strategies as st

from ir.connection import Connection, Conv2d, Dense
from ir.mapped import MappedNetwork, one_large_core
from ir.network import Input
from ir.neurons import FixedSigmaDelta
from ir.quantized import FixedPopulation, FixedProjection, QuantizedNetwork
from ir.schedule import Schedule
from ir.stimulus import Stimulus
from tests.strategies.options import seeds

LAYERED = Schedule("layered")


def _neuron(draw: st.DrawFn, n: int, sums: bool, rng: np.random.Generator) -> FixedSigmaDelta:
    exps = {"spike_exp": draw(st.integers(0, 6)), "state_exp": draw(st.integers(0, 6))}
    threshold = draw(st.sampled_from([0, 0, 1, 5, 40]))
    if not sums:
        return FixedSigmaDelta(threshold, sums=False, rectifies=False, **exps)
    bias = draw(st.sampled_from([None, 3, rng.integers(-30, 30, n)]))
    return FixedSigmaDelta(threshold, bias, rectifies=draw(st.booleans()), **exps)


def _connection(draw: st.DrawFn, shape: Sequence[int], rng: np.random.Generator) -> tuple[Connection, tuple[int, ...]]:
    if len(shape) == 3 and draw(st.booleans()):
        channels, side = draw(st.integers(1, 3)), draw(st.integers(1, min(3, *shape[1:])))
        weight = rng.integers(-40, 41, (channels, shape[0], side, side)).astype(np.int32)
        conv = Conv2d(weight, (shape[0], shape[1], shape[2]), (draw(st.integers(1, 2)),) * 2, (1, 0))
        return conv, conv.out_shape
    n = draw(st.integers(1, 6))
    return Dense(rng.integers(-120, 128, (n, int(np.prod(shape)))).astype(np.int32)), (n,)


@st.composite
def sigma_delta_networks(draw: st.DrawFn) -> QuantizedNetwork:
    """A chain that may begin with ``Delta`` and end with ``Sigma``."""
    rng = np.random.default_rng(draw(seeds))
    shape: tuple[int, ...] = draw(st.sampled_from([(4,), (1, 5, 4), (2, 4, 4)]))
    inputs, populations, projections = (Input("in", shape),), [], []
    if draw(st.booleans()):
        each = np.eye(int(np.prod(shape)), dtype=np.int32) * draw(st.sampled_from([1, 64]))
        populations.append(FixedPopulation("d", shape, _neuron(draw, each.shape[0], False, rng)))
        projections.append(FixedProjection("in", "d", Dense(each)))
    for i in range(draw(st.integers(1, 3))):
        pre = populations[-1].name if populations else "in"
        connection, shape = _connection(draw, shape, rng)
        populations.append(FixedPopulation(f"p{i}", shape, _neuron(draw, connection.n_post, True, rng)))
        projections.append(FixedProjection(pre, f"p{i}", connection, draw(st.sampled_from([0, 0, 1]))))
    if draw(st.booleans()):
        sigma = FixedSigmaDelta(None, rectifies=False)
        weight = rng.integers(-120, 128, (2, int(np.prod(shape)))).astype(np.int32)
        projections.append(FixedProjection(populations[-1].name, "sigma", Dense(weight)))
        populations.append(FixedPopulation("sigma", (2,), sigma))
    return QuantizedNetwork(
        inputs, tuple(populations), tuple(projections), populations[-1].name, schedule=LAYERED
    )  # fmt: skip


@st.composite
def sigma_delta_cases(draw: st.DrawFn) -> tuple[MappedNetwork, Stimulus, Schedule]:
    """A network and a stimulus of counts of both signs; one in eight is so large that sums wrap."""
    network = draw(sigma_delta_networks())
    rng = np.random.default_rng(draw(seeds))
    most = 1 << 20 if draw(st.integers(0, 7)) == 7 else draw(st.sampled_from([1, 20, 200]))
    shape = draw(st.integers(1, 6)), draw(st.integers(1, 2)), network.n_inputs
    return one_large_core(network), Stimulus(rng.integers(-most, most + 1, shape).astype(np.int32)), LAYERED
