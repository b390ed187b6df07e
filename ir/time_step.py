"""The same trained network in time steps of another length: time constants in seconds stay."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ir.check import real, require
from ir.graph import layered_order
from ir.network import Network


def at_time_step(network: Network, dt_s: float, lags: bool = False) -> Network:
    """Give a network of floats another time step; neurons keep their time constants in seconds, weights stay.

    Its input are spikes, as many in a second as before. What takes whole time steps has no meaning in others and is
    refused: delays, and a recurrent edge, which delivers the spikes of the time step before.

    In finer time steps SpikingGamma of constant thresholds could tell more than a spike in every former one tells: that
    becomes their ``ceiling``, so that they code what they coded.

    Args:
        lags: a filter of time constant tau is late by ``dt / (1 - exp(-dt / tau))``, about ``tau + dt / 2``, which is
            also what an input adds to it over all time: keep that of all buckets, not tau.

    Raises:
        ValueError: the network has such an edge, or an encoder.
    """
    dt_s = real("dt_s", dt_s, 0.0, np.inf, "a time step lasts more than 0 s and not for ever")
    require(network.encoder is None, "the network has an encoder on the host; give the part behind it")
    for e, back in zip(network.projections, layered_order(network).recurrent):
        who = f"projection {e.pre} -> {e.post}"
        require(not back, f"{who} is recurrent: it is one time step late, which is another time in {dt_s:g} s; retrain")
        require(not np.any(e.delay_steps), f"{who} has delays of whole time steps; remove them, or retrain")
    ratio = dt_s / network.dt_s
    populations = tuple(replace(p, neuron=p.neuron.stepping(ratio, lags)) for p in network.populations)
    return replace(network, dt_s=dt_s, populations=populations)
