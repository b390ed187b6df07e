"""The neurons of a lava-dl ``.net`` layer: CUBA and LOIHI, and the integrator that netx gives a layer without any."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from exchange.hdf5.tree import Tree, check_keys, numbers
from exchange.net.keys import NEURON, one, spread, whole_numbers
from exchange.net.sigma_delta import SPIKE_EXP, read_sigma_delta
from ir.arithmetic import DECAY_ALL
from ir.arrays import Array
from ir.check import FormatError, require
from ir.connection import Connection, with_weight
from ir.neurons import FixedLIF, FixedSigmaDelta

SDNN = "SDNN"
NEURONS = ("LOIHI", "CUBA", SDNN)

NEVER = (1 << 23) >> 6
"""A threshold from which on no clipped membrane exceeds it: lava-dl marks readouts so."""

BIAS_EXP = 6
"""netx adds a bias as ``bias << 6`` (netx/hdf5.py of lava-dl 0.6.0)."""

MAX_NORM_EXP = 3
"""slayer clamps a norm's exponent to this by default and writes it unclamped (``weight_exp_bits``, neuron/norm.py)."""


@dataclass(frozen=True)
class Resets:
    """netx' arguments of those names: resets for every neuron (``FixedLIF``), and the scale of graded spikes."""

    interval: int = 0
    offset: int = 0
    spike_exp: int = SPIKE_EXP


def text(value: Any) -> str:
    """A word, alone or the first of an array."""
    return str(value.reshape(-1)[0]) if isinstance(value, np.ndarray) and value.size else str(value)


def read_neuron(
    tree: Any, who: str, shape: tuple[int, ...], bias: Array | None, norm: int, resets: Resets, is_input: bool = False
) -> FixedLIF | FixedSigmaDelta:
    """Decays in 1/4096, threshold mantissa, one a population, a neuron or a channel; bias << 6.

    Args:
        norm: the exponent that :func:`norm_exponent` read.
        is_input: the neurons of an input layer.
    """
    if not isinstance(tree, dict):
        raise FormatError(f"{who} has no neurons, and lava-dl gives an integrator to dense layers only; add a group")
    kind = text(tree.get("type"))
    if kind not in NEURONS:
        raise FormatError(f"{who} has {kind} neurons; {', '.join(NEURONS)} are read")
    if kind == SDNN:
        known = "activation" in tree
        require(resets.interval == 0, f"{who} has SDNN neurons, which nothing resets; leave reset_interval out")
        said = text(tree["activation"]) if known else ""
        return read_sigma_delta(tree, who, said, bias, resets.spike_exp, is_input)
    who = f"the neurons of {who}"
    check_keys(tree, NEURON, who)
    if "gradedSpike" in tree and np.any(tree["gradedSpike"]):
        raise FormatError(f"{who} send graded spikes; retrain with gradedSpike off")
    require(one(tree, "refDelay", who, 1) == 1, f"{who} have a refDelay of {tree.get('refDelay')}; only 1 is read")
    decay_u, decay_v, threshold = (
        spread(whole_numbers(numbers(tree, k, who), f"{k} of {who}"), shape, f"{k} of {who}")
        for k in ("iDecay", "vDecay", "vThMant")
    )
    kept = norm != 0 and bool((decay_u < DECAY_ALL).any())
    require(
        not kept,
        f"{who} divide by 2^{norm} (weight_exp) a current that they keep from step to step; "
        "no integers here do that after the leak: train with iDecay 4096 or without WgtScaleBatchNorm",
    )
    never = bool((threshold >= NEVER).all())
    return FixedLIF(decay_v, None if never else threshold, decay_u, bias, BIAS_EXP - norm if bias is not None else 0,
                    reset_interval=resets.interval, reset_offset=resets.offset if resets.interval else 0)  # fmt: skip


def integrator(bias: Array | None, resets: Resets) -> FixedLIF:
    """What netx gives a dense layer without neurons: a current that never leaks, shown as the membrane, no spikes."""
    return FixedLIF(DECAY_ALL, None, 0, bias, BIAS_EXP if bias is not None else 0,
                    reset_interval=resets.interval, reset_offset=resets.offset if resets.interval else 0)  # fmt: skip


def norm_exponent(tree: Tree, who: str) -> int:
    """``weight_exp``: slayer's ``WgtScaleBatchNorm`` divides the summed drive and the bias by two to this power."""
    exponent = one(tree, "weight_exp", f"the neurons of {who}", 0)
    require(
        abs(exponent) <= MAX_NORM_EXP,
        f"the neurons of {who} have weight_exp {exponent}; lava-dl trains with at most {MAX_NORM_EXP} unless told "
        "otherwise and does not write its limit: clamp it to what it was trained with",
    )
    return exponent


def normed(connection: Connection, exponent: int, who: str) -> Connection:
    """The connection with every weight divided by ``2^exponent``, if that leaves whole numbers."""
    if exponent == 0:
        return connection
    weight = connection.weight.astype(np.int64)
    if exponent < 0:
        return with_weight(connection, weight << -exponent)
    require(
        not np.any(weight & ((1 << exponent) - 1)),
        f"{who} divides its drive by {1 << exponent} (weight_exp {exponent}), its weights are no multiples of that; "
        f"delete weight_exp and multiply bias and vThMant by {1 << exponent} instead",
    )
    return with_weight(connection, weight >> exponent)


def read_bias(layer: Tree, who: str, shape: tuple[int, ...]) -> Array | None:
    """A mantissa a neuron, or None where all are 0."""
    if "bias" not in layer:
        return None
    bias = spread(whole_numbers(numbers(layer, "bias", who), f"bias of {who}"), shape, f"bias of {who}")
    return bias if bias.any() else None
