"""One sample in compiled code; what has no room is made larger, and the sample begins anew."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from ir.arrays import Array
from ir.check import DeadlockError
from ir.timing import EffectLog
from targets.clockless.compiled.loop import run_timed
from targets.clockless.compiled.queues import PLACE_BITS
from targets.clockless.compiled.tables import (
    A_ROUTE,
    A_SIZE,
    BUSY_PS,
    EVENTS_FULL,
    FRAME,
    FULL,
    HEAP_FULL,
    LEFT,
    LOG_FULL,
    N_ENTRIES,
    N_EVENTS,
    N_HOLDS,
    N_ROWS,
    NO_PERIOD,
    NOW,
    OUT_HEAD,
    PACKETS_FULL,
    PORT_AT,
    PORT_END,
    Q_LENGTH,
    RESERVED,
    ROWS_FULL,
    STUCK,
    Net,
    Room,
    Rules,
    State,
    net_of,
    new_state,
)
from targets.clockless.deadlock import sentence_of
from targets.clockless.job import Done, Job

STATES = ("v", "u", "late")
"""The first columns of ``State.reg``."""

GROWS = {ROWS_FULL: "rows", EVENTS_FULL: "events", PACKETS_FULL: "packets", HEAP_FULL: "heap", LOG_FULL: "log"}

_rooms: dict[int, Room] = {}
"""Room that samples of a job needed so far, by the job's identity while it lasts."""


@lru_cache(maxsize=1)
def _prepared(job: Job) -> tuple[Net, Rules]:
    return net_of(job.wiring, job.routes), rules_of(job)


def rules_of(job: Job) -> Rules:
    """The numbers of a job."""
    w, model, a = job.wiring, job.wiring.core_model, job.wiring.arithmetic
    n_cores, n_links = w.n_cores, len(job.routes.links)
    assert n_cores + n_links + 2 < 1 << PLACE_BITS, "a board has fewer places than that"
    most = int(np.bincount(w.core, minlength=1).max())
    return Rules(
        n_neurons=w.n_neurons,
        n_cores=n_cores,
        n_links=n_links,
        n_steps=job.stimulus.n_steps,
        group=model.group,
        npe=model.npe,
        npe_ops=model.npe_ops,
        period_ps=model.period_ps,
        event_periods=model.event_periods,
        queue_events=model.queue_events,
        state_bits=model.state_bits,
        stamp_bits=model.stamp_bits,
        pointer_ops=model.pointer_ops,
        step_ops=model.step_ops,
        flit_ps=model.flit_ps,
        flit_bits=model.flit_bits,
        spikes_a_flit=model.spikes_a_flit,
        header_flits=model.header_flits,
        packet_spikes=min(model.packet_spikes, most),
        lazy=int(model.leak == "lazy"),
        blocks=int(model.full == "block"),
        detect_ps=job.time.frame_detect_ps,
        frame_period_ps=NO_PERIOD if job.time.period_ps is None else job.time.period_ps,
        weight_shift=a.weight_shift,
        accumulator_bits=a.accumulator_bits or 0,
        u_bits=a.u_bits,
        u_edge=a.u_edge,
        bias_in_u=int(a.bias_in_u),
        v_max=a.v_max,
        logs=int(job.logs),
        records=int(bool(job.record)),
    )


def compiled_sample(job: Job, b: int) -> Done:
    """One sample."""
    net, rules = _prepared(job)
    inputs = job.inputs(b)
    port, port_start = _port(inputs, job.wiring.n_neurons)
    room = _rooms.get(id(job), Room())
    while True:
        state = new_state(job.wiring, rules, room)
        run_timed(net, rules, state, port.copy(), port_start)
        full = int(state.n[FULL])
        if full not in GROWS:
            break
        name = GROWS[full]
        room = room._replace(**{name: 4 * getattr(room, name)})
    _rooms.clear()
    _rooms[id(job)] = room
    if full == STUCK:
        raise _stuck(net, rules, state, port)
    return _done(job, state)


def _port(inputs: list[tuple[Array, Array]], n_neurons: int) -> tuple[Array, Array]:
    """(n, 3) of (ps after its frame, frame, source) of all input events, and where each frame's begin."""
    parts = [
        np.stack([after, np.full(len(ordered), t), ordered + n_neurons], 1) for t, (ordered, after) in enumerate(inputs)
    ]
    sizes = [0, *(len(part) for part in parts)]
    return np.concatenate([np.zeros((0, 3), np.int64), *parts]).astype(np.int64), np.cumsum(sizes).astype(np.int64)


def _stuck(net: Net, rules: Rules, state: State, port: Array) -> DeadlockError:
    """Who waits for whom, read from the tables."""
    waits: dict[int, int] = {}
    room = rules.queue_events - state.core[:, Q_LENGTH] - state.core[:, RESERVED]
    for c in np.flatnonzero(state.core[:, OUT_HEAD] >= 0).tolist():
        packet = state.packet[state.core[c, OUT_HEAD]]
        first, last = net.route[packet[A_ROUTE], 1], net.route[packet[A_ROUTE] + 1, 1]
        waits[c] = next(int(x) for x in net.target[first:last] if room[x] < packet[A_SIZE])
    wants: tuple[int, ...] = ()
    if state.n[PORT_AT] < state.n[PORT_END]:
        source = port[state.n[PORT_AT], 2]
        wants = tuple(net.entry[net.entry_start[source] : net.entry_start[source + 1], 0].tolist())
    return sentence_of(waits, int(state.n[NOW]), int(state.n[FRAME]), rules.queue_events, wants)


def _done(job: Job, state: State) -> Done:
    n, log = state.n, None
    if job.logs:
        parts = state.entries[: n[N_ENTRIES]], state.events[: n[N_EVENTS]], state.holds[: n[N_HOLDS]]
        log = EffectLog(*(part.copy() for part in parts))
    return Done(
        rows=state.rows[: n[N_ROWS]],
        times=state.times,
        states={name: state.states[STATES.index(name)] for name in job.record},
        end_ps=int(n[NOW]),
        operations=state.operations,
        counts=state.counts,
        cores=state.core[:, BUSY_PS : LEFT + 1].T.copy(),
        link_flits=state.link_flits,
        limits=state.limits,
        log=log,
    )
