"""Float networks drawn by hypothesis, and the example files' folder."""

from __future__ import annotations

import os
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import strategies as st

from ir.connection import Connection, Dense
from ir.network import Input, Network, Population, Projection
from ir.neurons import LIF, RESETS
from ir.schedule import Schedule
from tests.strategies import Draw, connections, seeds

OPTIONS = Draw()


def data_folder() -> Path:
    """``UNLAYERED_DATA``, by default ``../shared`` beside the repository."""
    return Path(os.environ.get("UNLAYERED_DATA", Path(__file__).parents[2].parent / "shared"))


def example(*parts: str) -> Path:
    """A file of the shared examples; the test is skipped where they are not."""
    path = data_folder().joinpath(*parts)
    if not path.exists():
        pytest.skip(f"example {path} is not there; set UNLAYERED_DATA to the folder that holds it")
    return path


def floated(c: Connection, rng: np.random.Generator) -> Connection:
    """The same geometry with float weights, some of them float32."""
    from ir.connection import with_weight

    dtype = rng.choice(["float32", "float64"])
    return with_weight(c, (c.weight / 97.0).astype(dtype))


@st.composite
def float_neurons(draw: st.DrawFn, n: int, rng: np.random.Generator) -> LIF:
    def number(low: float, high: float) -> Any:
        return rng.uniform(low, high, n if draw(st.booleans()) else None)

    reset = draw(st.sampled_from(list(RESETS)))
    threshold = draw(st.sampled_from([None, 0.0, 1.0, number(0.1, 2.0)]))
    return LIF(
        bias_u=draw(st.sampled_from([None, None, 0.5, number(-1, 1)])),
        tau_mem_s=draw(st.sampled_from([np.inf, 0.0, 0.02, number(1e-3, 1.0)])),
        v_threshold=threshold,
        tau_syn_s=draw(st.sampled_from([None, None, 0.01, number(1e-3, 0.1)])),
        bias=draw(st.sampled_from([None, 0.25, number(-1, 1)])),
        reset=reset,
        refractory=draw(st.booleans()),
        discretization=draw(st.sampled_from(["exponential", "euler"])),
        v_min=draw(st.sampled_from([None, None, -1.5])),
        multi_spike=reset == "subtract"
        and threshold is not None
        and bool(np.min(threshold) > 0)
        and draw(st.booleans()),
    )


@st.composite
def float_networks(draw: st.DrawFn) -> Network:
    """Chains of dense, sparse and convolutional projections, with delays, self-connections and odd names."""
    rng = np.random.default_rng(draw(seeds))
    name = draw(st.lists(st.text(min_size=1, max_size=8), min_size=4, max_size=4, unique=True))
    shape = (2, 5, 4) if draw(st.booleans()) else (draw(st.integers(1, 6)),)
    blocks: list[tuple[str, tuple[int, ...]]] = [(name[0], shape)]
    populations: list[Population] = []
    projections: list[Projection] = []
    for i in range(1, draw(st.integers(2, 4))):
        pre, pre_shape = blocks[-1]
        connection, post_shape = draw(connections(pre_shape, draw(st.integers(1, 6)), OPTIONS, "plain", rng))
        delay: Any = draw(st.sampled_from([0, 0, 2, rng.integers(0, 4, connection.n_pre)]))
        populations.append(Population(name[i], post_shape, draw(float_neurons(int(np.prod(post_shape)), rng))))
        projections.append(Projection(pre, name[i], floated(connection, rng), delay))
        blocks.append((name[i], post_shape))
    if draw(st.booleans()):
        post, post_shape = blocks[-1]
        n = int(np.prod(post_shape))
        projections.append(Projection(post, post, Dense(rng.normal(size=(n, n)))))
    output = draw(st.sampled_from(populations)).name
    schedule = Schedule(
        kind=draw(st.sampled_from(["layered", "asynchronous"])), F=draw(st.sampled_from([None, 8])), seed=draw(seeds)
    )
    inputs, dt_s = (Input(name[0], shape),), draw(st.sampled_from([1e-3, 1e-4]))
    return Network(inputs, tuple(populations), tuple(projections), output, dt_s, schedule, {"trained": "today"})


def same(a: Any, b: Any) -> bool:
    """Whether two frozen values agree in every field, bit for bit, dtypes included."""
    if isinstance(a, np.ndarray) or isinstance(b, np.ndarray):
        return np.asarray(a).dtype == np.asarray(b).dtype and np.array_equal(a, b)
    if isinstance(a, tuple):
        return isinstance(b, tuple) and len(a) == len(b) and all(same(x, y) for x, y in zip(a, b))
    if hasattr(a, "__dataclass_fields__"):
        return type(a) is type(b) and all(same(getattr(a, f.name), getattr(b, f.name)) for f in fields(a))
    return a == b
