"""Small ``.net`` files, layer by layer."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import h5py
import numpy as np


def layer(**changes: Any) -> dict[str, Any]:
    """A dense layer of two neurons with three inputs; None takes a key away."""
    base = {"type": np.bytes_(b"dense"), "shape": [2], "weight": np.ones((2, 3)), "neuron/type": np.bytes_(b"CUBA"),
            "neuron/iDecay": 4096, "neuron/vDecay": 128, "neuron/vThMant": 10}  # fmt: skip
    return {k: v for k, v in {**base, **changes}.items() if v is not None}


def image(*shape: int) -> dict[str, Any]:
    """An input layer that only says its shape."""
    return {"type": np.bytes_(b"input"), "shape": list(shape)}


def sliding(kind: str, shape: tuple[int, ...], weight: Any, **changes: Any) -> dict[str, Any]:
    """A convolution or pooling whose window steps by its kernel if it is a pool, else by one."""
    weight = np.asarray(weight)
    stride = weight.shape[2:4] if kind == "pool" else (1, 1)
    base = {"type": np.bytes_(kind.encode()), "shape": list(shape), "weight": weight, "stride": list(stride),
            "padding": [0, 0], "dilation": [1, 1], "kernelSize": list(weight.shape[2:4])}  # fmt: skip
    return layer(**base, **changes)


def save(path: Path, *layers: dict[str, Any], **more: Any) -> Path:
    """The layers as a file, and further entries by their address with ``__`` for ``/``."""
    with h5py.File(path, "w") as file:
        for i, content in enumerate(layers):
            for key, value in content.items():
                file[f"layer/{i}/{key}"] = value
        for key, value in more.items():
            file[key.replace("__", "/")] = value
    return path
