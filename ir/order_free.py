"""Networks that no order changes: the same spikes in every time step under every schedule, order and F.

Where nothing that a population sends can lower a membrane, a membrane only grows in a time step once the frame is in.
It passes its threshold whatever comes first, or never: the order of service decides when in the time step a neuron
fires, not whether. The layered schedule is one such order. docs/order_free.md has the proof.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain
from typing import Any

import numpy as np

from ir.graph import input_depths, is_acyclic, layered_order
from ir.mapped import MappedNetwork
from ir.network import Network
from ir.quantized import QuantizedNetwork
from ir.words import counted

__all__ = ["why_order_matters"]


def why_order_matters(network: Network | QuantizedNetwork | MappedNetwork) -> str:
    """Why the order in which spikes are served may decide which neurons fire; empty where it cannot.

    It holds for frames that enter whole (input rule ``first``), without a forced stop, and as long as no register of
    integers reaches its limit; floats are rounded in the order of their sums.

    >>> from ir.connection import Dense
    >>> from ir.network import Input, Population, Projection
    >>> def chain(w):
    ...     ends = Projection("in", "a", Dense(np.array([[-1.0]]))), Projection("a", "b", Dense(np.array([[w]])))
    ...     return Network((Input("in", (1,)),), (Population("a", (1,)), Population("b", (1,))), ends, "b")
    >>> why_order_matters(chain(0.5))
    ''
    >>> why_order_matters(chain(-0.5))
    "1 of 1 weight from 'a' into 'b' is negative"
    """
    network = network.network if isinstance(network, MappedNetwork) else network
    if not is_acyclic(network):
        return "projections look back, which the layered schedule delivers a time step later"
    return next(filter(None, chain(map(_neurons, network.populations), _projections(network), _early(network))), "")


def _neurons(p: Any) -> str:
    """What of a population's neurons makes the order matter."""
    if p.neuron.MODEL != "lif":
        return f"spikes of population {p.name!r} carry numbers of their own"
    if getattr(p.neuron, "multi_spike", False) or (p.neuron.fires and not p.neuron.refractory):
        return f"neurons of population {p.name!r} fire more than once in a time step"
    return ""


def _projections(network: Network | QuantizedNetwork) -> Iterator[str]:
    """What of the projections makes it matter; all neurons are LIF."""
    populations: dict[str, Any] = {p.name: p.neuron for p in network.populations}
    fed = {e.post for e in network.projections if e.pre not in populations}
    for e in network.projections:
        if np.any(e.delay_steps):
            yield f"spikes from {e.pre!r} into {e.post!r} have delays, which belong to the layered schedule"
        if e.pre not in populations:
            continue
        neuron, weight = populations[e.post], np.asarray(e.connection.weight)
        if negative := int((weight < 0).sum()):
            are = "is" if negative == 1 else "are"
            yield f"{negative:,} of {counted(weight.size, 'weight')} from {e.pre!r} into {e.post!r} {are} negative"
        exponent = getattr(e, "weight_exp", 0)
        if exponent < 0 and np.any(weight.astype(np.int64) % (1 << -exponent)):
            yield f"sums from {e.pre!r} into {e.post!r} are shifted right, each part of them is rounded down"
        if neuron.v_min is not None and (_is_biased(neuron) or e.post in fed):
            yield f"population {e.post!r} holds membranes at v_min, which other spikes may come before or after"


def _early(network: Network | QuantizedNetwork) -> Iterator[str]:
    """Populations that a spike reaches before their own bias, which comes at k = depth: a population that no input
    reaches may send one at k = 0."""
    depth, order = input_depths(network), layered_order(network).order
    neurons: dict[str, Any] = {p.name: p.neuron for p in network.populations}
    first: dict[str, int] = {}
    for name in order:
        reached = [first[e.pre] + 1 for e in network.projections if e.post == name and e.pre in first]
        first[name] = min([depth[name], *reached])
        if first[name] < depth[name] and _is_biased(neurons[name]):
            yield f"spikes may reach population {name!r} before its bias, from one that no input reaches"


def _is_biased(neuron: Any) -> bool:
    return neuron.bias is not None or neuron.bias_u is not None
