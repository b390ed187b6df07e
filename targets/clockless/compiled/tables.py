"""A wiring, its routes and one sample's state as the few flat tables that compiled kernels read and write."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from ir.arithmetic import LIMITS
from ir.arrays import Array
from ir.timing import COUNTS, LOG_COLUMNS, OPERATIONS
from targets.clockless.board import Routes
from targets.clockless.wiring import Wiring, starts

E_CORE, E_STEPS, E_SYNAPSES, E_BITS, E_SYNAPSE_AT, E_TOUCHED_AT = range(6)
"""Columns of ``Net.entry``, which has a last row for where the last entry ends."""

N_SLOTS_AT, N_POP, N_DECAY_V, N_DECAY_U, N_THRESHOLD, N_BIAS, N_BIAS_U, N_V_MIN, N_GROUP = range(9)
"""Columns of ``Net.neuron``, with a last row likewise."""

P_DEPTH, P_CURRENT, P_DUE, P_REFRACTORY, P_RESET, P_INTERVAL, P_OFFSET = range(7)
"""Columns of ``Net.pop``."""

R_NODE_AT, R_TARGET_AT = range(2)
"""Columns of ``Net.route``, with a last row likewise."""

V, U, LATE, RESTS, LEAKED, MARK = range(6)
"""Columns of ``State.reg``: registers, whether a late reset is to come, who rests, the frame up to which a neuron has
leaked, whether a charge reaches it now."""

T, TO_COME, K, BUSY, MODE, BEGAN, START_EXPECTED, HELD_SINCE, RESERVED = range(9)
Q_HEAD, Q_TAIL, Q_LENGTH, Q_SEGMENT, OUT_HEAD, OUT_TAIL, N_TAKEN, N_FIRED, N_ENTERING = range(9, 18)
BUSY_PS, HELD_PS, SERVICES, PEAK, SENT, TAKEN, DROPPED, LEFT = range(18, 26)
"""Columns of ``State.core``; the last eight are ``ir.timing.PER_CORE``."""

SERVING, BIASING, SWEEPING = range(3)
"""``MODE``: what runs."""

Q_ARRIVAL, Q_ORDER, Q_FRAME, Q_ENTRY, Q_SOURCE, Q_NEXT = range(6)
"""Columns of ``State.pool``, the events that wait; free rows are linked too."""

A_ROUTE, A_SIZE, A_FRAME, A_FLITS, A_ON_WAY, A_NEXT = range(6)
"""Columns of ``State.packet``."""

NOW, LIVE, NUMBER, HEAP_SIZE, FREE_EVENT, FREE_PACKET, FRAME, PORT_AT, PORT_END, PORT_WAITS = range(10)
PORT_EXPECTED, CREDIT_EXPECTED, INPUT_ORDER, N_ROWS, N_ENTRIES, N_EVENTS, N_HOLDS, N_REACHED = range(10, 18)
FULL, N_OUT = 18, 19
"""Places of ``State.n``."""

NOTHING_FULL, ROWS_FULL, EVENTS_FULL, PACKETS_FULL, HEAP_FULL, LOG_FULL, STUCK = range(7)
"""``State.n[FULL]``: which table has no more room, or that nothing can move."""

NO_PERIOD = -1


class Net(NamedTuple):
    """What does not change."""

    entry_start: Array
    entry: Array
    synapse_slot: Array
    synapse_weight: Array
    touched: Array
    slot: Array
    slots: Array
    neuron: Array
    pop: Array
    held_start: Array
    held: Array
    group_start: Array
    group_route: Array
    route: Array
    child_start: Array
    child: Array
    tile_start: Array
    tile_core: Array
    target: Array


class Rules(NamedTuple):
    """Numbers of the chip, the arithmetic and the way of keeping time."""

    n_neurons: int
    n_cores: int
    n_links: int
    n_steps: int
    group: int
    npe: int
    npe_ops: int
    period_ps: int
    event_periods: int
    queue_events: int
    state_bits: int
    stamp_bits: int
    pointer_ops: int
    step_ops: int
    flit_ps: int
    flit_bits: int
    spikes_a_flit: int
    header_flits: int
    packet_spikes: int
    lazy: int
    blocks: int
    detect_ps: int
    frame_period_ps: int
    weight_shift: int
    accumulator_bits: int
    u_bits: int
    u_edge: int
    bias_in_u: int
    v_max: int
    logs: int
    records: int


class State(NamedTuple):
    """What one sample changes."""

    reg: Array
    acc: Array
    reached: Array
    core: Array
    due: Array
    entering: Array
    fired: Array
    taken: Array
    pool: Array
    packet: Array
    spike: Array
    heap: Array
    link_free: Array
    link_flits: Array
    rows: Array
    times: Array
    states: Array
    entries: Array
    events: Array
    holds: Array
    n: Array
    operations: Array
    counts: Array
    limits: Array


class Room(NamedTuple):
    """How much there is room for; doubled where it runs out."""

    rows: int = 1 << 11
    events: int = 1 << 10
    packets: int = 1 << 8
    heap: int = 1 << 8
    log: int = 1 << 12


def _table(*columns: Any, last: bool = False) -> Array:
    """Columns side by side; ``last``: those that are one longer end in a row of their own."""
    n = max((len(c) for c in columns), default=0)
    found = np.zeros((n, len(columns)), np.int64)
    for at, column in enumerate(columns):
        found[: len(column), at] = column
    return found if not last or n else np.zeros((1, len(columns)), np.int64)


def net_of(w: Wiring, routes: Routes) -> Net:
    """The tables of a wiring and its routes."""
    nodes = [(r, node) for r, route in enumerate(routes.routes) for node in range(len(route.children))]
    children = [routes.routes[r].children[node] for r, node in nodes]
    tiles = [routes.routes[r].cores[node] for r, node in nodes]
    targets = [route.targets for route in routes.routes]
    return Net(
        entry_start=w.entry_start,
        entry=_table(
            w.entry_core, w.entry_steps, w.entry_synapses, w.entry_bits, w.synapse_start, w.touched_start, last=True
        ),
        synapse_slot=w.synapse_slot.astype(np.int32),
        synapse_weight=w.synapse_weight.astype(np.int32),
        touched=w.touched,
        slot=_table(w.slot_neuron, w.slot_exponent),
        slots=w.slots,
        neuron=_table(
            w.slots_start,
            w.population,
            w.decay_v,
            w.decay_u,
            w.threshold,
            w.bias,
            w.bias_u,
            w.v_min,
            routes.group,
            last=True,
        ),
        pop=_table(w.depth, w.has_current, w.due, w.refractory, w.reset, w.interval, w.offset),
        held_start=w.held_start,
        held=w.held,
        group_start=starts([len(x) for x in routes.of_group]),
        group_route=_flat(routes.of_group),
        route=_table(starts([len(r.children) for r in routes.routes]), starts([len(x) for x in targets]), last=True),
        child_start=starts([len(x) for x in children]),
        child=np.array([pair for x in children for pair in x], np.int64).reshape(-1, 2),
        tile_start=starts([len(x) for x in tiles]),
        tile_core=_flat(tiles),
        target=_flat(targets),
    )


def _flat(parts: Any) -> Array:
    return np.array([x for part in parts for x in part], np.int64)


def new_state(w: Wiring, rules: Rules, room: Room) -> State:
    """An empty sample."""
    n, k, p = w.n_neurons, w.n_cores, w.n_populations
    n_records = (rules.n_steps, n) if rules.records else (0, 0)
    core = np.zeros((k, LEFT + 1), np.int64)
    core[:, [T, HELD_SINCE, Q_HEAD, Q_TAIL, Q_SEGMENT, OUT_HEAD, OUT_TAIL]] = -1
    reg = np.zeros((n, MARK + 1), np.int64)
    reg[:, LEAKED] = -1
    times = np.zeros((3, rules.n_steps), np.int64)
    times[1] = -1
    counters = np.zeros(N_OUT + 1, np.int64)
    counters[FRAME] = -1
    log = room.log if rules.logs else 0
    return State(
        reg=reg,
        acc=np.zeros(len(w.slot_neuron), np.int64),
        reached=np.zeros(n, np.int64),
        core=core,
        due=np.zeros(k * p, np.int64),
        entering=np.zeros(k * p, np.int64),
        fired=np.zeros(n, np.int64),
        taken=np.zeros((k, rules.group, 2), np.int64),
        pool=_linked(np.zeros((room.events, Q_NEXT + 1), np.int64), Q_NEXT),
        packet=_linked(np.zeros((room.packets, A_NEXT + 1), np.int64), A_NEXT),
        spike=np.zeros((room.packets, rules.packet_spikes), np.int64),
        heap=np.zeros((room.heap, 4), np.int64),
        link_free=np.zeros(rules.n_links, np.int64),
        link_flits=np.zeros(rules.n_links, np.int64),
        rows=np.zeros((room.rows, 5), np.int64),
        times=times,
        states=np.zeros((LATE + 1, *n_records), np.int64),
        entries=np.zeros((log, len(LOG_COLUMNS)), np.int64),
        events=np.zeros((4 * log, 2), np.int64),
        holds=np.zeros((log, 3), np.int64),
        n=counters,
        operations=np.zeros(len(OPERATIONS), np.int64),
        counts=np.zeros(len(COUNTS), np.int64),
        limits=np.zeros(len(LIMITS), np.int64),
    )


def _linked(pool: Array, column: int) -> Array:
    """Rows that are all free: each names the next."""
    pool[:, column] = np.arange(1, len(pool) + 1)
    pool[-1, column] = -1
    return pool
