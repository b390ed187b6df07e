"""Chains of layers that the trainer reads are read from torch's own ONNX export, with the same numbers."""

from __future__ import annotations

import os
import warnings
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from exchange import onnx as own
from exchange.onnx.ann import activations
from ir.check import FormatError
from tests.exchange.onnx_nodes import runtime
from tests.trainer.chains import Chain, chains
from trainer.linear_map import SumPool2d, fold

DRAWS = int(os.environ.get("UNLAYERED_DRAWS", "60"))
LIKE = torch.empty(0, dtype=torch.float32)


def export(layers: torch.nn.Module, x: torch.Tensor, path: Path, opset: int) -> None:
    axes = {"x": {0: "batch"}}
    torch.onnx.export(layers, (x,), str(path), dynamo=False, input_names=["x"], dynamic_axes=axes, opset_version=opset)


@pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel lengths")
def test_what_the_trainer_folds_is_read_from_torchs_export(tmp_path_factory: Any) -> None:
    path: Path = tmp_path_factory.getbasetemp() / "chain.onnx"
    seen: Counter[str] = Counter()

    @settings(max_examples=DRAWS, deadline=None, suppress_health_check=list(HealthCheck))
    @given(chains(), st.sampled_from([9, 11, 13, 18]))
    def law(chain: Chain, opset: int) -> None:
        layers = chain.layers.eval().float()
        x = torch.randn(2, *chain.shape)
        try:
            fold(layers, chain.shape, LIKE)
        except ValueError:
            seen["not for the trainer either"] += 1
            return
        with torch.no_grad(), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                export(layers, x[:1], path, opset)
            except (RuntimeError, torch.onnx.errors.OnnxExporterError):
                seen["torch exports no such layer"] += 1
                return
        try:
            network = own.read_unscaled(path)
        except FormatError as error:
            seen["refused: " + str(error).split(": ", 1)[-1]] += 1
            return
        found = activations(network, x.numpy().reshape(2, -1))[network.output]
        divided = any(isinstance(m, SumPool2d) or getattr(m, "divisor_override", None) for m in layers.modules())
        with torch.no_grad():  # torch's exporter drops the divisor of a pooling, for which ONNX has no word
            wanted = runtime(path, x.numpy()) if divided else layers(x).numpy()
        assert np.allclose(found, wanted.reshape(2, -1), atol=1e-5 * max(1.0, float(np.abs(wanted).max())))
        seen["read"] += 1

    law()
    print(f"\n{DRAWS} chains: {dict(seen.most_common())}")
    assert seen["read"] > 0.6 * DRAWS
