"""What other readers take from our NIR files: an Euler step of the equations there is a time step of ours."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from exchange import nir
from exchange.chip_toml import find_chip
from exchange.nir.own import KEY
from ir.arithmetic import ARITHMETICS
from ir.check import FormatError
from ir.connection import Conv2d, Dense, Sparse
from ir.network import Input, Network, Population, Projection
from ir.neurons import LIF, FixedLIF
from ir.quantized import FixedPopulation, FixedProjection, QuantizedNetwork
from ir.schedule import Schedule
from ir.stimulus import Stimulus
from mapper.quantize import quantize
from sim_reference import fast
from trainer.execute import run

LAYERED = Schedule("layered", None)
DT_S = 2e-3


def floats(discretization: str, seed: int = 0) -> Network:
    rng = np.random.default_rng(seed)
    populations = (
        Population("a", (16,), LIF(0.01, 1.0, 0.005, discretization=discretization)),
        Population("b", (4,), LIF(0.02, 1.0, 0.004, discretization=discretization)),
    )
    projections = (
        Projection("x", "a", Dense(rng.normal(0, 0.5, (16, 8)).astype(np.float32))),
        Projection("a", "b", Dense(rng.normal(0.2, 0.5, (4, 16)).astype(np.float32))),
    )
    return Network((Input("x", (8,)),), populations, projections, "b", DT_S, LAYERED)


def stimulus() -> Stimulus:
    return Stimulus((np.random.default_rng(1).random((30, 3, 8)) < 0.3).astype(np.int8))


@pytest.mark.parametrize("discretization", ["euler", "exponential"])
@pytest.mark.parametrize("seed", range(3))
def test_another_reader_fires_the_same_spikes(discretization: str, seed: int, tmp_path: Path) -> None:
    trained = floats(discretization, seed)
    integers = quantize(trained, find_chip("loihi2"), 8)
    for network, own in (
        (trained, run(trained, stimulus(), LAYERED)),
        (integers, fast.run(integers, stimulus(), LAYERED)),
    ):
        nir.write(network, tmp_path / "net.nir")
        theirs = run(nir.read(tmp_path / "net.nir", "norse", DT_S), stimulus(), LAYERED)
        assert own.counts.sum() > 100
        np.testing.assert_array_equal(theirs.counts, own.counts)


def integers(arithmetic: str) -> QuantizedNetwork:
    """A bias, exponents of weights either way, a convolution and a sparse projection."""
    populations = (
        FixedPopulation("a", (2, 3, 3), FixedLIF(decay_v=410, v_threshold=90, bias=np.full(18, 640), bias_exp=0)),
        FixedPopulation("b", (3,), FixedLIF(decay_v=1024, decay_u=2048, v_threshold=70)),
        FixedPopulation("c", (2,), FixedLIF(decay_v=4096, v_threshold=30)),
    )
    kernel = np.arange(-9, 9, dtype=np.int32).reshape(2, 1, 3, 3) * 2
    sparse = Sparse(np.array([0, 2, 3]), np.array([0, 2, 1], np.int32), np.array([20, -6, 12], np.int32), 3)
    dense = Dense(np.arange(54, dtype=np.int32).reshape(3, 18) - 20)
    projections = (
        FixedProjection("x", "a", Conv2d(kernel, (1, 3, 3), padding=(1, 1)), weight_exp=1),
        FixedProjection("a", "b", dense, weight_exp=-2),
        FixedProjection("b", "c", sparse, weight_exp=3),
    )
    return QuantizedNetwork(
        (Input("x", (1, 3, 3)),), populations, projections, "c", dt_s=DT_S, arithmetic=arithmetic, schedule=LAYERED
    )


@pytest.mark.parametrize("arithmetic", ["loihi2", "seneca"])
def test_integers_are_told_in_seconds_and_in_the_units_of_their_weights(arithmetic: str, tmp_path: Path) -> None:
    network = integers(arithmetic)
    nir.write(network, tmp_path / "net.nir")
    assert same_files(network, nir.read(tmp_path / "net.nir"), tmp_path)
    with h5py.File(tmp_path / "net.nir") as file:
        told = {name: np.asarray(file[f"node/nodes/a/{name}"]) for name in ("v_leak", "r")}
    np.testing.assert_allclose(told["v_leak"] / told["r"], 640 / (1 << ARITHMETICS[arithmetic].weight_shift))
    first, *others = network.populations
    bare = replace(first, neuron=replace(first.neuron, bias=None))  # with one, it has no equal here
    nir.write(replace(network, populations=(bare, *others)), tmp_path / "bare.nir")
    theirs = nir.read(tmp_path / "bare.nir", "snntorch", DT_S)
    found: dict[str, Any] = {p.name: p.neuron for p in theirs.populations}
    for p in network.populations:
        np.testing.assert_allclose(1 - DT_S / found[p.name].tau_mem_s, 1 - p.neuron.decay_v / 4096, atol=1e-6)
    np.testing.assert_allclose(1 - DT_S / found["b"].tau_syn_s, 0.5, atol=1e-6)
    for ours, other in zip(network.projections, theirs.projections):
        whole = [e.connection.weight for e in (ours, other)]
        given = whole[0] if isinstance(ours.connection, Conv2d) else dense_of(ours.connection)
        seen = whole[1] if isinstance(other.connection, Conv2d) else dense_of(other.connection)
        np.testing.assert_allclose(seen, given * 2.0**ours.weight_exp, rtol=1e-5, atol=1e-5)


def dense_of(c: Any) -> np.ndarray:
    if not isinstance(c, Sparse):
        return np.asarray(c.weight)
    whole = np.zeros((len(c.indptr) - 1, c.n_pre))
    for row in range(len(c.indptr) - 1):
        at = slice(c.indptr[row], c.indptr[row + 1])
        whole[row, c.indices[at]] = c.weight[at]
    return whole


def same_files(a: Any, b: Any, folder: Path) -> bool:
    """Whether two networks are written as the same bytes of arrays."""
    nir.write(a, folder / "a.nir")
    nir.write(b, folder / "b.nir")
    return tree_of(folder / "a.nir") == tree_of(folder / "b.nir")


def tree_of(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = {}

    def note(name: str, item: Any) -> None:
        if isinstance(item, h5py.Dataset):
            value = item[()]
            found[name] = value if isinstance(value, bytes) else (str(item.dtype), np.asarray(value).tolist())

    with h5py.File(path) as file:
        file.visititems(note)
    return found


def as_version_1(path: Path, network: Any) -> None:
    """The file as version 1 said it: time constants of integers in time steps, biases over 64, weights as they are,
    exponential decays as they are."""
    with h5py.File(path, "r+") as file:
        head = file["node/metadata"]
        note = json.loads(head[KEY][()])
        del head[KEY]
        head[KEY] = json.dumps({**note, "version": 1})
        nodes = file["node/nodes"]
        for p in network.populations:
            node, neuron = nodes[p.name], p.neuron
            for name, gain, decay, tau_s in (
                ("tau_mem" if "tau_mem" in node else "tau", "r", "decay_v", "tau_mem_s"),
                ("tau_syn", "w_in", "decay_u", "tau_syn_s"),
            ):
                if name in node:
                    fixed = isinstance(neuron, FixedLIF)
                    tau = 4096 / getattr(neuron, decay) if fixed else getattr(neuron, tau_s)
                    share = DT_S / tau if fixed else -np.expm1(-DT_S / tau)
                    node[name][...], node[gain][...] = tau, 1 / share
            if isinstance(neuron, FixedLIF) and neuron.bias is not None:
                node["v_leak"][...] = np.asarray(neuron.bias).reshape(p.shape) / 64 * node["r"][()]
        for i, e in enumerate(network.projections):
            node = nodes[f"projection_{i}"]
            if getattr(e, "weight_exp", 0):
                own = e.connection.weight if isinstance(e.connection, Conv2d) else dense_of(e.connection)
                del node["weight"]
                node["weight"] = np.asarray(own, np.int32)
                if "bias" in node:
                    del node["bias"]
                    node["bias"] = np.zeros(own.shape[0], np.int32)
                if not isinstance(e.connection, Sparse):
                    del node["metadata/weight"]


@pytest.mark.parametrize(
    "network", [floats("exponential"), integers("loihi2"), integers("seneca")], ids=["floats", "loihi2", "seneca"]
)
def test_a_file_of_version_1_still_opens_and_a_changed_one_does_not(network: Any, tmp_path: Path) -> None:
    nir.write(network, tmp_path / "net.nir")
    as_version_1(tmp_path / "net.nir", network)
    assert same_files(network, nir.read(tmp_path / "net.nir"), tmp_path)
    with h5py.File(tmp_path / "net.nir", "r+") as file:
        node = file[f"node/nodes/{network.populations[0].name}"]
        node["r"][...] = 2 * node["r"][()]
    with pytest.raises(FormatError, match="was changed after unlayered wrote it"):
        nir.read(tmp_path / "net.nir")


def test_changed_weights_with_an_exponent_are_not_taken_for_ours(tmp_path: Path) -> None:
    nir.write(integers("loihi2"), tmp_path / "net.nir")
    with h5py.File(tmp_path / "net.nir", "r+") as file:
        node = file["node/nodes/projection_1"]
        node["weight"][...] = 2 * node["weight"][()]
    with pytest.raises(FormatError, match="was changed after unlayered wrote it"):
        nir.read(tmp_path / "net.nir")
