"""What a run leaves for the one that goes on from it: every neuron's registers, and what is still on its way."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, fields, is_dataclass, replace
from typing import Any, Union

import numpy as np

from ir.arrays import Array, frozen_array, numbers, set_field, whole_array
from ir.check import INT32, check_finite, check_range, check_type, require, whole
from ir.network import Network
from ir.quantized import QuantizedNetwork
from ir.stimulus import Stimulus
from ir.words import counted

MAX_STEPS = 1 << 62
"""Of all runs together."""


@dataclass(frozen=True, eq=False)
class State:
    """A batch at the end of a time step; a run that is given it goes on as if it had never been cut.

    Attributes:
        network: the :func:`fingerprint` of the network that ran; no other goes on from it.
        t: time steps since the samples began.
        sample_ids: (B,).
        states: (B, N) of each state that the network's neurons keep, by name (``ir.neurons``); 0 in neurons without it.
            Whole numbers of an integer network, else real ones.
        fired: (B, N) who fired in the last time step.
        sent: (H, B, N) how often neurons delivered their weights in the last time steps, oldest first; H is as many as
            the longest delay looks back (:func:`look_back`), fewer where fewer have run.
        inputs: (H, B, N_in) the counts of the inputs in them.
        host: the state of the encoder on the host; None where the network has none.
    """

    network: str
    t: int
    sample_ids: Array
    states: dict[str, Array]
    fired: Array
    sent: Array
    inputs: Array
    host: State | None = None

    def __post_init__(self) -> None:
        check_type("the network of a state", self.network, str, "the fingerprint of a network")
        set_field(self, "t", whole("t of a state", self.t, 0, MAX_STEPS))
        set_field(self, "sample_ids", whole_array("sample_ids of a state", self.sample_ids))
        check_type("the host of a state", self.host, (State, type(None)), "a State or None")
        check_type("the states of a state", self.states, dict, "arrays by name")
        found = {name: frozen_array(numbers(f"state {name!r}", x)) for name, x in self.states.items()}
        set_field(self, "states", found)
        for name in ("fired", "sent", "inputs"):
            set_field(self, name, frozen_array(numbers(f"{name} of a state", getattr(self, name))))
        set_field(self, "fired", frozen_array(self.fired, np.bool_))
        for name, array in {**found, "sent": self.sent, "inputs": self.inputs}.items():
            check_finite(f"{name} of a state", array)
        self._check_shapes()

    def _check_shapes(self) -> None:
        """Raise unless all arrays are of one batch, one network and one number of time steps."""
        require(self.fired.ndim == 2, f"fired of a state has shape {self.fired.shape}; give (B, N)")
        require(self.inputs.ndim == 3, f"inputs of a state have shape {self.inputs.shape}; give (H, B, N_in)")
        b, n = self.fired.shape
        h, _, n_inputs = self.inputs.shape
        wanted: dict[str, tuple[Array, tuple[int, ...]]] = {
            "sample_ids": (self.sample_ids, (b,)),
            "sent": (self.sent, (h, b, n)),
            "inputs": (self.inputs, (h, b, n_inputs)),
            **{name: (x, (b, n)) for name, x in self.states.items()},
        }
        for name, (array, shape) in wanted.items():
            said = f"a state of {counted(b, 'sample')} and {counted(n, 'neuron')} has {name} of shape {array.shape}"
            require(array.shape == shape, f"{said}; give {shape}")
        require(h <= self.t, f"a state after {counted(self.t, 'time step')} remembers {h}")
        require(len(np.unique(self.sample_ids)) == b, "two samples of a state have the same id; ids must differ")

    def __repr__(self) -> str:
        (b, n), names = self.fired.shape, ", ".join(self.states)
        said = f"{counted(b, 'sample')} after {counted(self.t, 'time step')}: {names} of {counted(n, 'neuron')}"
        return f"State of {said}, network {self.network[:12]}"

    def of(self, sample_ids: Array) -> State:
        """The same for some of the samples, in their order.

        Raises:
            ValueError: one of them is not there.
        """
        order = np.argsort(self.sample_ids, kind="stable")
        at = np.minimum(np.searchsorted(self.sample_ids, sample_ids, sorter=order), max(len(order) - 1, 0))
        rows = order[at] if len(order) else np.zeros(len(sample_ids), np.int64)
        lost = np.ones(len(rows), bool) if not len(order) else self.sample_ids[rows] != sample_ids
        if lost.any():
            lacking = int(np.asarray(sample_ids)[int(lost.argmax())])
            raise ValueError(f"the state holds no sample {lacking}; give the stimulus the sample_ids of the run before")
        return replace(
            self,
            sample_ids=self.sample_ids[rows],
            states={name: x[rows] for name, x in self.states.items()},
            fired=self.fired[rows],
            sent=self.sent[:, rows],
            inputs=self.inputs[:, rows],
            host=None if self.host is None else self.host.of(sample_ids),
        )


def look_back(network: Union[Network, QuantizedNetwork]) -> int:
    """How many time steps of spikes a state of the network remembers at most: one more than the longest delay."""
    return 1 + max((int(np.max(e.delay_steps, initial=0)) for e in network.projections), default=0)


def state_names(network: Union[Network, QuantizedNetwork]) -> tuple[str, ...]:
    """Every state that some neuron of the network keeps, in order of the populations."""
    return tuple(dict.fromkeys(name for p in network.populations for name in p.neuron.STATES))


def is_graded(network: Union[Network, QuantizedNetwork]) -> bool:
    """Whether spikes of the network carry unlike numbers, so that traces of it hold a column of payloads."""
    return any(p.neuron.graded for p in network.populations)


def initial_state(network: Union[Network, QuantizedNetwork], sample_ids: Array) -> State:
    """Where every sample begins: all registers 0, nothing on its way."""
    kind = np.int64 if isinstance(network, QuantizedNetwork) else np.float32
    shape = len(sample_ids), network.n_neurons
    none = np.zeros(shape, kind)
    history = [np.zeros((0, shape[0], n), kind) for n in (network.n_neurons, network.n_inputs)]
    states = dict.fromkeys(state_names(network), none)
    return State(fingerprint(network), 0, sample_ids, states, np.zeros(shape, bool), history[0], history[1])


def check_state(network: Union[Network, QuantizedNetwork], state: State, sample_ids: Array | None) -> State:
    """The state of some samples, in their order.

    Raises:
        ValueError: it is another network's, or lacks a sample.
    """
    own = fingerprint(network)
    require(
        state.network == own,
        f"the state is of network {state.network[:12]}, this one is {own[:12]}; go on with the network that left it",
    )
    names, n, n_inputs = set(state_names(network)), network.n_neurons, network.n_inputs
    fits = set(state.states) == names and state.fired.shape[1] == n and state.inputs.shape[2] == n_inputs
    require(fits, "the state does not hold what the network's neurons keep; save it again with this release")
    whole_numbers = isinstance(network, QuantizedNetwork)
    for name, array in {**state.states, "sent": state.sent}.items():
        if whole_numbers:
            require(array.dtype.kind in "iub", f"{name} of the state holds floats; an integer network keeps integers")
            check_range(f"{name} of the state", array, *INT32)
    require(not whole_numbers or state.inputs.dtype.kind in "iub", "inputs of the state are floats; give whole counts")
    assert sample_ids is not None
    return state.of(sample_ids)


def with_past(stimulus: Stimulus, state: State) -> Stimulus:
    """Frames with those that the state remembers before them: all that can still arrive."""
    past = state.inputs.astype(stimulus.frames.dtype if stimulus.frames.dtype.kind == "f" else np.int32)
    return Stimulus(np.concatenate([past, stimulus.frames]), stimulus.sample_ids) if len(past) else stimulus


def latest(before: Array, rows: Array, most: int) -> Array:
    """The last ``most`` of what came before and of what was added, both time first."""
    kept = rows[max(0, len(rows) - most) :]
    missing = most - len(kept)
    return np.concatenate([before[max(0, len(before) - missing) :], kept]) if missing > 0 else kept.copy()


def fingerprint(network: Union[Network, QuantizedNetwork]) -> str:
    """SHA-256 of what a run depends on beside its schedule: blocks, neurons, projections with their weights."""
    parts = network.inputs, network.populations, network.projections
    said = network.arithmetic if isinstance(network, QuantizedNetwork) else network.dt_s
    return digest_of(type(network).__name__, (*parts, said))


def digest_of(name: str, value: Any) -> str:
    """SHA-256 of a value of ours, with the kind of every part, the shape and type of every array, behind a name."""
    digest = hashlib.sha256(name.encode())
    _feed(digest, value)
    return digest.hexdigest()


YOUNGER = (("SpikingGamma", "ceiling"), ("FixedSpikingGamma", "ceiling"))
"""Fields that networks of earlier releases lack: where they are None, the network is the same."""


def _feed(digest: Any, value: Any) -> None:
    """Add a value: every part with its kind, arrays with shape and type, so that no two values read alike."""
    if isinstance(value, np.ndarray):
        digest.update(f"[{value.dtype.str}{value.shape}".encode())
        digest.update(np.ascontiguousarray(value).data if value.size else b"")
    elif is_dataclass(value):
        digest.update(f"<{type(value).__name__}".encode())
        for field in fields(value):
            part = getattr(value, field.name)
            if part is None and (type(value).__name__, field.name) in YOUNGER:
                continue
            digest.update(f".{field.name}".encode())
            _feed(digest, part)
    elif isinstance(value, (tuple, list)):
        digest.update(f"({len(value)}".encode())
        for part in value:
            _feed(digest, part)
    else:
        plain = value.item() if isinstance(value, np.generic) else value
        digest.update(f"'{type(plain).__name__}{plain!r}'".encode())
