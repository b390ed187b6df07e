"""ONNX files: our own come back as they were, ordinary ReLU networks become rate-coded spiking networks."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from exchange.graph.nodes import Graph
from exchange.onnx.ann import PERCENTILE, lowered, normalized
from exchange.onnx.export import write
from exchange.onnx.functions import DOMAIN
from exchange.onnx.graph import Walk, read_graph
from exchange.onnx.model import read_model, tensors
from exchange.onnx.note import STORED, network_of
from ir.check import FormatError
from ir.network import Network
from ir.quantized import QuantizedNetwork

__all__ = ["examine", "read", "read_own", "read_unscaled", "write"]


def read(
    path: str | Path, samples: NDArray[Any] | None = None, percentile: float = PERCENTILE
) -> Network | QuantizedNetwork:
    """Read an ``.onnx`` file; nothing in it is executed.

    Args:
        samples: (n, n_inputs) typical inputs of an ordinary network, for data-based normalization; None = safe
            bounds for inputs in [0, 1].
        percentile: of each layer's activations, becomes one spike a time step.

    Raises:
        FormatError: damaged, or an operator without counterpart, by name.
    """
    own = read_own(path)
    if own is not None:
        return own
    try:
        return normalized(read_unscaled(path), samples, percentile)
    except ValueError as error:
        raise error if isinstance(error, FormatError) else FormatError(f"{path}: {error}") from error


def read_own(path: str | Path) -> Network | QuantizedNetwork | None:
    """What our export wrote; None for other files."""
    model = read_model(path)
    note = next((p.value for p in model.metadata_props if p.key == DOMAIN), None)
    try:
        return None if note is None else network_of(note, tensors(model, Path(path).parent, STORED))
    except ValueError as error:
        raise FormatError(f"{path}: {error}") from error


def read_unscaled(path: str | Path) -> Network:
    """An ordinary network with the ReLU network's own weights: activations are computed on it."""
    graph, walk = examine(path)
    for reason, remedy in walk.problems.values():
        raise FormatError(f"{path}: {reason}; {remedy}")
    try:
        return lowered(graph, f"ONNX {graph.version}")
    except ValueError as error:
        raise FormatError(f"{path}: {error}") from error
    except MemoryError as error:
        raise FormatError(f"{path} needs more memory than there is; make the network smaller") from error


def examine(path: str | Path) -> tuple[Graph, Walk]:
    """The nodes of an ordinary network and, by name, what cannot be read."""
    model = read_model(path)
    try:
        return read_graph(model, Path(path).parent)
    except ValueError as error:
        raise FormatError(f"{path}: {error}") from error
