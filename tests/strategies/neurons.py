"""Drawn neuron models."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import strategies as st

from ir.neurons import FixedLIF
from ir.neurons.fixed_lif import MAX_BIAS_U
from tests.strategies.options import Draw, decays

HIGHEST = (1 << 17) - 1
"""The highest threshold that a membrane can pass."""


@st.composite
def neurons(draw: st.DrawFn, n: int, options: Draw, drive: int, rng: np.random.Generator) -> FixedLIF:
    """A neuron model whose threshold a typical ``drive`` (mantissa) crosses; without any drive, mostly its bias."""
    keeps = options.current and draw(st.integers(0, 1 if options.edges or options.early else 2)) == 0
    lives = options.wide and drive == 0 and not options.lava and draw(st.integers(0, 4)) > 0
    drive = max(drive, 8)
    threshold = draw(_thresholds(n, options, drive, rng))
    per_neuron = not options.lava and draw(st.integers(0, 3)) == 0
    decay_v: Any = draw(decays)
    decay_u: Any = draw(st.sampled_from([0, 1, 200]) if options.edges else decays) if keeps else 4096
    if options.wide and not options.lava and options.current and draw(st.integers(0, 4)) == 0:
        decay_u = rng.choice([0, 1, 200, 2048, 4095, 4096, 4096, 4096], n)
    bias, bias_exp = draw(_biases(n, options, drive, rng))
    if lives:
        bias, bias_exp = rng.integers(-drive // 2, drive * 8, n), draw(st.integers(4, 8))
    interval = draw(st.integers(1 if options.wide else 2, 5)) if options.resets and draw(st.integers(0, 4)) == 0 else 0
    v_min = -drive * 32 if not options.lava and draw(st.integers(0, 5)) == 0 else None
    if v_min is not None and options.wide:
        v_min = draw(st.sampled_from([v_min, 0, -1, -(1 << 23), -(1 << 24)]))
    reset = draw(_resets(options))
    repeats = options.repeated and draw(st.integers(0, 3) if options.wide else st.booleans()) == 1
    return FixedLIF(
        decay_v=rng.integers(0, 4097, n) if per_neuron else decay_v,
        v_threshold=threshold,
        decay_u=decay_u,
        bias=bias,
        bias_exp=bias_exp,
        reset=reset,
        refractory=not repeats or (reset != "zero" and options.asynchronous),
        reset_interval=interval,
        reset_offset=draw(st.integers(-3, 9) if options.wide else st.integers(0, 4)) if interval else 0,
        v_min=v_min,
        bias_u=draw(_current_biases(n, options, drive, rng)),
    )


@st.composite
def _resets(draw: st.DrawFn, options: Draw) -> Any:
    """To zero mostly; late ones more often where they are asked for."""
    if options.late:
        return draw(st.sampled_from(["zero", "subtract", "zero_late", "subtract_late", "subtract_late", "none"]))
    return draw(st.sampled_from(["zero", "zero", "subtract"])) if options.subtract else "zero"


@st.composite
def _current_biases(draw: st.DrawFn, n: int, options: Draw, drive: int, rng: np.random.Generator) -> Any:
    """Of the current; with ``wide`` now and then beyond every edge."""
    if not (options.bias and options.late) or draw(st.integers(0, 3)) != 0:
        return None
    if options.wide and draw(st.integers(0, 3)) == 0:
        return rng.choice([0, 1, -1, 1 << 17, -(1 << 18), MAX_BIAS_U, -MAX_BIAS_U], n)
    return rng.integers(-drive // 4 - 1, drive // 2 + 2, n)


@st.composite
def _thresholds(draw: st.DrawFn, n: int, options: Draw, drive: int, rng: np.random.Generator) -> Any:
    if options.wide and not options.lava and draw(st.integers(0, 11)) == 11:
        out_of_reach = [HIGHEST, HIGHEST + 1, 1 << 20, (1 << 31) - 1, 1 << 40, (1 << 62) + 1]
        return draw(st.sampled_from([None, *out_of_reach, rng.choice([1, drive, *out_of_reach], n)]))
    if options.extremes and draw(st.integers(0, 3)) == 0:
        return draw(st.sampled_from([0, 0, 0, 1, 1, HIGHEST]))
    threshold = min(max(1, int(drive * draw(st.sampled_from([0.2, 0.5, 1.0, 1.5])))), HIGHEST)
    if not options.lava and draw(st.integers(0, 3)) == 0:
        return np.minimum(rng.integers(max(1, threshold // 2), 2 * threshold + 1, n), HIGHEST)
    return threshold


@st.composite
def _biases(draw: st.DrawFn, n: int, options: Draw, drive: int, rng: np.random.Generator) -> tuple[Any, int]:
    if not options.bias or draw(st.integers(0, 2)) != 0:
        return None, 0
    if options.wide and not options.lava and (options.edges or draw(st.booleans())):
        return draw(_wide_biases(n, drive, rng, options.edges))
    bias_exp = draw(st.integers(0, 6))
    bias = rng.integers(-4096, 4096, n) if options.extremes else rng.integers(-drive // 8 - 1, drive // 4 + 2, n)
    return np.clip(bias, -4096, 4095), bias_exp


@st.composite
def _wide_biases(draw: st.DrawFn, n: int, drive: int, rng: np.random.Generator, edges: bool) -> tuple[Any, int]:
    """Any exponent, registers from a drive's size to the last of 32 bits; some become 0."""
    exponent = draw(st.integers(-8, 12) | st.integers(-32, 31))
    kind = draw(st.sampled_from(["typical"] * 6 + ["small"] * 4 + ["edge"] * (24 if edges else 3) + ["one"] * 8))
    if kind == "small":
        return rng.integers(-1, 4, n), draw(st.integers(-4, 0))
    if kind == "one":
        return draw(st.sampled_from([1, 1, -1, 0])), draw(st.sampled_from([-1, -1, -5, -32, 0]))
    last = (1 << 31) - 1
    if kind == "edge":
        register = rng.choice([last, last - 1, -last, -last - 1, 1 << 30, 1 << 23, 0], n)
    else:
        register = rng.integers(-drive * 8 - 1, drive * 16 + 2, n)
    return (register >> exponent if exponent >= 0 else np.clip(register << -exponent, -last - 1, last)), exponent
