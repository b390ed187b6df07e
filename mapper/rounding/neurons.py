"""Each neuron by itself: the scale that its own numbers allow, and what rounding at a scale takes from it.

A scale a neuron (with its threshold and bias) changes no spike of floats: both sides of ``v > v_threshold`` grow alike.
It is given where nothing compares the membranes of two neurons. Under ``momentum`` the queue does: neurons of other
scales would be served in another order, and powers of two would not save it, for membranes of unlike sources are
compared, not mantissas. So there a population keeps one scale; thresholds, which the queue never sees, may be a
neuron's own under every order. Membranes that are read out are compared as well, and neurons that never fire keep one.
"""

from __future__ import annotations

import numpy as np

from ir.arrays import Array
from ir.chip import Chip, IntFormat
from ir.coding import delivered
from ir.connection import Connection, Conv2d, Dense
from ir.fixed_point import of_weights
from ir.formats import Formats, to_grid
from ir.network import Network, Population
from ir.neurons import LIF

LOST = 0.5
"""A neuron whose weights (by their squares) or threshold err by more than this share is lost."""


def own_threshold(p: Population, chip: Chip) -> bool:
    """Whether each neuron of a population may have a threshold of its own."""
    return chip.per_neuron_threshold and isinstance(p.neuron, LIF) and p.neuron.fires and not p.neuron.pools


def own_scale(network: Network, p: Population, chip: Chip) -> bool:
    """Whether each neuron of a population may have a scale of its own: see the head of this file."""
    s = network.schedule
    compared = s.kind == "asynchronous" and s.order == "momentum" and s.F is not None
    return own_threshold(p, chip) and not compared and getattr(p.neuron, "v_min", None) is None


def kernels_of(network: Network, p: Population) -> Array:
    """(n,) neurons with one number share weights: those of a channel where a convolution leads to them."""
    if any(isinstance(e.connection, Conv2d) for e in network.projections if e.post == p.name):
        return np.repeat(np.arange(p.shape[0]), p.n // p.shape[0])
    return np.arange(p.n)


def neuron_scales(network: Network, p: Population, formats: Formats) -> Array:
    """(n,) the scale at which a neuron's threshold or bias reaches the end of its format; infinite without any."""
    found = np.full(p.n, np.inf)
    for values, form in p.neuron.scaled_numbers(formats):
        found = np.minimum(found, _room(np.broadcast_to(np.asarray(values, np.float64), (p.n,)), form))
    return _alike(found, kernels_of(network, p))


def largest_scales(network: Network, p: Population, formats: Formats) -> Array:
    """(n,) the largest scale at which no number of a neuron leaves its format, those of one kernel together."""
    found = neuron_scales(network, p, formats)
    for e in network.projections:
        if e.post == p.name:
            room = _room(np.asarray(delivered(network, e), np.float64), formats.weight)
            found = np.minimum(found, _least(e.connection, room))
    found = _alike(found, kernels_of(network, p))
    return np.where(np.isfinite(found), found, float(np.min(found, initial=1.0, where=np.isfinite(found))))


def row_errors(network: Network, p: Population, scale: Array | float, formats: Formats) -> Array:
    """(n,) the square error of each neuron's weights, or of its threshold where that is more, as a share of theirs."""
    error, power = np.zeros(p.n), np.zeros(p.n)
    for e in network.projections:
        if e.post == p.name:
            weight, each = np.asarray(delivered(network, e), np.float64), of_weights(e.connection, scale)
            goal = weight * each
            error += _sum(e.connection, (to_grid(goal, 1.0, formats.weight) - goal) ** 2)
            power += _sum(e.connection, goal**2)
    share = error / np.where(power > 0, power, 1.0)
    threshold = getattr(p.neuron, "v_threshold", None)
    if isinstance(p.neuron, LIF) and threshold is not None:
        high = np.broadcast_to(np.asarray(threshold) * scale, (p.n,))
        share = np.maximum(share, np.where(high > 0, np.abs(np.rint(high) - high) / np.where(high > 0, high, 1.0), 0.0))
    return share


def _room(values: Array, form: IntFormat) -> Array:
    """The factor that carries each value to the end of its format; infinite at 0."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(values > 0, form.hi / values, np.where(values < 0, form.lo / values, np.inf))


def _alike(values: Array, kernels: Array) -> Array:
    """The least of the values of a kernel, for all its neurons."""
    least = np.full(int(kernels.max()) + 1, np.inf)
    np.minimum.at(least, kernels, values)
    return least[kernels]


def _least(c: Connection, values: Array) -> Array:
    """(n_post,) the least of the values of each target's weights."""
    if isinstance(c, (Dense, Conv2d)):
        rows = values.reshape(len(values), -1).min(1)
        return np.repeat(rows, c.n_post // len(rows))
    found = np.full(c.n_post, np.inf)
    np.minimum.at(found, np.repeat(np.arange(c.n_post), np.diff(c.indptr)), values)
    return found


def _sum(c: Connection, values: Array) -> Array:
    """(n_post,) the sum of the values of each target's weights."""
    if isinstance(c, (Dense, Conv2d)):
        rows = values.reshape(len(values), -1).sum(1)
        return np.repeat(rows, c.n_post // len(rows))
    return np.bincount(np.repeat(np.arange(c.n_post), np.diff(c.indptr)), values, c.n_post)
