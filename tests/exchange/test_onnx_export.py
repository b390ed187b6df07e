"""ONNX export: stock ONNX Runtime gives the layered spikes, integers and dyadic floats exactly."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exchange.onnx.export import model, tables
from ir.connection import Dense, synapses, with_weight
from ir.graph import slices
from ir.mapped import one_large_core
from ir.network import Input, Network, Population, Projection
from ir.neurons import LIF
from ir.quantized import QuantizedNetwork
from ir.schedule import Schedule
from sim_reference.simulate import run as simulate
from tests.exchange.drawn import float_networks
from tests.exchange.onnx_steps import run as run_onnx
from tests.interop.layered import run as run_float
from tests.strategies import Draw, networks, seeds, stimuli

LAYERED = Schedule(kind="layered", F=None)


def by_block(network: Any, frames: np.ndarray) -> dict[str, np.ndarray]:
    return {
        i.name: frames[:, :, slices(network.inputs)[i.name]].reshape(*frames.shape[:2], *i.shape)
        for i in network.inputs
    }


def together(network: Any, out: dict[str, np.ndarray], prefix: str) -> np.ndarray:
    """(T, B, N) in the order of the global index."""
    return np.concatenate([out[f"{prefix}/{p.name}"] for p in network.populations], 2)


@settings(max_examples=50, deadline=None)
@given(st.data(), networks(Draw(extremes=True, asynchronous=False, late=True)))
def test_onnx_runtime_gives_the_references_layered_spikes_on_integers(
    data: st.DataObject, network: QuantizedNetwork
) -> None:
    stimulus = data.draw(stimuli(network, extremes=True))
    trace = simulate(one_large_core(network), stimulus, LAYERED)
    out = run_onnx(model(network), by_block(network, stimulus.frames))
    spikes = together(network, out, "spikes")
    assert trace.spikes is not None and trace.v is not None
    expected = np.zeros(spikes.shape, np.int64)
    row = np.argsort(trace.sample_ids)[np.searchsorted(np.sort(trace.sample_ids), trace.spikes.sample)]
    expected[trace.spikes.t, row, trace.spikes.neuron] = 1
    assert np.array_equal(spikes, expected)
    assert np.array_equal(together(network, out, "next_v"), trace.v)


def _dyadic_neuron(n: LIF, dt_s: float) -> LIF:
    return replace(
        n,
        tau_mem_s=np.inf if n.discretization == "euler" else 0.0,
        tau_syn_s=None if n.tau_syn_s is None else 2 * dt_s,
        discretization="euler",
        v_threshold=None if n.v_threshold is None else np.ceil(n.v_threshold * 4) / 4,
        bias=None if n.bias is None else np.round(n.bias * 8) / 8,
        bias_u=None if n.bias_u is None else np.round(n.bias_u * 8) / 8,
    )


def dyadic(network: Network) -> Network:
    """The same network on numbers that add without rounding: IF neurons, weights in 64ths."""
    projections = [
        replace(e, connection=with_weight(e.connection, np.round(e.connection.weight * 64) / 64))
        for e in network.projections
    ]
    populations = [replace(p, neuron=_dyadic_neuron(p.neuron, network.dt_s)) for p in network.populations]
    return replace(network, projections=tuple(projections), populations=tuple(populations))


@settings(max_examples=50, deadline=None)
@given(float_networks(), seeds)
def test_onnx_runtime_gives_the_layered_spikes_of_float_networks(network: Network, seed: int) -> None:
    network = dyadic(network)
    frames = np.random.default_rng(seed).integers(0, 3, (6, 2, network.n_inputs))
    expected = run_float(network, frames)
    out = run_onnx(model(network), by_block(network, frames))
    for name, spikes in expected.items():
        assert np.array_equal(out[f"spikes/{name}"], spikes)


@given(networks(Draw()))
@settings(max_examples=20, deadline=None)
def test_the_tables_hold_every_synapse_once(network: QuantizedNetwork) -> None:
    for e in network.projections:
        sources, places = tables(e.connection)
        assert (sources < e.connection.n_pre).sum() == synapses(e.connection)[0].size
        assert ((sources == e.connection.n_pre) == (places == e.connection.weight.size)).all()


def test_only_standard_operators_and_our_own_functions_occur() -> None:
    exported = model(_small())
    assert {f.domain for f in exported.functions} == {"unlayered"}
    assert all(n.domain == "" for f in exported.functions for n in f.node)


def _small() -> Network:
    one = Dense(np.ones((1, 1)))
    return Network((Input("i", (1,)),), (Population("p", (1,)),), (Projection("i", "p", one),), "p")


def test_weights_beyond_protobufs_limit_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("exchange.onnx.export.MAX_BYTES", 4)
    with pytest.raises(ValueError, match="holds less"):
        model(_small())
