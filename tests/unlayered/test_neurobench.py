"""NeuroBench's numbers of a run are those of its own library, and those that follow from the spikes."""

from __future__ import annotations

import json
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from exchange import npz
from exchange.chip_toml import find_chip
from ir.connection import Conv2d, Dense, Sparse
from ir.network import Input
from ir.neurons import FixedLIF
from ir.quantized import FixedPopulation, FixedProjection, QuantizedNetwork
from ir.schedule import Schedule
from ir.stimulus import Stimulus
from mapper import map_network
from mapper.check.utilization import utilization
from sim_reference import simulate
from tests.unlayered.verbs import call, refused

needs = pytest.mark.skipif(find_spec("neurobench") is None, reason="neurobench is absent: pip install neurobench")


def drawn(seed: int = 0) -> QuantizedNetwork:
    """2x6x6 inputs, a convolution of 3 channels, 8 neurons by listed synapses, 4 dense ones; a third of weights 0."""
    rng = np.random.default_rng(seed)

    def weights(*shape: int) -> np.ndarray:
        return (2 * rng.integers(-15, 30, shape) * (rng.random(shape) < 0.67)).astype(np.int32)

    dense = weights(8, 48)
    rows, columns = np.nonzero(dense)
    listed = Sparse(np.concatenate([[0], np.cumsum(np.bincount(rows, minlength=8))]), columns, dense[rows, columns], 48)
    neuron = FixedLIF(v_threshold=40)
    return QuantizedNetwork(
        (Input("in", (2, 6, 6)),),
        (
            FixedPopulation("conv", (3, 4, 4), neuron),
            FixedPopulation("listed", (8,), neuron),
            FixedPopulation("out", (4,), neuron),
        ),
        (
            FixedProjection("in", "conv", Conv2d(weights(3, 2, 3, 3), (2, 6, 6))),
            FixedProjection("conv", "listed", listed),
            FixedProjection("listed", "out", Dense(weights(4, 8))),
        ),
        "out",
    )


def frames(seed: int = 0) -> np.ndarray:
    return (np.random.default_rng(seed).random((5, 3, 72)) < 0.3).astype(np.int32)


def fan_out(connection: Conv2d | Dense | Sparse) -> np.ndarray:
    """(n_pre,) weights that are not 0, by giving each source a spike of its own, in plain loops."""
    if isinstance(connection, Dense):
        return (connection.weight != 0).sum(0)
    if isinstance(connection, Sparse):
        return np.bincount(connection.indices[connection.weight != 0], minlength=connection.n_pre)
    c, h, w = connection.in_shape
    found = np.zeros((c, h, w), int)
    _, rows, columns = connection.out_shape
    for i in range(rows):
        for j in range(columns):
            found[:, i : i + 3, j : j + 3] += (connection.weight != 0).sum(0)
    return found.reshape(-1)


@needs
@pytest.mark.parametrize("schedule", [Schedule("layered", None), Schedule(F=4, order="momentum")], ids=["layered", "F"])
def test_operations_and_sparsities_are_those_that_follow_from_the_spikes(schedule: Schedule):
    from unlayered.neurobench import neurobench_numbers

    network, given = drawn(), frames()
    trace = simulate.run(network, Stimulus(given), schedule)
    found = neurobench_numbers(network, trace, given)
    conv, listed, dense = (p.connection for p in network.projections)
    spikes = trace.counts.sum(0)
    operations = given.sum((0, 1)) @ fan_out(conv) + spikes[:48] @ fan_out(listed) + spikes[48:56] @ fan_out(dense)
    assert spikes.sum() > 50
    assert found["effective_acs"] == pytest.approx(operations / 3) and found["effective_macs"] == 0
    assert found["dense"] == 5 * (3 * 16 * 18 + 48 * 8 + 8 * 4)
    assert found["activation_sparsity"] == pytest.approx(1 - spikes.sum() / (5 * 3 * 60))
    kept = [conv.weight, np.zeros(48 * 8 - listed.weight.size), listed.weight, dense.weight]
    zeros, all_of = sum(int((x == 0).sum()) for x in kept), sum(x.size for x in kept)
    assert found["connection_sparsity"] == pytest.approx(zeros / all_of, abs=1e-4)
    assert found["footprint_bytes"] == conv.weight.size + listed.weight.size + dense.weight.size, "a byte a weight"
    assert found["synapse_bytes"] is None


@needs
def test_counts_above_one_are_multiplied():
    from unlayered.neurobench import neurobench_numbers

    network, given = drawn(), 2 * frames()
    found = neurobench_numbers(network, simulate.run(network, Stimulus(given), Schedule("layered", None)), given)
    assert found["effective_macs"] == pytest.approx(
        (given > 0).sum((0, 1)) @ fan_out(network.projections[0].connection) / 3
    )


@needs
def test_a_map_says_what_its_synapses_take_on_the_chip(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    mapped = map_network(drawn(), find_chip("loihi2"))
    npz.save(mapped, Path("m.npz"))
    npz.save(Stimulus(frames()), Path("frames.npz"))
    run = ("run", "m.npz", "--on", "reference", "--data", "frames.npz", "--out", "a.npz", "--neurobench")
    done = call(*run, "--json")
    assert done.exit_code == 0, done.output
    found = json.loads(done.stdout)["neurobench"]
    assert mapped.chip is not None
    words = sum(core.synapse_words for core in utilization(mapped))
    assert found["synapse_bytes"] == words * mapped.chip.limits.synapse_word_bits // 8 > 0
    said = " ".join(call(*run).stdout.split())
    assert f"{found['synapse_bytes']:,} bytes of synapse memory" in said and "effective ACs" in said


def test_without_the_library_nothing_is_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("unlayered.neurobench.find_spec", lambda name: None)
    npz.save(drawn(), Path("n.npz"))
    npz.save(Stimulus(frames()), Path("frames.npz"))
    said = refused(2, "run", "n.npz", "--on", "reference", "--data", "frames.npz", "--out", "a.npz", "--neurobench")
    assert "pip install 'unlayered[neurobench]'" in " ".join(said.split()) and not Path("a.npz").exists()
