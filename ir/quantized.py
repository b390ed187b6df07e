"""A network in the chip's integers, not yet anywhere."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from ir.arithmetic import ARITHMETICS, DECAY_ALL
from ir.arrays import frozen_array, set_field
from ir.check import check_choice, check_per_neuron, require
from ir.connection import Connection
from ir.network import Input, check_ends
from ir.schedule import Schedule

Array = NDArray[Any]


@dataclass(frozen=True, eq=False)
class FixedLIF:
    """Integer LIF: ``leak(x) = sign(x) * ((|x| * (4096 - decay)) >> 12)``, spike where ``v > v_threshold << 6``.

    Every number is one for the population or one a neuron.

    Attributes:
        decay_v: lost each time step, in 1/4096, 0..4096.
        v_threshold: mantissa, register value ``v_threshold << weight_shift``; None = never fires.
        decay_u: the same for the current; 4096 = no current memory. Lava's ``du`` is ``decay_u - 1``.
        bias: mantissa, added once a time step as ``bias << bias_exp`` in register units
            (``>> -bias_exp``, floor, where negative); None = none.
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
            if value is not None:
                set_field(self, name, frozen_array(value, np.int64))
        for name in ("decay_v", "decay_u"):
            value = np.asarray(getattr(self, name))
            require(
                bool(((value >= 0) & (value <= DECAY_ALL)).all()),
                f"{name} must lie in 0..{DECAY_ALL}, it reaches {value.min()}..{value.max()}",
            )
        require(
            self.v_threshold is None or bool((np.asarray(self.v_threshold) >= 0).all()),
            "v_threshold must be at least 0",
        )
        require(-32 <= self.bias_exp <= 31, f"bias_exp is {self.bias_exp}; it must lie in -32..31")
        check_choice("reset", self.reset, ("zero", "subtract"))
        require(self.v_min is None or self.v_min <= 0, f"v_min is {self.v_min}; it must be at most 0, the reset value")
        require(self.reset_interval >= 0, f"reset_interval is {self.reset_interval}; it must be at least 0, 0 = never")

    @property
    def has_current(self) -> bool:
        """Whether any neuron keeps synaptic current from one time step to the next."""
        return bool((np.asarray(self.decay_u) < DECAY_ALL).any())

    def register_bias(self) -> Array | None:
        """The bias in register units, () or (n,); None without one."""
        if self.bias is None:
            return None
        return np.asarray(self.bias) << self.bias_exp if self.bias_exp >= 0 else np.asarray(self.bias) >> -self.bias_exp


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
        set_field(self, "shape", tuple(int(x) for x in self.shape))
        require(
            len(self.shape) > 0 and min(self.shape) > 0,
            f"population {self.name!r} is empty (shape {self.shape}); remove it or give it neurons",
        )
        require(bool(np.isfinite(self.scale)) and self.scale > 0, f"scale of population {self.name!r} must be positive")
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
        set_field(self, "delay_steps", frozen_array(self.delay_steps, np.int32))
        who = f"projection {self.pre} -> {self.post}"
        require(
            self.connection.weight.dtype.kind in "iu",
            f"weights of {who} are {self.connection.weight.dtype}; quantize first",
        )
        require(
            bool((np.abs(self.connection.weight.astype(np.int64)) < 1 << 31).all()),
            f"weights of {who} do not fit int32",
        )
        require(-31 <= self.weight_exp <= 31, f"weight_exp of {who} is {self.weight_exp}; it must lie in -31..31")
        check_per_neuron(f"delay_steps of {who}", np.asarray(self.delay_steps), self.connection.n_pre)
        require(bool((np.asarray(self.delay_steps) >= 0).all()), f"delay_steps of {who} must be at least 0")


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
        for name in ("inputs", "populations", "projections"):
            set_field(self, name, tuple(getattr(self, name)))
        check_choice("arithmetic", self.arithmetic, ARITHMETICS)
        require(0 < self.dt_s < np.inf, f"dt_s is {self.dt_s}; a time step lasts more than 0 s and not for ever")
        check_ends(self.inputs, self.populations, self.projections, self.output)

    @property
    def n_neurons(self) -> int:
        return sum(p.n for p in self.populations)

    @property
    def n_inputs(self) -> int:
        return sum(i.n for i in self.inputs)
