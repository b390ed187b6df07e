"""Compiled steps of the online rules for one hidden layer: one sample at a time, states (K, n), loops over n.

Sums are taken in another order than the plain engine's, so that gradients agree to rounding.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from trainer.engines.compiled.jit import entry, loose

Floats = NDArray[np.floating[Any]]
Num = Any
"""A number of numpy or Python: compiled code sees no difference."""


class Net(NamedTuple):
    """What does not change within a batch: ``weight_in`` (n_in, n), ``weight_out`` (m, n), bucket weights (K, n) and
    (L, m), decays (K,) and (L,), ``threshold``, ``quantum`` and ``most`` (n,)."""

    weight_in: Floats
    weight_out: Floats
    bucket_in: Floats
    bucket_out: Floats
    keep_in: Floats
    keep_out: Floats
    threshold: Floats
    quantum: Floats
    most: Floats


class States(NamedTuple):
    """Of one sample: buckets ``x`` (K, n), ``told_in`` (K, n_in) of the inputs; ``v``, ``e``, ``gate`` (n,); the
    readout's ``x_out`` (L, m), ``told`` (L, n) of the hidden neurons, ``v_out`` (m,); ``trace`` (n_in, L, n),
    ``bucket_trace`` (K, L, n)."""

    x: Floats
    told_in: Floats
    v: Floats
    e: Floats
    gate: Floats
    x_out: Floats
    told: Floats
    v_out: Floats
    trace: Floats
    bucket_trace: Floats


class Sums(NamedTuple):
    """Gradients, laid out as in ``Net``; and room for one step: ``own`` (n,), ``error`` (L, n), ``delta`` (m,),
    ``passed`` (n,)."""

    weight_in: Floats
    weight_out: Floats
    bucket_in: Floats
    bucket_out: Floats
    own: Floats
    error: Floats
    delta: Floats
    passed: Floats


@loose
def cascade(x: Any, keep: Any) -> None:
    """Buckets behind the first: each follows the one before it, as that was."""
    for k in range(len(keep) - 1, 0, -1):
        for i in range(x.shape[1]):
            x[k, i] = keep[k] * x[k, i] + (1 - keep[k]) * x[k - 1, i]


@loose
def hidden(net: Any, now: Any, frame: Any) -> None:
    """The hidden layer's buckets, and their sum ``v``."""
    cascade(now.x, net.keep_in)
    cascade(now.told_in, net.keep_in)
    for i in range(now.x.shape[1]):
        now.x[0, i] *= net.keep_in[0]
        now.v[i] = 0
    for j in range(len(frame)):
        now.told_in[0, j] = net.keep_in[0] * now.told_in[0, j] + frame[j]
        if frame[j] != 0:
            for i in range(now.x.shape[1]):
                now.x[0, i] += frame[j] * net.weight_in[j, i]
    for k in range(now.x.shape[0]):
        for i in range(now.x.shape[1]):
            now.v[i] += net.bucket_in[k, i] * now.x[k, i]


@loose
def coded(net: Any, now: Any, strict: Num, fired: Any) -> None:
    """Spike where the rectified sum is further above what spikes tell than the threshold; tell it to the readout.

    Args:
        fired: (n,) counts spikes.
    """
    cascade(now.told, net.keep_out)
    for i in range(len(now.v)):
        now.gate[i] = 1.0 if 0 < now.v[i] < net.most[i] else 0.0
        before = net.keep_in[0] * now.e[i]
        error = min(max(now.v[i], now.v[i] * 0), net.most[i]) - before
        now.e[i] = before
        if error > net.threshold[i] or (strict == 0 and error == net.threshold[i]):
            now.e[i] = before + net.quantum[i]
            fired[i] += 1
        now.told[0, i] = now.e[i]


@loose
def read_out(net: Any, now: Any) -> None:
    """The readout's buckets from what it has been told: the weights of now, as the gradient sees them."""
    for o in range(len(now.v_out)):
        now.v_out[o] = 0
    for k in range(now.told.shape[0]):
        for o in range(len(now.v_out)):
            total = now.v_out[o] * 0
            for i in range(now.told.shape[1]):
                total += net.weight_out[o, i] * now.told[k, i]
            now.x_out[k, o] = total
            now.v_out[o] += net.bucket_out[k, o] * total


@loose
def own_derivative(net: Any, now: Any, j: Num, own: Any) -> None:
    """``own``: of the hidden v by their weights from input j, (n,)."""
    for i in range(len(own)):
        own[i] = 0
    for k in range(now.told_in.shape[0]):
        told = now.told_in[k, j]
        if told != 0:
            for i in range(len(own)):
                own[i] += told * net.bucket_in[k, i]


@loose
def trace_on(net: Any, now: Any, trace: Any, own: Any, counts: Num, error: Any, gradient: Any) -> None:
    """A time step of one parameter row's traces (L, n), its newest ``own`` (n,); where it counts, its gradient (n,)."""
    keep = net.keep_out
    for k in range(len(keep) - 1, 0, -1):
        for i in range(trace.shape[1]):
            trace[k, i] = keep[k] * trace[k, i] + (1 - keep[k]) * trace[k - 1, i]
    for i in range(trace.shape[1]):
        trace[0, i] = now.gate[i] * own[i]
    if counts:
        for k in range(len(keep)):
            for i in range(trace.shape[1]):
                gradient[i] += error[k, i] * trace[k, i]


@loose
def by_traces(net: Any, now: Any, counts: Num, sums: Any) -> None:
    """What the readout's buckets keep of each derivative of a hidden y, and errors at the buckets times that.

    One input after the other: what is kept of one stays in the nearest cache meanwhile.
    """
    for j in range(now.trace.shape[0]):
        own_derivative(net, now, j, sums.own)
        trace_on(net, now, now.trace[j], sums.own, counts, sums.error, sums.weight_in[j])


@loose
def by_bucket_traces(net: Any, now: Any, counts: Num, sums: Any) -> None:
    """The same for bucket weights, whose derivatives are the buckets."""
    for b in range(now.bucket_trace.shape[0]):
        trace_on(net, now, now.bucket_trace[b], now.x[b], counts, sums.error, sums.bucket_in[b])


@loose
def judged(now: Any, label: Num, share: Num, delta: Any) -> Num:
    """``delta``: of the cross-entropy by the readout's v, times ``share``; returns the loss."""
    most, total = now.v_out[0], 0.0
    for o in range(len(delta)):
        most = max(most, now.v_out[o])
    for o in range(len(delta)):
        total += np.exp(float(now.v_out[o] - most))
    for o in range(len(delta)):
        delta[o] = share * (np.exp(float(now.v_out[o] - most)) / total - (1.0 if o == label else 0.0))
    return share * (np.log(total) - float(now.v_out[label] - most))


@loose
def read_back(net: Any, now: Any, sums: Any) -> None:
    """The readout's own gradients, and errors at what the hidden neurons have told, (L, n)."""
    delta = sums.delta
    for k in range(now.told.shape[0]):
        for i in range(now.told.shape[1]):
            sums.error[k, i] = 0
        for o in range(len(delta)):
            factor = delta[o] * net.bucket_out[k, o]
            sums.bucket_out[k, o] += delta[o] * now.x_out[k, o]
            for i in range(now.told.shape[1]):
                sums.error[k, i] += factor * net.weight_out[o, i]
                sums.weight_out[o, i] += factor * now.told[k, i]


@loose
def pass_on(net: Any, now: Any, sums: Any) -> None:
    """Gradients of the hidden weights and bucket weights by the errors ``sums.passed`` at the hidden y, (n,)."""
    for j in range(sums.weight_in.shape[0]):
        own_derivative(net, now, j, sums.own)
        for i in range(len(sums.passed)):
            sums.weight_in[j, i] += sums.passed[i] * sums.own[i]
    for b in range(now.x.shape[0]):
        for i in range(len(sums.passed)):
            sums.bucket_in[b, i] += sums.passed[i] * now.x[b, i]


@loose
def at_once(net: Any, now: Any, n_buckets: Num, sums: Any) -> None:
    """Errors of the first buckets, as if all of them were of y now."""
    for i in range(len(sums.passed)):
        sums.passed[i] = 0
    for k in range(n_buckets):
        for i in range(len(sums.passed)):
            sums.passed[i] += now.gate[i] * sums.error[k, i]
    pass_on(net, now, sums)


@loose
def out_of_range(net: Any, now: Any, price: Num, sums: Any) -> Num:
    """What it costs that neurons code more than spikes can tell, and the gradient of that, which needs no past."""
    cost = 0.0
    for i in range(len(sums.passed)):
        sums.passed[i] = 0
        if now.v[i] > net.most[i]:
            sums.passed[i] = price / net.most[i]
            cost += price * (now.v[i] / net.most[i] - 1)
    if cost > 0:
        pass_on(net, now, sums)
    return cost


@entry
def run_samples(
    net: Any, now: Any, sums: Any, frames: Any, labels: Any, how: Any, share: Num, price: Num, fired: Any, decided: Any
) -> Num:
    """All samples of a batch, each from rest, its gradients added up.

    Args:
        frames: (T, B, n_in); labels: (B,); fired: (B, n) counts; decided: (B, m) the readout's last v.
        how: the first time step whose loss counts, whether traces are kept, how many buckets pass errors on else,
            whether the threshold is strict.
        share: of the batch's loss that one time step of one sample is.
        price: of a neuron that codes twice as much as spikes can tell, in one time step of one sample.
    """
    loss = 0.0
    for b in range(frames.shape[1]):
        for state in (now.x, now.told_in, now.x_out, now.told):
            state[:] = 0
        now.e[:] = 0
        now.trace[:] = 0
        now.bucket_trace[:] = 0
        for t in range(frames.shape[0]):
            hidden(net, now, frames[t, b])
            coded(net, now, how[3], fired[b])
            counts = t >= how[0]
            if counts or t == frames.shape[0] - 1:
                read_out(net, now)
            if counts:
                loss += judged(now, labels[b], share, sums.delta)
                read_back(net, now, sums)
            if how[1] != 0:
                by_traces(net, now, counts, sums)
                by_bucket_traces(net, now, counts, sums)
            elif counts:
                at_once(net, now, how[2], sums)
            if price > 0:
                loss += out_of_range(net, now, price, sums)
        for o in range(len(now.v_out)):
            decided[b, o] = now.v_out[o]
    return loss
