"""NIR graphs changed at random, and long or tangled ones: a network or one sentence, in linear time."""

from __future__ import annotations

import os
import time
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from exchange import nir
from exchange.graph.nodes import LINEAR, NEURONS
from ir.check import FormatError
from ir.compose import dense_weight
from tests.exchange.nir_nodes import AFFINE, chain, lif, write_nodes

DRAWS = int(os.environ.get("UNLAYERED_DRAWS", "200"))

Nodes = dict[str, dict[str, Any]]
Edges = list[tuple[str, str]]

ONE = np.ones(3)
CONV = {
    "type": "Conv2d", "weight": np.ones((2, 1, 2, 2)), "bias": np.zeros(2), "stride": 1, "padding": 0, "dilation": 1,
    "groups": 1, "input_shape": np.array([4, 4]),
}  # fmt: skip
POOL = {"type": "AvgPool2d", "kernel_size": np.array([2, 2]), "stride": np.array([1, 1]), "padding": np.array([0, 0])}
FLAT = {"type": "Flatten", "start_dim": 0, "end_dim": -1, "input_type": np.array([2, 2, 2])}
CUBA = {
    "type": "CubaLIF", "tau_mem": 5e-3 * ONE, "tau_syn": 5e-3 * ONE, "r": ONE, "v_leak": 0 * ONE, "v_threshold": ONE,
    "w_in": ONE,
}  # fmt: skip
KEYS = (
    "weight", "bias", "stride", "padding", "dilation", "groups", "kernel_size", "start_dim", "end_dim", "input_type",
    "tau", "tau_mem", "tau_syn", "r", "w_in", "v_leak", "v_threshold", "v_reset", "threshold", "scale", "delay",
    "shape", "input_shape",
)  # fmt: skip
VALUES = (
    0, 1, -1, 2**62, -(2**63), 0.5, np.nan, np.inf, 1e-30, "same", "é", np.zeros(0), np.zeros((0, 3)), np.ones(4),
    np.ones((3, 3)), np.ones((1, 3)), np.full(3, 2**40), np.full(3, np.inf), np.array([True, False, True]),
    np.full(2, 70000), np.ones((1, 1, 1, 1, 1)), np.array([1, 4, 4]), np.float32(1e-4), {"input": np.ones(3)},
)  # fmt: skip


@st.composite
def damaged_graphs(draw: st.DrawFn) -> tuple[Nodes, Edges]:
    """A flat, convolutional, recurrent or nested graph with some parameters, kinds and edges changed."""
    nodes, edges = draw(st.sampled_from([_flat, _image, _recurrent, _nested]))()
    for _ in range(draw(st.integers(1, 3))):
        name = draw(st.sampled_from(list(nodes)))
        what = draw(st.sampled_from(["value", "value", "value", "without", "kind", "edge", "cut"]))
        if what == "value":
            known = [k for k in nodes[name] if k in KEYS]
            key = draw(st.sampled_from(known or KEYS) | st.sampled_from(KEYS))
            nodes[name] = {**nodes[name], key: draw(st.sampled_from(VALUES))}
        elif what == "without":
            nodes[name] = {k: v for k, v in nodes[name].items() if k == "type" or draw(st.booleans())}
        elif what == "kind":
            kinds = ("Input", "Output", "NIRGraph", "Identity", "Relu", "Map", "Reshape", *NEURONS, *LINEAR)
            nodes[name] = {**nodes[name], "type": draw(st.sampled_from(kinds))}
        elif what == "edge":
            edges.append((draw(st.sampled_from(list(nodes))), draw(st.sampled_from(list(nodes)))))
        elif edges:
            edges.pop(draw(st.integers(0, len(edges) - 1)))
    return nodes, edges


def _flat() -> tuple[Nodes, Edges]:
    delay = {"type": "Delay", "delay": np.array([0.0, 1e-3, 2e-3])}
    return chain(delay, AFFINE, lif(3), {"type": "Scale", "scale": ONE}, {"type": "Linear", "weight": np.eye(3)}, CUBA)


def _image() -> tuple[Nodes, Edges]:
    nodes, edges = chain(CONV, POOL, FLAT, {"type": "Affine", "weight": np.ones((3, 8)), "bias": ONE}, lif(3))
    nodes["input"]["shape"] = np.array([1, 4, 4])
    return nodes, edges


def _recurrent() -> tuple[Nodes, Edges]:
    nodes, edges = chain(AFFINE, lif(3), AFFINE, lif(3))
    nodes["back"] = {**AFFINE, "bias": ONE}
    return nodes, [*edges, ("n1", "back"), ("back", "n1")]


def _nested() -> tuple[Nodes, Edges]:
    inner, inner_edges = _recurrent()
    return chain({"type": "NIRGraph", "nodes": inner, "edges": inner_edges}, AFFINE, lif(3))


def test_a_changed_graph_gives_a_network_or_one_sentence(tmp_path_factory: Any) -> None:
    path: Path = tmp_path_factory.getbasetemp() / "changed.nir"
    seen: Counter[str] = Counter()

    @settings(max_examples=DRAWS, deadline=None, suppress_health_check=list(HealthCheck))
    @given(damaged_graphs(), st.sampled_from(list(nir.FRAMEWORKS)))
    def law(graph: tuple[Nodes, Edges], as_: str) -> None:
        write_nodes(path, *graph)
        start = time.perf_counter()
        try:
            seen[type(nir.read(path, as_, 1e-3)).__name__] += 1
        except FormatError as error:
            assert str(path) in str(error) and "\n" not in str(error)
            seen["one sentence"] += 1
        assert time.perf_counter() - start < 10

    law()
    print(f"\n{DRAWS} changed graphs: {dict(seen)}")
    assert seen["Network"] > 0.05 * DRAWS and seen["one sentence"] > 0.1 * DRAWS


class TestLongGraphs:
    @pytest.mark.parametrize("parts", [({"type": "Scale", "scale": ONE},), (AFFINE, lif(3))])
    def test_a_chain_is_walked_in_linear_time(self, tmp_path: Path, parts: tuple[dict[str, Any], ...]) -> None:
        seconds = []
        for n in (100, 800):
            path = write_nodes(tmp_path / "a.nir", *chain(*parts * n, AFFINE, lif(3)))
            start = time.perf_counter()
            network = nir.read(path, "norse")
            seconds.append(time.perf_counter() - start)
        assert seconds[1] < 24 * max(seconds[0], 0.02)
        assert len(network.projections) == (801 if len(parts) == 2 else 1)

    def test_sixty_diamonds_are_no_two_to_the_sixty_paths(self, tmp_path: Path) -> None:
        half = {"type": "Scale", "scale": 0.5 * ONE}
        nodes: Nodes = {"input": {"type": "Input", "shape": np.array([3])}}
        edges: Edges = []
        last = "input"
        for i in range(60):
            nodes |= {f"a{i}": {**AFFINE, "bias": ONE}, f"b{i}": {"type": "Scale", "scale": ONE}, f"c{i}": half}
            edges += [(last, f"a{i}"), (last, f"b{i}"), (f"a{i}", f"c{i}"), (f"b{i}", f"c{i}")]
            last = f"c{i}"
        nodes |= {"lif": lif(3, tau=1e-3 * ONE), "output": {"type": "Output", "shape": np.array([3])}}
        network = nir.read(write_nodes(tmp_path / "a.nir", nodes, [*edges, (last, "lif"), ("lif", "output")]), "norse")
        assert np.allclose(sum(dense_weight(e.connection) for e in network.projections), np.eye(3), atol=1e-15)
        assert np.array_equal(np.broadcast_to(np.asarray(network.populations[0].neuron.bias), 3), 30 * ONE)
