"""Backward through reset, spike and surrogate: ``g_v`` of one population from after its reset to before it."""

from __future__ import annotations

import numpy as np

from trainer.engines.compiled.jit import apart, exact


@apart
def slopes(values, threshold, per_unit, shape, steep, peak, slope):
    """The slope of a surrogate (``trainer.surrogate.SURROGATES`` by number) at each membrane; 0 where none acts.

    A loop each: those without an exponential are done many neurons at a time.
    """
    number = values.dtype.type
    sharp, top, one, zero = number(steep), number(peak), number(1), number(0)
    for j in range(values.shape[0]):
        x = (values[j] - threshold[j]) * per_unit[j]
        acts = values[j] - values[j] == zero
        slope[j] = abs(sharp * x) if acts else number(np.inf)
    if shape == 0:
        for j in range(values.shape[0]):
            slope[j] = top / (one + slope[j] * slope[j]) * per_unit[j]
    elif shape == 1:
        for j in range(values.shape[0]):
            slope[j] = top / ((one + slope[j]) * (one + slope[j])) * per_unit[j]
    elif shape == 2:
        for j in range(values.shape[0]):
            fall = np.exp(-slope[j])
            slope[j] = (top + top + top + top) * fall / ((one + fall) * (one + fall)) * per_unit[j]
    else:
        for j in range(values.shape[0]):
            slope[j] = top * max(one - slope[j], zero) * per_unit[j]


@apart
def through_spike(values, threshold, slope, g_count, g_entry, g_v, g_threshold, silent_none):
    """Through reset, spike and surrogate: ``g_v`` from after the reset to before it (Koopman et al. 2025).

    ``s = H(v - threshold)``, ``v_after = v (1 - s)``, slope of the surrogate where ``values`` is not NaN.
    """
    zero = values.dtype.type(0)
    for j in range(values.shape[0]):
        v = values[j]
        acts = v == v
        v = v if acts else zero
        fired = v - threshold[j] > zero
        entry = zero if silent_none and not fired else g_entry[j]
        e = slope[j] * (g_count[j] + entry - g_v[j] * v)
        e = e if acts else zero
        g_threshold[j] -= e
        g_v[j] = (zero if acts and fired else g_v[j]) + e


@apart
def through_waiting(values, threshold, slope, g_count, g_entry, g_v, g_threshold, lost, silent_none):
    """The same for neurons that reset by subtraction or late, which keep their charge.

    ``v_after = v - lost * threshold * s``, ``lost`` 0 where the reset is late; a value is infinite where a neuron fired
    without a surrogate.
    """
    zero = values.dtype.type(0)
    for j in range(values.shape[0]):
        fired = values[j] > threshold[j]
        acts = values[j] - values[j] == zero
        height = threshold[j] if lost and threshold[j] < np.inf else zero
        entry = zero if silent_none and not fired else g_entry[j]
        e = slope[j] * (g_count[j] + entry - g_v[j] * height)
        e = e if acts else zero
        g_threshold[j] -= e + (g_v[j] if fired and lost else zero)
        g_v[j] += e


@exact
def through_pooling(values, per_unit, g_count, g_entry, g_v):
    """Through neurons that pool: what they pass on, as it stands, in the round in which they fire."""
    for j in range(values.shape[0]):
        g_v[j] = (g_count[j] + g_entry[j]) * per_unit[j] if values[j] > 0 else values.dtype.type(0)
