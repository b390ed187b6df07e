"""Parts of a torch network as the frozen values that leave the trainer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import nn

from ir.check import check_type, require, within
from ir.connection import Connection, Conv2d, Dense
from ir.network import Projection
from trainer.linear_map import LinearMap
from trainer.neuron import NeuronModule


def check_blocks(inputs: Any, populations: Any, projections: Any) -> None:
    """Raise unless inputs have shapes, populations are neurons under names that torch can store, and layers lie between
    them."""
    check_type("inputs", inputs, Mapping, "shapes by name")
    check_type("populations", populations, Mapping, "neurons by name")
    check_type("projections", projections, (tuple, list), "a list of (pre, post, layers)")
    for name, shape in inputs.items():
        require(isinstance(shape, (tuple, list)), f"input {name!r} has shape {shape!r}; give a tuple, e.g. (2, 34, 34)")
    require(len(populations) > 0, "a network needs at least one population")
    for name, neuron in populations.items():
        require(isinstance(neuron, NeuronModule), f"population {name!r} is {type(neuron).__name__}; make it a LIF")
        plain = "." not in name and name != "" and not hasattr(nn.ModuleDict, name)
        require(plain, f"a population cannot be named {name!r}, which torch keeps for itself; choose another name")
    for row in projections:
        whole = isinstance(row, (tuple, list)) and len(row) == 3 and isinstance(row[2], nn.Module)
        require(whole, f"projections hold {row!r}; give (pre, post, layers), layers a torch module")


def projection_of(pre: str, post: str, m: LinearMap) -> Projection:
    with within(f"projection {pre} -> {post}"):
        return Projection(pre, post, _connection(m))


def _connection(m: LinearMap) -> Connection:
    assert m.weight is not None
    weight = m.weight.detach().cpu().numpy()
    if m.conv is None:
        return Dense(weight)
    stride, padding, dilation, groups = m.conv
    return Conv2d(weight, m.in_shape, stride, padding, dilation, groups)  # type: ignore[arg-type]
