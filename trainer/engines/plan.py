"""What an engine runs: the static plan of a network and the tensors that training changes."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch
import torch.nn.functional as functional
from torch import Tensor

from ir.arithmetic import ARITHMETICS, DECAY_ALL
from ir.connection import Connection, Conv2d, Dense
from ir.graph import LayeredOrder, input_depths, layered_order, slices
from ir.network import Network, Population
from ir.neurons import LIF, FixedLIF, as_lif, as_trained_lif
from ir.quantized import FixedPopulation, QuantizedNetwork


@dataclass(frozen=True)
class Link:
    """A projection as an engine sees it; its weight travels in ``Params``.

    Attributes:
        from_input: whether ``pre`` indexes inputs (else neurons).
        pre, post: where its ends lie in the global index.
        connection: geometry; the weights in it are those of the plan's making.
        weight_exp: integer networks: shift after the sum.
        delay: time steps beyond the schedule's own, one or one a source.
        recurrent: under the layered schedule it delivers the spikes of t - 1.
    """

    from_input: bool
    pre: slice
    post: slice
    connection: Connection
    weight_exp: int
    delay: np.ndarray
    recurrent: bool


@dataclass(frozen=True)
class Part:
    """A population as an engine sees it.

    Attributes:
        sends: whether it has a projection, whatever the weights; only such entries keep a time step going.
        has_current, has_bias: what is due at k = depth; ``fitted`` sets them from the numbers that run.
    """

    name: str
    at: slice
    depth: int
    place: int
    refractory: bool
    subtract: bool
    sends: bool
    reset_interval: int = 0
    reset_offset: int = 0
    v_min: float | None = None
    multi_spike: bool = False
    has_current: bool = False
    has_bias: bool = False


@dataclass(frozen=True)
class Plan:
    """Static structure of a network, made once.

    Attributes:
        network: what it was made of; its weights are those of then.
        parts: populations in declaration order; ``order``: the layered order.
        derived: what an engine works out from the plan, kept so that it does so once.
    """

    network: Network | QuantizedNetwork
    parts: tuple[Part, ...]
    links: tuple[Link, ...]
    order: LayeredOrder
    n_neurons: int
    n_inputs: int
    output: slice
    output_name: str
    output_fires: bool
    derived: dict[str, Any] = field(default_factory=dict, repr=False, compare=False)

    def populations(self) -> tuple[tuple[str, int], ...]:
        """(name, size) in the order of the global index."""
        return tuple((p.name, p.at.stop - p.at.start) for p in self.parts)

    def inputs_that_send(self) -> np.ndarray:
        """(N_in,) which inputs have a projection."""
        sends = np.zeros(self.n_inputs, bool)
        for link in self.links:
            if link.from_input:
                sends[link.pre] = True
        return sends

    def last_due(self) -> int:
        """The latest forward step at which a bias or a current arrives; -1 where there is none."""
        return max((p.depth for p in self.parts if p.has_bias or p.has_current), default=-1)


@dataclass
class Params:
    """The numbers of a network as tensors; what carries a gradient is trained.

    Attributes:
        weights: one a link, in the layout of ``ir.connection``.
        leak_v: (N,) share of the membrane left after a time step (integers: decay_v).
        threshold: (N,); infinite = never fires.
        leak_u: (N,) likewise for the current (integers: decay_u); None = no current memory anywhere.
        bias: (N,) or None.
        unit: (N,) membrane units a trained unit: 1 for floats, ``scale << 6`` for integers.
    """

    weights: list[Tensor]
    leak_v: Tensor
    threshold: Tensor
    leak_u: Tensor | None = None
    bias: Tensor | None = None
    unit: Tensor | None = field(default=None)

    def to(self, device: torch.device) -> Params:
        """The same numbers on another device."""
        rest = (self.leak_v, self.threshold, self.leak_u, self.bias, self.unit)
        return Params([w.to(device) for w in self.weights], *(None if x is None else x.to(device) for x in rest))  # type: ignore[arg-type]

    def tensors(self) -> list[Tensor]:
        """All tensors, in a fixed order."""
        return [
            *self.weights,
            *(x for x in (self.leak_v, self.threshold, self.leak_u, self.bias, self.unit) if x is not None),
        ]


def _lif(p: Population | FixedPopulation) -> LIF | FixedLIF:
    if isinstance(p, Population):
        return as_trained_lif(p.name, p.neuron, "the trainer")
    return as_lif(p.name, p.neuron, "the trainer")


def plan_of(network: Network | QuantizedNetwork) -> Plan:
    """Lay out a network for the engines."""
    at, inputs = slices(network.populations), slices(network.inputs)
    depths, order = input_depths(network), layered_order(network)
    sources = {e.pre for e in network.projections}
    parts = []
    for p in network.populations:
        n = _lif(p)
        parts.append(
            Part(
                p.name,
                at[p.name],
                depths[p.name],
                order.place[p.name],
                n.refractory,
                n.reset == "subtract",
                p.name in sources,
                getattr(n, "reset_interval", 0),
                getattr(n, "reset_offset", 0),
                n.v_min,
                getattr(n, "multi_spike", False),
            )
        )
    links = tuple(
        Link(
            e.pre in inputs,
            inputs[e.pre] if e.pre in inputs else at[e.pre],
            at[e.post],
            e.connection,
            getattr(e, "weight_exp", 0),
            np.asarray(e.delay_steps),
            back,
        )
        for e, back in zip(network.projections, order.recurrent)
    )
    fires = next(p for p in network.populations if p.name == network.output).neuron.fires
    return Plan(
        network,
        tuple(parts),
        links,
        order,
        network.n_neurons,
        network.n_inputs,
        at[network.output],
        network.output,
        fires,
    )


def fitted(plan: Plan, params: Params, fixed: bool) -> Plan:
    """The plan with what is due read off the numbers that run, not off those that were trained.

    A bias of zero is none, and a current that every time step empties is none: rounding, training and a right shift
    can bring either about.
    """
    none = torch.zeros((), dtype=torch.bool, device=params.leak_v.device)
    keeps = None if params.leak_u is None else (params.leak_u < DECAY_ALL if fixed else params.leak_u != 0)
    biased = None if params.bias is None else params.bias != 0
    found = [none if x is None else x[p.at].any() for x in (keeps, biased) for p in plan.parts]
    flags: list[bool] = torch.stack(found).tolist()
    name = f"fitted {flags}"
    if name not in plan.derived:
        due = zip(plan.parts, flags, flags[len(plan.parts) :])
        parts = tuple(replace(p, has_current=current, has_bias=bias) for p, current, bias in due)
        plan.derived[name] = replace(plan, parts=parts, derived={})
    return plan.derived[name]


def apply_link(link: Link, weight: Tensor, s: Tensor) -> Tensor:
    """``a = W s``: s (B, n_pre) -> (B, n_post)."""
    c = link.connection
    if isinstance(c, Dense):
        return functional.linear(s, weight)
    if isinstance(c, Conv2d):
        out = functional.conv2d(s.reshape(-1, *c.in_shape), weight, None, c.stride, c.padding, c.dilation, c.groups)
        return out.flatten(1)
    post = torch.as_tensor(np.repeat(np.arange(c.n_post), np.diff(c.indptr)), device=s.device)
    pre = torch.as_tensor(np.asarray(c.indices, np.int64), device=s.device)
    return torch.zeros(s.shape[0], c.n_post, dtype=s.dtype, device=s.device).index_add(1, post, s[:, pre] * weight)


def float_params(network: Network, dtype: torch.dtype = torch.float32) -> Params:
    """The numbers of a trained network, without gradients."""

    def spread(value: np.ndarray | float | None, n: int, missing: float) -> Tensor:
        return torch.as_tensor(np.broadcast_to(missing if value is None else value, (n,)).copy()).to(dtype)

    cat = {"leak_v": [], "leak_u": [], "threshold": [], "bias": []}
    lifs = [as_trained_lif(p.name, p.neuron, "the trainer") for p in network.populations]
    for p, lif in zip(network.populations, lifs):
        cat["leak_v"].append(spread(lif.leak_v(network.dt_s), p.n, 0.0))
        cat["leak_u"].append(spread(lif.leak_u(network.dt_s), p.n, 0.0))
        cat["threshold"].append(spread(lif.v_threshold, p.n, np.inf))
        cat["bias"].append(spread(lif.bias, p.n, 0.0))
    weights = [torch.as_tensor(e.connection.weight.copy()).to(dtype) for e in network.projections]
    current = any(lif.tau_syn_s is not None for lif in lifs)
    biased = any(lif.bias is not None for lif in lifs)
    return Params(
        weights,
        torch.cat(cat["leak_v"]),
        torch.cat(cat["threshold"]),
        torch.cat(cat["leak_u"]) if current else None,
        torch.cat(cat["bias"]) if biased else None,
    )


def fixed_params(network: QuantizedNetwork) -> Params:
    """The integers of a quantized network in float64, thresholds and biases in register units, without gradients."""
    shift = 1 << ARITHMETICS[network.arithmetic].weight_shift

    def spread(value: np.ndarray | float | None, n: int, missing: float) -> Tensor:
        return torch.as_tensor(np.broadcast_to(missing if value is None else value, (n,)).astype(np.float64))

    lifs = [(as_lif(p.name, p.neuron, "the trainer"), p.n) for p in network.populations]
    threshold = [
        spread(None if lif.v_threshold is None else np.asarray(lif.v_threshold, np.float64) * shift, n, np.inf)
        for lif, n in lifs
    ]
    weights = [torch.as_tensor(e.connection.weight.astype(np.float64)) for e in network.projections]
    current = any(lif.has_current for lif, _ in lifs)
    biased = any(lif.bias is not None for lif, _ in lifs)
    return Params(
        weights,
        torch.cat([spread(lif.decay_v, n, 0) for lif, n in lifs]),
        torch.cat(threshold),
        torch.cat([spread(lif.decay_u, n, 0) for lif, n in lifs]) if current else None,
        torch.cat([spread(lif.register_bias(), n, 0) for lif, n in lifs]) if biased else None,
        torch.cat([spread(p.scale * shift, p.n, 1) for p in network.populations]),
    )
