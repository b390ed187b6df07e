"""SpikingGamma written down three ways, in float64 and plain torch, to hold the engine to: no code of ours in it."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass
class Layer:
    """Weights (n, n_pre), bucket weights (n, K), decays (K,), threshold (None = readout)."""

    w: Tensor
    v: Tensor
    a: Tensor
    th: float | None
    factor: float = 2.0


def network_a(layers: list[Layer], frames: Tensor, through: bool = True) -> tuple[Tensor, list[Tensor]]:
    """Layout A: every source keeps its buckets, one set for each layer that it feeds.

    Args:
        frames: (T, B, n) what inputs bring.
        through: the gradient of what a neuron codes goes straight through its spikes.

    Returns:
        (T, B, n_out) readout, and the spikes (T, B, n) of each layer that fires.
    """
    b = frames.shape[1]
    buckets = [frames.new_zeros(b, x.w.shape[1], len(x.a)) for x in layers]
    coded = [frames.new_zeros(b, x.w.shape[0]) for x in layers]
    out: list[Tensor] = []
    fired: list[list[Tensor]] = [[] for _ in layers]
    for frame in frames:
        told = layers[0].a[0] * buckets[0][..., 0] + frame
        for i, layer in enumerate(layers):
            old = buckets[i]
            rest = layer.a[1:] * old[..., 1:] + (1 - layer.a[1:]) * old[..., :-1]
            buckets[i] = torch.cat([told.unsqueeze(-1), rest], -1)
            x = (torch.einsum("ji,bik->bjk", layer.w, buckets[i]) * layer.v).sum(-1)
            if layer.th is None:
                out.append(x)
                break
            y = torch.relu(x)
            p = layer.a[0] * coded[i].detach()
            s = ((y - p) > layer.th).to(y.dtype).detach()
            e = (p + layer.factor * layer.th * s).detach()
            coded[i], told = e, (e + (y - y.detach()) if through else e)
            fired[i].append(s)
    return torch.stack(out), [torch.stack(s) for s in fired if s]


def layer_c(layer: Layer, frames: Tensor) -> Tensor:
    """Layout C: delays by synapse at the receiver, a transposed cascade of K states; (T, B, n) sums."""
    k = len(layer.a)
    g = [frames.new_zeros(frames.shape[1], len(layer.w)) for _ in range(k + 1)]
    out = []
    for frame in frames:
        a = [frame @ (layer.w * layer.v[:, [m]]).T for m in range(k)]
        old = list(g)
        g[0] = layer.a[0] * old[0] + a[0] + old[1]
        for m in range(1, k):
            g[m] = layer.a[m] * old[m] + (1 - layer.a[m]) * (a[m] + old[m + 1])
        out.append(g[0])
    return torch.stack(out)
