"""How each projection of a layered network becomes a Lava connection with the right delay, or is refused."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from ir.arrays import Int32s, Ints
from ir.connection import Conv2d, Dense
from ir.graph import LayeredOrder, layered_order
from ir.quantized import FixedProjection, QuantizedNetwork
from targets.lava.weights import (
    WeightFormat,
    is_lossless_shift,
    largest_sum,
    name_of,
    weight_format,
    without_parallels,
)

MAX_DELAY = 63
"""Lava's DelayDense and DelaySparse allow no longer delay (Loihi 2: 6 bits)."""

CONV_REACH = 1 << 23
"""Lava's Conv wraps its sums in 24 bits, sign included."""

Kind = Literal["Dense", "Sparse", "Conv", "DelayDense", "DelaySparse"]


@dataclass(frozen=True, eq=False)
class Route:
    """One projection on Lava.

    Attributes:
        kind: the stock process that carries it.
        delay: (n_pre,) extra ticks, neuron sources; zeros for inputs.
        late: ticks by which an input's source is held back.
        input_delay: (n_pre,) time steps by which each input is held back; zeros for neuron sources.
        graded: whether counts other than 0 and 1 arrive.
        format: how weights are stored; Conv stores them as they are.
        look_back: time steps by which it reaches back.
    """

    projection: FixedProjection
    kind: Kind
    delay: Ints
    late: int
    input_delay: Ints
    graded: bool
    format: WeightFormat | None
    look_back: int


def plan_routes(network: QuantizedNetwork, frames: Int32s) -> tuple[Route, ...]:
    """Plan every projection.

    Args:
        frames: (T, B, N_in) the counts that will be sent.

    Raises:
        ValueError: what stock Lava cannot run exactly; says which projection, and the way out.
    """
    order = layered_order(network)
    inputs = {i.name for i in network.inputs}
    low, high = (int(frames.min()), int(frames.max())) if frames.size else (0, 0)
    counts = Counts(max(high, -low), low < 0 or high > 1)
    carries = {p.name: p.neuron.carries for p in network.populations}
    return tuple(
        _input_route(p, order, counts) if p.pre in inputs else _neuron_route(p, order, back, carries[p.pre])
        for p, back in zip(map(without_parallels, network.projections), order.recurrent)
    )


@dataclass(frozen=True)
class Counts:
    """The counts of a stimulus: the largest size, and whether any is other than 0 and 1."""

    largest: int
    graded: bool


def _input_route(projection: FixedProjection, order: LayeredOrder, counts: Counts) -> Route:
    n = projection.connection.n_pre
    delay = np.broadcast_to(np.asarray(projection.delay_steps, np.int64), (n,))
    if counts.graded:
        _check_shift(projection, counts.largest, "counts", "clip the counts, or run on the reference")
    kind = _kind(projection, counts.largest)
    late = order.place[projection.post]
    return Route(projection, kind, np.zeros(n, np.int64), late, delay, counts.graded, _format(projection, kind), 0)


def _check_shift(projection: FixedProjection, largest: int, what: str, remedy: str) -> None:
    """Raise where Lava would wrap a sum before it shifts it right."""
    if largest_sum(projection, largest) >= 1 << 31 and not is_lossless_shift(projection):
        raise ValueError(
            f"{name_of(projection)}: with {what} up to {largest} its sum can pass 32 bits before the shift "
            f"right by {-projection.weight_exp}; {remedy}"
        )


def _neuron_route(projection: FixedProjection, order: LayeredOrder, recurrent: bool, carries: int) -> Route:
    n = projection.connection.n_pre
    steps = np.broadcast_to(np.asarray(projection.delay_steps, np.int64), (n,)) + recurrent
    slack = order.place[projection.post] - order.place[projection.pre] - 1
    delay = steps + slack
    if int(delay.min()) < 0:
        raise ValueError(
            f"{name_of(projection)} looks back from place {order.place[projection.pre]} to place "
            f"{order.place[projection.post]}: with one tick a hop its spikes arrive {-int(delay.min())} ticks late; "
            f"give it delay_steps of at least {-slack - recurrent}, or run asynchronously or on the reference"
        )
    if int(delay.max()) > MAX_DELAY:
        raise ValueError(
            f"{name_of(projection)} needs a delay of {int(delay.max())} ticks, Lava's connections allow {MAX_DELAY}; "
            "shorten delay_steps or the skip"
        )
    if delay.min() != delay.max() and not is_lossless_shift(projection):
        raise ValueError(
            f"{name_of(projection)} mixes delays and shifts its sum right by {-projection.weight_exp}; Lava shifts the "
            "sum of each delay alone; use one delay or weight_exp 0"
        )
    none = np.zeros(n, np.int64)
    kind = _kind(projection, carries)
    if carries > 1:
        _check_shift(projection, carries, "graded spikes", "use weight_exp 0, or run on the reference")
        if int(delay.max()) > 0:
            raise ValueError(
                f"{name_of(projection)} brings graded spikes {int(delay.max())} ticks late, which no connection of "
                "Lava does; remove the delay or the skip, or run on the reference"
            )
    if int(delay.max()) > 0:
        kind = "DelayDense" if isinstance(projection.connection, Dense) else "DelaySparse"
    return Route(projection, kind, delay, 0, none, carries > 1, _format(projection, kind), int(steps.max()))


def _format(projection: FixedProjection, kind: Kind) -> WeightFormat | None:
    return None if kind == "Conv" else weight_format(projection)


def _kind(projection: FixedProjection, max_count: int) -> Kind:
    """Dense stays Dense; a convolution is one only where Lava's own is exact, else its synapses are listed."""
    c = projection.connection
    if isinstance(c, Dense):
        return "Dense"
    if not isinstance(c, Conv2d):
        return "Sparse"
    small = max(*c.weight.shape[2:], *c.stride, *c.padding, *c.dilation, c.groups) <= 127
    reach = largest_sum(projection, max(max_count, 1)) << max(projection.weight_exp, 0)
    return "Conv" if small and is_lossless_shift(projection) and reach < CONV_REACH else "Sparse"
