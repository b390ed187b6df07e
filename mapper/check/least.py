"""A number of cores that no partition undercuts, proved from the layers and the chip's file alone.

n neurons of a population take at least ``f(n)`` words of a core, whichever they are. For any share ``t`` of words
against neurons, a core's ``t * words / W + (1 - t) * neurons / N`` is at most 1, and each of n neurons takes at least
``min over n of (t * f(n) / W + (1 - t) * n / N) / n`` of it; added up over all neurons, that many cores are needed.
"""

from __future__ import annotations

import numpy as np

from ir.arrays import Ints
from ir.chip import Chip
from ir.connection import Conv2d, Dense
from ir.quantized import FixedPopulation, FixedProjection, QuantizedNetwork
from mapper.memory.layout import Words, layout, list_words, taps

SHARES = 41  # shares of words against neurons that are tried


def least_cores(network: QuantizedNetwork, chip: Chip) -> int:
    """The largest number of cores that the argument above proves necessary, by neurons and words."""
    limits, tries = chip.limits, np.linspace(0.0, 1.0, SHARES)
    total = np.zeros(SHARES)
    for p in network.populations:
        words, places = least_words(network, p, chip), p.neuron.places * np.arange(1, p.n + 1)
        fits = (words <= limits.max_synapse_words) & (places <= limits.max_neurons)
        fits[0] = True  # one neuron that fits nowhere is refused elsewhere
        room, n = max(limits.max_synapse_words, 1), np.flatnonzero(fits) + 1
        share = np.outer(tries, words[fits] / room) + np.outer(1.0 - tries, places[fits] / limits.max_neurons)
        total += p.n * (share / n).min(1)
    return max(1, int(np.ceil(float(total.max()) - 1e-6)))


def least_words(network: QuantizedNetwork, p: FixedPopulation, chip: Chip) -> Ints:
    """(n,) words that 1, 2, ... neurons of a population take on a core at least, whichever they are."""
    form, n = list_words(chip), np.arange(1, p.n + 1)
    arriving = [(e, layout(e, chip)) for e in network.projections if e.post == p.name]
    found = np.zeros(p.n, np.int64)
    kernels: list[tuple[Conv2d, int]] = []
    for e, way in arriving:
        if way.kernel and isinstance(e.connection, Conv2d):
            kernels.append((e.connection, way.bits))
        elif isinstance(e.connection, Dense) and way.zeros:
            found += e.connection.n_pre * form.of_list(n, way.bits)
        else:
            found += np.floor(np.cumsum(np.sort(_synapses(e, way.zeros))) * _densest(form, way.bits)).astype(np.int64)
    return found + _kernel_words(kernels, p, form)


def _synapses(e: FixedProjection, zeros: bool) -> Ints:
    """(n,) synapses stored of each target; none are claimed of a convolution, whose lists are not looked at."""
    c = e.connection
    if isinstance(c, Conv2d):
        return np.zeros(c.n_post, np.int64)
    if isinstance(c, Dense):
        return np.count_nonzero(c.weight, axis=1).astype(np.int64)
    held = np.concatenate([[0], np.cumsum(np.ones(c.weight.size, bool) if zeros else c.weight != 0)])
    return np.diff(held[c.indptr]).astype(np.int64)


def _densest(form: Words, bits: int) -> float:
    """Words a synapse takes at least, in a list of any length: longer lists are parts side by side."""
    n = np.arange(1, form.length + 1)
    return float((form.of_list(n, bits) / n).min())


def _kernel_words(kernels: list[tuple[Conv2d, int]], p: FixedPopulation, form: Words) -> Ints:
    """(n,) words of the kernels: n neurons have c channels at no fewer than n / c positions, for some c.

    Of q positions the one with most taps has at least as many as the q-th of all, sorted by theirs; where channels come
    in groups, each of which may lie at positions of its own, the fewest taps of all are counted.
    """
    n, best = np.arange(1, p.n + 1), np.full(p.n, np.iinfo(np.int64).max)
    if not kernels:
        return np.zeros(p.n, np.int64)
    channels, places = p.shape[0], p.n // p.shape[0]
    in_use = [np.sort(_taps_at_each(c)) for c, _ in kernels]
    for c in range(1, channels + 1):
        few = n[: c * places]
        at = -(-few // c) - 1
        words = sum(
            int(k.weight.shape[1]) * used[at if k.groups == 1 else 0 * at] * int(form.of_list(c, bits))
            for (k, bits), used in zip(kernels, in_use)
        )
        best[: few.size] = np.minimum(best[: few.size], words)
    return best


def _taps_at_each(c: Conv2d) -> Ints:
    """(positions,) weights of the kernel inside the picture."""
    return np.outer(taps(c, 0).sum(1), taps(c, 1).sum(1)).reshape(-1).astype(np.int64)
