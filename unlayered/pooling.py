"""What max pooling costs: its spikes take places in the queue like any other, and every pooling is a hop more."""

from __future__ import annotations

from typing import Any

import numpy as np

from ir.arrays import Floats
from ir.graph import layered_order, slices
from ir.pooling import pooling
from ir.quantized import QuantizedNetwork
from ir.words import counted


def pooling_facts(network: QuantizedNetwork, rates: Floats | None) -> dict[str, Any]:
    """Neurons, hops, places in the queue and forward steps of a network's max poolings; nothing where it has none.

    Args:
        rates: (N + inputs,) spikes a time step of each source; None = not known.
    """
    names = pooling(network)
    if not names:
        return {}
    at, hops = slices(network.populations), pooling_hops(network)
    n = sum(p.n for p in network.populations if p.name in names)
    found: dict[str, Any] = {"max pooling": f"{', '.join(names)}: {counted(n, 'neuron')}"}
    hop = f"{counted(hops, 'hop')} more to the output, a forward step each"
    if network.schedule.kind == "layered":
        return {**found, "max pooling, time": hop}
    if rates is None:
        return {**found, "max pooling, forward steps": f"{hop}, and its spikes in the queue (--calibrate tells)"}
    places = float(sum(np.sum(rates[at[name]]) for name in names))
    share = places / max(float(np.sum(rates[: network.n_neurons])), 1e-12)
    group = network.schedule.F
    served = "" if group is None else f", and up to {places / group:.3g} to serve its spikes at F = {group}"
    return {
        **found,
        "max pooling, places in the queue": f"{places:.3g} a time step, {100 * share:.1f} % of all",
        "max pooling, forward steps": f"{hop}{served}",
    }


def pooling_hops(network: QuantizedNetwork) -> int:
    """The most max poolings on a way to the output that no edge looks back on."""
    names, order = pooling(network), layered_order(network)
    before: dict[str, list[str]] = {}
    for e, back in zip(network.projections, order.recurrent):
        if not back:
            before.setdefault(e.post, []).append(e.pre)
    hops: dict[str, int] = {}
    for name in order.order:
        hops[name] = max((hops.get(pre, 0) for pre in before.get(name, ())), default=0) + (name in names)
    return hops[network.output]
