"""What a report is made of: train folders, maps, traces, differences and sweeps, each known by what its file says."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from exchange import npz
from exchange.plain import check_readable
from exchange.train_files import read_history, read_sealed
from ir.check import FormatError
from ir.mapped import MappedNetwork
from ir.network import Network
from ir.quantized import QuantizedNetwork
from ir.stimulus import Stimulus
from ir.trace import Trace
from unlayered.report.results import Pair, read_results
from unlayered.sources import network_file, open_network
from unlayered.sweeping import Sweep

READ = (Network, QuantizedNetwork, MappedNetwork, Trace, Stimulus)
INSTEAD: dict[type, str] = {
    Network: "a network that is not mapped; give its train folder, or map it first",
    QuantizedNetwork: "a network that is not mapped; map it first",
    Stimulus: "a stimulus; give it as --data",
}
"""What a report is not made of, and the way out."""


@dataclass(frozen=True, eq=False)
class Training:
    """A train folder.

    Attributes:
        metrics: one row an epoch. config: what it was trained with; empty where the folder does not say.
    """

    name: str
    network: Network | QuantizedNetwork
    metrics: list[dict[str, float]]
    config: dict[str, Any]


@dataclass(frozen=True)
class Source:
    """A file of the report: what to compare it with, to be sure that it is the same.

    Attributes:
        sha256: of its bytes; of a folder, of its network.
    """

    name: str
    kind: str
    sha256: str


@dataclass(frozen=True, eq=False)
class Material:
    """Everything that was given, sorted by kind, in the order given."""

    trainings: tuple[tuple[str, Training], ...]
    maps: tuple[tuple[str, MappedNetwork], ...]
    traces: tuple[tuple[str, Trace], ...]
    pairs: tuple[tuple[str, Pair], ...]
    sweeps: tuple[tuple[str, Sweep], ...]
    sources: tuple[Source, ...]


def open_material(paths: Sequence[Path]) -> Material:
    """Read what a report is asked for.

    Raises:
        FormatError: something is none of the five kinds, or damaged; says what it is.
    """
    found: list[tuple[Path, str, Any]] = []
    for path in paths:
        found += [(path, kind, value) for kind, value in _opened(path)]

    def of(kind: str) -> tuple[Any, ...]:
        return tuple((str(path), value) for path, k, value in found if k == kind)

    kinds = {path: kind for path, kind, _ in found}
    sources = tuple(Source(str(path), kind, digest(path)) for path, kind in kinds.items())
    return Material(of("training"), of("map"), of("trace"), of("difference"), of("sweep"), sources)


def _opened(path: Path) -> list[tuple[str, Any]]:
    if path.is_dir():
        return [("training", _training(path))]
    check_readable(path)
    if path.suffix == ".json":
        return read_results(path)
    if path.suffix != ".npz":
        raise FormatError(f"{path} is no run; give a train folder, or what map, run, diff or sweep wrote (.npz, .json)")
    value = npz.load(path, READ)
    if type(value) in INSTEAD:
        raise FormatError(f"{path} is {INSTEAD[type(value)]}")
    return [("map" if isinstance(value, MappedNetwork) else "trace", value)]


def _training(folder: Path) -> Training:
    network = open_network(folder)
    assert isinstance(network, (Network, QuantizedNetwork))
    return Training(str(folder), network, metrics_of(folder), _config_of(folder))


def metrics_of(folder: Path) -> list[dict[str, float]]:
    """The epochs of a train folder, each with its numbers.

    Raises:
        FormatError: the file holds something else.
    """
    path = folder / "metrics.json"
    rows: list[dict[str, float]] = []
    for i, row in enumerate(read_history(folder) if path.exists() else []):
        numbers = [row.get(name) for name in ("loss", "accuracy")] if isinstance(row, dict) else [None]
        if not all(isinstance(x, (int, float)) for x in numbers):
            raise FormatError(f"{path}: epoch {i} has no loss and accuracy; train again")
        rows.append({**{k: v for k, v in row.items() if isinstance(v, (int, float))}, "epoch": i})
    return rows


def _config_of(folder: Path) -> dict[str, Any]:
    """What a folder was trained with; empty where it does not say."""
    path = folder / "config.json"
    return read_sealed(path)[0] if path.exists() else {}


def digest(path: Path) -> str:
    """SHA-256 of a file; of a train folder, of the network that is read from it."""
    with network_file(path).open("rb") as file:
        found = hashlib.sha256()
        while piece := file.read(1 << 20):
            found.update(piece)
    return found.hexdigest()


def fits(mapped: MappedNetwork, trace: Trace) -> bool:
    """Whether a trace is a run of a map: the same populations, and its neurons where the map has them."""
    own = tuple((p.name, p.n) for p in mapped.network.populations)
    where = trace.core_of_neuron
    return own == trace.populations and (where is None or np.array_equal(where, mapped.core_of_neuron))
