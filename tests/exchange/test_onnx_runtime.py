"""What an ONNX file is read as computes what ONNX Runtime computes of it."""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from hypothesis import HealthCheck, given, settings

from exchange import onnx as own
from exchange.onnx.ann import activations
from ir.check import FormatError
from tests.exchange.onnx_drawn import onnx_graphs

DRAWS = int(os.environ.get("UNLAYERED_DRAWS", "300"))
"""Drawn graphs; UNLAYERED_DRAWS=5000 for the long run."""


@pytest.mark.timeout(3600)
def test_drawn_graphs_compute_what_onnx_runtime_computes(tmp_path_factory: Any) -> None:
    path: Path = tmp_path_factory.getbasetemp() / "drawn.onnx"
    seen: Counter[str] = Counter()
    operators: Counter[str] = Counter()

    @settings(max_examples=DRAWS, deadline=None, suppress_health_check=list(HealthCheck))
    @given(onnx_graphs())
    def law(drawn: tuple[onnx.ModelProto, np.ndarray, np.ndarray]) -> None:
        model, samples, wanted = drawn
        path.write_bytes(model.SerializeToString())
        try:
            network = own.read_unscaled(path)
        except FormatError as error:
            reason = str(error).split(": ", 2)[-1]
            seen["refused: " + "".join(" " if ch.isdigit() else ch for ch in reason)[:60]] += 1
            return
        seen["read"] += 1
        operators.update({node.op_type for node in model.graph.node})
        found = activations(network, samples.reshape(-1, network.n_inputs))[network.output]
        scale = max(1.0, float(np.abs(wanted).max()))
        assert np.allclose(found, wanted.reshape(found.shape), rtol=0, atol=1e-5 * scale)

    law()
    print(f"\n{DRAWS} drawn graphs: {dict(seen.most_common())}\noperators: {dict(operators.most_common())}")
    assert seen["read"] > 0.9 * seen.total()
