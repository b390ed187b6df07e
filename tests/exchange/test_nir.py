"""NIR files: what comes in has its framework's spikes, what goes out comes back."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from hypothesis import given, reject, settings

from exchange import nir
from exchange.chip_toml import CHIPS, load_chip
from exchange.graph.sources import reaching
from ir.check import FormatError
from ir.connection import Conv2d, Dense
from ir.network import Input, Network, Population, Projection
from ir.neurons import LIF
from ir.quantized import QuantizedNetwork
from ir.stimulus import Stimulus
from mapper.quantize import quantize
from tests.exchange.drawn import example, float_networks, same
from tests.exchange.nir_nodes import AFFINE, chain, lif, write_nodes
from tests.interop.layered import run
from tests.strategies import Draw, networks
from trainer.execute import run as run_engine

QUICK = settings(max_examples=60, deadline=None)


def write_if_it_fits(network: Network | QuantizedNetwork, path: Path) -> None:
    """Write; where a convolution brings biases of currents that differ within a channel, hold the refusal instead."""
    uneven = any(
        isinstance(e.connection, Conv2d) and not even_in_channels(p.neuron.bias_u, e.connection)
        for p in network.populations
        for e in [e for e in network.projections if e.post == p.name][:1]
    )
    if not uneven:
        return nir.write(network, path)
    with pytest.raises(ValueError, match=r"biases of currents \(bias_u\) that differ within a channel"):
        nir.write(network, path)
    reject()


def even_in_channels(bias: Any, conv: Conv2d) -> bool:
    return bias is None or all(
        len(set(c)) == 1 for c in np.broadcast_to(bias, conv.n_post).reshape(len(conv.weight), -1)
    )


class TestRoundTrip:
    @QUICK
    @given(float_networks())
    def test_a_float_network_comes_back_bit_for_bit(self, network: Network) -> None:
        path = TEMPORARY / "float.nir"
        write_if_it_fits(network, path)
        assert same(nir.read(path), network)

    @QUICK
    @given(networks(Draw(extremes=True, asynchronous=False, late=True)))
    def test_an_integer_network_comes_back_bit_for_bit(self, network: QuantizedNetwork) -> None:
        path = TEMPORARY / "fixed.nir"
        write_if_it_fits(network, path)
        assert same(nir.read(path), network)

    def test_other_readers_find_the_bias_of_a_current_before_the_neuron(self, tmp_path: Path) -> None:
        neuron = LIF(5e-3, 1.0, tau_syn_s=2e-3, discretization="euler", bias_u=np.array([0.5, -0.25]))
        edge = Projection("in", "a", Dense(np.ones((2, 3))))
        nir.write(Network((Input("in", (3,)),), (Population("a", (2,), neuron),), (edge,), "a"), tmp_path / "a.nir")
        (found,) = nir.read(tmp_path / "a.nir", "norse", 1e-3).populations
        assert isinstance(found.neuron, LIF) and np.allclose(found.neuron.bias_u, [0.5, -0.25])
        with h5py.File(tmp_path / "a.nir", "a") as file:
            file["node/nodes/projection_0/bias"][0] = 7
        with pytest.raises(FormatError, match="was changed after unlayered wrote it"):
            nir.read(tmp_path / "a.nir")

    def test_the_nir_library_reads_what_we_write(self, tmp_path: Path) -> None:
        library = pytest.importorskip("nir")
        nir.write(nir.read(example("models", "nir", "cnn_sinabs.nir"), "norse"), tmp_path / "a.nir")
        graph = library.read(tmp_path / "a.nir")
        kinds = {type(node).__name__ for node in graph.nodes.values()}
        assert {"Input", "Conv2d", "IF", "Linear", "Flatten", "Output"} <= kinds

    def test_without_the_metadata_norse_would_still_give_our_spikes(self, tmp_path: Path) -> None:
        network = nir.read(example("models", "nir", "braille_noDelay_noBias_subtract.nir"), "norse", 1e-4)
        nir.write(network, tmp_path / "a.nir")
        frames = bernoulli(64, network.n_inputs)
        again = nir.read(tmp_path / "a.nir", "norse", 1e-4)
        assert isinstance(network, Network) and isinstance(again, Network)
        assert np.array_equal(run(network, frames)[network.output], run(again, frames)[again.output])

    def test_a_file_changed_by_hand_is_not_taken_for_the_original(self, tmp_path: Path) -> None:
        nir.write(nir.read(example("models", "nir", "cnn_sinabs.nir"), "norse"), tmp_path / "a.nir")
        with h5py.File(tmp_path / "a.nir", "a") as file:
            file["node/nodes/12/v_threshold"][...] = 2.0
        with pytest.raises(FormatError, match="'12' was changed"):
            nir.read(tmp_path / "a.nir")


def bernoulli(steps: int, n: int) -> np.ndarray:
    return (np.random.default_rng(0).random((steps, n)) < 0.15).astype(np.float32)[:, None]


class TestFrameworks:
    def test_braille_as_norse_gives_norses_631_spikes(self) -> None:
        network = nir.read(example("models", "nir", "braille_noDelay_bias_zero.nir"), "norse", 1e-4)
        assert isinstance(network, Network)
        assert run(network, bernoulli(256, 12))[network.output].sum() == 631

    def test_braille_as_spikingjelly_gives_the_same_spikes_as_norse(self) -> None:
        path = example("models", "nir", "braille_noDelay_bias_zero.nir")
        outputs = []
        for as_ in ("norse", "spikingjelly"):
            network = nir.read(path, as_, 1e-4)
            assert isinstance(network, Network)
            outputs.append(run(network, bernoulli(256, 12))[network.output])
        assert np.array_equal(*outputs)

    @pytest.mark.parametrize(("as_", "spikes", "label"), [("sinabs", 1727, 0), ("norse", 3, 6)])
    def test_the_convolutional_net_answers_as_each_framework_does(self, as_: str, spikes: int, label: int) -> None:
        network = nir.read(example("models", "nir", "cnn_sinabs.nir"), as_)
        frames = np.load(example("models", "nir", "cnn_sinabs_sample.npy")).reshape(10, 1, -1)
        assert isinstance(network, Network)
        counts = run(network, frames)[network.output].sum((0, 1))
        assert (counts.sum(), counts.argmax()) == (spikes, label)

    def test_lava_dl_makes_even_integers(self) -> None:
        network = nir.read(example("models", "nir", "braille_noDelay_noBias_subtract.nir"), "lava-dl", 1e-4)
        assert isinstance(network, QuantizedNetwork)
        assert all(not (e.connection.weight % 2).any() for e in network.projections)

    def test_without_a_framework_it_asks_for_one(self) -> None:
        with pytest.raises(FormatError, match=r"--as norse\|snntorch"):
            nir.read(example("models", "nir", "cnn_sinabs.nir"))


class TestGraphs:
    def test_subgraphs_open_and_give_the_flat_graphs_network(self, tmp_path: Path) -> None:
        nodes, edges = chain(AFFINE, lif(3))
        flat = nir.read(write_nodes(tmp_path / "flat.nir", nodes, edges), "norse")
        inner, inner_edges = chain(AFFINE, lif(3))
        outer, outer_edges = chain({"type": "NIRGraph", "nodes": inner, "edges": inner_edges})
        nested = nir.read(write_nodes(tmp_path / "nested.nir", outer, outer_edges), "norse")
        assert isinstance(flat, Network) and isinstance(nested, Network)
        assert nested.output == "n0.n1"
        assert same(nested.projections[0].connection, flat.projections[0].connection)

    def test_a_subgraph_inside_itself_is_refused(self, tmp_path: Path) -> None:
        path = write_nodes(tmp_path / "a.nir", *chain(AFFINE, lif(3)))
        with h5py.File(path, "a") as file:
            file["node/nodes/again"] = file["node"]
        with pytest.raises(FormatError, match="inside itself"):
            nir.read(path, "norse")

    def test_a_linear_readout_becomes_a_membrane(self, tmp_path: Path) -> None:
        network = nir.read(write_nodes(tmp_path / "a.nir", *chain(AFFINE, lif(3), AFFINE)), "norse")
        assert network.output == "readout" and network.populations[-1].neuron.v_threshold is None

    def test_a_delay_becomes_delay_steps(self, tmp_path: Path) -> None:
        delay = {"type": "Delay", "delay": np.array([0.0, 1e-3, 3e-3])}
        network = nir.read(write_nodes(tmp_path / "a.nir", *chain(delay, AFFINE, lif(3))), "norse", 1e-3)
        assert np.asarray(network.projections[0].delay_steps).tolist() == [0, 1, 3]

    def test_a_shared_bias_counts_once(self, tmp_path: Path) -> None:
        nodes, _ = chain({**AFFINE, "bias": np.ones(3)}, lif(3))
        nodes["second"] = nodes["input"]
        edges = [("input", "n0"), ("second", "n0"), ("n0", "n1"), ("n1", "output")]
        network = nir.read(write_nodes(tmp_path / "a.nir", nodes, edges), "norse", 1e-3)
        assert len(network.inputs) == 2 and np.allclose(np.asarray(network.populations[0].neuron.bias), 0.2)

    def test_scale_and_threshold_are_read(self, tmp_path: Path) -> None:
        nodes = chain(
            AFFINE, {"type": "Scale", "scale": np.arange(3.0)}, {"type": "Threshold", "threshold": np.ones(3)}
        )
        network = nir.read(write_nodes(tmp_path / "a.nir", *nodes), "norse")
        assert np.array_equal(network.projections[0].connection.weight, np.diag(np.arange(3.0)))

    def test_conv1d_becomes_a_flat_convolution(self, tmp_path: Path) -> None:
        conv = {
            "type": "Conv1d",
            "weight": np.ones((2, 1, 3)),
            "bias": np.zeros(2),
            "stride": 1,
            "padding": 1,
            "dilation": 1,
            "groups": 1,
        }
        nodes, edges = chain(conv, lif(10))
        nodes["input"]["shape"] = np.array([1, 5])
        network = nir.read(write_nodes(tmp_path / "a.nir", nodes, edges), "norse")
        assert network.populations[0].shape == (2, 5)


def test_an_exceeded_threshold_from_below_is_one_that_is_reached() -> None:
    v = np.array([0.5, 1.0, 1.5], np.float32)
    assert (v > reaching(np.array(1.0))).tolist() == [False, True, True]


def test_a_neuron_that_fires_several_times_needs_subtraction() -> None:
    with pytest.raises(ValueError, match="multi_spike"):
        LIF(multi_spike=True)


def test_networks_of_one_neuron_are_written(tmp_path: Path) -> None:
    one = np.ones((1, 1))
    network = Network((Input("i", (1,)),), (Population("p", (1,)),), (Projection("i", "p", Dense(one)),), "p")
    nir.write(network, tmp_path / "a.nir")
    assert same(nir.read(tmp_path / "a.nir"), network)


@pytest.fixture(autouse=True, scope="module")
def temporary_folder(tmp_path_factory: pytest.TempPathFactory) -> None:
    global TEMPORARY
    TEMPORARY = tmp_path_factory.mktemp("nir")


TEMPORARY = Path()


class TestSeveralSpikesInOneTimeStep:
    def test_the_trainers_engine_gives_sinabs_1727_spikes(self) -> None:
        network = nir.read(example("models", "nir", "cnn_sinabs.nir"), "sinabs")
        frames = np.load(example("models", "nir", "cnn_sinabs_sample.npy")).reshape(10, 1, -1)
        trace = run_engine(network, Stimulus(frames.astype(np.int32)))
        assert trace.counts[:, trace.population_slice(trace.output)].sum() == 1727

    def test_no_chip_takes_them(self) -> None:
        network = nir.read(example("models", "nir", "cnn_sinabs.nir"), "sinabs")
        assert isinstance(network, Network)
        with pytest.raises(ValueError, match="fires several times"):
            quantize(network, load_chip(CHIPS / "loihi2.toml"))
