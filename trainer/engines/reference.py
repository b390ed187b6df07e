"""The asynchronous engine in plain PyTorch: slow, right, every gradient by autograd.

The execution contract, in the order of its steps, a row a sample; drained samples stand still.
"""

from __future__ import annotations

from functools import partial

import torch
from torch import Tensor

from ir.schedule import stream
from trainer.engines.call import Call
from trainer.engines.checks import checked
from trainer.engines.layered import run_layered
from trainer.engines.options import ESCAPE
from trainer.engines.receivers import AtReceivers, Receivers
from trainer.engines.result import Result
from trainer.engines.selection import happens, with_kept_inputs
from trainer.engines.state import BatchState, fresh_state
from trainer.engines.waiting import OneQueue


def run(call: Call) -> Result:
    """Run a batch under a schedule.

    Raises:
        ValueError: the schedule asks for what this network cannot do.
    """
    call = with_kept_inputs(checked(call))
    return run_layered(call) if call.schedule.kind == "layered" else run_asynchronous(call)


def run_asynchronous(call: Call) -> Result:
    """All time steps of a batch."""
    state, counts, membranes, steps = fresh_state(call), [], [], []
    receivers = Receivers(call) if call.schedule.scope == "receiver" else None
    for t in range(call.t0, call.t0 + call.frames.shape[0]):
        begin_time_step(state, t, call.options.silent_gradient == "carried")
        s, k = run_time_step(call, state, t, receivers)
        counts.append(s)
        membranes.append(state.neurons.state("v"))
        steps.append(k)
        if call.recording is not None:
            call.recording.end(state.neurons.state)
    none = state.q.new_zeros((0, *state.q.shape))
    rows = torch.stack(counts) if counts else none
    watched = {} if call.monitor is None else call.monitor.found(rows.shape, rows.device)
    ended = partial(call.ended, state.neurons.all_states(), rows, state.sent[None][: len(rows)])
    if not counts:
        no_steps = torch.zeros(none.shape[:2], dtype=torch.int64, device=none.device)
        return Result(none, none, no_steps, call.recording, ended, monitors=watched)
    return Result(rows, torch.stack(membranes), torch.stack(steps), call.recording, ended, monitors=watched)


def begin_time_step(state: BatchState, t: int, carried: bool = False) -> None:
    """Leak once, clear flags; the queue is empty.

    Args:
        carried: the gradient of silent neurons that no slot has asked for goes on; of dropped entries nothing does.
    """
    state.neurons.begin(t)
    none = torch.zeros_like(state.q)
    state.q = torch.where(state.waiting, none, state.q - state.q.detach()) if carried else none
    state.r = state.waiting = torch.zeros_like(state.r)
    state.sent = none


def run_time_step(call: Call, state: BatchState, t: int, receivers: Receivers | None) -> tuple[Tensor, Tensor]:
    """Forward steps until every sample has stopped.

    Returns:
        (B, N) spike counts with gradient, and (B,) forward steps.
    """
    sched, plan = call.schedule, call.plan
    n_samples = call.frames.shape[1]
    active = torch.ones(n_samples, dtype=torch.bool, device=call.frames.device)
    rounds = torch.zeros(n_samples, dtype=torch.int64, device=call.frames.device)
    since_output = torch.full_like(rounds, -1)
    last_due = plan.last_due()
    queue = OneQueue(call, state, t) if receivers is None else AtReceivers(call, state, t, receivers)
    counts = torch.zeros_like(state.q)
    k = 0
    if call.monitor is not None:
        call.monitor.begin(counts)
    while bool(active.any()):
        s = update_neurons(call, state, queue, active, t, k)
        counts = counts + s
        rounds = rounds + active
        fired_output = (s[:, plan.output] > 0).any(1)
        since_output = torch.where(since_output >= 0, since_output + 1, torch.where(fired_output, 0, -1))
        forced = torch.zeros_like(active)
        if sched.stop_after is not None:
            forced |= rounds >= sched.stop_after
        if sched.stop_after_output is not None:
            forced |= since_output >= sched.stop_after_output
        running, active = active, active & ~forced
        # Whatever waits now is served in this round or waits on: it decides whether anything is on its way after it.
        on_its_way = queue.on_its_way() | (k < last_due)
        before = queue.entries()
        served = queue.serve(active, active & on_its_way, k)
        if call.recording is not None:
            call.recording.serve(served, t - call.t0, k)
        if call.monitor is not None:
            call.monitor.round(running, before, before - queue.entries())
        active = active & on_its_way
        k += 1
    return counts, rounds


def update_neurons(
    call: Call, state: BatchState, queue: OneQueue | AtReceivers, active: Tensor, t: int, k: int
) -> Tensor:
    """Steps a to d: integrate, fire, reset, become refractory, enter the queue.

    Returns:
        (B, N) spikes with gradient.
    """
    drive = queue.drive()
    s, m, carried = state.neurons.advance(call.numbers.drive(drive), k, active[:, None], state.r)
    now = s.detach() > 0
    if call.monitor is not None:
        call.monitor.reached(drive, active[:, None], now)
    if call.recording is not None:
        call.recording.fire(now, m, carried, t - call.t0, k)
    state.m = torch.where(now, m.detach(), state.m)
    state.k_fired = torch.where(now, k, state.k_fired)
    state.r = state.r | (now & call.refractory & ~escapes(call, now, t, k))
    state.sent = state.sent + carried
    silent = call.options.silent_gradient != "none"
    queue.add(now, carried if silent else torch.where(now, carried, torch.zeros_like(carried)))
    return s


def escapes(call: Call, now: Tensor, t: int, k: int) -> Tensor:
    """Which firing neurons stay excitable (refractory dropout); (B, N) bool."""
    if call.options.refractory_dropout == 0:
        return torch.zeros_like(now)
    seed = stream(call.schedule.seed, ESCAPE)
    return happens(now & call.escapes, call.options.refractory_dropout, seed, call.sample_ids, t, k)
