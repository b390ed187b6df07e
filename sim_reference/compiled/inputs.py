"""What a run is fed with, as the kernels read it: one type, whatever numbers the frames hold and whoever owns them."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from ir.arrays import Array
from ir.held import Held
from ir.stimulus import Stimulus
from sim_reference.compiled.flat import starts
from sim_reference.compiled.jit import kernel, kernel_inside
from sim_reference.compiled.kernels import N_SOURCES, Work, find_nonzero
from sim_reference.compiled.queue import N_EVENTS, Queue

Int = Any
"""An integer of numpy or Python: compiled code sees no difference."""


NO_FRAMES = [np.zeros((0, 0, 0), kind) for kind in (np.int8, np.int16, np.int32)]


class Inputs(NamedTuple):
    """Frames in the one of three arrays that has their type; the other two are empty.

    Kernels are compiled anew for each combination of types, for seconds; so these are all in one.

    Attributes:
        bytes, shorts, words: (T, B, N_in) counts, int8, int16 or int32.
        itemsize: bytes a count.
        n_steps: time steps.
        ids: (B,) sample ids.
        events: inputs of stamped events, in order; those of sample b and time step t lie at ``event_start[b * T + t]``;
            empty = counts expand in index order.
    """

    bytes: Array
    shorts: Array
    words: Array
    itemsize: int
    n_steps: int
    ids: Array
    events: Array
    event_start: Array


def held_inputs(stimulus: Stimulus, gradual: bool) -> tuple[Held, int]:
    """The inputs for kernels, and the most events of a sample in a time step where they come one by one."""
    frames, n_steps, n_samples = stimulus.frames, stimulus.n_steps, stimulus.n_samples
    itemsize = frames.dtype.itemsize
    of_bytes, of_shorts, of_words = (frames if frames.dtype == none.dtype else none for none in NO_FRAMES)
    events, start, most = np.zeros(0, np.int64), np.zeros(n_steps * n_samples + 1, np.int64), 0
    if gradual:
        most = int(frames.sum(2, dtype=np.int64).max(initial=0))
        if stimulus.events is not None and len(stimulus.events):
            events = np.ascontiguousarray(stimulus.events[:, 3])
            slot = stimulus.events[:, 0] * n_steps + stimulus.events[:, 1]
            start = starts(np.bincount(slot, minlength=n_steps * n_samples))
    ids = np.ascontiguousarray(stimulus.sample_ids, np.int64)
    return Held(Inputs(of_bytes, of_shorts, of_words, itemsize, n_steps, ids, events, start)), most


@kernel
def list_inputs(frame: Array, first: Int, listed: Array, times: Array, flags: Array, words: Array, found: Array) -> Int:
    """List the inputs that are not zero, counted from ``first``, and their counts; returns how many there are."""
    n = find_nonzero(frame, flags, words, found)
    for i in range(n):
        listed[i] = first + found[i]
        times[i] = frame[found[i]]
    return n


@kernel_inside
def list_frame(inputs: Inputs, t: Int, b: Int, first: Int, listed: Array, times: Array, work: Work) -> Int:
    """``list_inputs`` of one sample's frame."""
    flags, words, found = work.flags, work.words, work.found
    if inputs.itemsize == 1:
        return list_inputs(inputs.bytes[t, b], first, listed, times, flags, words, found)
    if inputs.itemsize == 2:
        return list_inputs(inputs.shorts[t, b], first, listed, times, flags, words, found)
    return list_inputs(inputs.words[t, b], first, listed, times, flags, words, found)


@kernel_inside
def read_inputs(inputs: Inputs, whole: Any, t: Int, b: Int, work: Work, queue: Queue) -> None:
    """List what a time step brings: as sources where the whole frame arrives, else as events, in their order."""
    n_neurons, n, n_events = queue.q.size, np.int64(0), np.int64(0)
    if whole or inputs.events.size == 0:
        n = list_frame(inputs, t, b, n_neurons, work.source, work.times, work)
    work.n[N_SOURCES] = n
    if whole:
        return
    for i in range(n):
        for _ in range(work.times[i]):
            queue.event[n_events] = work.source[i] - n_neurons
            n_events += 1
    if inputs.events.size > 0:
        slot = b * inputs.n_steps + t
        for i in range(inputs.event_start[slot], inputs.event_start[slot + 1]):
            queue.event[n_events] = inputs.events[i]
            n_events += 1
    work.n[N_SOURCES], queue.n[N_EVENTS] = 0, n_events
