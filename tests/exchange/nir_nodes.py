"""NIR files made by hand, node by node."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import h5py
import numpy as np


def write_nodes(path: Path, nodes: dict[str, dict[str, Any]], edges: list[tuple[str, str]]) -> Path:
    """A hand-made NIR file."""

    def put(group: h5py.Group, tree: dict[str, Any]) -> None:
        for key, value in tree.items():
            if isinstance(value, dict):
                put(group.create_group(key), value)
            elif key == "edges":
                group.create_dataset(key, data=np.array(value, dtype=object).reshape(-1, 2), dtype=h5py.string_dtype())
            else:
                group.create_dataset(key, data=value)

    with h5py.File(path, "w") as file:
        file["version"] = "1.0.8"
        put(file.create_group("node"), {"type": "NIRGraph", "nodes": nodes, "edges": edges})
    return path


def lif(n: int, **changes: Any) -> dict[str, Any]:
    ones = np.ones(n)
    return {"type": "LIF", "tau": 5e-3 * ones, "r": ones, "v_leak": 0 * ones, "v_threshold": 0.1 * ones, **changes}


def chain(*nodes: dict[str, Any], n: int = 3) -> tuple[dict[str, dict[str, Any]], list[tuple[str, str]]]:
    """input -> nodes -> output."""
    names = ["input", *(f"n{i}" for i in range(len(nodes))), "output"]
    ends = ({"type": "Input", "shape": np.array([n])}, {"type": "Output", "shape": np.array([n])})
    return dict(zip(names, (ends[0], *nodes, ends[1]))), list(itertools.pairwise(names))


AFFINE = {"type": "Affine", "weight": np.eye(3), "bias": np.zeros(3)}
