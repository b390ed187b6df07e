"""What an engine runs: the static plan of a network and the tensors that training changes."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ir.arithmetic import ARITHMETICS
from ir.graph import LayeredOrder, input_depths, layered_order, slices
from ir.network import Network
from ir.pooling import pooling
from ir.quantized import QuantizedNetwork
from trainer.engines.neurons import MODELS, model_of
from trainer.engines.neurons.lif import LIFParams
from trainer.engines.parts import Link, NeuronParams, Part


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
    derived: dict[Any, Any] = field(default_factory=dict, repr=False, compare=False)

    def populations(self) -> tuple[tuple[str, int], ...]:
        """(name, size) in the order of the global index."""
        return tuple((p.name, p.n) for p in self.parts)

    def inputs_that_send(self) -> np.ndarray:
        """(N_in,) which inputs have a projection."""
        sends = np.zeros(self.n_inputs, bool)
        for link in self.links:
            if link.from_input:
                sends[link.pre] = True
        return sends

    def last_due(self) -> int:
        """The latest forward step at which something is due (a bias, a current); -1 where nothing is."""
        return max((p.depth for p in self.parts if p.facts.due), default=-1)

    def groups(self) -> dict[str, tuple[Part, ...]]:
        """Populations by model, in declaration order."""
        names = dict.fromkeys(p.model for p in self.parts)
        return {name: tuple(p for p in self.parts if p.model == name) for name in names}


@dataclass
class Params:
    """The numbers of a network as tensors; what carries a gradient is trained.

    Attributes:
        weights: one a link, in the layout of ``ir.connection``.
        neurons: each model's own numbers, by its name.
    """

    weights: list[Tensor]
    neurons: dict[str, NeuronParams]

    @property
    def lif(self) -> LIFParams:
        """Those of LIF, for engines that know no other model."""
        lif = self.neurons["lif"]
        assert isinstance(lif, LIFParams)
        return lif

    def to(self, device: torch.device) -> Params:
        """The same numbers on another device."""
        return Params([w.to(device) for w in self.weights], {name: x.to(device) for name, x in self.neurons.items()})

    def tensors(self) -> list[Tensor]:
        """All tensors, in a fixed order."""
        return [*self.weights, *(x for own in self.neurons.values() for x in own.named().values())]

    @property
    def like(self) -> Tensor:
        """One of the tensors, all of which have one type and one device."""
        return self.tensors()[0]


def plan_of(network: Network | QuantizedNetwork) -> Plan:
    """Lay out a network for the engines.

    Raises:
        ValueError: it has neurons that the engines do not know.
    """
    at, inputs = slices(network.populations), slices(network.inputs)
    depths, order = input_depths(network), layered_order(network)
    sources, pooled = {e.pre for e in network.projections}, pooling(network)
    parts: list[Part] = []
    for p in network.populations:
        facts = model_of(p.name, p.neuron.MODEL).facts(p.neuron)
        where = at[p.name], depths[p.name], order.place[p.name]
        parts.append(Part(p.name, *where, p.neuron.refractory, p.name in sources, p.neuron.MODEL, facts))
    links = tuple(
        Link(
            e.pre in inputs,
            inputs[e.pre] if e.pre in inputs else at[e.pre],
            at[e.post],
            e.connection,
            getattr(e, "weight_exp", 0),
            np.asarray(e.delay_steps),
            back,
            e.post in pooled,
        )
        for e, back in zip(network.projections, order.recurrent)
    )
    return Plan(
        network,
        tuple(parts),
        links,
        order,
        network.n_neurons,
        network.n_inputs,
        at[network.output],
        network.output,
        network.output_fires,
    )


def fitted(plan: Plan, params: Params, fixed: bool) -> tuple[Plan, Params]:
    """The plan with what is due read off the numbers that run, not off those that were trained; and those numbers,
    without what no neuron has (a current that every time step empties)."""
    facts, neurons = {}, {}
    for name, parts in plan.groups().items():
        found, neurons[name] = MODELS[name].fitted(parts, params.neurons[name], fixed)
        facts.update(zip((p.name for p in parts), found))
    key = "fitted", *facts.values()
    if key not in plan.derived:
        parts = tuple(replace(p, facts=facts[p.name]) for p in plan.parts)
        plan.derived[key] = replace(plan, parts=parts, derived={})
    return plan.derived[key], Params(params.weights, neurons)


def shifting(plan: Plan, exponents: list[int]) -> Plan:
    """The plan with other exponents of its projections."""
    if exponents == [link.weight_exp for link in plan.links]:
        return plan
    key = "shifting", *exponents
    if key not in plan.derived:
        links = tuple(replace(link, weight_exp=e) for link, e in zip(plan.links, exponents))
        plan.derived[key] = replace(plan, links=links, derived={})
    return plan.derived[key]


def float_params(network: Network, dtype: torch.dtype = torch.float32) -> Params:
    """The numbers of a trained network, without gradients."""
    neurons = {
        name: MODELS[name].float_params([(p.neuron, p.n) for p in members], network.dt_s, dtype)
        for name, members in _by_model(network).items()
    }
    return Params([torch.as_tensor(e.connection.weight.copy()).to(dtype) for e in network.projections], neurons)


def fixed_params(network: QuantizedNetwork) -> Params:
    """The integers of a quantized network in float64, thresholds and biases in register units, without gradients."""
    shift = 1 << ARITHMETICS[network.arithmetic].weight_shift
    neurons = {
        name: MODELS[name].fixed_params([(p.neuron, p.n) for p in members], [p.scale for p in members], shift)
        for name, members in _by_model(network).items()
    }
    return Params([torch.as_tensor(e.connection.weight.astype(np.float64)) for e in network.projections], neurons)


def _by_model(network: Network | QuantizedNetwork) -> dict[str, list[Any]]:
    """Populations by the model of their neurons, in declaration order."""
    found: dict[str, list[Any]] = {}
    for p in network.populations:
        model_of(p.name, p.neuron.MODEL)
        found.setdefault(p.neuron.MODEL, []).append(p)
    return found
