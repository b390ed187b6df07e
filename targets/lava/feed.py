"""What the input sends and when, under each input rule."""

from __future__ import annotations

import numpy as np

from ir.arrays import Bits, Int32s, Ints
from ir.schedule import Schedule
from ir.stimulus import Stimulus


class Feed:
    """The frames of a stimulus, sample by sample, as the feeder process sends them.

    Attributes:
        n_inputs: inputs of the network.
        every_tick: whether counts are sent in every tick (``paced``), not only with a new frame.
        max_events: most events of a frame under ``queued``; 0 otherwise.
        input_rounds: (B * T,) forward steps until the last paced event of a connected input arrives; else zeros.

    Args:
        connected: (N_in,) whether an input has a projection.
    """

    def __init__(self, stimulus: Stimulus, schedule: Schedule, connected: Bits) -> None:
        self.rule, self.rate = schedule.input, schedule.R or 1
        self.frames = stimulus.frames
        self.n_inputs = int(stimulus.frames.shape[2])
        self.every_tick = self.rule == "paced"
        self.ordered: list[Ints] = []
        n_frames = stimulus.n_samples * stimulus.n_steps
        if self.rule != "first":
            self.ordered = [
                np.asarray(stimulus.inputs_in_order(b, t), np.int64)
                for b in range(stimulus.n_samples)
                for t in range(stimulus.n_steps)
            ]
        self.max_events = max((e.size for e in self.ordered), default=0) if self.rule == "queued" else 0
        self.input_rounds: Int32s = np.zeros(n_frames, np.int32)
        if self.rule == "paced":
            ends = [int(np.flatnonzero(connected[e]).max(initial=-1)) + 1 for e in self.ordered]
            self.input_rounds[:] = [-(-end // self.rate) for end in ends]
        self.n_frames = n_frames
        self.frame = -1
        self.sent = 0

    def next_frame(self) -> None:
        """Move on to the next frame."""
        self.frame += 1
        self.sent = 0

    def counts(self) -> Int32s:
        """(N_in,) what the input delivers now."""
        out = np.zeros(self.n_inputs, np.int32)
        if not 0 <= self.frame < self.n_frames:
            return out
        if self.rule == "first":
            b, t = divmod(self.frame, self.frames.shape[0])
            out[:] = self.frames[t, b]
        if self.rule == "paced":
            np.add.at(out, self.ordered[self.frame][self.sent : self.sent + self.rate], 1)
            self.sent += self.rate
        return out

    def events(self) -> Int32s:
        """(max_events + 1,) the frame's events for the queue: their number, then their inputs in order."""
        out = np.zeros(self.max_events + 1, np.int32)
        if self.frame < self.n_frames:
            events = self.ordered[self.frame]
            out[0] = events.size
            out[1 : 1 + events.size] = events
        return out
