"""ONNX graphs drawn by hypothesis from all that our reader takes: layers, sums of shared values, folded constants."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import onnxruntime
from hypothesis import strategies as st
from onnx import TensorProto, helper
from onnxruntime.capi import onnxruntime_pybind11_state as runtime

from tests.exchange.onnx_drawn_nodes import Drawn, drawn_step

REFUSED = (
    runtime.Fail, runtime.InvalidArgument, runtime.InvalidGraph, runtime.NotImplemented, runtime.RuntimeException,
)  # fmt: skip
"""What ONNX Runtime raises on a node whose drawn settings do not fit."""


@st.composite
def onnx_graphs(draw: st.DrawFn) -> tuple[onnx.ModelProto, Any, Any]:
    """A model of up to eight nodes, samples for it, and what ONNX Runtime computes of them."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    lead = draw(st.sampled_from([1] * 9 + [0]))
    shape = draw(st.sampled_from([(2, 5, 4), (1, 6, 6), (3, 3, 6), (4, 4, 5), (2, 8), (4, 5), (6,)])) if lead else (4,)
    is_open = draw(st.booleans())
    d = Drawn(draw, rng, lead, draw(st.sampled_from([1, 2])), is_open)
    d.put("x", shape)
    first = ["b" if is_open else d.batch] if lead else []
    source = helper.make_tensor_value_info("x", TensorProto.FLOAT, [*first, *shape])
    samples = rng.integers(-4, 5, (*([d.batch] if lead else []), *shape)).astype(np.float32) / 4
    result = samples
    for _ in range(draw(st.integers(3, 9))):
        name, before = d.any(d.values[-3:])
        nodes, stored = len(d.nodes), len(d.stored)
        made = drawn_step(d, before)(d, name, before)
        found = None if made is None else _run(_model(d, source, made), samples)
        if made is None or found is None or found.size == 0:
            del d.nodes[nodes:], d.stored[stored:]
        else:
            d.put(made, found.shape[lead:])
            result = found
    return _model(d, source, d.values[-1][0]), samples, result


def _model(d: Drawn, source: onnx.ValueInfoProto, output: str) -> onnx.ModelProto:
    target = helper.make_tensor_value_info(output, TensorProto.FLOAT, None)
    graph = helper.make_graph(d.nodes, "drawn", [source], [target], d.stored)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)


def _run(model: onnx.ModelProto, samples: Any) -> Any | None:
    """What ONNX Runtime computes; None where it refuses the drawn node."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    options.intra_op_num_threads = 1
    try:
        session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
        return session.run(None, {"x": samples})[0]
    except REFUSED:
        return None
