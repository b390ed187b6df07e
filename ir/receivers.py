"""Which cores a spike goes to: those that hold a neuron it has a synapse to."""

from __future__ import annotations

from functools import lru_cache
from typing import Union

import numpy as np

from ir.arrays import Array, Bits, Ints
from ir.connection import Connection, Dense, synapses
from ir.graph import slices
from ir.network import Network
from ir.quantized import QuantizedNetwork


def cores_reached(network: Union[Network, QuantizedNetwork], core_of_neuron: Array) -> tuple[Ints, Bits]:
    """Where the neurons lie, and which cores each source reaches, zero weights included.

    Returns:
        (N,) the place of each neuron's core among those that hold any, and (C, N + N_in), neurons first, whether a
        source has a synapse to a neuron on the core.
    """
    used, place = np.unique(np.asarray(core_of_neuron, np.int64), return_inverse=True)
    return _reached(network, len(used), place.reshape(-1).tobytes())


@lru_cache(maxsize=8)
def _reached(network: Union[Network, QuantizedNetwork], n_cores: int, raw: bytes) -> tuple[Ints, Bits]:
    place, at, inputs = np.frombuffer(raw, np.int64), slices(network.populations), slices(network.inputs)
    reach = np.zeros((n_cores, network.n_neurons + network.n_inputs), bool)
    for e in network.projections:
        first = network.n_neurons + inputs[e.pre].start if e.pre in inputs else at[e.pre].start
        pre, core = _pairs(e.connection, place[at[e.post]])
        reach[core, first + pre] = True
    reach.flags.writeable = False
    return place, reach


def _pairs(connection: Connection, core: Ints) -> tuple[Ints, Ints]:
    """Sources and cores that go together, some of them more than once."""
    if isinstance(connection, Dense):
        cores = np.unique(core)
        return np.tile(np.arange(connection.n_pre), len(cores)), np.repeat(cores, connection.n_pre)
    pre, post, _ = synapses(connection)
    return pre, core[post]
