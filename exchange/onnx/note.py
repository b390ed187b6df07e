"""What our ONNX files say about themselves beside the graph: everything but the weights, as JSON."""

from __future__ import annotations

import json
from dataclasses import asdict, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ir.check import FormatError
from ir.connection import Connection, Conv2d, Dense, Sparse
from ir.network import Input, Network, Population, Projection
from ir.neurons import LIF, FixedLIF
from ir.quantized import FixedPopulation, FixedProjection, QuantizedNetwork
from ir.schedule import Schedule

VERSION = 1
STORED = ("weight/", "indptr/", "indices/")
"""How the initializers are named that hold what the note leaves out."""

Tensors = dict[str, NDArray[Any]]


def note_of(network: Network | QuantizedNetwork) -> str:
    """A network without its weights."""
    note = {
        "version": VERSION,
        "type": type(network).__name__,
        "inputs": [{"name": i.name, "shape": i.shape} for i in network.inputs],
        "populations": [_population_note(p) for p in network.populations],
        "projections": [_projection_note(e) for e in network.projections],
        "schedule": asdict(network.schedule),
        **{k: getattr(network, k) for k in ("output", "dt_s", "metadata", "arithmetic") if hasattr(network, k)},
    }
    return json.dumps(note)


def _population_note(p: Any) -> dict[str, Any]:
    neuron = {f.name: _json(getattr(p.neuron, f.name)) for f in fields(p.neuron)}
    scale = {"scale": _json(p.scale)} if hasattr(p, "scale") else {}
    return {"name": p.name, "shape": p.shape, "neuron": neuron, **scale}


def _projection_note(e: Any) -> dict[str, Any]:
    c = e.connection
    names = ("in_shape", "stride", "padding", "dilation", "groups") if isinstance(c, Conv2d) else ()
    geometry = {"type": type(c).__name__, **{k: getattr(c, k) for k in names}}
    if isinstance(c, Sparse):
        geometry["n_pre"] = c.n_pre
    exponent = {"weight_exp": e.weight_exp} if hasattr(e, "weight_exp") else {}
    return {"pre": e.pre, "post": e.post, "connection": geometry, "delay_steps": _json(e.delay_steps), **exponent}


def _json(value: Any) -> Any:
    return {"array": value.tolist(), "dtype": str(value.dtype)} if isinstance(value, np.ndarray) else value


def _from_json(value: Any) -> Any:
    if isinstance(value, dict) and "array" in value:
        if value["dtype"] not in ("float64", "int64", "int32"):
            raise FormatError(f"an array has type {value['dtype']}; write the file again")
        return np.array(value["array"], value["dtype"])
    return value


def network_of(text: str, tensors: Tensors) -> Network | QuantizedNetwork:
    """The network a note and the file's initializers describe.

    Raises:
        FormatError: a newer version, or a note and tensors that do not belong together.
    """
    try:
        note = json.loads(text)
        if note["version"] != VERSION:
            raise FormatError(f"it was written as version {note['version']}; update unlayered")
        return _network(note, tensors)
    except (KeyError, TypeError, AttributeError, OverflowError, RecursionError) as error:
        raise FormatError(
            f"its note 'unlayered' is damaged ({type(error).__name__}: {error}); write it again"
        ) from error


def _network(note: dict[str, Any], tensors: Tensors) -> Network | QuantizedNetwork:
    inputs = tuple(Input(i["name"], tuple(i["shape"])) for i in note["inputs"])
    schedule, output, dt_s, metadata = Schedule(**note["schedule"]), note["output"], note["dt_s"], note["metadata"]
    ends = [
        (e["pre"], e["post"], _connection(e["connection"], i, tensors), _from_json(e["delay_steps"]))
        for i, e in enumerate(note["projections"])
    ]
    neurons = [{k: _from_json(v) for k, v in p["neuron"].items()} for p in note["populations"]]
    named = [(p["name"], tuple(p["shape"])) for p in note["populations"]]
    if note["type"] == "Network":
        populations = tuple(Population(*p, LIF(**n)) for p, n in zip(named, neurons))
        projections = tuple(Projection(*e) for e in ends)
        return Network(inputs, populations, projections, output, dt_s, schedule, metadata)
    scales = [_from_json(p["scale"]) for p in note["populations"]]
    exponents = [e["weight_exp"] for e in note["projections"]]
    return QuantizedNetwork(
        inputs,
        tuple(FixedPopulation(*p, FixedLIF(**n), s) for p, n, s in zip(named, neurons, scales)),
        tuple(FixedProjection(pre, post, c, x, d) for (pre, post, c, d), x in zip(ends, exponents)),
        output, dt_s, note["arithmetic"], schedule, metadata,
    )  # fmt: skip


def _connection(note: dict[str, Any], i: int, tensors: Tensors) -> Connection:
    weight = tensors[f"weight/{i}"]
    if note["type"] == "Dense":
        return Dense(weight)
    if note["type"] == "Sparse":
        return Sparse(tensors[f"indptr/{i}"], tensors[f"indices/{i}"], weight, int(note["n_pre"]))
    stride, padding, dilation = ((int(a), int(b)) for a, b in (note[k] for k in ("stride", "padding", "dilation")))
    c, h, w = note["in_shape"]
    return Conv2d(weight, (c, h, w), stride, padding, dilation, int(note["groups"]))
