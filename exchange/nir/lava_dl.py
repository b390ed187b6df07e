"""NIR as lava-dl runs it: the CUBA block's integers, weights in eighths of a byte's even numbers."""

from __future__ import annotations

import numpy as np

from exchange.graph.nodes import Node
from exchange.graph.sources import Neuron, Source, Untranslatable, norse
from ir.arithmetic import DECAY_ALL
from ir.arrays import Array
from ir.connection import Connection, with_weight
from ir.network import Network
from ir.neurons import LIF, FixedLIF, as_trained_lif
from ir.pooling import pooling
from ir.quantized import FixedPopulation, FixedProjection, QuantizedNetwork

SCALE = 64
"""Weight mantissas a unit: lava-dl 0.6.0's default ``scale = 1 << 6`` (slayer/neuron/cuba.py)."""


def translate(node: Node, dt: float) -> Neuron:
    """The Euler step; lava-dl has IF, LIF and CubaLIF as one CUBA neuron."""
    if node.kind not in ("IF", "LIF", "CubaLIF"):
        raise Untranslatable(f"lava-dl has no {node.kind}", "choose another --as")
    return norse(node, dt)


lava_dl = Source(
    translate,
    1e-3,
    recurrent_bias_at=0,
    leak="(4096 - round(4096 dt/tau)) / 4096, toward zero",
    spikes="v > threshold, at most one a time step; weights even, -256..254",
)


def quantized(network: Network) -> QuantizedNetwork:
    """The integers lava-dl makes: ``w = 2 round(32 w)``, threshold ``int(64 v)``, decays ``round(4096 (1 - leak))``.

    Sources: ``quantize_8bit`` and ``cx_current_decay`` of lava-dl 0.6.0 (slayer/neuron/base.py, cuba.py).
    """
    pooled = pooling(network)
    populations = tuple(
        FixedPopulation(p.name, p.shape, _neuron(as_trained_lif(p.name, p.neuron, "lava-dl"), network.dt_s), SCALE)
        for p in network.populations
    )
    projections = tuple(
        FixedProjection(e.pre, e.post, _connection(e.connection, e.post in pooled), 0, e.delay_steps)
        for e in network.projections
    )
    return QuantizedNetwork(
        network.inputs,
        populations,
        projections,
        network.output,
        network.dt_s,
        "lava",
        network.schedule,
        network.metadata,
    )


def _neuron(lif: LIF, dt_s: float) -> FixedLIF:
    leak_u = lif.leak_u(dt_s)
    return FixedLIF(
        decay_v=_decay(lif.leak_v(dt_s)),
        v_threshold=None if lif.v_threshold is None else np.trunc(np.asarray(lif.v_threshold) * SCALE).astype(np.int64),
        decay_u=DECAY_ALL if leak_u is None else _decay(leak_u),
        bias=None if lif.bias is None else np.round(np.asarray(lif.bias) * SCALE).astype(np.int64),
        bias_exp=6,
        pools=lif.pools,
        bias_u=None if lif.bias_u is None else _even(np.asarray(lif.bias_u)),
    )


def _decay(leak: Array) -> Array:
    return np.round(DECAY_ALL * (1 - leak)).astype(np.int64)


def _connection(c: Connection, pooled: bool) -> Connection:
    if pooled:  # which lava-dl does not have: of spikes, weights of 1 are as good as any
        return with_weight(c, c.weight.astype(np.int32))
    return with_weight(c, _even(c.weight.astype(np.float64)).astype(np.int32))


def _even(weight: Array) -> Array:
    """Weights, and biases of currents, which act like those of an input that is always on."""
    return (np.round(weight * (SCALE / 2)).clip(-128, 127) * 2).astype(np.int64)
