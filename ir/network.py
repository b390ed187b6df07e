"""A network as trained: floats, seconds, nowhere yet."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ir.arrays import Array, set_field, whole_array
from ir.check import (
    INT32,
    MAX_NEURONS,
    block_shape,
    check_per_neuron,
    check_range,
    check_type,
    check_words,
    real,
    require,
)
from ir.coding import check_codes
from ir.connection import CONNECTIONS, Connection
from ir.neurons import LIF, Neuron, check_neuron, check_only_lif
from ir.picture import beside, network_picture
from ir.pooling import check_pooling
from ir.schedule import Schedule
from ir.shown import lines_of, network_lines


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
        return math.prod(self.shape)


@dataclass(frozen=True)
class Population:
    """Neurons that share a neuron model."""

    name: str
    shape: tuple[int, ...]
    neuron: Neuron = field(default_factory=LIF)

    def __post_init__(self) -> None:
        check_type("the name of a population", self.name, str, "a word")
        set_field(self, "shape", block_shape(f"population {self.name!r}", self.shape))
        require(
            len(self.shape) > 0 and min(self.shape) > 0,
            f"population {self.name!r} is empty (shape {self.shape}); remove it or give it neurons",
        )
        check_neuron(f"the neuron of population {self.name!r}", self.neuron, fixed=False)
        self.neuron.check_size(f"population {self.name!r}", self.n)

    @property
    def n(self) -> int:
        return math.prod(self.shape)


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
    check_encoder(network.encoder, network)
    check_ends(network.inputs, network.populations, network.projections, network.output)
    check_pooling(network)
    check_codes(network)


def check_encoder(encoder: Any, body: Any) -> None:
    """Raise unless ``encoder`` is None, or a network of floats whose output's spikes are the body's inputs."""
    if encoder is None:
        return
    check_type("the encoder", encoder, Network, "a Network of floats, or None")
    require(encoder.encoder is None, "the encoder has an encoder itself; make them one")
    check_only_lif(encoder.populations, "an encoder on the host")
    output = next(p for p in encoder.populations if p.name == encoder.output)
    n = sum(i.n for i in body.inputs)
    require(output.neuron.fires, f"the encoder ends in {output.name!r}, which never fires; give it a threshold")
    require(
        output.n == n, f"the encoder ends in {output.n} neurons, the network behind it has {n} inputs; make them agree"
    )
    require(
        encoder.dt_s == body.dt_s,
        f"the encoder's time step is {encoder.dt_s:g} s, the network's {body.dt_s:g} s; it runs once a time step",
    )


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
        encoder: first layers that run on the host, in floats, once a time step (``ir.encoder``): they take the data,
            and the spikes of their output are this network's stimulus; None = the data are.
    """

    inputs: tuple[Input, ...]
    populations: tuple[Population, ...]
    projections: tuple[Projection, ...]
    output: str
    dt_s: float = 1e-3
    schedule: Schedule = field(default_factory=Schedule)
    metadata: dict[str, str] = field(default_factory=dict)
    encoder: Network | None = None

    def __post_init__(self) -> None:
        check_parts(self, Input, Population, Projection)

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
