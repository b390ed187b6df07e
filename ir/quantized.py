"""A network in the chip's integers, not yet anywhere."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np

from ir.arithmetic import ARITHMETICS, LIMITS
from ir.arrays import Array, real_array, set_field
from ir.check import (
    INT32,
    block_shape,
    check_choice,
    check_finite,
    check_per_neuron,
    check_range,
    check_type,
    real,
    require,
    whole,
)
from ir.connection import Connection
from ir.network import Input, Network, check_parts, checked_delays
from ir.neurons import FixedLIF, FixedNeuron, check_neuron
from ir.picture import beside, network_picture
from ir.schedule import Schedule
from ir.shown import lines_of, network_lines


@dataclass(frozen=True)
class FixedPopulation:
    """Neurons that share an integer neuron model.

    Attributes:
        scale: weight mantissa units a trained unit: ``v_trained ~ v_register / (scale << weight_shift)``; one for the
            population, or one a neuron, (n,).
    """

    name: str
    shape: tuple[int, ...]
    neuron: FixedNeuron = field(default_factory=FixedLIF)
    scale: Array | float = 1.0

    def __post_init__(self) -> None:
        check_type("the name of a population", self.name, str, "a word")
        set_field(self, "shape", block_shape(f"population {self.name!r}", self.shape))
        require(
            len(self.shape) > 0 and min(self.shape) > 0,
            f"population {self.name!r} is empty (shape {self.shape}); remove it or give it neurons",
        )
        check_neuron(f"the neuron of population {self.name!r}", self.neuron, fixed=True)
        set_field(self, "scale", self._checked_scale(f"scale of population {self.name!r}"))
        self.neuron.check_size(f"population {self.name!r}", self.n)

    def _checked_scale(self, who: str) -> Array | float:
        if not isinstance(self.scale, np.ndarray) or self.scale.ndim == 0:
            plain = self.scale.item() if isinstance(self.scale, np.ndarray) else self.scale
            return real(who, plain, 0.0, np.inf, "it must be positive")
        scales = real_array(who, self.scale)
        check_per_neuron(who, scales, self.n)
        check_finite(who, scales)
        require(bool((scales > 0).all()), f"{who} has numbers that are not positive; all must be")
        return scales

    @property
    def n(self) -> int:
        return math.prod(self.shape)


@dataclass(frozen=True, eq=False)
class FixedProjection:
    """A connection with integer weights.

    Attributes:
        connection: weights are mantissas, int32.
        weight_exp: the summed drive of this projection is shifted by it (right shifts floor, after the sum).
        delay_steps: time steps a spike travels beyond the schedule's own, one or one a source.
    """

    pre: str
    post: str
    connection: Connection
    weight_exp: int = 0
    delay_steps: Array | int = 0

    def __post_init__(self) -> None:
        set_field(self, "delay_steps", checked_delays(self.pre, self.post, self.connection, self.delay_steps))
        who = f"projection {self.pre} -> {self.post}"
        require(
            self.connection.weight.dtype.kind in "iu",
            f"weights of {who} are {self.connection.weight.dtype}; quantize first",
        )
        check_range(f"weights of {who}", self.connection.weight, -INT32[1], INT32[1])
        set_field(self, "weight_exp", whole(f"weight_exp of {who}", self.weight_exp, -31, 31))


@dataclass(frozen=True, eq=False)
class QuantizedNetwork:
    """Populations and projections with integer parameters.

    Attributes:
        arithmetic: name of the profile in ``ir.arithmetic`` that its registers follow.
        schedule: the schedule it was trained for; the default of every run.
        metadata: free text.
        encoder: first layers that stay floats, on the host (``ir.network.Network``).
    """

    inputs: tuple[Input, ...]
    populations: tuple[FixedPopulation, ...]
    projections: tuple[FixedProjection, ...]
    output: str
    dt_s: float = 1e-3
    arithmetic: str = "lava"
    schedule: Schedule = field(default_factory=Schedule)
    metadata: dict[str, str] = field(default_factory=dict)
    encoder: Network | None = None

    def __post_init__(self) -> None:
        check_choice("arithmetic", self.arithmetic, ARITHMETICS)
        check_parts(self, Input, FixedPopulation, FixedProjection)

    def __repr__(self) -> str:
        return lines_of(*network_lines(self))

    def _repr_html_(self) -> str:
        """For notebooks: the same words, and a picture."""
        return beside(repr(self), network_picture(self))

    @property
    def n_neurons(self) -> int:
        return sum(p.n for p in self.populations)

    @property
    def n_inputs(self) -> int:
        return sum(i.n for i in self.inputs)

    @property
    def n_data(self) -> int:
        """Inputs of a frame of data: the encoder's where there is one."""
        return self.n_inputs if self.encoder is None else self.encoder.n_inputs

    @property
    def output_fires(self) -> bool:
        """Whether the output ever spikes; the membranes of one that does not are what decides."""
        return next(p for p in self.populations if p.name == self.output).neuron.fires


def limit_names(network: QuantizedNetwork) -> tuple[str, ...]:
    """The names in ``Trace.limits_reached`` of a run: ``LIMITS``, and each state's, which may have an edge too.

    >>> from ir.connection import Dense
    >>> weight = Dense(np.ones((2, 3), np.int32))
    >>> chain = (FixedPopulation("a", (2,)),), (FixedProjection("in", "a", weight),)
    >>> limit_names(QuantizedNetwork((Input("in", (3,)),), *chain, "a"))
    ('int32', 'accumulator', 'u', 'v')
    """
    edged = (name for p in network.populations for name in p.neuron.STATES if name not in p.neuron.FLAGS)
    return tuple(dict.fromkeys((*LIMITS, *edged)))
