"""The spike queue of the reference engine: how input arrives and which entries are served."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from ir.schedule import stream
from ir.stimulus import Stimulus
from trainer.engines.call import Call
from trainer.engines.options import NOISE
from trainer.engines.selection import LAST, best, chance, keys, rank_by_momentum
from trainer.engines.state import BatchState


class InputQueue:
    """The input of one time step: whole at once, some events a forward step, or competing with neurons.

    Attributes:
        gradual: whether input arrives after the first forward step (paced, queued).
        waiting: (B, E) events that are left.
        connected: (B, E) events of an input with a projection; the others keep no time step going.
    """

    def __init__(self, call: Call, t: int) -> None:
        self.call, self.t, self.rule = call, t, call.schedule.input
        self.gradual = self.rule != "first"
        self.row = t - call.t0
        self.frame = call.frames[self.row]
        if self.gradual:
            self._list_events()

    def _list_events(self) -> None:
        frames = self.call.frames.detach().cpu().numpy()[self.row : self.row + 1]
        counts = frames.astype(np.int64)
        stimulus = Stimulus(counts, events=self._events_now(counts))
        lists = [stimulus.inputs_in_order(b, 0) for b in range(counts.shape[1])]
        longest = max((len(x) for x in lists), default=0)
        table = np.full((len(lists), longest), -1, np.int64)
        for b, row in enumerate(lists):
            table[b, : len(row)] = row
        self.index = torch.as_tensor(table, device=self.frame.device)
        self.waiting = self.index >= 0
        sends = np.append(self.call.plan.inputs_that_send(), False)
        self.connected = torch.as_tensor(sends[table], device=self.frame.device)

    def _events_now(self, counts: np.ndarray) -> np.ndarray | None:
        """The time-stamped events of this time step whose input was not dropped."""
        events = self.call.events
        if events is None:
            return None
        now = events[events[:, 1] == self.row].copy()
        now[:, 1] = 0
        return now[counts[0, now[:, 0], now[:, 3]] > 0]

    def take(self, chosen: Tensor) -> Tensor:
        """Remove the chosen events; (B, N_in) what they deliver."""
        self.waiting = self.waiting & ~chosen
        x = torch.zeros_like(self.frame)
        x = x.scatter_add(1, self.index.clamp(min=0), chosen.to(x.dtype))
        if not (self.call.from_host and self.frame.requires_grad):
            return x
        # Which events are served when is a choice; what they deliver is their input's, an encoder's spike.
        return x + (self.frame - self.frame.detach()) * (x / self.frame.detach().clamp(min=1))

    def first_drive(self) -> Tensor:
        """(B, N_in) what arrives at k = 0."""
        if self.rule == "first":
            return self.frame
        if self.rule == "paced":
            return self.next_paced(torch.ones(self.frame.shape[0], dtype=torch.bool, device=self.frame.device))
        group = self.call.schedule.F
        chosen = best(self.order(-1), self.waiting, self.index.shape[1] if group is None else group)
        return self.take(chosen)

    def next_paced(self, active: Tensor) -> Tensor:
        """The next R events of each active sample."""
        per_round = self.call.schedule.R
        assert per_round is not None  # the schedule refuses paced input without R
        place = (torch.cumsum(self.waiting, 1) - 1).where(self.waiting, LAST)
        return self.take(self.waiting & (place < per_round) & active[:, None])

    def order(self, k: int) -> Tensor:
        """(B, E) int64, smallest served first, among events alone."""
        events = ORDERS[self.call.schedule.order].events
        if events is None:
            return torch.arange(self.index.shape[1], device=self.index.device).expand_as(self.index)
        return events(self, k)

    def keys(self, k: int) -> Tensor:
        """(B, E) the keys of events."""
        return keys(self.call.schedule.seed, self.call.sample_ids, self.t, k, self.index + self.call.plan.n_neurons)

    def competing(self) -> Tensor | int:
        """(B,) how many events wait among the entries."""
        return self.waiting.sum(1) if self.rule == "queued" else 0

    def left(self) -> Tensor:
        """(B,) whether input that has a projection still waits."""
        if not self.gradual:
            return torch.zeros(self.frame.shape[0], dtype=torch.bool, device=self.frame.device)
        return (self.waiting & self.connected).any(1)


class Ranks(NamedTuple):
    """What a forward step's choice goes by where F limits it: keys, and ranks by the order rule; (B, N) each."""

    draw: Tensor
    value: Tensor


def ranks(call: Call, state: BatchState, t: int, k: int) -> Ranks | None:
    """After round k; None where all are served."""
    if call.schedule.F is None:
        return None
    draw = keys(call.schedule.seed, call.sample_ids, t, k, call.neurons)
    return Ranks(draw, ORDERS[call.schedule.order].rank(call, state, draw, t, k))


def choose(
    call: Call, queue: InputQueue, waits: Tensor, closed: Tensor, by: Ranks | None, active: Tensor, k: int
) -> tuple[Tensor, Tensor, Tensor | None]:
    """Choose what one queue, or those of cores that send, serve after round k.

    Args:
        waits: (B, N) neurons with an entry. closed: (B, N) those that fill no free slot while silent.

    Returns:
        (B, N) served entries, (B, N) silent neurons that fill the free slots, (B, N_in) queued input taken.
    """
    candidates = waits & active[:, None]
    queued, group = queue.rule == "queued", call.schedule.F
    if by is None or group is None:
        x_in = queue.take(queue.waiting & active[:, None]) if queued else None
        return candidates, silent(call, candidates, closed, None, None), x_in
    if queued:
        events, served = select_queued(call, queue, candidates, by.value, active, k, group)
        return served, silent(call, served, closed, group - events.sum(1), by.draw), queue.take(events)
    by_cores = call.schedule.scope == "core"
    served = by_core(call, by.value, candidates, group) if by_cores else best(by.value, candidates, group)
    return served, silent(call, served, closed, group, by.draw), None


def by_key(call: Call, state: BatchState, draw: Tensor, t: int, k: int) -> Tensor:
    """Smallest key first."""
    return draw


def by_momentum(call: Call, state: BatchState, draw: Tensor, t: int, k: int) -> Tensor:
    """Largest membrane just before the reset first, ties by key; training may add noise to it."""
    m = state.m
    if call.options.momentum_noise > 0:
        noise = chance(stream(call.schedule.seed, NOISE), call.sample_ids, t, k, call.neurons, m.dtype)
        m = m + call.options.momentum_noise * noise
    return rank_by_momentum(m, draw)


def by_age(call: Call, state: BatchState, draw: Tensor, t: int, k: int) -> Tensor:
    """Earliest forward step of firing first, ties by index."""
    return state.k_fired * call.plan.n_neurons + call.neurons


class OrderRule(NamedTuple):
    """Which of the entries that wait are served first.

    Attributes:
        rank: of neuron entries, (B, N) int64, smallest first, distinct in a row; its arguments are the call, the
            registers of the batch, the keys of this round (B, N), and t and k.
        events: of queued input that competes with them, (B, E) in the same numbers; its arguments are the queue and k.
            None = all events come before all neuron entries, in time-stamp order.
    """

    rank: Callable[[Call, BatchState, Tensor, int, int], Tensor]
    events: Callable[[InputQueue, int], Tensor] | None = None


ORDERS = {
    "random": OrderRule(by_key, InputQueue.keys),
    "momentum": OrderRule(by_momentum),
    "fifo": OrderRule(by_age),
}
"""The names are those of ``ir.schedule.ORDERS``."""


def select_queued(
    call: Call, queue: InputQueue, candidates: Tensor, value: Tensor, active: Tensor, k: int, group: int
) -> tuple[Tensor, Tensor]:
    """Events and neurons compete for ``group`` places; ((B, E), (B, N)) what is served."""
    events = queue.waiting & active[:, None]
    n_events = events.shape[1]
    if ORDERS[call.schedule.order].events is not None:
        both = best(torch.cat([queue.order(k), value], 1), torch.cat([events, candidates], 1), group)
        return both[:, :n_events], both[:, n_events:]
    served_in = best(queue.order(k), events, group)
    return served_in, best(value, candidates, group - served_in.sum(1))


def by_core(call: Call, value: Tensor, candidates: Tensor, group: int) -> Tensor:
    """Each core serves ``group`` of its own."""
    assert call.core_of_neuron is not None
    cores = torch.as_tensor(call.core_of_neuron.astype(np.int64), device=value.device)
    served = torch.zeros_like(candidates)
    for core in cores.unique():
        served |= best(value, candidates & (cores == core), group)
    return served


def silent(call: Call, served: Tensor, waiting: Tensor, room: Tensor | int | None, draw: Tensor | None) -> Tensor:
    """Silent neurons that carry a gradient this round (Koopman et al. 2025: exactly F are selected).

    Args:
        room: places to fill beside the served; None = every silent neuron is selected.
        draw: (B, N) the keys of this round.
    """
    rule = call.options.silent_gradient
    if rule == "none" or not torch.is_grad_enabled():
        return torch.zeros_like(served)
    idle = ~served & ~waiting
    if rule == "all" or room is None or draw is None:
        return idle
    if rule == "rest":
        return idle & (free_slots(call, served, room) > 0)[:, None]
    if call.schedule.scope == "core":
        return silent_by_core(call, draw, idle, served, room)
    return best(draw, idle, room - served.sum(1))


def free_slots(call: Call, served: Tensor, room: Tensor | int) -> Tensor:
    """(B,) slots that the served entries leave, on all cores."""
    if call.schedule.scope != "core":
        return room - served.sum(1)
    assert call.core_of_neuron is not None
    cores = torch.as_tensor(call.core_of_neuron.astype(np.int64), device=served.device)
    free = [room - (served & (cores == core)).sum(1) for core in cores.unique()]
    return torch.stack(free).clamp(min=0).sum(0)


def silent_by_core(call: Call, draw: Tensor, idle: Tensor, served: Tensor, room: Tensor | int) -> Tensor:
    """Free slots of each core, filled from its own neurons."""
    assert call.core_of_neuron is not None
    cores = torch.as_tensor(call.core_of_neuron.astype(np.int64), device=draw.device)
    chosen = torch.zeros_like(idle)
    for core in cores.unique():
        own = cores == core
        chosen |= best(draw, idle & own, room - (served & own).sum(1))
    return chosen
