"""Whatever ONNX operator is ``max(x, 0)`` is a population; what only looks like it is refused by name."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from exchange import onnx as own
from ir.check import FormatError
from tests.exchange.onnx_nodes import agrees, node, save

ZERO, FLOATS = np.float32(0), np.float32
WEIGHTS = {"zero": ZERO, "one": FLOATS(1), "six": FLOATS(6), "far": np.finfo(FLOATS).max, "slopes": np.zeros(4, FLOATS)}
LOW = np.finfo(FLOATS).min

SAME: dict[str, tuple[str, str, dict[str, Any]]] = {
    "a lower limit": ("Clip", "x zero", {}),
    "an upper limit as far as there are numbers": ("Clip", "x zero far", {}),
    "no limits": ("Clip", "x", {}),
    "no leak": ("LeakyRelu", "x", {"alpha": 0.0}),
    "a threshold of 0": ("ThresholdedRelu", "x", {"alpha": 0.0}),
    "slopes of 0": ("PRelu", "x slopes", {}),
    "the larger of x and 0": ("Max", "zero x", {}),
}

OTHER: dict[str, tuple[str, str, dict[str, Any], str]] = {
    "ReLU6": ("Clip", "x zero six", {}, r"clips values at 6 \(as ReLU6 does\)"),
    "another floor": ("Clip", "x one", {}, "clips values at 1; only max"),
    "a leak": ("LeakyRelu", "x", {}, "its alpha is 0.01"),
    "a threshold": ("ThresholdedRelu", "x", {}, "its alpha is 1; only"),
    "slopes": ("PRelu", "x one", {}, "its slopes are not 0"),
    "the larger of x and 1": ("Max", "x one", {}, "takes the largest of several values"),
    "the larger of two values": ("Max", "x x", {}, "takes the largest of several values"),
}


@pytest.mark.parametrize("name", SAME)
def test_a_relu_under_another_name_is_read(tmp_path: Path, name: str) -> None:
    kind, inputs, settings = SAME[name]
    agrees(save(tmp_path / "a.onnx", [node(kind, inputs, "y", **settings)], WEIGHTS), (5, 4))


@pytest.mark.parametrize("name", OTHER)
def test_what_only_looks_like_a_relu_is_named(tmp_path: Path, name: str) -> None:
    kind, inputs, settings, words = OTHER[name]
    with pytest.raises(FormatError, match=f"{kind} 'y': .*{words}"):
        own.read_unscaled(save(tmp_path / "a.onnx", [node(kind, inputs, "y", **settings)], WEIGHTS))
