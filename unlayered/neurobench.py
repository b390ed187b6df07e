"""NeuroBench's footprint, sparsity and synaptic operations of a run, by its own library."""

from __future__ import annotations

from collections.abc import Iterator
from importlib import import_module
from importlib.metadata import version
from importlib.util import find_spec
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ir.arrays import Array
from ir.connection import Connection, Conv2d, Dense
from ir.mapped import MappedNetwork
from ir.network import Network
from ir.quantized import QuantizedNetwork
from ir.trace import Trace
from mapper.check.utilization import utilization
from sim_reference.compare.statistics import batch_positions
from unlayered.sources import plain_network

MOST_WEIGHTS = 1 << 26
"""Of a list of synapses written out as a matrix, the only form that the library counts."""

WIDTHS = (torch.int8, torch.int16, torch.int32)


def check_installed() -> None:
    """Raise unless the library is there."""
    if find_spec("neurobench") is None:
        raise ValueError(
            "--neurobench needs the package neurobench, which is not installed; pip install 'unlayered[neurobench]'"
        )


class Recorded(nn.Module):
    """A population whose spikes are known: passes them on, so that the library's hooks see them."""

    def forward(self, spikes: Tensor) -> Tensor:
        """(B, n) spikes of a time step, as they were recorded."""
        return spikes


class Replay(nn.Module):
    """A network that does not compute its spikes but is given them: each layer is called with what its source sent.

    Args:
        network: weights, in floats or integers.
        sent: (T, B, n) spikes of each population and input, by name.
    """

    def __init__(self, network: Network | QuantizedNetwork, sent: dict[str, Array]) -> None:
        super().__init__()
        self.sent = sent
        self.pre = [projection.pre for projection in network.projections]
        self.layers = nn.ModuleList(layer_of(projection.connection) for projection in network.projections)
        self.names = [population.name for population in network.populations]
        self.populations = nn.ModuleList(Recorded() for _ in self.names)

    def forward(self, t: int) -> Tensor:
        """One time step of all samples; the sums are not needed, the calls are."""
        spikes = {name: torch.from_numpy(values[t].astype(np.float32)) for name, values in self.sent.items()}
        for pre, layer in zip(self.pre, self.layers):
            shape = (-1, *layer.in_shape) if isinstance(layer, nn.Conv2d) else (-1, layer.in_features)  # pyright: ignore
            layer(spikes[pre].reshape(shape))  # pyright: ignore
        out = [population(spikes[name]) for name, population in zip(self.names, self.populations)]
        return out[-1]


def layer_of(connection: Connection) -> nn.Module:
    """The torch layer with a connection's weights; a list of synapses becomes a matrix."""
    if isinstance(connection, Conv2d):
        c_out, c_group = connection.weight.shape[:2]
        layer: Any = nn.Conv2d(
            c_group * connection.groups,
            c_out,
            connection.weight.shape[2:],  # pyright: ignore
            connection.stride,
            connection.padding,
            connection.dilation,
            connection.groups,
            bias=False,
        )
        layer.in_shape = connection.in_shape
        weight = connection.weight
    else:
        weight = connection.weight if isinstance(connection, Dense) else _matrix(connection)
        layer = nn.Linear(weight.shape[1], weight.shape[0], bias=False)
    layer.weight = nn.Parameter(torch.from_numpy(weight.astype(np.float32)), requires_grad=False)
    return layer


def _matrix(connection: Any) -> Array:
    size = connection.n_post * connection.n_pre
    if size > MOST_WEIGHTS:
        raise ValueError(
            f"a list of synapses of {connection.n_pre} sources and {connection.n_post} targets would take {size:,} "
            f"weights as a matrix, at most {MOST_WEIGHTS:,}; NeuroBench counts matrices and convolutions only"
        )
    weight = np.zeros((connection.n_post, connection.n_pre), connection.weight.dtype)
    rows = np.repeat(np.arange(connection.n_post), np.diff(connection.indptr))
    np.add.at(weight, (rows, connection.indices), connection.weight)
    return weight


def neurobench_numbers(network: Network | MappedNetwork, trace: Trace, frames: Array) -> dict[str, Any]:
    """What the library says of a network and its run, and the bytes of the chip's synapse memory.

    Args:
        frames: (T, B, inputs) what the run was given; of a network with an encoder the host's spikes stand for it.

    Returns:
        ``footprint_bytes`` (weights as float32, or in the smallest whole-number type of torch that holds them),
        ``synapse_bytes`` (the words that the map takes on the chip; None where it is not mapped), sparsities from 0 to
        1, operations of the mean sample: ``effective_macs`` where a source sent anything but 0 and 1,
        ``effective_acs`` where not, ``dense`` with zeros counted.
    """
    check_installed()
    plain = plain_network(network)
    static, workload = import_module("neurobench.metrics.static"), import_module("neurobench.metrics.workload")
    model: Any = import_module("neurobench.models").TorchModel(Replay(plain, _sent(plain, trace, frames)))
    model.add_activation_module(Recorded)
    operations, (n_steps, n_samples) = workload.SynapticOperations(), trace.forward_steps.shape
    batch = (torch.zeros(n_samples, 1), torch.zeros(n_samples))
    model.register_hooks()
    active = []
    with torch.no_grad():
        for t in range(n_steps):
            made = model(t)
            operations(model, made, batch)
            active.append(workload.ActivationSparsity()(model, made, batch))
            model.reset_hooks()
    model.cleanup_hooks()
    counted = {name.lower(): value * n_steps for name, value in operations.compute().items()}
    return {
        "version": version("neurobench"),
        "footprint_bytes": static.Footprint()(import_module("neurobench.models").TorchModel(stored(plain))),
        "synapse_bytes": synapse_bytes(network),
        "connection_sparsity": static.ConnectionSparsity()(model),
        "activation_sparsity": float(np.mean(active)) if active else None,
        **counted,
    }


def rows(numbers: dict[str, Any]) -> list[tuple[str, Any]]:
    """The same for a person."""
    size = numbers["synapse_bytes"]
    return [
        ("footprint", f"{numbers['footprint_bytes']:,} bytes of weights"),
        ("on the chip", "not mapped" if size is None else f"{size:,} bytes of synapse memory, as stored"),
        ("connection sparsity", numbers["connection_sparsity"]),
        ("activation sparsity", numbers["activation_sparsity"]),
        ("effective ACs a sample", numbers["effective_acs"]),
        ("effective MACs a sample", numbers["effective_macs"]),
        ("dense operations a sample", numbers["dense"]),
    ]


def stored(network: Network | QuantizedNetwork) -> nn.Module:
    """A module that holds the weights as they are stored, for the library to weigh."""
    parts = [nn.Parameter(_narrow(p.connection.weight), requires_grad=False) for p in network.projections]
    return nn.ParameterList(parts)


def _narrow(weight: Array) -> Tensor:
    if weight.dtype.kind == "f":
        return torch.from_numpy(weight.astype(np.float32))
    wide = torch.from_numpy(weight.astype(np.int64))
    low, high = (int(wide.min()), int(wide.max())) if wide.numel() else (0, 0)
    kind = next(kind for kind in WIDTHS if torch.iinfo(kind).min <= low and high <= torch.iinfo(kind).max)
    return wide.to(kind)


def synapse_bytes(network: Network | QuantizedNetwork | MappedNetwork) -> int | None:
    """Bytes of synapse memory that a map takes, recounted core by core; None where it lies on no chip."""
    if not isinstance(network, MappedNetwork) or network.chip is None:
        return None
    return sum(core.synapse_words for core in utilization(network)) * network.chip.limits.synapse_word_bits // 8


def _sent(network: Network | QuantizedNetwork, trace: Trace, frames: Array) -> dict[str, Array]:
    """(T, B, n) spikes of every population and input, by name."""
    assert trace.spikes is not None
    n_steps, n_samples = trace.forward_steps.shape
    spikes = np.zeros((n_steps, n_samples, network.n_neurons), np.int32)
    np.add.at(spikes, (trace.spikes.t, batch_positions(trace), trace.spikes.neuron), 1)
    given = frames if trace.host is None else trace.host
    return dict(_parts(network, spikes, np.asarray(given)))


def _parts(network: Network | QuantizedNetwork, spikes: Array, given: Array) -> Iterator[tuple[str, Array]]:
    for parts, values in ((network.inputs, given), (network.populations, spikes)):
        start = 0
        for part in parts:
            yield part.name, values[:, :, start : start + part.n]
            start += part.n
