"""A frozen network whose numbers learn: what another framework trained, or an earlier run, goes on from there."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ir.check import check_type, require
from ir.connection import with_weight
from ir.graph import slices
from ir.mapped import MappedNetwork
from ir.network import Network
from ir.pooling import pooling
from ir.quantized import QuantizedNetwork
from ir.schedule import Schedule
from trainer.engines.plan import Params, float_params, plan_of
from trainer.network import SpikingNetwork

FIELDS = {"bias": "bias", "bias_u": "bias_u", "bucket_weight": "weight", "v_threshold": "threshold"}
"""What learns beside weights: as the network names it, and as the engines do."""


class TrainableNetwork(SpikingNetwork):
    """A network of floats as a torch module: every weight and every bias of it is a parameter.

    Numbers are float32, as in every run of floats. Structure stays: connections (a convolution keeps one kernel, a
    sparse projection its synapses), delays, max poolings, neuron models and their other numbers. An encoder on the host
    learns with the rest. Biases are one a neuron where the network has them so, also behind a convolution.

    Args:
        network: of floats, e.g. what ``ul.from_snntorch`` or ``ul.open`` returned.
        schedule: the default of every call; None = the network's own.
        train_threshold: thresholds learn, too, one or one a neuron as they came.
        per_neuron: those that learn do so apart, one a neuron, also where they came as one.

    Raises:
        ValueError: the network is one of integers.

    Examples:
        >>> from ir.connection import Dense
        >>> from ir.network import Input, Network, Population, Projection
        >>> frozen = Network((Input("in", (4,)),), (Population("out", (3,)),),
        ...                  (Projection("in", "out", Dense(np.ones((3, 4)))),), "out")
        >>> [tuple(p.shape) for p in TrainableNetwork(frozen).parameters()]
        [(3, 4)]
    """

    def __init__(
        self,
        network: Network | QuantizedNetwork | MappedNetwork,
        schedule: Schedule | None = None,
        train_threshold: bool = False,
        per_neuron: bool = False,
    ) -> None:
        nn.Module.__init__(self)
        if not isinstance(network, Network):
            raise ValueError(
                f"a {type(network).__name__} holds a chip's integers, which do not learn; give the network of floats "
                "that they were made of (network.npz of a train folder)"
            )
        check_type("the schedule", schedule, (Schedule, type(None)), "a Schedule, or None for the network's own")
        check_type("train_threshold", train_threshold, bool, "True or False")
        self.frozen, self.dt_s, self.output = network, network.dt_s, network.output
        self.inputs = {x.name: x.shape for x in network.inputs}
        self.shapes = self.inputs | {p.name: p.shape for p in network.populations}
        self.schedule = network.schedule if schedule is None else schedule
        self.quantization, self.core_of_neuron = None, None
        host = network.encoder
        self.encoder = None if host is None else TrainableNetwork(host, host.schedule, train_threshold, per_neuron)
        fixed = pooling(network)
        self.weights = nn.ParameterList(
            [_learnt(e.connection.weight, e.post not in fixed) for e in network.projections]
        )
        self.learnt = nn.ParameterList()
        self.fields: list[tuple[str, str]] = []
        for p in network.populations:
            require(
                not (train_threshold and p.neuron.fires and p.neuron.code is not None),
                f"population {p.name!r}: thresholds of SpikingGamma do not learn, spikes carry them; leave "
                "train_threshold out",
            )
            for name in (x for x in FIELDS if train_threshold or x != "v_threshold"):
                if p.name not in fixed and getattr(p.neuron, name, None) is not None:
                    self.fields.append((p.name, name))
                    value = np.asarray(getattr(p.neuron, name))
                    apart = per_neuron and name == "v_threshold" and value.ndim == 0
                    self.learnt.append(_learnt(np.full(p.n, value) if apart else value))
        self._plan = plan_of(network)

    def export(self) -> Network:
        """The network with what was learned."""
        learnt = dict(zip(self.fields, self.learnt))
        populations = []
        for p in self.frozen.populations:
            own: dict[str, Any] = {
                name: _frozen(value, least=0.0 if name == "v_threshold" else -np.inf)
                for (population, name), value in learnt.items()
                if population == p.name
            }
            neuron: Any = p.neuron
            populations.append(replace(p, neuron=replace(neuron, **own)) if own else p)
        projections = [
            replace(e, connection=with_weight(e.connection, w.detach().cpu().numpy()))
            for e, w in zip(self.frozen.projections, self.weights)
        ]
        encoder = None if self.encoder is None else self.encoder.export()
        parts = tuple(populations), tuple(projections)
        return replace(self.frozen, populations=parts[0], projections=parts[1], schedule=self.schedule, encoder=encoder)

    def params(self) -> Params:
        """The live numbers, gradients attached."""
        weights = list(self.weights)
        found = float_params(self.frozen, weights[0].dtype).to(weights[0].device)
        for (population, name), value in zip(self.fields, self.learnt):
            model, at = self._place(population)
            field, n = FIELDS[name], at.stop - at.start
            everyone: Tensor = getattr(found.neurons[model], field)
            if name == "bucket_weight":
                spread = nn.functional.pad(value, (0, everyone.shape[1] - value.shape[-1])).expand(n, -1)
            else:
                spread = (value.clamp(min=0.0) if name == "v_threshold" else value).reshape(-1).expand(n)
            joined = torch.cat([everyone[: at.start], spread, everyone[at.stop :]])
            found.neurons[model] = replace(found.neurons[model], **{field: joined})
        return Params(weights, found.neurons)

    def _place(self, population: str) -> tuple[str, slice]:
        """The model of a population's neurons, and where among all of that model they lie."""
        model = next(p.neuron.MODEL for p in self.frozen.populations if p.name == population)
        return model, slices([p for p in self.frozen.populations if p.neuron.MODEL == model])[population]


def _learnt(value: Any, learns: bool = True) -> nn.Parameter:
    return nn.Parameter(torch.as_tensor(np.asarray(value, np.float32).copy()), requires_grad=learns)


def _frozen(value: Tensor, least: float) -> Any:
    array = np.maximum(value.detach().double().cpu().numpy(), least)
    return float(array) if array.ndim == 0 else array
