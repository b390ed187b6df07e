"""Which queued events are served: by key among the neurons under random order, before all neurons otherwise."""

from __future__ import annotations

import numpy as np

from trainer.engines.compiled.jit import exact
from trainer.engines.compiled.keys import extend
from trainer.engines.compiled.order import offer, rank
from trainer.engines.compiled.state import GONE, LEFT, N_EVENTS, N_QUEUE, N_TAKEN, NO_LIMIT, QUEUED, RANDOM, TAKEN


@exact
def choose_inputs(net, rules, state, n_neurons, h_k, group):
    """Queued input: mark which events are served now, and how many neurons may still be; random competes by key.

    Returns:
        How many places are left for neurons; ``NO_LIMIT`` as ``group``.
    """
    n_events = state.n[N_EVENTS]
    left = n_events - state.n[N_TAKEN]
    if rules.input != QUEUED or left == 0:
        return group
    if group == NO_LIMIT or (rules.order != RANDOM and left <= group):
        take_first(state, left)
        return group if group == NO_LIMIT else group - left
    if rules.order != RANDOM:
        take_first(state, group)
        return 0
    heap, n = state.heap[0], 0
    for i in range(state.n[N_QUEUE]):
        j = np.int64(net.number[state.queue[i]])
        rank(net, rules, state, j, n_neurons, h_k, h_k)
        n = offer(heap, n, group, j, state.first, state.second)
    for e in range(n_events):
        if state.event_left[e] != GONE:
            state.first[n_neurons + e] = 0.0
            state.second[n_neurons + e] = extend(h_k, n_neurons + state.event[e])
            n = offer(heap, n, group, n_neurons + e, state.first, state.second)
    taken = 0
    for i in range(n):
        if heap[i] >= n_neurons:
            mark_taken(state, heap[i] - n_neurons)
            taken += 1
    return group - taken


@exact
def take_first(state, count):
    """Take the first ``count`` events that are left."""
    for e in range(state.n[N_EVENTS]):
        if count == 0:
            return
        if state.event_left[e] == LEFT:
            mark_taken(state, e)
            count -= 1


@exact
def mark_taken(state, e):
    """Event ``e`` is on its way."""
    state.event_left[e] = TAKEN
    state.n[N_TAKEN] += 1
