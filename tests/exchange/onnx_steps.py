"""Run one of our ONNX models in ONNX Runtime, time step by time step."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import onnxruntime


def run(model: onnx.ModelProto, frames: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Every ``spikes/NAME`` and ``next_v/NAME``, (T, B, n); frames are (T, B, *shape) a block."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    names = [o.name for o in session.get_outputs()]
    first = next(iter(frames.values()))
    states: dict[str, Any] = {
        i.name: np.zeros([first.shape[1] if s == "batch" else s for s in i.shape], _dtype(i.type))
        for i in session.get_inputs()
        if not i.name.startswith("in/")
    }
    dtype = _dtype(next(i.type for i in session.get_inputs() if i.name.startswith("in/")))
    seen: dict[str, list[np.ndarray]] = {n: [] for n in names if n.startswith(("spikes/", "next_v/", "next_u/"))}
    for t in range(len(first)):
        fed = {f"in/{name}": block[t].astype(dtype) for name, block in frames.items()}
        out = dict(zip(names, session.run(names, {**fed, **states})))
        states = {name: out[f"next_{name}"] for name in states}
        for name, values in seen.items():
            values.append(out[name])
    return {name: np.stack(values) for name, values in seen.items()}


def _dtype(kind: str) -> Any:
    return np.int64 if "int64" in kind else np.float32
