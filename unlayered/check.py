"""What ``unlayered check FILE --chip C`` finds: every node, and what file, reader and chip mean by a time step."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from exchange import nir, onnx
from exchange.chip_toml import shipped_chips
from exchange.graph.nodes import NEURONS, Graph, read_graph
from exchange.nir.own import is_ours
from exchange.onnx.ann import RATE_CODED
from exchange.open import AnyNetwork, open_network
from ir.check import CapacityError, FormatError
from ir.chip import Chip
from ir.envelope import check_envelope
from ir.mapped import MappedNetwork
from ir.network import Network
from ir.quantized import QuantizedNetwork
from ir.runnable import check_schedule
from ir.schedule import KINDS
from mapper import map_network
from unlayered.sources import network_file

CHIP_RULES = {
    "lif": (
        "(4096 - decay) / 4096, toward zero",
        "v > threshold, at most one a time step",
        "to zero (others: Lava's simulator)",
    ),
    "spiking_gamma": (
        "buckets and e: (4096 - decay) / 4096, toward zero",
        "where max(v, 0) - e passes the threshold, at most one a time step",
        "none; e grows by what the spike carries",
    ),
    "sigma_delta": (
        "none",
        "where |v - e| reaches the threshold, at most one a time step; it carries the change",
        "none; e <- v",
    ),
}
"""Leak, spike and reset of each neuron model of ``ir.neurons.MODELS``, as a chip computes them."""


@dataclass(frozen=True)
class NodeRow:
    """One node of the file (or one block of the network): ok, or why not and what to do."""

    name: str
    kind: str
    ok: bool
    reason: str = ""
    remedy: str = ""


@dataclass(frozen=True)
class SemanticsRow:
    """One question a time step raises: what the file says, what was assumed, what the chip does."""

    question: str
    file: str
    assumed: str
    chip: str


@dataclass(frozen=True)
class CheckReport:
    """Everything ``unlayered check`` shows.

    Attributes:
        ok: whether every node is.
    """

    ok: bool
    nodes: tuple[NodeRow, ...]
    semantics: tuple[SemanticsRow, ...]

    def as_json(self) -> dict[str, Any]:
        """Plain values, for ``--json``."""
        return asdict(self)


def check_file(path: str | Path, chip: Chip, as_: str | None = None, dt_s: float | None = None) -> CheckReport:
    """Check every node of a network file, or of a train folder's, against what can be read and what the chip holds.

    Raises:
        FormatError: the file is missing or cannot be read at all, or a word has no meaning for it.
    """
    path = network_file(Path(path))
    rows = _rows(path, as_, dt_s)
    semantics = _semantics(path, chip, as_, dt_s, None)
    if all(row.ok for row in rows):
        try:
            network = open_network(path, as_, dt_s)
        except FormatError as error:
            rows += (NodeRow(path.name, "file", False, *_parts(str(error))),)
        else:
            rows = _on_chip(rows, network, chip)
            semantics = _semantics(path, chip, as_, dt_s, network)
    return CheckReport(all(row.ok for row in rows), rows, semantics)


def _parts(sentence: str) -> tuple[str, str]:
    """A sentence of ours as reason and remedy: what stands after the last semicolon is the way out."""
    reason, _, remedy = sentence.rpartition("; ")
    return (reason, remedy) if reason else (sentence, "correct the file")


def _rows(path: Path, as_: str | None, dt_s: float | None) -> tuple[NodeRow, ...]:
    """Every node as far as reading goes."""
    readers: dict[str, Callable[[], tuple[NodeRow, ...]]] = {
        ".nir": lambda: _nir_rows(read_graph(path), as_, dt_s),
        ".onnx": lambda: _onnx_rows(path),
    }
    return readers[path.suffix]() if path.suffix in readers else _block_rows(open_network(path, as_, dt_s))


def _nir_rows(graph: Graph, as_: str | None, dt_s: float | None) -> tuple[NodeRow, ...]:
    if as_ is None and is_ours(graph):
        return tuple(NodeRow(n.name, n.kind, True) for n in graph.nodes.values())
    source = nir.source_of(as_ or "norse")
    found = nir.problems(graph, source, dt_s)
    rows = []
    for n in graph.nodes.values():
        if as_ is None and n.kind in NEURONS:
            remedy = f"name the framework it came from: --as {'|'.join(nir.FRAMEWORKS)}"
            rows.append(NodeRow(n.name, n.kind, False, "NIR leaves its time step open (dt, leak, reset)", remedy))
        else:
            rows.append(NodeRow(n.name, n.kind, n.name not in found, *found.get(n.name, ("", ""))))
    return tuple(rows)


def _onnx_rows(path: Path) -> tuple[NodeRow, ...]:
    own = onnx.read_own(path)
    if own is not None:
        return _block_rows(own)
    _, walk = onnx.examine(path)
    return tuple(
        NodeRow(name, kind, name not in walk.problems, *walk.problems.get(name, ("", "")))
        for name, kind in walk.kinds.items()
    )


def _block_rows(network: AnyNetwork) -> tuple[NodeRow, ...]:
    """Populations and projections of a file that is read whole."""
    plain = network.network if isinstance(network, MappedNetwork) else network
    blocks = [NodeRow(b.name, type(b).__name__, True) for b in (*plain.inputs, *plain.populations)]
    return (*blocks, *(NodeRow(f"{e.pre} -> {e.post}", type(e.connection).__name__, True) for e in plain.projections))


def _on_chip(rows: tuple[NodeRow, ...], network: AnyNetwork, chip: Chip) -> tuple[NodeRow, ...]:
    """The rows with what the chip cannot hold; a failed mapping is a row of its own."""
    plain = network.network if isinstance(network, MappedNetwork) else network
    found = dict(_chip_problems(plain, chip))
    rows = tuple(NodeRow(r.name, r.kind, False, *found.pop(r.name)) if r.name in found else r for r in rows)
    rows += tuple(NodeRow(name, "projection", False, *problem) for name, problem in found.items())
    if plain.schedule.kind == "asynchronous" and not chip.asynchronous:
        reason = f"it is meant for the asynchronous schedule, {chip.title} itself runs the layered one only"
        rows += (NodeRow("network", "schedule", False, reason, "map it with --schedule layered"),)
    if all(r.ok for r in rows) and not (isinstance(network, MappedNetwork) and network.chip == chip):
        try:
            check_schedule(plain, plain.schedule)
        except ValueError as error:
            return (*rows, NodeRow("network", "schedule", False, *_parts(str(error))))
        try:
            map_network(plain, chip, alternatives=shipped_chips())
        except CapacityError as error:
            rows += (NodeRow("network", "mapping", False, *_parts(str(error))),)
        except ValueError as error:
            rows += (NodeRow("network", "quantization", False, *_parts(str(error))),)
    return rows


def _chip_problems(network: Network | QuantizedNetwork, chip: Chip) -> list[tuple[str, tuple[str, str]]]:
    """Blocks the chip cannot hold, by name."""
    found: list[tuple[str, tuple[str, str]]] = []
    most = chip.limits.max_delay_steps
    for e in network.projections:
        longest = int(np.max(np.asarray(e.delay_steps)))
        if longest > most:
            found.append(
                (
                    f"{e.pre} -> {e.post}",
                    (f"delays of {longest} time steps, {chip.title} has {most}", "shorten them or use a larger dt"),
                )
            )
    for p in network.populations:
        n = p.neuron
        if getattr(n, "multi_spike", False):
            found.append(
                (
                    p.name,
                    (
                        f"it fires several times in one time step, {chip.title} once",
                        "retrain it with one spike a time step, or read it with another --as",
                    ),
                )
            )
    if isinstance(network, QuantizedNetwork):
        outside = check_envelope(network, chip)
        found += [(f.layer, (f"outside the safe envelope: {f.what} ({f.number})", f.remedy)) for f in outside]
    return found


def _semantics(
    path: Path, chip: Chip, as_: str | None, dt_s: float | None, network: AnyNetwork | None
) -> tuple[SemanticsRow, ...]:
    """What the file leaves open, what was assumed, what the chip does."""
    foreign = path.suffix == ".nir" and not is_ours(read_graph(path))
    plain = network.network if isinstance(network, MappedNetwork) else network
    says = "not said" if foreign else "said"
    source = RATE_CODED if path.suffix == ".onnx" else nir.FRAMEWORKS.get(as_ or "")
    rate = f"{chip.weight.lo}..{chip.weight.hi} step {chip.weight.step}"
    dt = f"{plain.dt_s:g} s" if plain is not None else f"{dt_s:g} s" if dt_s else "?"
    own = "as written" if source is None or not (foreign or path.suffix == ".onnx") else ""
    resets = (
        ""
        if plain is None
        else ", ".join(sorted({str(getattr(p.neuron, "reset", p.neuron.MODEL)) for p in plain.populations}))
    )
    weights = "?" if plain is None else ", ".join(sorted({str(e.connection.weight.dtype) for e in plain.projections}))
    schedule = "?" if plain is None else plain.schedule.kind
    runs = [k for k in KINDS if k == "layered" or chip.asynchronous] if plain is None else schedules(plain, chip)
    leak, spike, reset = _chip_rules(plain)
    return (
        SemanticsRow("time step", says, dt, "none; one pass through all spikes"),
        SemanticsRow("leak", says, own or (source.leak if source else "?"), leak),
        SemanticsRow("spike", says, own or (source.spikes if source else "?"), spike),
        SemanticsRow("reset", says, resets or (source.reset if source else "?"), reset),
        SemanticsRow("recurrent edges", says, "spikes of t - 1", "spikes of t - 1 (layered), queued (asynchronous)"),
        SemanticsRow("weights", weights, weights, rate),
        SemanticsRow("schedule", says, schedule, " or ".join(runs) or "none"),
        *_left_out(plain),
    )


def _chip_rules(network: Network | QuantizedNetwork | None) -> tuple[str, str, str]:
    """Leak, spike and reset of the network's neuron models on a chip, each named where there are several."""
    models = ["lif"] if network is None else sorted({p.neuron.MODEL for p in network.populations}) or ["lif"]
    rules: list[tuple[str, tuple[str, str, str]]] = []
    for model in models:
        own = f"as {model!r} defines it"
        rules.append((model, CHIP_RULES.get(model, (own, own, own))))
    if len(rules) == 1:
        return rules[0][1]
    leak, spike, reset = ("; ".join(f"{m}: {rule[i]}" for m, rule in rules) for i in range(3))
    return leak, spike, reset


def _left_out(network: Network | QuantizedNetwork | None) -> tuple[SemanticsRow, ...]:
    """What a reader understood and left out, as it noted in the network's metadata."""
    noted = {} if network is None else network.metadata
    return (SemanticsRow("input", "said", noted["input"], "spikes"),) if "input" in noted else ()


def schedules(network: Network | QuantizedNetwork, chip: Chip) -> list[str]:
    """The schedules that this network can run under on this chip, as the executors judge it."""
    found: list[str] = []
    for kind in KINDS:
        if kind == "asynchronous" and not chip.asynchronous:
            continue
        with suppress(ValueError):
            check_schedule(network, replace(network.schedule, kind=kind))
            found.append(kind)
    return found
