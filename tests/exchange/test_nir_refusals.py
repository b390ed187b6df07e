"""What a NIR file holds that nobody here can read is named: the node, the reason, the way out."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from exchange import nir
from exchange.chip_toml import CHIPS, load_chip
from exchange.graph.keys import ANY, PARAMETERS
from exchange.graph.nodes import NEURONS, read_graph
from ir.check import FormatError
from tests.exchange.nir_nodes import AFFINE, chain, lif, write_nodes
from unlayered.check import check_file


class TestRefusals:
    @pytest.mark.parametrize("kind", ["MaxPool2d", "NIRNode", "Sigma", "BatchNorm2d"])
    def test_an_unknown_primitive_is_named(self, tmp_path: Path, kind: str) -> None:
        path = write_nodes(tmp_path / "a.nir", *chain({"type": kind}, AFFINE, lif(3)))
        with pytest.raises(FormatError, match=f"{kind} 'n0'"):
            nir.read(path, "norse")

    @pytest.mark.parametrize("as_", nir.FRAMEWORKS)
    @pytest.mark.parametrize("kind", NEURONS)
    def test_each_framework_reads_a_neuron_or_names_it(self, tmp_path: Path, as_: str, kind: str) -> None:
        one = np.ones(3)
        neuron = {
            "type": kind, "tau": 0.01 * one, "tau_mem": 0.01 * one, "tau_syn": 0.02 * one, "r": one, "w_in": one,
            "v_leak": 0 * one, "v_threshold": one, "v_reset": 0 * one, "threshold": one,
        }  # fmt: skip
        neuron = {k: v for k, v in neuron.items() if k in ("type", *PARAMETERS[kind])}
        path = write_nodes(tmp_path / "a.nir", *chain(AFFINE, neuron))
        try:
            network = nir.read(path, as_)
        except FormatError as error:
            assert f"{kind} 'n1'" in str(error) and ";" in str(error)
        else:
            assert network.n_neurons == 3

    @pytest.mark.parametrize("kind", ["I", "LI", "CubaLI"])
    def test_a_membrane_sent_to_other_neurons_is_refused(self, tmp_path: Path, kind: str) -> None:
        one = np.ones(3)
        leaky = {"type": kind, "tau": one, "tau_mem": one, "tau_syn": one, "r": one, "w_in": one, "v_leak": 0 * one}
        path = write_nodes(tmp_path / "a.nir", *chain(AFFINE, leaky, AFFINE, lif(3)))
        with pytest.raises(FormatError, match=f"{kind} 'n1' sends its membrane"):
            nir.read(path, "norse")

    def test_a_step_longer_than_a_time_constant_is_refused(self, tmp_path: Path) -> None:
        path = write_nodes(tmp_path / "a.nir", *chain(AFFINE, lif(3)))
        with pytest.raises(FormatError, match="leak would be negative"):
            nir.read(path, "norse", 0.1)

    @pytest.mark.parametrize(
        ("changes", "words"),
        [
            ({"v_threshold": np.array([1.0, np.nan, 1.0])}, "nan at"),
            ({"v_threshold": -np.ones(3)}, "at least 0"),
            ({"tau": np.zeros(3)}, "shorter than dt"),
            ({"v_threshold": np.ones(4)}, "4 neurons"),
        ],
    )
    def test_bad_parameters_are_named(self, tmp_path: Path, changes: dict[str, Any], words: str) -> None:
        with pytest.raises(FormatError, match=words):
            nir.read(write_nodes(tmp_path / "a.nir", *chain(AFFINE, lif(3, **changes))), "norse")

    @pytest.mark.parametrize(("index", "key"), [(0, "scale"), (1, "refractory"), (1, "tau_syn")])
    def test_a_parameter_that_nir_does_not_define_is_named(self, tmp_path: Path, index: int, key: str) -> None:
        nodes, edges = chain(AFFINE, lif(3))
        nodes[f"n{index}"] = {**nodes[f"n{index}"], key: np.ones(3)}
        path = write_nodes(tmp_path / "a.nir", nodes, edges)
        with pytest.raises(FormatError, match=f"'n{index}' has '{key}', which NIR does not define"):
            nir.read(path, "norse")
        report = check_file(path, load_chip(CHIPS / "loihi2.toml"), "norse")
        assert [row.name for row in report.nodes if not row.ok] == [f"n{index}"]

    @pytest.mark.parametrize("address", ["note", "node/note"])
    def test_an_entry_beside_the_graph_is_named(self, tmp_path: Path, address: str) -> None:
        path = write_nodes(tmp_path / "a.nir", *chain(AFFINE, lif(3)))
        with h5py.File(path, "a") as file:
            file[address] = 1
        with pytest.raises(FormatError, match="'note', unknown here"):
            nir.read(path, "norse")

    def test_the_parameters_are_those_of_the_library(self) -> None:
        library = pytest.importorskip("nir", reason="the nir library is not installed here")
        for kind, keys in PARAMETERS.items():
            have = {f.name for f in fields(getattr(library, kind))} - {*ANY, "metadata"}
            assert have | ({"shape"} if kind in ("Input", "Output") else set()) == set(keys)

    def test_an_edge_to_nowhere_is_named(self, tmp_path: Path) -> None:
        nodes, edges = chain(AFFINE, lif(3))
        with pytest.raises(FormatError, match="'ghost'"):
            read_graph(write_nodes(tmp_path / "a.nir", nodes, [*edges, ("n0", "ghost")]))

    def test_a_huge_declared_array_is_refused_before_memory_is_taken(self, tmp_path: Path) -> None:
        path = write_nodes(tmp_path / "a.nir", *chain(AFFINE, lif(3)))
        with h5py.File(path, "a") as file:
            file["node/nodes/n0"].create_dataset("extra", (10**10,), "f8", chunks=(1 << 20,))
        with pytest.raises(FormatError, match="damaged or forged"):
            nir.read(path, "norse")

    @pytest.mark.parametrize("link", [h5py.ExternalLink("other.h5", "/"), h5py.SoftLink("/version")])
    def test_links_are_refused(self, tmp_path: Path, link: Any) -> None:
        path = write_nodes(tmp_path / "a.nir", *chain(AFFINE, lif(3)))
        with h5py.File(path, "a") as file:
            file["node/nodes/link"] = link
        with pytest.raises(FormatError, match="link to elsewhere"):
            nir.read(path, "norse")


IF = {"type": "IF", "r": np.ones(1), "v_threshold": np.ones(1)}
CONV = {"type": "Conv2d", "weight": np.ones((1, 1, 2, 2)), "bias": np.zeros(1), "stride": 1, "padding": 0, "groups": 1}


def image(input_shape: Any) -> tuple[dict[str, dict[str, Any]], list[tuple[str, str]]]:
    nodes, edges = chain({**CONV, "input_shape": np.array(input_shape)}, IF)
    ends = {"input": {"type": "Input", "shape": np.array([1, 4, 4])}}
    return {**nodes, **ends, "output": {"type": "Output", "shape": np.array([1, 1, 3, 3])}}, edges


class TestShapesThatContradict:
    def test_a_convolution_of_another_image_is_refused(self, tmp_path: Path) -> None:
        with pytest.raises(FormatError, match=r"Conv2d 'n0' has input_shape \(5, 4\), what comes in has shape"):
            nir.read(write_nodes(tmp_path / "a.nir", *image([5, 4])), "norse")

    @pytest.mark.parametrize("sides", [[4, 4], [1, 4, 4], [0, 0]])
    def test_one_that_fits_or_is_left_open_is_read(self, tmp_path: Path, sides: list[int]) -> None:
        assert nir.read(write_nodes(tmp_path / "a.nir", *image(sides)), "norse").populations[0].shape == (1, 3, 3)

    def test_an_empty_list_of_edges_is_empty(self, tmp_path: Path) -> None:
        nodes, _ = chain(lif(3))
        with pytest.raises(FormatError, match="Outputs with an edge into them: none"):
            nir.read(write_nodes(tmp_path / "a.nir", nodes, []), "norse")

    @pytest.mark.parametrize("dt", [0.0, -1.0, float("nan"), float("inf")])
    def test_a_time_step_lasts(self, tmp_path: Path, dt: float) -> None:
        with pytest.raises(FormatError, match=r"dt_s is .* give seconds, more than 0"):
            nir.read(write_nodes(tmp_path / "a.nir", *chain(lif(3))), "norse", dt)

    def test_a_delay_longer_than_any_chip_has_says_so(self, tmp_path: Path) -> None:
        with pytest.raises(FormatError, match=r"is 1e\+12 steps of 0.001 s, at most 1048576"):
            nir.read(write_nodes(tmp_path / "a.nir", *chain({"type": "Delay", "delay": 1e9}, lif(3))), "norse")
