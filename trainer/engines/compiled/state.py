"""What the kernels carry along: rules of a run, registers of a sample, the tape that the backward pass reads."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from trainer.engines.compiled.flat import (
    BLOCKS,
    CLIPS,
    EVENTS,
    FIRED,
    N_USED,
    ROUNDS,
    SERVED,
    SLOT,
    VALUES,
    Net,
)
from trainer.engines.compiled.lanes import padded

Floats = NDArray[Any]
Ints = NDArray[np.int64]
Flags = NDArray[np.uint8]

NO_LIMIT = -1
"""What kernels read where a schedule says None: all of a queue, no end."""

RANDOM, MOMENTUM, FIFO = 0, 1, 2
FIRST, QUEUED, PACED = 0, 1, 2
SLOTS, ALL, NONE, CARRIED, REST = 0, 1, 2, 3, 4
N_QUEUE, N_NOW, N_CHOSEN, N_EVENTS, N_TAKEN, N_ON_WAY, N_EVENTS_ON_WAY = range(7)
N_COUNTERS = 7
"""Counters of ``SampleState.n``: lengths of the lists, events taken; entries and events on their way: those with a
projection."""

IDLE, WAITING, SERVED_NOW = 0, 1, 2
"""``SampleState.waiting``: no entry, an entry, served in this round while silent slots are filled."""

GONE, LEFT, TAKEN = 0, 1, 2
"""``SampleState.event_left``: delivered, still to be taken, on its way."""


def or_no_limit(value: int | None) -> int:
    """A setting of a schedule in the kernels' spelling."""
    return NO_LIMIT if value is None else value


class Rules(NamedTuple):
    """Schedule and options as numbers; ``NO_LIMIT`` where they say None, prefixes are ``mix(seed)``.

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
    biased_u: bool
    h_order: np.uint64
    h_escape: np.uint64
    h_noise: np.uint64
    h_input: np.uint64
    h_spike: np.uint64
    t0: int
    escape: float
    noise: float
    input_drop: float
    spike_drop: float
    weight_shift: float
    accumulator: float
    u_top: float
    u_edge: int
    bias_in_u: bool
    v_max: float


class Numbers(NamedTuple):
    """Parameters in the engine's dtype: flat weights, and one value a neuron for the rest.

    Attributes:
        leak_v, leak_u: share left after a time step (also for integers).
        per_unit: trained units a membrane unit.
    """

    weights: Floats
    leak_v: Floats
    leak_u: Floats
    threshold: Floats
    bias: Floats
    bias_u: Floats
    per_unit: Floats


class Tape(NamedTuple):
    """What happened, in order: each array grows, ``used`` counts (columns named in ``flat``).

    Attributes:
        values: membranes after integration, a block a touched population; NaN where the gate is shut.
        block: (., 3) of (population, the first of some of its neurons, the last's next).
        slot, slot_q: the neuron of each served slot and what it delivered: 0 = silent, -1 = dropped.
        round: (., 4) where each round's blocks, slots, clips and values begin.
        step: (., 2) where each (sample, time step)'s rounds and input events begin.
        event, event_x: input index and value.
        clip: neurons whose membrane was clipped.
        fired, fired_m, served: the trace, rows of (sample, t, k, neuron).
    """

    values: Floats
    block: NDArray[np.int32]
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


class SampleState(NamedTuple):
    """Registers of one sample and working space.

    Attributes:
        v, u: membrane and current; ``sums``: weights delivered since the last round.
        shut: refractory; ``spikes``: of this time step.
        waiting, queue: state and list, by name, of the neurons with an entry; ``q``: its count.
        m, since: momentum and round of the newest spike.
        live: the surrogate acted since the neuron was last selected.
        reached: something has arrived in this time step; kept of neurons that wait for k = depth.
        touched: populations with a new drive; sites: marks of those that it reaches.
        now: neurons that fired in this round; ``chosen``: what is served.
        going, value: the neurons whose entries are delivered in this round, and what those hold.
        first, second: what entries are ranked by; ``heap``, ``held``, ``room``: best of each core.
        n: single counters, named above.
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
    reached: Flags
    touched: Flags
    sites: NDArray[np.uint64]
    now: NDArray[np.int32]
    chosen: NDArray[np.int32]
    going: NDArray[np.int32]
    value: Floats
    first: NDArray[np.float64]
    second: NDArray[np.uint64]
    heap: NDArray[np.int32]
    held: Ints
    room: Ints
    event: NDArray[np.int32]
    event_x: Floats
    event_left: Flags
    n: Ints


def fresh_state(net: Net, rules: Rules, kind: Any, n_cores: int, n_events: int) -> SampleState:
    """Working space for one sample after the other; ``n_events``: most input events of a time step."""
    n, n_parts = len(net.part_of), len(net.depth)
    wide = n + (n_events if rules.input != FIRST else 0)
    heap = min(rules.group, wide) + 1 if rules.group != NO_LIMIT else 1

    def floats(size: int) -> Floats:
        return np.zeros(size, kind)

    def small(size: int) -> NDArray[np.int32]:
        return np.zeros(size, np.int32)

    def flags(size: int) -> Flags:
        return np.zeros(size, np.uint8)

    return SampleState(
        v=floats(n), u=floats(n if rules.current else 1), sums=floats(net.n_sums), shut=flags(n), spikes=small(n),
        waiting=flags(padded(n)), queue=small(padded(n)), q=floats(n), m=floats(n), since=small(n),
        live=flags(padded(n)), reached=flags(n),
        touched=flags(n_parts), sites=np.zeros(net.word_at[-1] + 1, np.uint64), now=small(n),
        chosen=small(wide + 1), going=small(n + 1),
        value=floats(n + 1), first=np.zeros(wide),
        second=np.zeros(padded(wide), np.uint64),
        heap=np.zeros((n_cores, heap), np.int32), held=np.zeros(n_cores, np.int64), room=np.zeros(n_cores, np.int64),
        event=small(n_events + 1), event_x=floats(n_events + 1), event_left=flags(n_events + 1),
        n=np.zeros(N_COUNTERS, np.int64),
    )  # fmt: skip


def fresh_tape(
    net: Net, rules: Rules, kind: Any, n_steps: int, n_events: int, n_blocks: int, usual: NDArray[np.float64]
) -> Tape:
    """An empty tape; ``grown`` gives it room.

    Args:
        usual: (N_USED,) what a time step of a sample wrote in the run before; memory that is not written costs nothing.
    """
    n = len(net.part_of)
    used = (1.125 * n_steps * usual).astype(np.int64)
    rounds = max(8 * n_steps, int(used[ROUNDS])) + 2 if rules.training else 2
    values = max(n * rounds // 2, int(used[VALUES]) + n) if rules.training else n
    slots = max(4 * rounds, int(used[SLOT])) + n + n_events
    events, rows = int(used[EVENTS]) + n_events + 1, int(used[FIRED]) + n if rules.record else 1
    small, table = np.int32, (rows, 4)
    return Tape(
        values=np.empty(values, kind), block=np.empty((max(2 * rounds, int(used[BLOCKS])) + n_blocks, 3), small),
        slot=np.empty(slots, small), slot_q=np.empty(slots, kind),
        round=np.empty((rounds, 4), np.int64), step=np.zeros((n_steps + 1, 2), np.int64),
        event=np.empty(events, small), event_x=np.empty(events, kind), clip=np.empty(int(used[CLIPS]) + n, small),
        fired=np.empty(table, small), fired_m=np.empty(rows, kind), served=np.empty(table, small),
        used=np.zeros(N_USED, np.int64),
    )  # fmt: skip


class Tapes:
    """The tapes of one forward pass, one a thread; their memory is kept for the next when nobody reads them any more.

    Memory that the system hands out anew costs more than what is written to it: a sixth of a step of wide networks.
    """

    def __init__(self, tapes: list[Tape], spare: list[Tape]) -> None:
        self.tapes, self._spare = tapes, spare

    def __del__(self) -> None:
        self._spare[:] = self.tapes


class Lent:
    """An array of ``n`` values, of any, on the memory of a spare one, which it is itself when nobody holds it any more.

    What was new of three arrays of 64 MB took an eighth of a step of wide networks.
    """

    def __init__(self, n: int, kind: Any, spare: list[Floats]) -> None:
        try:
            old = spare.pop()
        except IndexError:
            old = np.empty(0, kind)
        self.array = old if (old.shape, old.dtype) == ((n,), kind) else np.empty(n, kind)
        self._spare = spare

    def __del__(self) -> None:
        self._spare[:] = [self.array]


def reusing(tape: Tape, spare: list[Tape]) -> Tape:
    """The same empty tape, on the memory of a spare one where that is as long, not far longer, and of the same numbers:
    what is written side by side has the same length, and is lent together."""
    try:
        old = spare.pop()
    except IndexError:
        return tape
    if old.values.dtype != tape.values.dtype:
        return tape
    both = {name: (getattr(old, name), new) for name, new in tape._asdict().items() if name not in ("step", "used")}
    return tape._replace(**{name: x for name, (x, new) in both.items() if len(new) <= len(x) <= 4 * len(new)})


def grown(tape: Tape, needed: Ints, n_neurons: int, n_blocks: int, n_events: int) -> Tape:
    """The same tape, doubled where it is short of one more round; ``needed``, (N_USED,): what it and the sample that
    did not fit have used until then. Where nothing was used, a fresh tape has room, or nothing is ever written."""
    need = {
        "values": (VALUES, n_neurons), "block": (BLOCKS, n_blocks), "slot": (SLOT, n_neurons + n_events),
        "slot_q": (SLOT, n_neurons + n_events), "round": (ROUNDS, 2), "event": (EVENTS, n_events),
        "event_x": (EVENTS, n_events), "clip": (CLIPS, n_neurons), "fired": (FIRED, n_neurons),
        "fired_m": (FIRED, n_neurons), "served": (SERVED, n_neurons),
    }  # fmt: skip
    longer = {}
    for name, (column, more) in need.items():
        old = getattr(tape, name)
        if 0 < needed[column] > len(old) - more:
            longer[name] = np.empty((2 * len(old) + more, *old.shape[1:]), old.dtype)
            longer[name][: tape.used[column]] = old[: tape.used[column]]
    assert longer, "a sample did not fit, and nothing is short"
    return tape._replace(**longer)
