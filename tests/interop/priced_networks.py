"""The three networks of ``make priced``: drawn from a seed, put by hand on cores of Loihi, and what drives them."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from exchange.chip_toml import find_chip
from ir.chip import Chip, Range
from ir.connection import Conv2d, Dense, Sparse
from ir.mapped import Core, MappedNetwork
from ir.network import Input
from ir.neurons import FixedLIF
from ir.quantized import FixedPopulation, FixedProjection, QuantizedNetwork
from ir.stimulus import Stimulus

TICKS, EMPTY = 60, 12
"""Time steps, the last of which are empty, so that both simulators see every spike of the deeper layers."""

CONSTANTS = {
    **{"synop_dense_pj": 35.5, "synop_sparse_pj": 33.6, "synop_conv_pj": 24.0},
    **{"synop_dense_ns": 3.8, "synop_sparse_ns": 4.7, "synop_conv_ns": 3.1},
    **{"neuron_inactive_pj": 51.2, "neuron_active_pj": 72.8, "neuron_inactive_ns": 6.0, "neuron_active_ns": 9.7},
    **{"spike_out_pj": 69.3, "spike_out_ns": 30.0, "packet_out_pj": 111.0, "packet_out_ns": 5.1, "packet_in_ns": 16.0},
    **{"hop_x_pj": 3.0, "hop_y_pj": 4.2, "hop_x_ns": 4.1, "hop_y_ns": 6.5},
}
"""SANA-FE's Loihi in the names of our chips' files; ``loihi1.toml`` has each as one end of its range."""

BARRIER_NS = {1: 600.0, 2: 1000.0, 4: 1400.0}
"""SANA-FE's, by tiles in use."""

Place = tuple[int, int, int]
"""x, y, slot."""


@dataclass(frozen=True)
class Case:
    """A network, where it lies, where its inputs lie, and what drives it.

    Attributes:
        inputs_at: the core of the inputs, on the tile of all cores that they feed: their packets cross no link.
    """

    name: str
    seed: int
    mapped: MappedNetwork
    inputs_at: Place
    stimulus: Stimulus


def loihi(tiles: int) -> Chip:
    """Our Loihi 1 with SANA-FE's constants."""
    costs = {**CONSTANTS, "barrier_ns": BARRIER_NS[tiles]}
    return replace(find_chip("loihi1"), costs={name: Range(x, x, x) for name, x in costs.items()})


def spread(rng: np.random.Generator, shape: tuple[int, ...], low: int = -60, high: int = 90) -> np.ndarray:
    """Even weights."""
    return (2 * rng.integers(low // 2, high // 2, shape)).astype(np.int32)


def population(name: str, shape: tuple[int, ...], threshold: int, decay: int) -> FixedPopulation:
    return FixedPopulation(name, shape, FixedLIF(decay_v=decay, v_threshold=threshold))


def some(rng: np.random.Generator, n_post: int, n_pre: int, share: float, low: int, high: int) -> Sparse:
    """A share of all synapses."""
    there = rng.random((n_post, n_pre)) < share
    post, pre = np.nonzero(there)
    indptr = np.concatenate([[0], np.cumsum(np.bincount(post, minlength=n_post))])
    return Sparse(indptr, pre.astype(np.int32), spread(rng, pre.shape, low, high), n_pre)


def dense(seed: int) -> Case:
    """96-120-80-10 on five cores of four tiles, inputs on one more."""
    rng = np.random.default_rng(seed)
    sizes, thresholds, decays = (96, 120, 80, 10), (260, 420, 320), (4096, 1024, 512)
    names = ("in", "a", "b", "c")
    network = QuantizedNetwork(
        (Input("in", (96,)),),
        tuple(population(n, (s,), v, d) for n, s, v, d in zip(names[1:], sizes[1:], thresholds, decays)),
        tuple(
            FixedProjection(pre, post, Dense(spread(rng, (b, a))))
            for pre, post, a, b in zip(names, names[1:], sizes, sizes[1:])
        ),
        "c",
        arithmetic="loihi1",
    )
    places = [(0, 0, 0), (0, 0, 1), (2, 1, 0), (3, 3, 2), (1, 2, 1)]
    core = np.repeat([0, 1, 2, 3, 4], [60, 60, 40, 40, 10])
    return case("dense", seed, network, places, core, (0, 0, 3), 0.15)


def conv(seed: int) -> Case:
    """2 x 10 x 10, eight and twelve channels of 3 x 3, ten outputs; four cores of two tiles."""
    rng = np.random.default_rng(seed)
    first = Conv2d(spread(rng, (8, 2, 3, 3), -40, 80), (2, 10, 10), (1, 1), (1, 1))
    second = Conv2d(spread(rng, (12, 8, 3, 3), -40, 60), (8, 10, 10), (2, 2), (1, 1))
    network = QuantizedNetwork(
        (Input("in", (2, 10, 10)),),
        (
            population("a", (8, 10, 10), 100, 4096),
            population("b", (12, 5, 5), 260, 2048),
            population("c", (10,), 900, 1024),
        ),
        (
            FixedProjection("in", "a", first),
            FixedProjection("a", "b", second),
            FixedProjection("b", "c", Dense(spread(rng, (10, 300)))),
        ),
        "c",
        arithmetic="loihi1",
    )
    places = [(4, 1, 0), (4, 1, 1), (6, 3, 0), (6, 3, 2)]
    core = np.concatenate([np.repeat([0, 1], 400), np.repeat([2, 3], [300, 10])])
    return case("conv", seed, network, places, core, (4, 1, 2), 0.15)


def recurrent(seed: int) -> Case:
    """100 inputs, 150 neurons that hear themselves, 20 outputs, sparse; six cores of four tiles."""
    rng = np.random.default_rng(seed)
    network = QuantizedNetwork(
        (Input("in", (100,)),),
        (population("a", (150,), 150, 1024), population("b", (20,), 300, 512)),
        (
            FixedProjection("in", "a", some(rng, 150, 100, 0.2, -40, 90)),
            FixedProjection("a", "a", some(rng, 150, 150, 0.2, -60, 40)),
            FixedProjection("a", "b", some(rng, 20, 150, 0.4, -40, 80)),
        ),
        "b",
        arithmetic="loihi1",
    )
    places = [(7, 0, 0), (7, 0, 1), (7, 0, 2), (5, 2, 0), (2, 3, 1), (6, 1, 0)]
    core = np.repeat(np.arange(6), [50, 50, 50, 8, 7, 5])
    return case("recurrent", seed, network, places, core, (7, 0, 3), 0.15)


def case(
    name: str,
    seed: int,
    network: QuantizedNetwork,
    places: list[Place],
    core: np.ndarray,
    inputs_at: Place,
    rate: float,
) -> Case:
    """Put it on the chip and draw what drives it."""
    chip = loihi(len({place[:2] for place in places}))
    cores = tuple(Core(i, 0, *place) for i, place in enumerate(places))
    rng = np.random.default_rng(seed + 1)
    frames = (rng.random((TICKS, 1, network.n_inputs)) < rate).astype(np.int32)
    frames[-EMPTY:] = 0
    return Case(name, seed, MappedNetwork(network, chip, core, cores), inputs_at, Stimulus(frames))


CASES = {"dense": (dense, 1), "conv": (conv, 2), "recurrent": (recurrent, 3)}


def made(name: str) -> Case:
    """One of ``CASES``, by its seed."""
    draw, seed = CASES[name]
    return draw(seed)
