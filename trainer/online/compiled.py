"""A batch under an online rule on compiled kernels: networks of one hidden layer, dense, of constant thresholds."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from ir.connection import Dense
from trainer.online.kernels import Net, States, Sums, run_samples
from trainer.online.run import Gradients, OnlineRun


class Found(NamedTuple):
    """Of a batch: the loss (of time steps that count, their mean), gradients, spikes (B, n), the readout's last v."""

    loss: float
    gradients: Gradients
    spikes: Tensor
    v: Tensor


def refusal(run: OnlineRun) -> str | None:
    """Why a batch runs on the plain engine alone; None = it does not."""
    if len(run.places) != 2:
        return f"{len(run.places) - 1} hidden layers; the compiled engine takes one"
    if not all(isinstance(link.connection, Dense) for _, link, _ in run.places):
        return "a projection that is not dense"
    if run.layers[0].neurons.facts.adapts:
        return "thresholds that adapt"
    if run.call.params.like.device.type != "cpu":
        return "a device beside the CPU"
    return None


def whole_batch(run: OnlineRun, labels: Tensor, begins: int) -> Found:
    """All time steps of all samples; weights stay as they are meanwhile.

    Args:
        run: before its first time step, without a ``refusal``.
        begins: the first time step whose loss counts.
    """
    first, last = (layer.neurons for layer in run.layers)
    dtype = np.float64 if run.call.params.like.dtype == torch.float64 else np.float32

    def plain(x: Tensor) -> Any:
        return np.ascontiguousarray(x.detach().numpy().astype(dtype, copy=False))

    weight_in, weight_out = (run.call.params.weights[number] for _, _, number in run.places)
    net = Net(
        plain(weight_in.T),
        plain(weight_out),
        *(plain(x.weight.T) for x in (first, last)),
        *(plain(x.keep[0]) for x in (first, last)),
        *(plain(x) for x in (first.params.threshold, first.params.quantum, first.params.most)),
    )
    frames = plain(run.call.frames)
    n_steps, n_samples, _ = frames.shape
    (n_out, n) = net.weight_out.shape
    now, sums = _room(net, run.credit.traces, dtype)
    fired, decided = np.zeros((n_samples, n), np.int64), np.zeros((n_samples, n_out), dtype)
    passing = last.facts.n_buckets if run.credit.buckets is None else min(run.credit.buckets, last.facts.n_buckets)
    how = np.array([begins, run.credit.traces, passing, first.facts.strict], np.int64)
    share = 1.0 / (n_samples * max(n_steps - begins, 1))
    price = run.price / max(n_samples * n_steps * n, 1)
    loss = run_samples(net, now, sums, frames, labels.numpy().astype(np.int64), how, share, price, fired, decided)
    found = [torch.from_numpy(x) for x in (sums.weight_in.T, sums.weight_out, sums.bucket_in.T, sums.bucket_out.T)]
    return Found(float(loss), Gradients(found[:2], found[2:]), torch.from_numpy(fired), torch.from_numpy(decided))


def _room(net: Net, traces: bool, dtype: Any) -> tuple[States, Sums]:
    """States and sums of zeros."""
    (n_in, n), n_out = net.weight_in.shape, len(net.weight_out)
    k, many = len(net.keep_in), len(net.keep_out)

    def zeros(*shape: int) -> Any:
        return np.zeros(shape, dtype)

    some = (n_in, many, n) if traces else (0, 0, 0)
    kept = (k, many, n) if traces else (0, 0, 0)
    now = States(
        zeros(k, n),
        zeros(k, n_in),
        zeros(n),
        zeros(n),
        zeros(n),
        zeros(many, n_out),
        zeros(many, n),
        zeros(n_out),
        zeros(*some),
        zeros(*kept),
    )
    sums = Sums(
        zeros(n_in, n),
        zeros(n_out, n),
        zeros(k, n),
        zeros(many, n_out),
        zeros(n),
        zeros(many, n),
        zeros(n_out),
        zeros(n),
    )
    return now, sums
