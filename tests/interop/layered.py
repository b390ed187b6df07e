"""A float network under the layered schedule in numpy, float64: what frameworks' spikes are compared with."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ir.connection import apply
from ir.graph import layered_order, slices
from ir.network import Network
from ir.neurons import LIF


def run(network: Network, frames: NDArray[Any]) -> dict[str, NDArray[Any]]:
    """Spikes of every population, (T, B, n), for frames (T, B, n_inputs)."""
    order = layered_order(network)
    inputs = slices(network.inputs)
    n_steps, n_samples = frames.shape[:2]
    sent = {i.name: frames[:, :, inputs[i.name]].astype(np.float64) for i in network.inputs}
    sent |= {p.name: np.zeros((n_steps, n_samples, p.n)) for p in network.populations}
    state = {p.name: np.zeros((2, n_samples, p.n)) for p in network.populations}
    neuron = {p.name: p.neuron for p in network.populations}
    for t in range(n_steps):
        for name in order.order:
            drive = np.zeros(state[name].shape[1:])
            for e, back in zip(network.projections, order.recurrent):
                if e.post == name:
                    drive += apply(e.connection, delayed(sent[e.pre], t - back, np.asarray(e.delay_steps)))
            sent[name][t] = step(state[name], drive, neuron[name], network.dt_s)
    return {p.name: sent[p.name] for p in network.populations}


def delayed(sent: NDArray[Any], t: int, delay: NDArray[Any]) -> NDArray[Any]:
    """What arrives at t, (B, n_pre)."""
    if delay.ndim == 0:
        return sent[t - int(delay)] if t >= int(delay) else np.zeros(sent.shape[1:])
    out = np.zeros(sent.shape[1:])
    for d in np.unique(delay):
        if t >= d:
            out[:, delay == d] = sent[t - d][:, delay == d]
    return out


def step(state: NDArray[Any], drive: NDArray[Any], lif: LIF, dt_s: float) -> NDArray[Any]:
    """Leak, integrate, fire, reset; ``state`` holds v and u and is advanced in place."""
    leak_u = lif.leak_u(dt_s)
    drive = drive + (0.0 if lif.bias_u is None else lif.bias_u)
    u = drive if leak_u is None else leak_u * state[1] + drive
    left = lif.leak_v(dt_s) * state[0]
    if lif.reset.endswith("_late") and lif.v_threshold is not None:
        fired = state[0] > lif.v_threshold
        left = np.where(fired, 0.0 if lif.reset == "zero_late" else left - lif.v_threshold, left)
        left = left if lif.v_min is None else np.maximum(left, lif.v_min)
    v = left + u + (0.0 if lif.bias is None else lif.bias)
    v = v if lif.v_min is None else np.maximum(v, lif.v_min)
    if lif.v_threshold is None:
        spikes = np.zeros(v.shape)
    elif lif.multi_spike:
        spikes = np.maximum(np.floor(v / lif.v_threshold), 0)
    else:
        spikes = (v > lif.v_threshold).astype(np.float64)
    subtracted = v - spikes * (0.0 if lif.v_threshold is None else lif.v_threshold)
    after = {"zero": v * (spikes == 0), "subtract": subtracted}
    state[0], state[1] = after.get(lif.reset, v), u
    return spikes
