"""What the parts of a checkpoint must be: those that this network and optimizer would leave."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from ir.check import check_type, real, require, whole
from trainer.network import SpikingNetwork

NUMBERS = ("loss", "accuracy", "density", "latency", "samples_per_s")
MOMENTS = ("exp_avg", "exp_avg_sq")
MAX_STEPS = 1 << 53
"""Optimizer steps, which Adam counts in a float."""

ALL = float("inf")


def check_weights(found: Any, network: SpikingNetwork) -> None:
    """Raise unless ``found`` holds the network's tensors, each of its shape and type, none NaN."""
    check_type("its network", found, dict, "tensors by name")
    own = network.state_dict()
    require(list(found) == list(own), "its network has other tensors")
    for name, tensor in own.items():
        _check_like(f"its {name!r}", found[name], tensor)
        grown = found[name].isinf() & ~tensor.isinf().to(found[name].device)
        require(not bool(grown.any()), f"its {name!r} is no longer finite")


def check_history(found: Any) -> None:
    """Raise unless ``found`` has the numbers of epochs 0, 1, 2, ..."""
    check_type("its history", found, list, "a list of epochs")
    for epoch, numbers in enumerate(found):
        check_type("an epoch of its history", numbers, dict, "numbers by name")
        require(set(numbers) == {"epoch", *NUMBERS}, "an epoch of its history has other numbers")
        require(whole("an epoch", numbers["epoch"], 0, MAX_STEPS) == epoch, "its epochs do not follow each other")
        for name in NUMBERS:
            check_type(f"the {name} of an epoch", numbers[name], (int, float), "a number")


def check_scales(found: Any, network: SpikingNetwork) -> None:
    """Raise unless ``found`` has one positive number for each population on a chip's grid."""
    check_type("its scales", found, dict, "numbers by name")
    own = {} if network.quantization is None else network.quantization.scales
    require(set(found) == set(own), "its scales are those of other populations")
    for name, scale in found.items():
        real(f"the scale of {name!r}", scale, 0.0, ALL, "it must be positive")


def check_optimizer(found: Any, optimizer: torch.optim.Optimizer) -> None:
    """Raise unless ``found`` is what this optimizer keeps of these parameters; of Adam: its settings, steps, and two
    moments each. Of another: its settings, and finite numbers beside each parameter."""
    own = optimizer.state_dict()
    check_type("its optimizer", found, dict, "settings and moments")
    require(set(found) == set(own), "its optimizer has other parts")
    require(_same(found["param_groups"], own["param_groups"]), "its optimizer has other settings")
    parameters = [p for group in optimizer.param_groups for p in group["params"]]
    check_type("its moments", found["state"], dict, "moments by parameter")
    for index, moments in found["state"].items():
        at = whole("a parameter of its optimizer", index, 0, len(parameters) - 1)
        check_type("the moments of a parameter", moments, dict, "tensors by name")
        if not isinstance(optimizer, torch.optim.Adam):
            _check_kept(moments, parameters[at])
            continue
        require(set(moments) == {"step", *MOMENTS}, "its optimizer keeps other moments")
        _check_like("a step of its optimizer", moments["step"], torch.zeros(()))
        require(0 <= float(moments["step"]) <= MAX_STEPS, "it has taken an impossible number of steps")
        for name in MOMENTS:
            _check_like(f"its {name}", moments[name], parameters[at])
            require(bool(moments[name].isfinite().all()), f"its {name} is no longer finite")
        require(bool((moments["exp_avg_sq"] >= 0).all()), "a square among its moments is negative")


def _check_kept(found: dict[Any, Any], parameter: Tensor) -> None:
    """Raise unless an optimizer that is not Adam kept numbers, or tensors of the parameter's shape."""
    for name, value in found.items():
        check_type("a name in its optimizer", name, str, "a word")
        if isinstance(value, Tensor):
            require(value.shape in (parameter.shape, ()), f"its {name} has another shape")
            require(value.layout == torch.strided and bool(value.isfinite().all()), f"its {name} is no longer finite")
        else:
            require(value is None or isinstance(value, (bool, int, float)), f"its {name} is no number")
            require(value is None or math.isfinite(value), f"its {name} is no longer finite")


def _same(found: Any, own: Any) -> bool:
    """Whether settings are equal and of equal types, without following what is no list or dictionary of ours."""
    if type(found) is not type(own):
        return False
    if isinstance(own, dict):
        return set(found) == set(own) and all(_same(found[key], own[key]) for key in own)
    if isinstance(own, (list, tuple)):
        return len(found) == len(own) and all(map(_same, found, own))
    return bool(found == own)


def _check_like(who: str, found: Any, own: Tensor) -> None:
    """Raise unless ``found`` is a tensor of the shape and type of ``own`` without NaN."""
    check_type(who, found, Tensor, "a tensor")
    require(found.shape == own.shape and found.dtype == own.dtype, f"{who} has another shape or type")
    require(found.layout == torch.strided and not bool(found.isnan().any()), f"{who} holds NaN")
