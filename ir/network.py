"""A network as trained: floats, seconds, nowhere yet."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from ir.arrays import Array, real_array, set_field, whole_array
from ir.check import (
    INT32,
    MAX_NEURONS,
    block_shape,
    check_choice,
    check_finite,
    check_per_neuron,
    check_range,
    check_type,
    check_words,
    real,
    require,
)
from ir.connection import CONNECTIONS, Connection
from ir.schedule import Schedule


@dataclass(frozen=True)
class Input:
    """A block of inputs; inputs are not neurons.

    Attributes:
        shape: e.g. (polarity, height, width); indices are row-major.
    """

    name: str
    shape: tuple[int, ...]

    def __post_init__(self) -> None:
        check_type("the name of an input", self.name, str, "a word")
        set_field(self, "shape", block_shape(f"input {self.name!r}", self.shape))
        require(
            len(self.shape) > 0 and min(self.shape) > 0,
            f"input {self.name!r} has shape {self.shape}; every side must be positive",
        )

    @property
    def n(self) -> int:
        return int(np.prod(self.shape))


@dataclass(frozen=True, eq=False)
class LIF:
    """Leaky integrate and fire: ``v <- leak(v) + drive``; spike where ``v > v_threshold``.

    With ``tau_syn_s`` the drive first enters a synaptic current, ``u <- leak(u) + drive``, ``v <- leak(v) + u``.
    The leak of one time step is ``exp(-dt / tau)`` (``exponential``) or ``1 - dt / tau`` (``euler``).
    Every number is one for the population or one a neuron.

    Attributes:
        tau_mem_s: membrane time constant, seconds; infinite = no leak (IF); 0 = no memory.
        v_threshold: compared strictly; at least 0; None = never fires (membrane readout).
        tau_syn_s: synaptic time constant, seconds; None = no current memory.
        bias: added to the membrane once a time step; None = none.
        reset: ``zero`` (hard: the part above the threshold is lost) or ``subtract``.
        refractory: at most one spike a time step; charge that arrives later in the step is lost.
        discretization: how a time constant becomes the leak of one step.
        v_min: the membrane never falls below, at most 0; None = unbounded (sinabs' ``min_v_mem``).
        multi_spike: fires ``floor(v / v_threshold)`` times in one time step, each spike subtracts the
            threshold (sinabs' ``MultiSpike``, rockpool's ``StepPWL``); layered floats only, no chip of ours has it.
    """

    tau_mem_s: Array | float = np.inf
    v_threshold: Array | float | None = 1.0
    tau_syn_s: Array | float | None = None
    bias: Array | float | None = None
    reset: Literal["zero", "subtract"] = "zero"
    refractory: bool = True
    discretization: Literal["exponential", "euler"] = "exponential"
    v_min: float | None = None
    multi_spike: bool = False

    def __post_init__(self) -> None:
        for name in ("tau_mem_s", "v_threshold", "tau_syn_s", "bias"):
            value = getattr(self, name)
            if value is not None or name == "tau_mem_s":
                set_field(self, name, real_array(f"LIF {name}", value))
        check_choice("LIF reset", self.reset, ("zero", "subtract"))
        check_choice("LIF discretization", self.discretization, ("exponential", "euler"))
        for name in ("tau_mem_s", "tau_syn_s"):
            value = getattr(self, name)
            require(value is None or bool((value >= 0).all()), f"LIF {name} must be at least 0 and not NaN")
        for name in ("v_threshold", "bias"):
            if getattr(self, name) is not None:
                check_finite(f"LIF {name}", getattr(self, name))
        require(
            self.v_threshold is None or bool((np.asarray(self.v_threshold) >= 0).all()),
            "LIF v_threshold must be at least 0",
        )
        for name in ("refractory", "multi_spike"):
            check_type(f"LIF {name}", getattr(self, name), bool, "true or false")
        if self.v_min is not None:
            low = "give a number of at most 0, the reset value, or None for no bound"
            set_field(self, "v_min", real("LIF v_min", self.v_min, -np.inf, 0.0, low))
        require(
            not self.multi_spike
            or (
                self.reset == "subtract"
                and self.v_threshold is not None
                and bool((np.asarray(self.v_threshold) > 0).all())
            ),
            "LIF multi_spike needs reset 'subtract' and a positive v_threshold",
        )

    def leak_v(self, dt_s: float) -> Array:
        """Membrane left after one time step, as a share; () or (n,)."""
        return leak(np.asarray(self.tau_mem_s), dt_s, self.discretization)

    def leak_u(self, dt_s: float) -> Array | None:
        """Synaptic current left after one time step, as a share; None without one."""
        return None if self.tau_syn_s is None else leak(np.asarray(self.tau_syn_s), dt_s, self.discretization)


def leak(tau_s: Array, dt_s: float, discretization: str) -> Array:
    """Share of a state left after ``dt_s``: ``exp(-dt/tau)`` or ``1 - dt/tau``; tau = 0 leaves nothing."""
    with np.errstate(divide="ignore"):
        ratio = np.where(tau_s > 0, dt_s / np.maximum(tau_s, 1e-300), np.inf)
    return np.exp(-ratio) if discretization == "exponential" else np.maximum(1.0 - ratio, 0.0)


@dataclass(frozen=True)
class Population:
    """Neurons that share a neuron model."""

    name: str
    shape: tuple[int, ...]
    neuron: LIF = field(default_factory=LIF)

    def __post_init__(self) -> None:
        check_type("the name of a population", self.name, str, "a word")
        set_field(self, "shape", block_shape(f"population {self.name!r}", self.shape))
        require(
            len(self.shape) > 0 and min(self.shape) > 0,
            f"population {self.name!r} is empty (shape {self.shape}); remove it or give it neurons",
        )
        check_type(f"the neuron of population {self.name!r}", self.neuron, LIF, "a LIF")
        for name in ("tau_mem_s", "v_threshold", "tau_syn_s", "bias"):
            value = getattr(self.neuron, name)
            if value is not None:
                check_per_neuron(f"{name} of population {self.name!r}", value, self.n)

    @property
    def n(self) -> int:
        return int(np.prod(self.shape))


@dataclass(frozen=True, eq=False)
class Projection:
    """A weighted connection from an input or population into a population.

    Attributes:
        pre, post: names.
        delay_steps: time steps a spike travels beyond the schedule's own, one or one a source.
    """

    pre: str
    post: str
    connection: Connection
    delay_steps: Array | int = 0

    def __post_init__(self) -> None:
        set_field(self, "delay_steps", checked_delays(self.pre, self.post, self.connection, self.delay_steps))


def checked_delays(pre: Any, post: Any, connection: Any, delay_steps: Any) -> Array:
    """The delays of a projection, frozen; raise unless both ends have names and delays are one or one a source."""
    for name, end in (("pre", pre), ("post", post)):
        check_type(f"{name} of a projection", end, str, "the name of a block")
    who = f"projection {pre} -> {post}"
    check_type(f"the connection of {who}", connection, CONNECTIONS, "a Dense, Conv2d or Sparse")
    delays = whole_array(f"delay_steps of {who}", delay_steps, np.int32)
    check_per_neuron(f"delay_steps of {who}", delays, connection.n_pre)
    check_range(f"delay_steps of {who}", delays, 0, INT32[1])
    return delays


def check_parts(network: Any, inputs: type, populations: type, projections: type) -> None:
    """Freeze the tuples of a network and raise unless each part is of its type; the rest of what all networks say."""
    for name, kind in (("inputs", inputs), ("populations", populations), ("projections", projections)):
        parts = getattr(network, name)
        check_type(name, parts, (tuple, list), f"a tuple of {kind.__name__}")
        for part in parts:
            check_type(f"one of the {name}", part, kind, f"a {kind.__name__}")
        set_field(network, name, tuple(parts))
    set_field(
        network, "dt_s", real("dt_s", network.dt_s, 0.0, np.inf, "a time step lasts more than 0 s and not for ever")
    )
    check_type("the schedule", network.schedule, Schedule, "a Schedule")
    check_words("metadata", network.metadata)
    check_type("output", network.output, str, "the name of a population")
    check_ends(network.inputs, network.populations, network.projections, network.output)


def check_ends(
    inputs: tuple[Any, ...], populations: tuple[Any, ...], projections: tuple[Any, ...], output: str
) -> None:
    """Raise unless names are unique, ends exist and sizes agree."""
    sizes: dict[str, int] = {}
    for what, blocks in (("inputs", inputs), ("neurons", populations)):
        n = sum(block.n for block in blocks)
        require(n <= MAX_NEURONS, f"the network has {n} {what}, at most {MAX_NEURONS}; split it")
    for block in (*inputs, *populations):
        require(block.name not in sizes, f"two blocks are named {block.name!r}; names must differ")
        sizes[block.name] = block.n
    names = {p.name for p in populations}
    require(len(inputs) > 0 and len(names) > 0, "a network needs at least one input and one population")
    require(output in names, f"output {output!r} is no population; populations: {', '.join(sorted(names))}")
    for p in projections:
        who = f"projection {p.pre} -> {p.post}"
        require(p.pre in sizes and p.post in names, f"{who} names a block that is not there")
        require(
            p.connection.n_pre == sizes[p.pre] and p.connection.n_post == sizes[p.post],
            f"{who} maps {p.connection.n_pre} -> {p.connection.n_post}, it joins {sizes[p.pre]} and {sizes[p.post]}",
        )


@dataclass(frozen=True, eq=False)
class Network:
    """Populations and projections with trained, floating-point parameters.

    Neurons have one global index: populations in declaration order, row-major inside.

    Attributes:
        output: the population that decides.
        dt_s: seconds a time step.
        schedule: the schedule it was trained for; the default of every run.
        metadata: free text, e.g. where it came from.
    """

    inputs: tuple[Input, ...]
    populations: tuple[Population, ...]
    projections: tuple[Projection, ...]
    output: str
    dt_s: float = 1e-3
    schedule: Schedule = field(default_factory=Schedule)
    metadata: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        check_parts(self, Input, Population, Projection)

    @property
    def n_neurons(self) -> int:
        return sum(p.n for p in self.populations)

    @property
    def n_inputs(self) -> int:
        return sum(i.n for i in self.inputs)
