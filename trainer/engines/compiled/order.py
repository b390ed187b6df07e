"""Which entries are served: rank what waits, keep the best of each core, fill free slots with silent neurons."""

from __future__ import annotations

import numpy as np

from trainer.engines.compiled.jit import exact
from trainer.engines.compiled.keys import draw, extend, fill_keys_of, place_of_smallest
from trainer.engines.compiled.lanes import LANES, NOTHING, ONE, at_most, first_bits, lowest, nonzero, span
from trainer.engines.compiled.smallest import HIGHEST, limit_of_smallest
from trainer.engines.compiled.state import (
    ALL,
    FIFO,
    IDLE,
    MOMENTUM,
    N_CHOSEN,
    N_QUEUE,
    NO_LIMIT,
    NONE,
    RANDOM,
    REST,
    SERVED_NOW,
    WAITING,
)


@exact
def before(first, second, a, b):
    """Whether entry ``a`` is served before ``b``: smaller ``first``, then ``second``, then index."""
    if first[a] != first[b]:
        return first[a] < first[b]
    if second[a] != second[b]:
        return second[a] < second[b]
    return a < b


@exact
def sink(heap, n, first, second):
    """Restore a heap whose root (the last to be served) was replaced."""
    at = 0
    while True:
        child = 2 * at + 1
        if child >= n:
            return
        if child + 1 < n and before(first, second, heap[child], heap[child + 1]):
            child += 1
        if not before(first, second, heap[at], heap[child]):
            return
        heap[at], heap[child] = heap[child], heap[at]
        at = child


@exact
def offer(heap, n, room, entry, first, second):
    """Keep ``entry`` if it is among the best ``room`` so far; returns how many are kept."""
    if n == room:
        if before(first, second, entry, heap[0]):
            heap[0] = entry
            sink(heap, n, first, second)
        return n
    at = n
    heap[at] = entry
    while at > 0 and before(first, second, heap[(at - 1) // 2], heap[at]):
        up = (at - 1) // 2
        heap[at], heap[up] = heap[up], heap[at]
        at = up
    return n + 1


@exact
def rank(net, rules, state, j, n_neurons, h_k, h_noise):
    """Fill ``first`` and ``second`` of a waiting neuron."""
    name = net.name[j]
    if rules.order == FIFO:
        state.first[j], state.second[j] = np.float64(state.since[j]) * n_neurons + name, np.uint64(0)
        return
    state.second[j] = extend(h_k, name)
    if rules.order == MOMENTUM:
        number = state.m.dtype.type
        m = state.m[j]
        if rules.noise > 0:
            m = m + number(rules.noise) * number(draw(h_noise, name))
        state.first[j] = -np.float64(m)
    else:
        state.first[j] = 0.0


@exact
def choose(net, rules, state, core_of_neuron, group, h_k, h_noise):
    """Choose ``group`` waiting neurons of each core; they leave the queue for ``chosen``."""
    n_queue, n_cores = state.n[N_QUEUE], state.room.shape[0]
    for core in range(n_cores):
        state.room[core] = group
    state.n[N_CHOSEN] = 0
    if group <= 0:
        return
    if n_queue <= group:
        for i in range(n_queue):
            j = net.number[state.queue[i]]
            state.chosen[i] = j
            state.room[core_of_neuron[j]] -= 1
            state.waiting[j] = IDLE
        state.n[N_CHOSEN], state.n[N_QUEUE] = n_queue, 0
        return
    if rules.order == RANDOM and n_cores == 1:
        choose_at_random(net, state, group, h_k)
        return
    for core in range(n_cores):
        state.held[core] = 0
    n_neurons = state.v.shape[0]
    for i in range(n_queue):
        j = np.int64(net.number[state.queue[i]])
        core = core_of_neuron[j]
        rank(net, rules, state, j, n_neurons, h_k, h_noise)
        state.held[core] = offer(state.heap[core], state.held[core], group, j, state.first, state.second)
    for core in range(n_cores):
        state.room[core] -= state.held[core]
        for i in range(state.held[core]):
            state.chosen[state.n[N_CHOSEN]] = state.heap[core, i]
            state.n[N_CHOSEN] += 1
            state.waiting[state.heap[core, i]] = IDLE
    keep_waiting(net, state)


@exact
def choose_at_random(net, state, group, h_k):
    """The ``group`` entries of the queue with the smallest keys."""
    n, queue, chosen = state.n[N_QUEUE], state.queue, 0
    if group == 1:
        i = place_of_smallest(h_k, queue, n)
        j = net.number[queue[i]]
        state.chosen[0], state.waiting[j] = j, IDLE
        queue[i] = queue[n - 1]  # the order of a queue does not matter where one entry is served
        state.room[0], state.n[N_QUEUE], state.n[N_CHOSEN] = 0, n - 1, 1
        return
    fill_keys_of(h_k, queue, n, state.second)
    limit, kept = limit_of_smallest(span(state.second, 0, n), n, group), -1
    for start in range(0, n, LANES):
        mask = at_most(state.second, limit, start) & first_bits(n - start)
        while mask != NOTHING:
            i = start + lowest(mask)
            mask &= mask - ONE
            kept = i if kept < 0 else kept
            j = net.number[queue[i]]
            state.chosen[chosen] = j
            state.waiting[j] = IDLE
            chosen += 1
    for i in range(kept, n):
        queue[np.uint64(kept)] = queue[i]
        kept += np.int64(state.second[i] > limit)
    state.room[0], state.n[N_QUEUE], state.n[N_CHOSEN] = 0, n - chosen, chosen


@exact
def keep_waiting(net, state):
    """Drop from the queue what was chosen."""
    kept = 0
    for i in range(state.n[N_QUEUE]):
        name = state.queue[i]
        state.queue[kept] = name
        kept += np.int64(state.waiting[net.number[name]] == WAITING)
    state.n[N_QUEUE] = kept


@exact
def choose_silent(net, rules, state, core_of_neuron, n_served, h_k):
    """Append to ``chosen`` the silent neurons that are selected and whose surrogate acted since they last were.

    The others that would be selected deliver nothing and have no gradient; they need no record.
    """
    n_neurons = state.v.shape[0]
    if rules.silent == NONE:
        return
    for i in range(n_served):
        state.live[state.chosen[i]] = 0
    if rules.silent == ALL or rules.group == NO_LIMIT:
        append_silent(state, n_neurons, HIGHEST)
        return
    free = 0
    for core in range(state.room.shape[0]):
        free += max(state.room[core], 0)
    if free == 0:
        return
    if rules.silent == REST:
        append_silent(state, n_neurons, HIGHEST)
        return
    for i in range(n_served):
        state.waiting[state.chosen[i]] = SERVED_NOW
    fill_keys_of(h_k, net.name, n_neurons, state.second)
    if state.room.shape[0] == 1:
        limit = limit_of_idle(state, span(state.second, 0, n_neurons))
        append_silent(state, n_neurons, limit)
        clear_served(state, n_served)
        return
    smallest_keys_by_core(state, core_of_neuron)
    clear_served(state, n_served)
    for core in range(state.room.shape[0]):
        for i in range(state.held[core]):
            j = state.heap[core, i]
            if state.live[j]:
                state.live[j] = 0
                state.chosen[state.n[N_CHOSEN]] = j
                state.n[N_CHOSEN] += 1


@exact
def clear_served(state, n_served):
    """Take back the marks of what is served now."""
    for i in range(n_served):
        state.waiting[state.chosen[i]] = IDLE


@exact
def append_silent(state, n_neurons, limit):
    """Silent slots: neurons outside the queue with a key up to ``limit`` whose surrogate acted."""
    n = state.n[N_CHOSEN]
    for start in range(0, n_neurons, LANES):
        mask = nonzero(state.live, start) & ~nonzero(state.waiting, start)
        if limit != HIGHEST and mask != NOTHING:
            mask &= at_most(state.second, limit, start)
        while mask != NOTHING:
            j = start + lowest(mask)
            mask &= mask - ONE
            state.chosen[n], state.live[j] = j, 0
            n += 1
    state.n[N_CHOSEN] = n


@exact
def limit_of_idle(state, keys):
    """The limit under which the keys of silent neurons fill the free places; other keys become ``HIGHEST``."""
    idle = 0
    for j in range(keys.shape[0]):
        quiet = state.waiting[j] == IDLE
        idle += np.int64(quiet)
        keys[j] = keys[j] if quiet else HIGHEST
    return limit_of_smallest(keys, idle, state.room[0])


@exact
def smallest_keys_by_core(state, core_of_neuron):
    """``smallest_keys`` with each core's own room."""
    for core in range(state.room.shape[0]):
        state.held[core] = 0
    for j in range(state.v.shape[0]):
        core = core_of_neuron[j]
        if state.waiting[j] != IDLE or state.room[core] <= 0:
            continue
        state.first[j] = 0.0
        state.held[core] = offer(state.heap[core], state.held[core], state.room[core], j, state.first, state.second)
