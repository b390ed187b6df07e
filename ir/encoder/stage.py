"""Where an encoder ends and the queue begins: the body of a network, the spikes that are its stimulus, its trace."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import lru_cache, wraps
from typing import Any, NamedTuple, TypeVar, Union, cast

import numpy as np

from ir.arrays import Array
from ir.check import require
from ir.encoder.run import encode, fresh_state, host_state, saved_state
from ir.mapped import MappedNetwork
from ir.network import Network
from ir.quantized import QuantizedNetwork
from ir.state import State, check_state
from ir.stimulus import Stimulus
from ir.trace import Trace
from ir.words import counted

AnyNetwork = Union[Network, QuantizedNetwork, MappedNetwork]
N = TypeVar("N", bound=AnyNetwork)
H = TypeVar("H")
R = TypeVar("R", bound=Callable[..., Trace])


def encoder_of(network: AnyNetwork) -> Network | None:
    """The first layers that run on the host; None = the data are the stimulus."""
    return network.network.encoder if isinstance(network, MappedNetwork) else network.encoder


def body_of(network: N) -> N:
    """What lies behind the encoder; the network itself where there is none."""
    return network if encoder_of(network) is None else _behind(network)


@lru_cache(maxsize=8)
def _behind(network: Any) -> Any:
    """One value a network: executors keep what they prepare for it."""
    if isinstance(network, MappedNetwork):
        return replace(network, network=replace(network.network, encoder=None))
    return replace(network, encoder=None)


def check_bare(network: AnyNetwork, what: str) -> None:
    """Raise where a network has an encoder and ``what`` holds none."""
    require(
        encoder_of(network) is None,
        f"the network begins with an encoder on the host, which {what} cannot hold; save it as .npz, or give what lies "
        "behind it: ir.encoder.body_of(network)",
    )


class Encoded(NamedTuple):
    """What an encoder did with some data.

    Attributes:
        spikes: the stimulus of the body; the data themselves where there is no encoder.
        body: where the body's samples go on from; None = they begin.
        host: where the encoder ended; None where there is none.
    """

    spikes: Stimulus
    body: State | None
    host: State | None

    def beside(self, trace: Trace) -> Trace:
        """The trace of the body with the host's spikes, and its state where the body has left one."""
        if self.host is None:
            return trace
        end = None if trace.state is None else replace(trace.state, host=self.host)
        return replace(trace, host=self.spikes.frames, state=end)


def encoded(network: AnyNetwork, stimulus: Stimulus, state: State | None = None) -> Encoded:
    """Run a network's encoder, if it has one.

    Spikes have no time stamps: gradual input takes those of a time step in order of their index.

    Args:
        state: where the samples go on from: what a run of the time steps before has left; None = they begin.

    Raises:
        ValueError: the data do not fit the encoder, or the state is another network's.
    """
    encoder = encoder_of(network)
    if encoder is None:
        return Encoded(stimulus, state, None)
    n = stimulus.frames.shape[2]
    require(n == encoder.n_inputs, f"stimulus has {counted(n, 'input')}, the encoder {encoder.n_inputs}")
    before = None
    if state is not None:
        before = check_state(encoder, host_of(state.host), stimulus.sample_ids)
    assert stimulus.sample_ids is not None
    own = fresh_state(encoder, stimulus.n_samples) if before is None else host_state(encoder, before)
    frames = counts_of(encode(encoder, stimulus.frames, own))
    spikes = Stimulus(frames, stimulus.sample_ids, stimulus.labels)
    rest = None if state is None else replace(state, host=None)
    return Encoded(spikes, rest, saved_state(encoder, own, stimulus.sample_ids))


def host_of(host: H | None) -> H:
    """The encoder's part of a state, which a network with an encoder goes on from.

    Raises:
        ValueError: the state has none.
    """
    if host is None:
        raise ValueError("the state is of a network without an encoder; go on with the one that left it")
    return host


def spikes_of(network: AnyNetwork, stimulus: Stimulus) -> Stimulus:
    """The stimulus of a network's body: its encoder's spikes, or the data themselves where there is none."""
    return encoded(network, stimulus).spikes


def counts_of(spikes: Array) -> Array:
    """Spikes (T, B, n) float32 as the smallest whole numbers that hold them."""
    return spikes.astype(np.int8 if spikes.max(initial=0) < 128 else np.int32)


def hosted(run: R) -> R:
    """A ``run`` of an executor that encodes on the host first and gives the body the spikes, where there is an encoder.

    ``run(network, stimulus, ..., state=..., keep_state=...)`` itself sees no encoder.
    """

    @wraps(run)
    def either(network: Any, stimulus: Stimulus, *args: Any, state: State | None = None, **given: Any) -> Trace:
        found = encoded(network, stimulus, state)
        if found.body is not None:
            given["state"] = found.body  # an executor that has no states is not asked for one
        return found.beside(run(body_of(network), found.spikes, *args, **given))

    return cast(R, either)
