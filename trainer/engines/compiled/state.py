"""What the kernels carry along: rules of a run, registers of a sample, the tape that the backward pass reads."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from trainer.engines.compiled.jit import exact

Floats = NDArray[Any]
Ints = NDArray[np.int64]
Flags = NDArray[np.uint8]

RANDOM, MOMENTUM, FIFO = 0, 1, 2
FIRST, QUEUED, PACED = 0, 1, 2
SLOTS, ALL, NONE = 0, 1, 2
VALUES, BLOCKS, SLOT, ROUNDS, EVENTS, CLIPS, FIRED, SERVED = range(8)


class Rules(NamedTuple):
    """Schedule and options as numbers; -1 = not set, prefixes are ``mix(seed)``.

    Attributes:
        group: F; ``per_round``: R; ``last_due``: last round that a bias or current waits for.
        h_*: key prefixes of the order and of each random stream.
        training: write a tape; ``record``: write the spikes down for a trace.
    """

    group: int
    order: int
    input: int
    per_round: int
    stop_after: int
    stop_after_output: int
    last_due: int
    silent: int
    training: bool
    record: bool
    fixed: bool
    current: bool
    biased: bool
    h_order: np.uint64
    h_escape: np.uint64
    h_noise: np.uint64
    h_input: np.uint64
    h_spike: np.uint64
    escape: float
    noise: float
    input_drop: float
    spike_drop: float
    weight_shift: float
    accumulator: float
    u_top: float
    u_two_sided: bool
    bias_in_u: bool
    v_max: float


class Numbers(NamedTuple):
    """Parameters in the engine's dtype: flat weights, and one value a neuron for the rest.

    Attributes:
        leak_v, leak_u: share left after a time step (also for integers).
    """

    weights: Floats
    leak_v: Floats
    leak_u: Floats
    threshold: Floats
    bias: Floats
    unit: Floats


class Tape(NamedTuple):
    """What happened, in order: each array grows, ``used`` counts (columns named above).

    Attributes:
        values: membranes after integration, a block a touched population; NaN where the gate is shut.
        block: (., 2) of (population, where its values begin).
        slot, slot_q: the neuron of each served slot and what it delivered: 0 = silent, -1 = dropped.
        round: (., 3) where each round's blocks, slots and clips begin.
        step: (., 2) where each (sample, time step)'s rounds and input events begin.
        event, event_x: input index and value.
        clip: neurons whose membrane was clipped.
        fired, fired_m, served: the trace, rows of (sample, t, k, neuron).
    """

    values: Floats
    block: Ints
    slot: NDArray[np.int32]
    slot_q: Floats
    round: Ints
    step: Ints
    event: NDArray[np.int32]
    event_x: Floats
    clip: NDArray[np.int32]
    fired: NDArray[np.int32]
    fired_m: Floats
    served: NDArray[np.int32]
    used: Ints


class State(NamedTuple):
    """Registers of one sample and working space.

    Attributes:
        v, u: membrane and current; ``sums``: weights delivered since the last round.
        shut: refractory; ``spikes``: of this time step.
        waiting, queue: flag and list of the neurons with an entry; ``q``: its count.
        m, since: momentum and round of the newest spike.
        live: the surrogate acted since the neuron was last selected.
        touched: populations with a new drive.
        now: neurons that fired in this round; ``chosen``: what is served.
        first, second: what entries are ranked by; ``heap``, ``held``, ``room``: best of each core.
        n: single counters: queue length, fired now, chosen, events listed, events taken.
    """

    v: Floats
    u: Floats
    sums: Floats
    shut: Flags
    spikes: NDArray[np.int32]
    waiting: Flags
    queue: NDArray[np.int32]
    q: Floats
    m: Floats
    since: NDArray[np.int32]
    live: Flags
    touched: Flags
    now: NDArray[np.int32]
    chosen: NDArray[np.int32]
    first: NDArray[np.float64]
    second: NDArray[np.uint64]
    heap: NDArray[np.int32]
    held: Ints
    room: Ints
    event: NDArray[np.int32]
    event_x: Floats
    event_left: Flags
    n: Ints


@exact
def grown(array, used, more):
    """The array itself where ``more`` entries fit, else a copy of twice the length."""
    if used + more <= array.shape[0]:
        return array
    out = np.empty(max(2 * array.shape[0], used + more), array.dtype)
    out[:used] = array[:used]
    return out


@exact
def grown_rows(array, used, more):
    """``grown`` for tables."""
    if used + more <= array.shape[0]:
        return array
    out = np.empty((max(2 * array.shape[0], used + more), array.shape[1]), array.dtype)
    out[:used] = array[:used]
    return out


@exact
def with_room(tape, n_neurons, n_parts):
    """The tape with room for one more round."""
    n = tape.used
    return Tape(
        grown(tape.values, n[VALUES], n_neurons),
        grown_rows(tape.block, n[BLOCKS], n_parts + 1),
        grown(tape.slot, n[SLOT], n_neurons),
        grown(tape.slot_q, n[SLOT], n_neurons),
        grown_rows(tape.round, n[ROUNDS], 2),
        tape.step,
        tape.event,
        tape.event_x,
        grown(tape.clip, n[CLIPS], n_neurons),
        grown_rows(tape.fired, n[FIRED], n_neurons),
        grown(tape.fired_m, n[FIRED], n_neurons),
        grown_rows(tape.served, n[SERVED], n_neurons),
        n,
    )
