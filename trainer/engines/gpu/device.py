"""Device code of one forward step: keys, integrate and fire, serve the queue; a row of neurons at a time.

Every function is inlined into the kernels of ``kernels.py``. Rows have a power of two of lanes; those behind the last
neuron never fire. Numbers that the compiler should see as they are (float64 too) are ``tl.constexpr``.
``order`` is 0 random, 1 momentum, 2 fifo; ``silent`` 0 slots, 1 all, 2 none; a group below 0 serves everyone.
"""

# pyright: reportOperatorIssue=false
# (Triton's own types call a sum a tuple.)

from __future__ import annotations

from typing import Any

import triton
import triton.language as tl

jit: Any = triton.jit


@jit
def mix(x):
    """One step of splitmix64; see ``ir.schedule.mix``."""
    x = x + 0x9E3779B97F4A7C15
    x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9
    x = (x ^ (x >> 27)) * 0x94D049BB133111EB
    return x ^ (x >> 31)


@jit
def extend(h, part):
    """Add one part of an address to a key's prefix."""
    return mix(h + tl.cast(part, tl.uint64))


@jit
def prefixes(prefix, b, t):
    """The key prefixes of a sample's time step: order, escape, noise, dropped spikes."""
    at = prefix + 4 * b
    return (
        extend(tl.load(at).to(tl.uint64, bitcast=True), t),
        extend(tl.load(at + 1).to(tl.uint64, bitcast=True), t),
        extend(tl.load(at + 2).to(tl.uint64, bitcast=True), t),
        extend(tl.load(at + 3).to(tl.uint64, bitcast=True), t),
    )


@jit
def happens(h, lanes, probability: tl.constexpr):
    """Draw with a probability for every lane under prefix ``h``."""
    return (extend(h, lanes) >> 11).to(tl.float64) * 1.1102230246251565e-16 < probability


@jit
def update(v, shut, waiting, q, first, drive, bias, threshold, refractory, lanes, h_escape, k,
           escape: tl.constexpr, order: tl.constexpr):  # fmt: skip
    """Steps a to d: integrate, fire, reset, become refractory, enter the queue.

    Returns:
        The registers, then the membrane before the reset, where the surrogate acts, and who fired.
    """
    is_open = shut == 0
    acts = ((drive != 0) | (bias != 0)) & is_open
    before = tl.where(is_open, v + drive + bias, 0.0)
    fired = (before > threshold) & is_open
    if order == 1:
        first = tl.where(fired, -before, first)
    if order == 2:
        first = tl.where(fired, tl.cast(k, first.dtype), first)
    closes = fired & refractory
    if escape > 0:
        closes = closes & (happens(extend(h_escape, k), lanes, escape) == 0)
    q = tl.where(fired, q + 1.0, q)
    return tl.where(fired, 0.0, before), shut | closes, waiting | fired, q, first, before, acts, fired


@jit
def pick(waiting, first, second):
    """The one lane that is served next: smallest ``first``, then smallest ``second``."""
    best = tl.min(tl.where(waiting, first, float("inf")), 0)
    tied = waiting & (first == best)
    least = tl.min(tl.where(tied, second, 0x7FFFFFFFFFFFFFFF), 0)
    return tied & (second == least)


@jit
def row_of(table, reach, j, n, lanes):
    """The weights of source ``j`` to every lane, and where it has any."""
    reached = (lanes >= tl.load(reach + 2 * j)) & (lanes < tl.load(reach + 2 * j + 1))
    return tl.load(table + tl.cast(j, tl.int64) * n + lanes, mask=reached, other=0.0), reached


@jit
def serve(table, reach, n, waiting, q, first, keys, dropped, lanes, room, order: tl.constexpr, everyone: tl.constexpr):
    """Step e: up to ``room`` entries leave the queue.

    Returns:
        What they deliver, who waits now, who was served.
    """
    second = keys
    if order == 2 or everyone:
        second = tl.cast(lanes, tl.int64)
    ranked = first
    if everyone:
        ranked = first * 0
    drive, served = q * 0, waiting & (lanes < 0)
    left = tl.minimum(tl.sum(waiting.to(tl.int32), 0), room)
    while left > 0:
        now = pick(waiting, ranked, second)
        j = tl.min(tl.where(now, lanes, 0x7FFFFFFF), 0)
        value = tl.sum(tl.where(now & (dropped == 0), q, 0.0), 0)
        weights, _ = row_of(table, reach, j, n, lanes)
        drive += value * weights
        served, waiting = served | now, waiting & (now == 0)
        left -= 1
    return drive, waiting, served


@jit
def silent_slots(idle, keys, room):
    """The ``room`` idle lanes with the smallest keys (all where there are fewer): a limit found by halving."""
    low, high = tl.min(keys, 0) * 0 - 0x7FFFFFFFFFFFFFFF, tl.min(keys, 0) * 0 + 0x7FFFFFFFFFFFFFFF
    limit, searching = high, tl.sum(idle.to(tl.int32), 0) > room
    while searching:
        limit = (low & high) + ((low ^ high) >> 1)
        found = tl.sum((idle & (keys <= limit)).to(tl.int32), 0)
        low = tl.where(found < room, limit, low)
        high = tl.where(found > room, limit, high)
        searching = found != room
    return idle & (keys <= limit)


@jit
def signed_keys(h, lanes):
    """Keys of every lane as signed numbers in the same order."""
    return (extend(h, lanes) ^ 0x8000000000000000).to(tl.int64, bitcast=True)
