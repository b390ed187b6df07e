"""The asynchronous engine in plain PyTorch: slow, right, every gradient by autograd.

The execution contract, in the order of its steps, a row a sample; drained samples stand still.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import torch
from torch import Tensor

from ir.schedule import stream
from trainer.engines.call import Call
from trainer.engines.checks import checked
from trainer.engines.layered import run_layered
from trainer.engines.options import ESCAPE, SPIKE_DROP
from trainer.engines.parts import apply_link
from trainer.engines.queue import InputQueue, select
from trainer.engines.result import Result
from trainer.engines.selection import happens, kept_inputs
from trainer.engines.state import BatchState, fresh_state


def run(call: Call) -> Result:
    """Run a batch under a schedule.

    Raises:
        ValueError: the schedule asks for what this network cannot do.
    """
    call = checked(call)
    probability = call.options.input_dropout
    if probability > 0:
        kept = kept_inputs(call.frames, call.plan.n_neurons, call.sample_ids, call.schedule.seed, probability, call.t0)
        call = replace(call, frames=call.frames * kept)
    return run_layered(call) if call.schedule.kind == "layered" else run_asynchronous(call)


def run_asynchronous(call: Call) -> Result:
    """All time steps of a batch."""
    state, counts, membranes, steps = fresh_state(call), [], [], []
    for t in range(call.t0, call.t0 + call.frames.shape[0]):
        begin_time_step(state, t)
        s, k = run_time_step(call, state, t)
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


def begin_time_step(state: BatchState, t: int) -> None:
    """Leak once, clear flags; the queue is empty."""
    state.neurons.begin(t)
    state.r = state.waiting = torch.zeros_like(state.r)
    state.q = state.sent = torch.zeros_like(state.q)


def run_time_step(call: Call, state: BatchState, t: int) -> tuple[Tensor, Tensor]:
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
    queue = InputQueue(call, t)
    x_in, s_out = queue.first_drive(), torch.zeros_like(state.q)
    counts = torch.zeros_like(state.q)
    k = 0
    if call.monitor is not None:
        call.monitor.begin(counts)
    while bool(active.any()):
        s = update_neurons(call, state, arriving(call, x_in, s_out), active, t, k)
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
        on_its_way = (state.waiting & call.sends).any(1) | queue.left() | (k < last_due)
        events = queue.competing()
        served, slots, x_in = select(call, state, queue, active, t, k)
        if call.monitor is not None:
            taken = events - queue.competing()
            call.monitor.round(running, state.waiting.sum(1) + events, served.sum(1) + taken)
        active = active & on_its_way
        s_out = serve(call, state, served, slots & active[:, None], t, k)
        k += 1
    return counts, rounds


def arriving(call: Call, x_in: Tensor | None, s_out: Tensor) -> Tensor:
    """The summed drive of one forward step, (B, N), in weight units."""
    drives: dict[int, Tensor] = {}
    for link, weight in zip(call.plan.links, call.params.weights):
        source = x_in if link.from_input else s_out
        if source is None:
            continue
        part = call.numbers.shift(apply_link(link, weight, source[:, link.pre]), link.weight_exp)
        before = drives.get(link.post.start)
        drives[link.post.start] = part if before is None else before + part
    return torch.cat([drives.get(p.at.start, torch.zeros_like(s_out[:, p.at])) for p in call.plan.parts], 1)


def update_neurons(call: Call, state: BatchState, drive: Tensor, active: Tensor, t: int, k: int) -> Tensor:
    """Steps a to d: integrate, fire, reset, become refractory, enter the queue.

    Returns:
        (B, N) spikes with gradient.
    """
    s, m, carried = state.neurons.advance(call.numbers.drive(drive), k, active[:, None], state.r)
    now = s.detach() > 0
    if call.monitor is not None:
        call.monitor.reached(drive, active[:, None], now)
    if call.recording is not None:
        call.recording.fire(now, m, t - call.t0, k)
    state.m = torch.where(now, m.detach(), state.m)
    state.k_fired = torch.where(now, k, state.k_fired)
    state.r = state.r | (now & call.refractory & ~escapes(call, now, t, k))
    state.waiting = state.waiting | now
    state.sent = state.sent + carried
    silent = call.options.silent_gradient != "none"
    state.q = state.q + (carried if silent else torch.where(now, carried, torch.zeros_like(carried)))
    return s


def escapes(call: Call, now: Tensor, t: int, k: int) -> Tensor:
    """Which firing neurons stay excitable (refractory dropout); (B, N) bool."""
    if call.options.refractory_dropout == 0:
        return torch.zeros_like(now)
    seed = stream(call.schedule.seed, ESCAPE)
    return happens(now & call.escapes, call.options.refractory_dropout, seed, call.sample_ids, t, k)


def serve(call: Call, state: BatchState, served: Tensor, slots: Tensor, t: int, k: int) -> Tensor:
    """Step e: the selected entries leave the queue; (B, N) what they deliver, silent slots with value 0.

    The last round of a sample has no ``slots``: what it serves reaches nobody, a gradient neither.
    """
    if call.recording is not None:
        call.recording.serve(served, t - call.t0, k)
    chosen = served | slots
    out = state.q * chosen
    state.q = state.q * ~chosen
    state.waiting = state.waiting & ~served
    if call.options.spike_dropout > 0:
        seed = stream(call.schedule.seed, SPIKE_DROP)
        out = out * ~happens(chosen, call.options.spike_dropout, seed, call.sample_ids, t, k)
    return out
