"""Rate coding: an ordinary ReLU network becomes integrate-and-fire neurons by data-based normalization.

The rate of a neuron that resets by subtraction follows the activation of its ReLU once weights are scaled so that
no activation exceeds one spike a time step (Diehl et al., IJCNN 2015; percentile: Rueckauer et al., Frontiers 2017).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from exchange.graph.lower import Lowering
from exchange.graph.nodes import Graph, Node
from exchange.graph.sources import Neuron, Source
from exchange.graph.through import through
from ir.arrays import Array
from ir.check import require
from ir.connection import Connection, apply, synapses, with_weight
from ir.graph import layered_order, slices
from ir.network import Network, Population, Projection
from ir.neurons import LIF, as_trained_lif
from ir.pooling import pooling, pools

PERCENTILE = 99.9
"""Of a layer's activations: what counts as its largest (Rueckauer et al. use 99.9)."""


def _integrate_and_fire(node: Node, dt_s: float) -> Neuron:
    return Neuron(LIF(np.inf, 1.0, reset="subtract"), np.asarray(1.0), np.asarray(0.0))


RATE_CODED = Source(_integrate_and_fire, 1e-3, leak="none", reset="by subtraction", readout=LIF(np.inf, None))
"""ReLU as IF with threshold 1; a linear map at the end as a membrane that sums up."""


def lowered(graph: Graph, name: str) -> Network:
    """The network before normalization: the ReLU network's own weights."""
    return Lowering(graph, RATE_CODED, RATE_CODED.dt_s).network(name)


def activations(network: Network, samples: Array) -> dict[str, Array]:
    """What each population's ReLU gives (the readout: its linear value), (n, size), float64.

    Args:
        samples: (n, n_inputs), as the ReLU network is fed.
    """
    require(
        samples.ndim == 2 and samples.shape[1] == network.n_inputs,
        f"samples have shape {samples.shape}; the network has {network.n_inputs} inputs",
    )
    at = slices(network.inputs)
    value = {i.name: samples[:, at[i.name]].astype(np.float64) for i in network.inputs}
    by_name, into = {p.name: p for p in network.populations}, _into(network)
    for name in layered_order(network).order:
        p = by_name[name]
        z = np.zeros((len(samples), p.n)) + _bias(p)
        for e in into.get(name, ()):
            pooled = pools(p.neuron)
            z = np.maximum(z, _largest(e, value[e.pre])) if pooled else z + apply(e.connection, value[e.pre])
        value[name] = np.asarray(np.maximum(z, 0) if p.neuron.fires else z, np.float64)
    return {p.name: value[p.name] for p in network.populations}


def normalized(network: Network, samples: Array | None = None, percentile: float = PERCENTILE) -> Network:
    """Scale weights so that every activation is a rate of at most about one spike a time step.

    ``W <- W largest_pre / largest_post``, ``b <- b / largest_post``; an input is divided by its largest magnitude.

    Args:
        samples: (n, n_inputs) typical inputs; None = bounds that hold for any input in [0, 1] (safe, but slow to fire).
    """
    if samples is None:
        largest = {i.name: 1.0 for i in network.inputs} | bounds(network)
    else:
        at = slices(network.inputs)
        largest = {i.name: float(np.abs(samples[:, at[i.name]]).max(initial=0.0)) for i in network.inputs}
        largest |= {
            name: float(np.percentile(np.abs(a), percentile)) for name, a in activations(network, samples).items()
        }
    largest = _through_poolings(network, {name: value if value > 0 else 1.0 for name, value in largest.items()})
    projections = tuple(
        replace(e, connection=_scaled(e.connection, largest[e.pre] / largest[e.post])) for e in network.projections
    )
    populations = tuple(
        replace(p, neuron=replace(_relu(p), bias=_bias(p) / largest[p.name])) if _relu(p).bias is not None else p
        for p in network.populations
    )
    how = "bounds for inputs in [0, 1]" if samples is None else f"{len(samples)} samples, percentile {percentile}"
    note = {**network.metadata, "normalized": how, **{f"largest {k}": repr(v) for k, v in largest.items()}}
    return replace(network, projections=projections, populations=populations, metadata=note)


def _largest(e: Projection, value: Array) -> Array:
    """(n, n_post) the largest value, at least 0, of what each neuron of a max pooling sees."""
    pre, post, weight = synapses(e.connection)
    seen = weight != 0
    found = np.zeros((e.connection.n_post, len(value)))
    np.maximum.at(found, post[seen], value.T[pre[seen]])
    return found.T


def _through_poolings(network: Network, largest: dict[str, float]) -> dict[str, float]:
    """One scale for a max pooling and all that leads into it: its weights are 1."""
    pooled, found = pooling(network), dict(largest)
    groups: list[set[str]] = [{name, *(e.pre for e in network.projections if e.post == name)} for name in pooled]
    for _ in groups:  # as often as scales may have to travel
        for group in groups:
            found.update(dict.fromkeys(group, max(found[name] for name in group - set(pooled) or group)))
    return found


def _relu(p: Population) -> LIF:
    return as_trained_lif(p.name, p.neuron, "a ReLU network")


def _bias(p: Population) -> Array:
    """() or (n,); 0 where there is none."""
    bias = _relu(p).bias
    return np.asarray(0.0 if bias is None else bias)


def _scaled(c: Connection, factor: float) -> Connection:
    return with_weight(c, c.weight.astype(np.float64) * factor)


def bounds(network: Network) -> dict[str, float]:
    """The largest activation of each population that any input in [0, 1] can cause."""
    high = {i.name: 1.0 for i in network.inputs}
    by_name, into = {p.name: p for p in network.populations}, _into(network)
    for name in layered_order(network).order:
        p = by_name[name]
        total = np.zeros(p.n) + _bias(p)
        for e in into.get(name, ()):
            if pools(p.neuron):
                total = np.maximum(total, high[e.pre])
                continue
            rising = with_weight(e.connection, np.maximum(e.connection.weight, 0))
            total = total + through(rising, np.full(e.connection.n_pre, high[e.pre]))
        high[name] = float(max(total.max(), 0.0))
    return {p.name: high[p.name] for p in network.populations}


def _into(network: Network) -> dict[str, list[Projection]]:
    """The projections that end in each population."""
    into: dict[str, list[Projection]] = {}
    for e in network.projections:
        into.setdefault(e.post, []).append(e)
    return into


def rate_code(samples: Array, n_steps: int, largest: float | None = None) -> NDArray[np.int32]:
    """Frames of counts whose mean is the sample: (T, n, n_inputs), evenly spaced, in -1, 0, 1.

    Args:
        samples: (n, n_inputs).
        largest: the magnitude that becomes one spike a time step; None = of these samples.
    """
    top = float(np.abs(samples).max(initial=0.0)) if largest is None else largest
    rate = np.abs(samples) / (top or 1.0)
    require(bool((rate <= 1 + 1e-9).all()), f"a sample exceeds {top}, the largest at normalization; clip it")
    due = np.floor(np.arange(n_steps + 1)[:, None, None] * rate + 0.5)
    return (np.diff(due, axis=0) * np.sign(samples)).astype(np.int32)


@dataclass(frozen=True)
class LayerCorrelation:
    """How well one population's rates follow its ReLU.

    Attributes:
        correlation: Pearson's, over neurons and samples; NaN where one side is constant.
        rate: mean spikes a time step; activation: mean of the normalized ReLU.
    """

    name: str
    correlation: float
    rate: float
    activation: float


def correlations(network: Network, relu: dict[str, Array], counts: Array, n_steps: int) -> list[LayerCorrelation]:
    """Layer by layer, spikes against activations of the same samples.

    Args:
        network: normalized; names the largest activations in its metadata.
        relu: what :func:`activations` gave before normalization.
        counts: (n, N) spikes of each neuron, as a trace holds them.
    """
    rows = []
    for p, at in zip(network.populations, slices(network.populations).values()):
        if p.neuron.fires:
            rate = counts[:, at] / n_steps
            wanted = relu[p.name] / float(network.metadata[f"largest {p.name}"])
            with np.errstate(invalid="ignore"):
                varies = rate.std() > 0 and wanted.std() > 0
                r = float(np.corrcoef(rate.reshape(-1), wanted.reshape(-1))[0, 1]) if varies else float("nan")
            rows.append(LayerCorrelation(p.name, r, float(rate.mean()), float(wanted.mean())))
    return rows
