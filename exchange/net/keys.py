"""Which keys a lava-dl ``.net`` file may have, by the layer's type: one that is not here is refused, never dropped."""

from __future__ import annotations

import numpy as np

from exchange.hdf5.tree import Tree, check_keys, numbers
from ir.arrays import Array
from ir.check import FormatError, require

TRAINING_ONLY = ("scaleRho", "tauRho", "theta")
"""Of a LOIHI neuron: its surrogate's height and width, and the threshold it was trained around; no run uses them."""

NEURON = ("type", "iDecay", "vDecay", "vThMant", "refDelay", "gradedSpike", "wgtExp", "weight_exp", *TRAINING_ONLY)

SIGMA_DELTA = ("type", "activation", "vThMant", "sigma_output", "gradedSpike", "wgtExp", "weight_exp")

DENSE = ("type", "shape", "inFeatures", "outFeatures", "weight", "bias", "delay", "neuron")
SLIDING = ("kernelSize", "stride", "padding", "dilation", "inChannels", "outChannels")

LAYER = {
    "input": ("type", "shape", "weight", "bias", "neuron"),
    "flatten": ("type", "shape"),
    "dense": DENSE,
    "dense_rec": (*DENSE, "weight_rec"),
    "conv": ("type", "shape", *SLIDING, "groups", "weight", "bias", "delay", "neuron"),
    "pool": ("type", "shape", *SLIDING, "weight", "bias", "delay", "neuron"),
}
"""What slayer (lava-dl 0.6.0) and the LOIHI files before it write."""

FILE = ("layer", "simulation", "unlayered")
SIMULATION = ("Ts", "tSample")
"""Milliseconds a time step, and time steps a sample."""


def check_layer(layer: Tree, kind: str, who: str) -> None:
    """Refuse what a layer of this type does not have."""
    check_keys(layer, LAYER[kind], f"{who} ({kind})")


def check_said(layer: Tree, who: str, have: dict[str, tuple[int, ...]]) -> None:
    """Refuse a layer that says of itself something else than its weights do."""
    for key, value in have.items():
        if key in layer:
            said = tuple(numbers(layer, key, who, "iu").reshape(-1).tolist())
            require(
                said == value or (len(set(value)) == 1 and said == value[:1]),
                f"{key} of {who} is {said}, its weights say {value}; correct one of them",
            )


def whole_numbers(values: Array, who: str) -> Array:
    """The same numbers, as int64, if they are whole and fit int32."""
    if bool((values != np.round(values)).any()) or bool((np.abs(values.astype(np.float64)) >= 1 << 31).any()):
        raise FormatError(f"{who} is not whole numbers in int32; export the network with quantized weights")
    return values.astype(np.int64)


def one(tree: Tree, key: str, who: str, default: int) -> int:
    """A single whole number; ``default`` where it is not there."""
    if key not in tree:
        return default
    given = whole_numbers(numbers(tree, key, who).reshape(-1), f"{key} of {who}")
    require(given.size == 1, f"{key} of {who} has {given.size} numbers; give one")
    return int(given[0])


def spread(values: Array, shape: tuple[int, ...], who: str) -> Array:
    """One number, or one a neuron, from one number, one a neuron, one a channel, or an image (W, H, C) as netx has it.

    Returns:
        () or (n,), in the order of ``shape``.
    """
    n = int(np.prod(shape))
    if values.size == 1:
        return values.reshape(())
    if len(shape) != 3 or n == shape[0]:
        require(values.size == n, f"{who} has {values.size} numbers for {n} neurons; give one, or one a neuron")
        return values.reshape(-1)
    if values.shape == shape[::-1]:
        return values.transpose(2, 1, 0).reshape(-1)
    way = f"give one number, {shape[0]} (one a channel) or (W, H, C) = {shape[::-1]}"
    require(values.shape == (shape[0],), f"{who} has shape {values.shape} for neurons of shape {shape}; {way}")
    return np.repeat(values, n // shape[0])
