"""A network in the chip's integers, not yet anywhere."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from ir.arithmetic import ARITHMETICS, DECAY_ALL
from ir.arrays import Array, set_field, whole_array
from ir.check import (
    INT32,
    block_shape,
    check_choice,
    check_per_neuron,
    check_range,
    check_type,
    real,
    require,
    whole,
)
from ir.connection import Connection
from ir.network import Input, check_parts, checked_delays
from ir.schedule import Schedule

MAX_THRESHOLD = (1 << 63) - 1
"""Thresholds beyond every register are taken: no membrane reaches them."""

MAX_REGISTER = 1 << 31
"""No register is wider."""


@dataclass(frozen=True, eq=False)
class FixedLIF:
    """Integer LIF: ``leak(x) = sign(x) * ((|x| * (4096 - decay)) >> 12)``, spike where ``v > v_threshold << 6``.

    Every number is one for the population or one a neuron.

    Attributes:
        decay_v: lost each time step, in 1/4096, 0..4096.
        v_threshold: mantissa, register value ``v_threshold << weight_shift``; None = never fires.
        decay_u: the same for the current; 4096 = no current memory. Lava's ``du`` is ``decay_u - 1``.
        bias: mantissa, added once a time step as ``bias << bias_exp`` in register units
            (``>> -bias_exp``, floor, where negative), which must fit int32; None = none.
        reset: ``zero`` or ``subtract``.
        refractory: at most one spike a time step.
        reset_interval: u = v = 0 before the step at time steps t with
            ``(t + 1) % reset_interval == reset_offset % reset_interval``; 0 = never (Lava's ``LIFReset``).
        v_min: register value below which v is held; None = the arithmetic's own edge.
    """

    decay_v: Array | int = DECAY_ALL
    v_threshold: Array | int | None = 64
    decay_u: Array | int = DECAY_ALL
    bias: Array | int | None = None
    bias_exp: int = 0
    reset: Literal["zero", "subtract"] = "zero"
    refractory: bool = True
    reset_interval: int = 0
    reset_offset: int = 0
    v_min: int | None = None

    def __post_init__(self) -> None:
        for name in ("decay_v", "v_threshold", "decay_u", "bias"):
            value = getattr(self, name)
            if value is not None or name.startswith("decay"):
                set_field(self, name, whole_array(name, value))
        for name in ("decay_v", "decay_u"):
            check_range(name, np.asarray(getattr(self, name)), 0, DECAY_ALL)
        if self.v_threshold is not None:
            check_range("v_threshold", np.asarray(self.v_threshold), 0, MAX_THRESHOLD)
        if self.bias is not None:
            check_range("bias", np.asarray(self.bias), *INT32)
        set_field(self, "bias_exp", whole("bias_exp", self.bias_exp, -32, 31))
        self._check_bias()
        check_choice("reset", self.reset, ("zero", "subtract"))
        check_type("refractory", self.refractory, bool, "true or false")
        if self.v_min is not None:
            set_field(self, "v_min", whole("v_min", self.v_min, -MAX_REGISTER, 0))
        set_field(self, "reset_interval", whole("reset_interval, 0 = never,", self.reset_interval, 0, INT32[1]))
        set_field(self, "reset_offset", whole("reset_offset", self.reset_offset, *INT32))

    @property
    def has_current(self) -> bool:
        """Whether any neuron keeps synaptic current from one time step to the next."""
        return bool((np.asarray(self.decay_u) < DECAY_ALL).any())

    def _check_bias(self) -> None:
        """Raise where a bias leaves its register; in Python's integers, which do not."""
        bias = np.asarray(0 if self.bias is None else self.bias)
        for mantissa in (int(bias.min(initial=0)), int(bias.max(initial=0))):
            register = mantissa << self.bias_exp if self.bias_exp >= 0 else mantissa >> -self.bias_exp
            require(
                -(1 << 31) <= register < 1 << 31,
                f"bias {mantissa} with bias_exp {self.bias_exp} is {register} in the register, which holds 32 bits; "
                "use a smaller bias or bias_exp",
            )

    def register_bias(self) -> Array | None:
        """The bias in register units, () or (n,); None without one, and where all of it is 0 there."""
        if self.bias is None:
            return None
        mantissa = np.asarray(self.bias)
        register = mantissa << self.bias_exp if self.bias_exp >= 0 else mantissa >> -self.bias_exp
        return register if bool(np.any(register)) else None


@dataclass(frozen=True)
class FixedPopulation:
    """Neurons that share an integer neuron model.

    Attributes:
        scale: weight mantissa units a trained unit: ``v_trained ~ v_register / (scale << weight_shift)``.
    """

    name: str
    shape: tuple[int, ...]
    neuron: FixedLIF = field(default_factory=FixedLIF)
    scale: float = 1.0

    def __post_init__(self) -> None:
        check_type("the name of a population", self.name, str, "a word")
        set_field(self, "shape", block_shape(f"population {self.name!r}", self.shape))
        require(
            len(self.shape) > 0 and min(self.shape) > 0,
            f"population {self.name!r} is empty (shape {self.shape}); remove it or give it neurons",
        )
        check_type(f"the neuron of population {self.name!r}", self.neuron, FixedLIF, "a FixedLIF")
        set_field(
            self, "scale", real(f"scale of population {self.name!r}", self.scale, 0.0, np.inf, "it must be positive")
        )
        for name in ("decay_v", "v_threshold", "decay_u", "bias"):
            value = getattr(self.neuron, name)
            if value is not None:
                check_per_neuron(f"{name} of population {self.name!r}", value, self.n)

    @property
    def n(self) -> int:
        return int(np.prod(self.shape))


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
    """

    inputs: tuple[Input, ...]
    populations: tuple[FixedPopulation, ...]
    projections: tuple[FixedProjection, ...]
    output: str
    dt_s: float = 1e-3
    arithmetic: str = "lava"
    schedule: Schedule = field(default_factory=Schedule)
    metadata: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        check_choice("arithmetic", self.arithmetic, ARITHMETICS)
        check_parts(self, Input, FixedPopulation, FixedProjection)

    @property
    def n_neurons(self) -> int:
        return sum(p.n for p in self.populations)

    @property
    def n_inputs(self) -> int:
        return sum(i.n for i in self.inputs)
