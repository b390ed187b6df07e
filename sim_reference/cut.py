"""Runs that are cut in time: where each sample begins, and what it leaves for the run that goes on from it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

import numpy as np

from ir.arrays import Array, Bits, Ints
from ir.quantized import QuantizedNetwork
from ir.state import State, fingerprint, latest, look_back, state_names
from ir.stimulus import Stimulus
from sim_reference.neurons import Members


class Registers(Protocol):
    """Neurons that move together, by what they keep."""

    @property
    def members(self) -> Members: ...
    @property
    def states(self) -> dict[str, Ints]: ...


class Cut:
    """The beginning and the end of every sample of a run.

    Args:
        state: of the stimulus's samples, in their order; None = they begin.
        keep: whether to note where they end.
    """

    def __init__(self, network: QuantizedNetwork, stimulus: Stimulus, state: State | None, keep: bool) -> None:
        self.network, self.stimulus, self.state, self.keep = network, stimulus, state, keep
        self.t0 = 0 if state is None else state.t
        self.most = look_back(network)
        shape = stimulus.n_samples, network.n_neurons
        self.states = {name: np.zeros(shape, np.int64) for name in state_names(network) if keep}
        self.fired = np.zeros(shape, bool)
        self.sent: list[Array] = []

    def begin(self, b: int, groups: Iterable[Registers]) -> None:
        """Give neurons the registers that sample b begins with."""
        for group in groups:
            for name, values in group.states.items():
                values[:] = 0 if self.state is None else self.state.states[name][b, group.members.at]

    def sent_before(self, b: int) -> Ints:
        """(H, N) what neurons of sample b sent before it begins."""
        none = np.zeros((0, self.network.n_neurons), np.int64)
        return none if self.state is None else self.state.sent[:, b].astype(np.int64)

    def frames(self, b: int) -> Array:
        """(H + T, N_in) the counts of sample b, with those before it begins."""
        frames = self.stimulus.frames[:, b]
        return frames if self.state is None else np.concatenate([self.state.inputs[:, b], frames])

    def end(self, b: int, groups: Iterable[Registers], sent: Ints, fired: Bits) -> None:
        """Note where sample b ends.

        Args:
            sent: (T, N) how often neurons delivered their weights in each time step.
            fired: (N,) who fired in the last of them, if there is one.
        """
        if not self.keep:
            return
        for group in groups:
            for name, values in group.states.items():
                self.states[name][b, group.members.at] = values
        self.fired[b] = fired if len(sent) or self.state is None else self.state.fired[b]
        self.sent.append(latest(self.sent_before(b), sent, self.most))

    def left(self) -> State | None:
        """Where all samples ended; None where it was not asked for."""
        if not self.keep:
            return None
        t = self.t0 + self.stimulus.n_steps
        h = min(self.most, t)
        frames = self.stimulus.frames
        before = frames[:0] if self.state is None else self.state.inputs
        sent = np.stack(self.sent, 1) if self.sent else np.zeros((h, 0, self.network.n_neurons), np.int64)
        inputs = latest(before, frames, self.most)
        ids = self.stimulus.sample_ids
        assert ids is not None
        return State(fingerprint(self.network), t, ids, self.states, self.fired, sent, inputs)
