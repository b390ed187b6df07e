"""A toy file format: a chain of dense IF layers as text, a layer a line, its weights row by row."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from exchange.open import AnyNetwork
from exchange.plain import check_readable, write_atomically
from ir.check import FormatError
from ir.connection import Dense
from ir.network import Input, Network, Population, Projection
from ir.neurons import LIF


def read(path: Path, as_: str | None, dt_s: float | None) -> Network:
    """An entry of ``exchange.open.OPENERS``: ``N_POST N_PRE weight weight ...`` a line; thresholds are 1."""
    check_readable(path)
    try:
        rows = [np.array(line.split(), np.float64) for line in path.read_text().splitlines()]
        weights = [row[2:].reshape(int(row[0]), int(row[1])) for row in rows]
    except (ValueError, IndexError) as error:
        raise FormatError(f"{path}: {error}; a line is N_POST N_PRE and that many weights") from error
    names = ["input", *(f"layer{i}" for i in range(len(weights)))]
    return Network(
        (Input("input", (weights[0].shape[1],)),),
        tuple(Population(name, (len(w),), LIF()) for name, w in zip(names[1:], weights)),
        tuple(Projection(pre, post, Dense(w)) for pre, post, w in zip(names, names[1:], weights)),
        names[-1],
    )


def write(network: AnyNetwork, path: Path) -> None:
    """An entry of ``exchange.open.WRITERS``; the file appears whole or not at all."""
    if not isinstance(network, Network) or not all(isinstance(e.connection, Dense) for e in network.projections):
        raise FormatError("a .txt network is a chain of trained dense layers; export to nir instead")
    rows = ([*e.connection.weight.shape, *e.connection.weight.ravel()] for e in network.projections)
    write_atomically(path, "".join(" ".join(map(repr, map(float, row))) + "\n" for row in rows).encode())
