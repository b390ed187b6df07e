"""Graphs inside graphs, as releases of nir and the frameworks write them, are the flat graph."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from exchange import nir
from exchange.graph.nodes import read_graph
from ir.check import FormatError
from ir.network import Network
from tests.exchange.drawn import same
from tests.exchange.nir_nodes import AFFINE, chain, lif, write_nodes

Nodes = dict[str, dict[str, Any]]
Edges = list[tuple[str, str]]

RECURRENT = {"type": "Linear", "weight": np.full((3, 3), 0.25)}
ENDS = {"input": {"type": "Input", "shape": np.array([3])}, "output": {"type": "Output", "shape": np.array([3])}}


def flat() -> tuple[Nodes, Edges]:
    """input -> fc -> lif1 (recurrent) -> fc2 -> lif2 -> output, as nirtorch flattens it."""
    nodes = {**ENDS, "fc": AFFINE, "lif1.lif": lif(3), "lif1.w_rec": RECURRENT, "fc2": AFFINE, "lif2": lif(3)}
    edges = [("input", "fc"), ("fc", "lif1.lif"), ("lif1.lif", "lif1.w_rec"), ("lif1.w_rec", "lif1.lif")]
    return nodes, [*edges, ("lif1.lif", "fc2"), ("fc2", "lif2"), ("lif2", "output")]


def nested(into: str, out_of: str, prefix: str = "", edge_prefix: str = "") -> tuple[Nodes, Edges]:
    """The same with a subgraph ``lif1``; nodes and edges inside may repeat its name."""
    inside = {**ENDS, "lif": lif(3), "w_rec": RECURRENT}
    edges = [("input", "lif"), ("lif", "w_rec"), ("w_rec", "lif"), ("lif", "output")]
    inner = {
        "type": "NIRGraph",
        "nodes": {prefix + name: node for name, node in inside.items()},
        "edges": [(edge_prefix + a, edge_prefix + b) for a, b in edges],
    }
    nodes = {**ENDS, "fc": AFFINE, "lif1": inner, "fc2": AFFINE, "lif2": lif(3)}
    return nodes, [("input", "fc"), ("fc", into), (out_of, "fc2"), ("fc2", "lif2"), ("lif2", "output")]


def read(path: Path, nodes: Nodes, edges: Edges) -> Network:
    network = nir.read(write_nodes(path, nodes, edges), "norse")
    assert isinstance(network, Network)
    return network


@pytest.mark.parametrize(("prefix", "edge_prefix"), [("", ""), ("lif1.", "lif1."), ("lif1.", ""), ("", "lif1.")])
@pytest.mark.parametrize("into", ["lif1", "lif1.input", "lif1.lif"])
@pytest.mark.parametrize("out_of", ["lif1", "lif1.output", "lif1.lif"])
def test_a_subgraph_is_named_as_a_whole_or_node_by_node(
    tmp_path: Path, into: str, out_of: str, prefix: str, edge_prefix: str
) -> None:
    wanted = read(tmp_path / "flat.nir", *flat())
    found = read(tmp_path / "nested.nir", *nested(into, out_of, prefix, edge_prefix))
    assert [p.name for p in found.populations] == ["lif1.lif", "lif2"]
    assert same(found.populations, wanted.populations) and found.output == wanted.output
    assert {(e.pre, e.post) for e in found.projections} == {(e.pre, e.post) for e in wanted.projections}
    by_ends = {(e.pre, e.post): e.connection for e in wanted.projections}
    assert all(same(e.connection, by_ends[e.pre, e.post]) for e in found.projections)


def test_inputs_and_outputs_that_a_writer_left_inside_a_flat_graph_pass_on(tmp_path: Path) -> None:
    nodes, edges = flat()
    nodes |= {"lif1.input": ENDS["input"], "lif1.output": ENDS["output"]}
    edges = [e for e in edges if e not in (("fc", "lif1.lif"), ("lif1.lif", "fc2"))]
    edges += [("fc", "lif1.input"), ("lif1.input", "lif1.lif"), ("lif1.lif", "lif1.output"), ("lif1.output", "fc2")]
    found, wanted = read(tmp_path / "a.nir", nodes, edges), read(tmp_path / "b.nir", *flat())
    assert [i.name for i in found.inputs] == ["input"] and found.output == "lif2"
    assert len(found.projections) == len(wanted.projections)


@pytest.mark.parametrize("levels", [1, 2, 5])
def test_graphs_in_graphs_in_graphs_open_at_any_level(tmp_path: Path, levels: int) -> None:
    nodes, edges = chain(AFFINE, lif(3))
    for _ in range(levels):
        nodes, edges = chain({"type": "NIRGraph", "nodes": nodes, "edges": edges})
    network = read(tmp_path / "a.nir", nodes, edges)
    assert network.output == "n0." * levels + "n1" and len(network.projections) == 1


def test_a_map_before_an_inner_output_is_not_lost(tmp_path: Path) -> None:
    nodes, edges = chain(AFFINE, lif(3), {**AFFINE, "weight": 2 * np.eye(3)})
    network = read(tmp_path / "a.nir", *chain({"type": "NIRGraph", "nodes": nodes, "edges": edges}))
    assert network.output == "readout"
    assert np.array_equal(network.projections[-1].connection.weight, 2 * np.eye(3))


def test_a_file_of_the_nir_library_with_a_graph_inside_is_read(tmp_path: Path) -> None:
    library = pytest.importorskip("nir")
    one = np.ones(3)
    neuron = library.LIF(tau=5e-3 * one, r=one, v_leak=0 * one, v_threshold=one, v_reset=0 * one)
    inner = library.NIRGraph.from_list(library.Affine(np.eye(3), 0 * one), neuron)
    library.write(tmp_path / "a.nir", library.NIRGraph.from_list(inner, library.Affine(np.eye(3), 0 * one), neuron))
    network = nir.read(tmp_path / "a.nir", "norse")
    assert [p.name for p in network.populations] == ["nirgraph.lif", "lif"]


class TestRefusals:
    def test_two_nodes_that_open_to_one_name_are_refused(self, tmp_path: Path) -> None:
        nodes, edges = nested("lif1", "lif1")
        nodes["lif1.lif"] = lif(3)
        with pytest.raises(FormatError, match=r"two nodes are named 'lif1\.lif'"):
            read_graph(write_nodes(tmp_path / "a.nir", nodes, edges))

    def test_a_subgraph_with_two_inputs_must_be_named_by_one(self, tmp_path: Path) -> None:
        nodes, edges = nested("lif1", "lif1")
        nodes["lif1"]["nodes"]["second"] = ENDS["input"]
        nodes["lif1"]["edges"].append(("second", "lif"))
        with pytest.raises(FormatError, match="subgraph 'lif1' has 2 Input nodes"):
            read_graph(write_nodes(tmp_path / "a.nir", nodes, edges))

    def test_an_edge_to_a_node_that_no_subgraph_holds_is_named(self, tmp_path: Path) -> None:
        with pytest.raises(FormatError, match=r"'lif1\.ghost', which is no node"):
            read_graph(write_nodes(tmp_path / "a.nir", *nested("lif1.ghost", "lif1")))

    def test_a_map_that_nothing_leads_to_is_named(self, tmp_path: Path) -> None:
        nodes, edges = chain(AFFINE, lif(3))
        nodes["loose"] = {**AFFINE, "bias": np.ones(3)}
        with pytest.raises(FormatError, match="nothing leads to Affine 'loose'"):
            nir.read(write_nodes(tmp_path / "a.nir", nodes, [*edges, ("loose", "n1")]), "norse")

    def test_maps_that_feed_each_other_are_named(self, tmp_path: Path) -> None:
        nodes, edges = chain(AFFINE, AFFINE, lif(3))
        with pytest.raises(FormatError, match=r"'n[01]' feeds itself without a neuron between"):
            nir.read(write_nodes(tmp_path / "a.nir", nodes, [*edges, ("n1", "n0")]), "norse")
