"""Backward through reset, spike and surrogate: ``g_v`` of one population from after its reset to before it."""

from __future__ import annotations

import numpy as np

from trainer.engines.compiled.jit import exact


@exact
def slope_at(shape, y, peak, one):
    """The slope of a surrogate (``trainer.surrogate.SURROGATES`` by number) at ``y = |steep x|``; ``one``: 1."""
    if shape == 0:
        return peak / (one + y * y)
    if shape == 1:
        return peak / ((one + y) * (one + y))
    if shape == 2:
        fall = np.exp(-y)
        return (peak + peak + peak + peak) * fall / ((one + fall) * (one + fall))
    return peak * max(one - y, y * 0)


@exact
def through_spike(values, threshold, per_unit, shape, steep, peak, g_count, g_entry, g_v, g_threshold, silent_none):
    """Through reset, spike and surrogate: ``g_v`` from after the reset to before it (Koopman et al. 2025).

    ``s = H(v - threshold)``, ``v_after = v (1 - s)``, slope of the surrogate where ``values`` is not NaN.
    """
    number = values.dtype.type
    sharp, top = number(steep), number(peak)
    one, zero = number(1), number(0)
    for j in range(values.shape[0]):
        v = values[j]
        acts = v == v
        v = v if acts else zero
        above = v - threshold[j]
        fired = above > zero
        slope = slope_at(shape, abs(sharp * (above * per_unit[j])), top, one) * per_unit[j]
        entry = zero if silent_none and not fired else g_entry[j]
        e = slope * (g_count[j] + entry - g_v[j] * v)
        e = e if acts else zero
        g_threshold[j] -= e
        g_v[j] = (zero if acts and fired else g_v[j]) + e


@exact
def through_waiting(
    values, threshold, per_unit, shape, steep, peak, g_count, g_entry, g_late, g_v, g_threshold, lost, silent_none
):
    """The same for neurons that reset by subtraction or late, which keep their charge.

    ``v_after = v - lost * threshold * s``, ``lost`` 0 where the reset is late; a value is infinite where a neuron fired
    without a surrogate.
    """
    number = values.dtype.type
    sharp, top = number(steep), number(peak)
    one, zero = number(1), number(0)
    for j in range(values.shape[0]):
        fired = values[j] > threshold[j]
        acts = values[j] - values[j] == zero
        height = threshold[j] if lost and threshold[j] < np.inf else zero
        above = (values[j] if acts else zero) - threshold[j]
        slope = slope_at(shape, abs(sharp * (above * per_unit[j])), top, one) * per_unit[j]
        entry = zero if silent_none and not fired else g_entry[j]
        e = slope * (g_count[j] + entry + g_late[j] - g_v[j] * height)
        e = e if acts else zero
        g_threshold[j] -= e + (g_v[j] if fired and lost else zero)
        g_v[j] += e


@exact
def through_pooling(values, per_unit, g_count, g_entry, g_v):
    """Through neurons that pool: what they pass on, as it stands, in the round in which they fire."""
    for j in range(values.shape[0]):
        g_v[j] = (g_count[j] + g_entry[j]) * per_unit[j] if values[j] > 0 else values.dtype.type(0)
