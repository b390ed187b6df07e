"""NIR as we write it: ordinary primitives for every reader, and metadata that closes what NIR leaves open."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from exchange.graph.nodes import Graph
from exchange.hdf5.tree import Tree, numbers
from exchange.nir.public import VERSION, carried_bias, flatten_node, linear_node, neuron_node, public_weights
from exchange.npz import write_atomically
from ir.arrays import Array
from ir.check import FormatError
from ir.connection import Connection, Conv2d, Dense, Sparse
from ir.encoder import check_bare
from ir.mapped import MappedNetwork
from ir.network import Input, Network, Population, Projection
from ir.neurons import LIF, FixedLIF, check_only_lif
from ir.quantized import FixedPopulation, FixedProjection, QuantizedNetwork
from ir.schedule import Schedule

KEY = "unlayered"
NIR_VERSION = "1.0.8"

NETWORKS = {"Network": (Network, Population, Projection, LIF),
            "QuantizedNetwork": (QuantizedNetwork, FixedPopulation, FixedProjection, FixedLIF)}  # fmt: skip


def write(network: Network | QuantizedNetwork | MappedNetwork, path: str | Path) -> None:
    """Write a network as ``.nir``; :func:`exchange.nir.read` gives it back as it was, addresses excepted.

    Raises:
        ValueError: a sparse projection too large for NIR's dense weight; the folder cannot be written.
    """
    if isinstance(network, MappedNetwork):
        network = network.network
    check_bare(network, "a .nir file")
    check_only_lif(network.populations, "a .nir file")
    buffer = io.BytesIO()
    with h5py.File(buffer, "w") as file:
        file.create_dataset("version", data=NIR_VERSION, dtype=h5py.string_dtype())
        _put(file.create_group("node"), _graph(network))
    write_atomically(path, buffer.getbuffer())


def _put(group: h5py.Group, tree: Tree) -> None:
    for key, value in tree.items():
        if isinstance(value, dict):
            _put(group.create_group(key), value)
        elif isinstance(value, str):
            group.create_dataset(key, data=value, dtype=h5py.string_dtype())
        elif isinstance(value, list):
            group.create_dataset(key, data=np.array(value, dtype=object).reshape(-1, 2), dtype=h5py.string_dtype())
        else:
            array = np.asarray(value)
            group.create_dataset(key, data=array, compression="gzip" if array.size > 64 else None)


def _graph(network: Network | QuantizedNetwork) -> Tree:
    """The whole file as nested dictionaries."""
    nodes: Tree = {}
    names: dict[str, str] = {}
    edges: list[tuple[str, str]] = []
    for index, block in enumerate((*network.inputs, *network.populations)):
        names[block.name] = _fresh(block.name, nodes)
        note = {"type": type(block).__name__, "index": index, **_plain(block, ("name", "shape"))}
        if isinstance(block, Input):
            node = {"type": "Input", "shape": np.array(block.shape)}
            arrays: Tree = {}
        else:
            node = neuron_node(block, network)
            note["neuron"], arrays = _split(block.neuron)
            note |= {"scale": np.asarray(block.scale).tolist()} if isinstance(block, FixedPopulation) else {}
        nodes[names[block.name]] = {**node, "metadata": {KEY: json.dumps(note), **arrays}}
    for index, e in enumerate(network.projections):
        edges += _write_projection(network, e, index, nodes, names)
    nodes["output"] = {"type": "Output", "shape": np.array(_block(network, network.output).shape)}
    edges.append((names[network.output], "output"))
    return {"type": "NIRGraph", "nodes": nodes, "edges": edges, "metadata": _head(network)}


def _head(network: Network | QuantizedNetwork) -> Tree:
    """What holds for the whole network: JSON for us, a line each for people."""
    note = {"version": VERSION, "type": type(network).__name__, "schedule": asdict(network.schedule),
            **_plain(network, ("output", "dt_s", "arithmetic", "metadata"))}  # fmt: skip
    return {
        KEY: json.dumps(note),
        "dt_s": np.asarray(network.dt_s),
        "spike": "where v > v_threshold",
        "recurrent_delay": "one time step",
        "schedule": network.schedule.kind,
    }


def _write_projection(
    network: Network | QuantizedNetwork, e: Any, index: int, nodes: Tree, names: dict[str, str]
) -> list[tuple[str, str]]:
    """The node of one projection, a Flatten or Delay before it where needed, and the edges."""
    chain = [names[e.pre]]
    c, shape = e.connection, _block(network, e.pre).shape
    if bool(np.asarray(e.delay_steps).any()):
        delay = np.broadcast_to(np.asarray(e.delay_steps) * network.dt_s, (c.n_pre,)).reshape(shape)
        chain.append(_fresh(f"delay_{index}", nodes))
        nodes[chain[-1]] = {"type": "Delay", "delay": delay}
    if not isinstance(c, Conv2d) and len(shape) > 1:
        chain.append(_fresh(f"flatten_{index}", nodes))
        nodes[chain[-1]] = flatten_node(shape)
    note = {"type": type(e).__name__, "index": index, "connection": type(c).__name__,
            **_plain(e, ("pre", "post", "weight_exp")), **_plain(c, ("in_shape", "n_pre"))}  # fmt: skip
    arrays: Tree = {"delay_steps": np.asarray(e.delay_steps)}
    if isinstance(c, Sparse):
        arrays |= {"indptr": c.indptr, "indices": c.indices, "weight": c.weight}
    elif getattr(e, "weight_exp", 0):
        arrays["weight"] = c.weight
    chain.append(_fresh(f"projection_{index}", nodes))
    linear = linear_node(public_weights(e), carried_bias(network, e), f"{e.pre} -> {e.post}")
    nodes[chain[-1]] = {**linear, "metadata": {KEY: json.dumps(note), **arrays}}
    return list(zip(chain, [*chain[1:], names[e.post]]))


def _block(network: Network | QuantizedNetwork, name: str) -> Any:
    return next(b for b in (*network.inputs, *network.populations) if b.name == name)


def _fresh(name: str, nodes: Tree) -> str:
    """A name HDF5 and torch accept, not in use yet."""
    clean = "".join(ch if ch.isascii() and (ch.isalnum() or ch in "_-.") else "_" for ch in name).strip(".") or "node"
    while clean in nodes or clean == "output":
        clean += "_"
    return clean


def _plain(value: Any, names: tuple[str, ...]) -> Tree:
    """Those attributes that ``value`` has, for JSON."""
    return {n: getattr(value, n) for n in names if hasattr(value, n)}


def _split(neuron: Any) -> tuple[Tree, Tree]:
    """A neuron model as JSON values and arrays."""
    note: Tree = {}
    arrays: Tree = {}
    for f in fields(neuron):
        value = getattr(neuron, f.name)
        (arrays if isinstance(value, np.ndarray) else note)[f.name] = value
    return note, arrays


def is_ours(graph: Graph) -> bool:
    """Whether :func:`write` made this file."""
    return isinstance(graph.metadata.get(KEY), str)


def restore(graph: Graph) -> Network | QuantizedNetwork:
    """The network that was written.

    Raises:
        FormatError: a newer format, or parameters that were changed after writing.
    """
    head = _note(graph.metadata)
    version = head.get("version")
    if type(version) is not int or not 1 <= version <= VERSION or head.get("type") not in NETWORKS:
        raise FormatError(f"it was written as {head.get('type')} of version {version}; update unlayered")
    kind, population, projection, neuron = NETWORKS[head["type"]]
    by_type: dict[str, list[tuple[Tree, Any]]] = {t: [] for t in ("Input", population.__name__, projection.__name__)}
    for node in graph.nodes.values():
        if KEY in node.metadata:
            note = _note(node.metadata)
            if note.get("type") not in by_type:
                raise FormatError(f"node {node.name!r} says it is a {note.get('type')}; write the file again")
            by_type[note["type"]].append((note, node))
    try:
        in_order = {t: sorted(pairs, key=lambda pair: int(pair[0]["index"])) for t, pairs in by_type.items()}
        network = kind(
            tuple(Input(n["name"], tuple(n["shape"])) for n, _ in in_order["Input"]),
            tuple(_population(n, node, population, neuron) for n, node in in_order[population.__name__]),
            tuple(_projection(n, node, projection, version) for n, node in in_order[projection.__name__]),
            **{f: head[f] for f in ("output", "dt_s", "arithmetic", "metadata") if f in head},
            schedule=Schedule(**head["schedule"]),
        )
    except (KeyError, TypeError, AttributeError, OverflowError) as error:
        raise FormatError(
            f"its metadata 'unlayered' is damaged ({type(error).__name__}: {error}); write it again"
        ) from error
    _check_unchanged(graph, network, in_order[population.__name__], version)
    _check_biases(network, in_order[projection.__name__])
    return network


def _note(metadata: Tree) -> Tree:
    try:
        note = json.loads(str(metadata.get(KEY)))
    except (json.JSONDecodeError, RecursionError) as error:
        raise FormatError("its metadata 'unlayered' is no JSON; write it again") from error
    if not isinstance(note, dict):
        raise FormatError("its metadata 'unlayered' is no JSON object; write it again")
    return note


def _one_or_each(scale: Any) -> Any:
    """A number as it is, a list as an array."""
    return np.asarray(scale, np.float64) if isinstance(scale, list) else scale


def _population(note: Tree, node: Any, kind: Any, neuron: Any) -> Any:
    arrays = {
        f.name: numbers(node.metadata, f.name, node.name, infinite=True)
        for f in fields(neuron)
        if f.name in node.metadata
    }
    scale = {"scale": _one_or_each(note["scale"])} if "scale" in note else {}
    return kind(note["name"], tuple(note["shape"]), neuron(**note["neuron"], **arrays), **scale)


def _projection(note: Tree, node: Any, kind: Any, version: int) -> Any:
    tree = {**node.params, **{k: v for k, v in node.metadata.items() if k != KEY}}
    array = {
        k: numbers(tree, k, node.name)
        for k in ("weight", "delay_steps", "indptr", "indices", "stride", "padding", "dilation", "groups")
        if k in tree
    }
    if note["connection"] == "Sparse":
        connection: Connection = Sparse(array["indptr"], array["indices"], array["weight"], int(note["n_pre"]))
    elif note["connection"] == "Conv2d":
        stride, padding, dilation = ((int(a), int(b)) for a, b in (array[k] for k in ("stride", "padding", "dilation")))
        c, h, w = note["in_shape"]
        connection = Conv2d(array["weight"], (c, h, w), stride, padding, dilation, int(array["groups"]))
    else:
        connection = Dense(array["weight"])
    exponent = {"weight_exp": note["weight_exp"]} if "weight_exp" in note else {}
    e = kind(note["pre"], note["post"], connection, **exponent, delay_steps=array["delay_steps"])
    if "weight" in node.metadata:
        written = linear_node(public_weights(e, version), None, "")["weight"]
        if not np.array_equal(written, numbers(node.params, "weight", node.name)):
            raise _changed(node.name)
    return e


def _changed(name: str) -> FormatError:
    return FormatError(f"node {name!r} was changed after unlayered wrote it; name the framework that did it with --as")


def _check_unchanged(graph: Graph, network: Any, populations: list[tuple[Tree, Any]], version: int) -> None:
    for (_, node), p in zip(populations, network.populations):
        if np.size(node.params.get("r")) != p.n:
            raise _changed(node.name)
        for key, value in _arrays(neuron_node(p, network, version)):
            if key not in node.params or not np.array_equal(node.params[key], value):
                raise _changed(node.name)
    ends = [graph.nodes[b] for _, b in graph.edges]
    n_edges = sum(1 for end in ends if KEY in end.metadata or end.kind == "Output")
    if n_edges != 2 * len(network.projections) + 1:
        raise FormatError("its edges were changed after unlayered wrote it; name the framework that did it with --as")


def _check_biases(network: Any, projections: list[tuple[Tree, Any]]) -> None:
    for (_, node), e in zip(projections, network.projections):
        written = linear_node(e.connection, carried_bias(network, e), f"{e.pre} -> {e.post}").get("bias")
        found = numbers(node.params, "bias", node.name) if "bias" in node.params else None
        same = found is None if written is None else found is not None and np.array_equal(found, written)
        if not same:
            raise _changed(node.name)


def _arrays(tree: Tree) -> Iterator[tuple[str, Array]]:
    return ((k, v) for k, v in tree.items() if isinstance(v, np.ndarray))
