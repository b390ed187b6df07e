"""NIR networks that a framework reads, drawn from a seed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import h5py
import numpy as np

Nodes = dict[str, dict[str, Any]]
Rng = np.random.Generator

DT = {"norse": 1e-4, "spikingjelly": 1e-4, "snntorch": 1e-4, "sinabs": 1e-3, "rockpool": 1e-3, "lava-dl": 1e-3}
KINDS = {
    "norse": ("IF", "LIF", "CubaLIF"),
    "spikingjelly": ("IF", "LIF", "CubaLIF"),
    "snntorch": ("LIF", "CubaLIF"),
    "sinabs": ("IF", "LIF"),
    "rockpool": ("CubaLIF",),
    "lava-dl": ("CubaLIF",),
}
CONVOLUTIONS = ("norse", "spikingjelly", "sinabs")
RECURRENT = ("norse", "spikingjelly", "lava-dl")
BIASES = ("norse", "spikingjelly", "snntorch", "sinabs", "rockpool")


def draw(framework: str, seed: int) -> tuple[Nodes, list[tuple[str, str]], np.ndarray]:
    """Nodes, edges and frames (T, *shape) of one network."""
    rng = np.random.default_rng(seed)
    image = framework in CONVOLUTIONS and bool(rng.random() < 0.4)
    shape: tuple[int, ...] = (2, 8, 8) if image else (int(rng.integers(4, 20)),)
    nodes: Nodes = {"input": {"type": "Input", "shape": np.array(shape)}}
    edges: list[tuple[str, str]] = []
    last, in_shape = "input", shape
    for i in range(int(rng.integers(1, 4))):
        name = f"layer{i}"
        if len(shape) == 3 and i == 0:
            nodes[name], shape = convolution(rng, shape)
        else:
            if len(shape) == 3:
                nodes["flat"] = {"type": "Flatten", "start_dim": 0, "end_dim": -1, "input_type": np.array(shape)}
                edges.append((last, "flat"))
                last, shape = "flat", (int(np.prod(shape)),)
            nodes[name], shape = affine(rng, framework, shape[0], int(rng.integers(3, 16)))
        edges.append((last, name))
        last = f"neuron{i}"
        kind = str(rng.choice(KINDS[framework]))
        kind = "IF" if framework == "sinabs" and len(shape) == 3 else kind  # its LIF takes one axis only
        nodes[last] = neuron(rng, framework, kind, shape)
        edges.append((name, last))
        if framework in RECURRENT and kind == "CubaLIF" and len(shape) == 1 and rng.random() < 0.5:
            weight = (rng.normal(0, 0.3, (shape[0], shape[0]))).astype(np.float32)
            nodes[f"{last}_rec"] = {"type": "Affine", "weight": weight, "bias": bias(rng, framework, shape[0])}
            edges += [(last, f"{last}_rec"), (f"{last}_rec", last)]
    nodes["output"] = {"type": "Output", "shape": np.array(shape)}
    edges.append((last, "output"))
    return nodes, edges, (rng.random((60, *in_shape)) < rng.uniform(0.1, 0.5)).astype(np.float32)


def bias(rng: Rng, framework: str, n: int) -> np.ndarray:
    return (rng.normal(0, 0.1, n) * (framework in BIASES)).astype(np.float32)


def affine(rng: Rng, framework: str, n_in: int, n_out: int) -> tuple[dict[str, Any], tuple[int, ...]]:
    weight = rng.normal(0.15, 1.0, (n_out, n_in)).astype(np.float32) * (2 / np.sqrt(n_in)).astype(np.float32)
    return {"type": "Affine", "weight": weight, "bias": bias(rng, framework, n_out)}, (n_out,)


def convolution(rng: Rng, shape: tuple[int, ...]) -> tuple[dict[str, Any], tuple[int, ...]]:
    channels, stride, padding = int(rng.integers(1, 5)), int(rng.integers(1, 3)), int(rng.integers(0, 2))
    weight = rng.normal(0.1, 0.5, (channels, shape[0], 3, 3)).astype(np.float32)
    side = (shape[1] + 2 * padding - 3) // stride + 1
    pair = {"stride": np.array([stride] * 2), "padding": np.array([padding] * 2), "dilation": np.array([1, 1])}
    zeros = np.zeros(channels, np.float32)
    node = {"type": "Conv2d", "input_shape": np.array(shape[1:]), "weight": weight, "bias": zeros, "groups": 1, **pair}
    return node, (channels, side, side)


def neuron(rng: Rng, framework: str, kind: str, shape: tuple[int, ...]) -> dict[str, Any]:
    """Parameters within what the framework reads."""
    dt, one = DT[framework], np.ones(shape, np.float32)
    tau, tau_syn = (np.float32(rng.uniform(2, 12) * dt) for _ in range(2))
    base: dict[str, Any] = {"type": kind, "v_threshold": one * np.float32(rng.uniform(0.5, 1.5))}
    if framework not in ("sinabs", "rockpool"):  # they read files of nir 1.0.4, which has no v_reset
        base["v_reset"] = 0 * one
    if framework == "norse" and kind != "IF":
        base["v_threshold"] = base["v_threshold"] * np.float32(0.4)
    if kind == "IF":
        return {**base, "r": one * np.float32(1 / dt if framework == "spikingjelly" else 1)}
    if framework == "sinabs":
        tau = np.float32(rng.uniform(2, 12))
    gain = 1 if framework == "norse" or (framework == "spikingjelly" and rng.random() < 0.5) else tau / np.float32(dt)
    if kind == "LIF":
        return {**base, "tau": tau * one, "r": np.float32(gain) * one, "v_leak": 0 * one}
    w_in = tau_syn / np.float32(dt) if framework != "norse" else 2.0
    r = tau / np.float32(dt) - (1 if framework == "rockpool" else 0) if framework != "norse" else 3.0
    return {
        **base,
        "tau_mem": tau * one,
        "tau_syn": tau_syn * one,
        "r": np.float32(r) * one,
        "w_in": np.float32(w_in) * one,
        "v_leak": 0 * one,
    }


def write_nir(path: Path, nodes: Nodes, edges: list[tuple[str, str]]) -> None:
    """The file as the nir library would write it."""
    with h5py.File(path, "w") as file:
        file.create_dataset("version", data="1.0.4", dtype=h5py.string_dtype())
        graph = file.create_group("node")
        graph.create_dataset("type", data="NIRGraph", dtype=h5py.string_dtype())
        graph.create_dataset("edges", data=np.array(edges, dtype=object), dtype=h5py.string_dtype())
        for name, node in nodes.items():
            group = graph.create_group(f"nodes/{name}")
            for key, value in node.items():
                text = isinstance(value, str)
                group.create_dataset(key, data=value, dtype=h5py.string_dtype() if text else None)
