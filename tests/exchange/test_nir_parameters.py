"""Parameters of NIR nodes: what float32 rounded, what is infinite, axes too many, and sentences that name both."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from exchange import nir
from exchange.graph.nodes import Node
from exchange.graph.sources import share_of, time_constant
from ir.check import FormatError
from ir.connection import apply
from ir.network import Network
from ir.quantized import QuantizedNetwork
from tests.exchange.nir_nodes import AFFINE, chain, lif, write_nodes

ONE = np.ones(3)
DTS = (1e-4, 1e-3, 2e-4, 5e-4, 1e-5, 3e-3)


def cuba(**changes: Any) -> dict[str, Any]:
    return {
        "type": "CubaLIF", "tau_mem": 5e-3 * ONE, "tau_syn": 5e-3 * ONE, "r": ONE, "v_leak": 0 * ONE,
        "v_threshold": ONE, "w_in": ONE, **changes,
    }  # fmt: skip


def read(path: Path, neuron: dict[str, Any], as_: str, dt_s: float) -> Any:
    return nir.read(write_nodes(path, *chain(AFFINE, neuron)), as_, dt_s)


class TestTimeConstantsThatEqualTheTimeStep:
    @pytest.mark.parametrize("dt", DTS)
    @pytest.mark.parametrize("as_", ["norse", "snntorch", "spikingjelly", "lava-dl"])
    def test_a_float32_time_constant_of_one_step_leaves_nothing(self, tmp_path: Path, as_: str, dt: float) -> None:
        neuron = lif(3, tau=np.full(3, dt, np.float32), r=ONE)
        network = read(tmp_path / "a.nir", neuron, as_, dt)
        if isinstance(network, QuantizedNetwork):
            assert (np.asarray(network.populations[0].neuron.decay_v) == 4096).all()
        else:
            assert (network.populations[0].neuron.leak_v(dt) == 0).all()
            assert np.array_equal(network.projections[0].connection.weight, np.eye(3))

    @pytest.mark.parametrize("dt", DTS)
    @pytest.mark.parametrize("key", ["tau_mem", "tau_syn"])
    def test_so_does_one_of_a_synaptic_current(self, tmp_path: Path, dt: float, key: str) -> None:
        network = read(tmp_path / "a.nir", cuba(**{key: np.full(3, dt, np.float32)}), "norse", dt)
        neuron = network.populations[0].neuron
        assert ((neuron.leak_v(dt) if key == "tau_mem" else neuron.leak_u(dt)) == 0).all()

    @pytest.mark.parametrize(("neuron", "key"), [(lif(3), "tau"), (cuba(), "tau_mem"), (cuba(), "tau_syn")])
    def test_a_shorter_one_is_refused_by_name(self, tmp_path: Path, neuron: dict[str, Any], key: str) -> None:
        with pytest.raises(FormatError, match=rf"{neuron['type']} 'n1': .* {key} = 0\.0009.* s, shorter than dt"):
            read(tmp_path / "a.nir", {**neuron, key: 0.00099 * ONE}, "norse", 1e-3)


class TestInfiniteTimeConstants:
    @pytest.mark.parametrize("as_", ["norse", "snntorch", "spikingjelly", "sinabs", "lava-dl"])
    def test_an_infinite_one_is_no_leak(self, tmp_path: Path, as_: str) -> None:
        neuron = lif(3, tau=np.full(3, np.inf), r=np.full(3, np.inf))
        network = read(tmp_path / "a.nir", neuron, as_, 1e-3)
        if isinstance(network, QuantizedNetwork):
            assert not np.asarray(network.populations[0].neuron.decay_v).any()
        else:
            assert (network.populations[0].neuron.leak_v(1e-3) == 1).all()

    @pytest.mark.parametrize("as_", ["norse", "snntorch", "spikingjelly"])
    def test_so_is_one_of_a_synaptic_current(self, tmp_path: Path, as_: str) -> None:
        neuron = cuba(tau_syn=np.inf * ONE, w_in=np.inf * ONE, r=5 * ONE)
        network = read(tmp_path / "a.nir", neuron, as_, 1e-3)
        assert isinstance(network, Network)
        assert (network.populations[0].neuron.leak_u(1e-3) == 1).all()
        assert np.array_equal(network.projections[0].connection.weight, np.eye(3))

    def test_some_neurons_may_leak_and_others_not(self, tmp_path: Path) -> None:
        neuron = lif(3, tau=np.array([np.inf, 0.01, 0.002]))
        network = read(tmp_path / "a.nir", neuron, "norse", 1e-3)
        assert np.allclose(network.populations[0].neuron.leak_v(1e-3), [1, 0.9, 0.5])
        assert np.allclose(apply(network.projections[0].connection, ONE), [0, 0.1, 0.5])

    def test_where_nothing_could_arrive_it_says_so(self, tmp_path: Path) -> None:
        with pytest.raises(FormatError, match=r"LIF 'n1': snnTorch divides .* r \* dt / tau"):
            read(tmp_path / "a.nir", lif(3, tau=np.inf * ONE), "snntorch", 1e-3)
        with pytest.raises(FormatError, match="rockpool takes dt from tau_mem"):
            read(tmp_path / "a.nir", cuba(tau_mem=np.inf * ONE), "rockpool", 1e-3)
        with pytest.raises(FormatError, match="infinite w_in"):
            read(tmp_path / "a.nir", cuba(w_in=np.inf * ONE), "norse", 1e-3)

    def test_a_negative_infinite_one_is_refused(self, tmp_path: Path) -> None:
        with pytest.raises(FormatError, match="tau of LIF 'n1' holds -inf"):
            read(tmp_path / "a.nir", lif(3, tau=-np.inf * ONE), "norse", 1e-3)


class TestBatchAxes:
    CONV = {  # noqa: RUF012
        "type": "Conv2d", "weight": np.ones((2, 1, 2, 2)), "bias": np.zeros(2), "stride": 1, "padding": 0,
        "dilation": 1, "groups": 1,
    }  # fmt: skip

    @pytest.mark.parametrize("shape", [(1, 4, 4), (1, 1, 4, 4)])
    @pytest.mark.parametrize(
        ("declared", "start"), [((2, 3, 3), 0), ((1, 2, 3, 3), 0), ((1, 2, 3, 3), 1), ((1, 2, 3, 3), -3)]
    )
    def test_one_left_in_the_input_or_in_flatten_changes_nothing(
        self, tmp_path: Path, shape: tuple[int, ...], declared: tuple[int, ...], start: int
    ) -> None:
        flatten = {"type": "Flatten", "start_dim": start, "end_dim": -1, "input_type": np.array(declared)}
        nodes, edges = chain(self.CONV, flatten, {"type": "Linear", "weight": np.ones((3, 18))}, lif(3))
        nodes["input"]["shape"] = np.array(shape)
        network = nir.read(write_nodes(tmp_path / "a.nir", nodes, edges), "norse")
        assert network.inputs[0].n == 16 and network.projections[0].connection.n_pre == 16
        assert np.allclose(apply(network.projections[0].connection, np.ones(16)), 72 * 0.2)

    @pytest.mark.parametrize(("start", "end"), [(1, -1), (1, 1), (0, -1)])
    def test_a_flat_value_may_be_flattened_again(self, tmp_path: Path, start: int, end: int) -> None:
        flatten = {"type": "Flatten", "start_dim": start, "end_dim": end, "input_type": np.array([1, 3])}
        network = nir.read(write_nodes(tmp_path / "a.nir", *chain(flatten, AFFINE, lif(3))), "norse")
        assert network.populations[0].shape == (3,)

    def test_a_batch_of_several_is_refused(self, tmp_path: Path) -> None:
        nodes, edges = chain(self.CONV, lif(18))
        nodes["input"]["shape"] = np.array([8, 1, 4, 4])
        with pytest.raises(FormatError, match=r"Conv2d 'n0' needs \(channels, height, width\)"):
            nir.read(write_nodes(tmp_path / "a.nir", nodes, edges), "norse")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"v_threshold": np.array([1.0, np.nan, 1.0])}, "v_threshold of LIF 'n1' holds nan"),
        ({"v_threshold": -ONE}, "LIF 'n1': .*v_threshold = -1 .*at least 0"),
        ({"tau": 0 * ONE}, "LIF 'n1': .*tau = 0.0 s, shorter than dt"),
        ({"r": np.ones(4)}, r"r of LIF 'n1' has shape \(4,\)"),
        ({"v_leak": ONE}, "LIF 'n1': .*v_leak other than 0"),
        ({"v_threshold": np.array("high", dtype="S4")}, "LIF 'n1' needs numbers named 'v_threshold'"),
        ({"tau": ONE.astype(complex)}, "n1/tau has type complex128"),
    ],
)
def test_sentences_name_the_node_and_the_parameter(tmp_path: Path, changes: dict[str, Any], words: str) -> None:
    with pytest.raises(FormatError, match=words):
        nir.read(write_nodes(tmp_path / "a.nir", *chain(AFFINE, lif(3, **changes))), "norse")


@pytest.mark.parametrize(
    ("node", "words"),
    [
        ({**AFFINE, "bias": np.ones(4)}, r"the bias of Affine 'n0' has shape \(4,\)"),
        ({**AFFINE, "weight": np.ones((3, 4))}, r"the weight of Affine 'n0' has shape \(3, 4\)"),
        ({"type": "Scale", "scale": np.ones(4)}, r"the scale of Scale 'n0' has shape \(4,\)"),
        ({"type": "Delay", "delay": -ONE}, "delay of Delay 'n0' has 3 values, the least -1 s"),
        ({"type": "Flatten", "start_dim": 2, "end_dim": 5}, "Flatten 'n0' flattens axes 2..5"),
        ({**TestBatchAxes.CONV, "stride": 0}, "Conv2d 'n0'"),
        ({**TestBatchAxes.CONV, "groups": -1}, "Conv2d 'n0'"),
        ({**TestBatchAxes.CONV, "padding": "sane"}, "Conv2d 'n0' has padding 'sane'"),
    ],
)
def test_so_do_those_about_maps(tmp_path: Path, node: dict[str, Any], words: str) -> None:
    nodes, edges = chain(node, lif(3))
    if node["type"] == "Conv2d":
        nodes["input"]["shape"] = np.array([1, 4, 4])
    with pytest.raises(FormatError, match=words):
        nir.read(write_nodes(tmp_path / "a.nir", nodes, edges), "norse")


def test_a_time_constant_is_kept_bit_for_bit_beside_the_step() -> None:

    node = Node("a", "LIF", {"tau": np.array([1e-3, 2e-3], np.float64), "r": np.array([2.0, 4.0])}, {})
    tau = time_constant(node, "tau", 1e-3)
    assert tau.tolist() == [1e-3, 2e-3] and share_of(node, "r", tau, 1e-3) == 2
