"""Drawn integer networks in which no spike lowers a membrane."""

from __future__ import annotations

import numpy as np
from hypothesis import strategies as st

from ir.connection import Dense
from ir.mapped import Core, MappedNetwork
from ir.network import Input
from ir.neurons import FixedLIF
from ir.quantized import FixedPopulation, FixedProjection, QuantizedNetwork
from ir.stimulus import Stimulus
from tests.strategies.options import seeds

RESETS = ("zero", "zero", "subtract", "zero_late", "subtract_late", "none")


@st.composite
def order_free_cases(draw: st.DrawFn) -> tuple[MappedNetwork, Stimulus]:
    """Two inputs and two to five populations on three cores, each fed by any before it, with whatever the claim allows;
    now and then a population that no input reaches."""
    rng = np.random.default_rng(draw(seeds))
    inputs = tuple(Input(f"in{i}", (int(rng.integers(1, 4)),)) for i in range(2))
    sizes = rng.integers(1, 5, int(rng.integers(2, 6)))
    populations, projections = [], []
    for i, n in enumerate(map(int, sizes)):
        name, pools = f"p{i}", bool(i and rng.random() < 0.1)
        before = [f"p{j}" for j in range(i) if rng.random() < 0.6] or [f"p{j}" for j in range(i)][-1:]
        sources = [x.name for x in inputs if rng.random() < 0.4] * (not pools) + before
        if not sources or rng.random() < 0.1:
            sources = [] if rng.random() < 0.3 and not pools else ["in0"]
        widths = {x.name: x.n for x in inputs} | {p.name: p.n for p in populations}
        for source in sources:
            projections.append(_projection(rng, source, name, (n, widths[source]), pools))
        held = rng.random() < 0.3 and not any(x.startswith("in") for x in sources)
        neuron = FixedLIF(v_threshold=0, pools=True) if pools else _neuron(rng, n, held)
        populations.append(FixedPopulation(name, (n,), neuron))
    network = QuantizedNetwork(inputs, tuple(populations), tuple(projections), populations[-1].name)
    frames = rng.integers(-1, 4, (int(rng.integers(1, 5)), 2, network.n_inputs)).astype(np.int32)
    mapped = MappedNetwork(network, None, rng.integers(0, 3, network.n_neurons), tuple(Core(i, x=i) for i in range(3)))
    return mapped, Stimulus(frames)


def _projection(rng: np.random.Generator, pre: str, post: str, shape: tuple[int, int], pools: bool) -> FixedProjection:
    exponent = 0 if pools else int(rng.integers(-2, 3))
    weight = rng.integers(-6 if pre.startswith("in") else 0, 10, shape) * (rng.random(shape) < 0.7)
    if pools:
        weight = (weight > 3).astype(int)
    elif not pre.startswith("in"):
        weight = weight << max(-exponent, 0)
    return FixedProjection(pre, post, Dense(weight.astype(np.int32)), exponent)


def _neuron(rng: np.random.Generator, n: int, held: bool) -> FixedLIF:
    def each(low: int, high: int) -> np.ndarray | int:
        return rng.integers(low, high, n) if rng.random() < 0.5 else int(rng.integers(low, high))

    biased = rng.random() < 0.4 and not held
    return FixedLIF(
        decay_v=each(0, 4097),
        v_threshold=each(0, 20),
        decay_u=4096 if rng.random() < 0.6 else each(1, 4097),
        bias=each(-900, 900) if biased else None,
        bias_u=each(-10, 10) if biased and rng.random() < 0.5 else None,
        reset=str(rng.choice(RESETS)),  # type: ignore[arg-type]
        reset_interval=int(rng.integers(0, 4)),
        v_min=-int(rng.integers(0, 800)) if held else None,
    )
