"""Networks, traces, stimuli and states in words and numbers."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path
from typing import Any, Union

import numpy as np
from rich.table import Table

from exchange import npz
from exchange.pieces import Pieces, in_pieces, open_pieces
from ir.arrays import magnitudes
from ir.mapped import MappedNetwork
from ir.network import Network
from ir.order_free import why_order_matters
from ir.quantized import QuantizedNetwork
from ir.schedule import group_word
from ir.state import State
from ir.stimulus import Stimulus
from ir.trace import Trace
from sim_reference.compare.gathered import numbers_of, statistics_of
from sim_reference.compare.statistics import Statistics, statistics
from sim_reference.compare.summary import is_there, summary
from unlayered.console import facts, short, table
from unlayered.sources import AnyNetwork, open_network

Anything = Union[AnyNetwork, Trace, Pieces, Stimulus, State]
ORDER_FREE = "no: whole frames without a forced stop fire the same spikes under every schedule, order and F"
KINDS = (Network, QuantizedNetwork, MappedNetwork, Trace, Stimulus, State)


def open_any(path: Path, as_: str | None = None, dt_s: float | None = None) -> Anything:
    """A file of ours, a train folder, or a foreign network file."""
    if path.suffix == ".npz":
        return npz.load(path, KINDS)
    if in_pieces(path):
        return open_pieces(path)
    return open_network(path, as_, dt_s)


def describe(value: Anything) -> dict[str, Any]:
    """Plain values that say what ``value`` is; ``kind`` names its type."""
    if isinstance(value, Trace):
        return _trace(value, statistics(value))
    if isinstance(value, Pieces):
        return {**_trace(*statistics_of([numbers_of(value.piece(i)) for i in range(len(value))])), "pieces": len(value)}
    if isinstance(value, Stimulus):
        return _stimulus(value)
    if isinstance(value, State):
        return _state(value)
    if isinstance(value, MappedNetwork):
        chip = "none" if value.chip is None else value.chip.name
        neurons = np.bincount(value.core_of_neuron, minlength=len(value.cores)).tolist()
        cores = [{**vars(core), "neurons": n} for core, n in zip(value.cores, neurons)]
        return {
            **_network(value.network),
            "kind": "MappedNetwork",
            "contract": value.contract,
            "chip": chip,
            "cores": cores,
            "report": value.report,
        }
    return _network(value)


def _trace(value: Trace, counts: Statistics) -> dict[str, Any]:
    numbers = summary(value, counts)
    return {"kind": "Trace", "contract": value.contract, **numbers, "populations": dict(value.populations)}


def _stimulus(value: Stimulus) -> dict[str, Any]:
    steps, samples, inputs = value.frames.shape
    counts = float(magnitudes(value.frames).sum(dtype=np.float64)) / max(samples, 1)
    return {
        "kind": "Stimulus",
        "time_steps": steps,
        "samples": samples,
        "inputs": inputs,
        "counts_per_sample": counts,
        "labelled": value.labels is not None,
        "time_stamps": value.events is not None,
    }


def _state(value: State) -> dict[str, Any]:
    samples, neurons = value.fired.shape
    return {
        "kind": "State",
        "time_steps": value.t,
        "samples": samples,
        "neurons": neurons,
        "inputs": value.inputs.shape[2],
        "states": ", ".join(value.states),
        "time_steps_remembered": len(value.sent),
        "network": value.network[:12],
    }


def _network(value: Network | QuantizedNetwork) -> dict[str, Any]:
    populations = [
        {"name": p.name, "shape": list(p.shape), "neurons": p.n, "neuron": _neuron(p.neuron)} for p in value.populations
    ]
    projections = [
        {
            "pre": p.pre,
            "post": p.post,
            "connection": type(p.connection).__name__,
            "weights": int(p.connection.weight.size),
            "least": p.connection.weight.min(initial=0).item(),
            "most": p.connection.weight.max(initial=0).item(),
        }
        for p in value.projections
    ]
    return {
        "kind": type(value).__name__,
        "inputs": [{"name": i.name, "shape": list(i.shape)} for i in value.inputs],
        "neurons": value.n_neurons,
        "output": value.output,
        "dt_s": value.dt_s,
        "arithmetic": value.arithmetic if isinstance(value, QuantizedNetwork) else "float",
        "order_matters": why_order_matters(value) or ORDER_FREE,
        "schedule": vars(value.schedule),
        "populations": populations,
        "projections": projections,
        "metadata": value.metadata,
        "encoder": None if value.encoder is None else {**_network(value.encoder), "order_matters": None},
    }


def _neuron(neuron: Any) -> dict[str, Any]:
    """The neuron's parameters: a number, or least and most of one a neuron."""
    return {f.name: _spread(getattr(neuron, f.name)) for f in fields(neuron)}


def _spread(value: Any) -> Any:
    if not isinstance(value, np.ndarray):
        return value
    return value.item() if value.size == 1 else [value.min().item(), value.max().item()]


def tables(path: Path, described: dict[str, Any]) -> list[Table]:
    """What :func:`describe` found, for a person."""
    title = f"{path}: {described['kind']}"
    plain = [(k, v) for k, v in described.items() if not isinstance(v, (dict, list)) and k != "kind" and is_there(v)]
    found = [facts(title, plain)]
    if isinstance(described.get("schedule"), dict):
        found.append(facts("Schedule", schedule_facts(described["schedule"])))
    if described.get("encoder"):
        rows = [
            (p["name"], "x".join(map(str, p["shape"])), _words(p["neuron"]))
            for p in described["encoder"]["populations"]
        ]
        found.append(table("Encoder on the host", ("name", "shape", "neuron"), rows))
    if "projections" in described:
        rows = [(p["name"], "x".join(map(str, p["shape"])), _words(p["neuron"])) for p in described["populations"]]
        found.append(table("Populations", ("name", "shape", "neuron"), rows))
        columns = ("pre", "post", "connection", "weights", "least", "most")
        found.append(table("Projections", columns, [[p[c] for c in columns] for p in described["projections"]]))
    if "cores" in described:
        columns = ("index", "chip", "x", "y", "slot", "neurons")
        found.append(table("Cores", columns, [[c[name] for name in columns] for c in described["cores"]]))
    for name in ("report", "spikes_per_population", "limits_reached"):
        if described.get(name):
            found.append(facts(name.replace("_", " ").capitalize(), sorted(described[name].items())))
    return found


def schedule_facts(schedule: dict[str, Any]) -> list[tuple[str, Any]]:
    """What of a schedule has a meaning: of the layered one its name; of a queue what is not left at "no limit"."""
    if schedule["kind"] == "layered":
        return [("kind", "layered")]
    said = {**schedule, "F": group_word(schedule["F"])}
    return [(name, value) for name, value in said.items() if value is not None]


def _words(neuron: dict[str, Any]) -> str:
    return ", ".join(f"{k} {short(v)}" for k, v in neuron.items() if v not in (None, 0, True, "zero", "exponential"))
