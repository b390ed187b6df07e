"""The compiled engine: event-driven kernels behind one autograd function, samples in parallel over threads."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from ir.arithmetic import DECAY_ALL, LIMITS
from ir.arrays import Array
from ir.check import require
from ir.held import Held
from ir.neurons import RESETS
from trainer.engines import multi_step, subset
from trainer.engines.call import Call
from trainer.engines.checks import checked
from trainer.engines.compiled import flat as columns
from trainer.engines.compiled import state as kernel
from trainer.engines.compiled.backward import back_through_samples
from trainer.engines.compiled.batch import Batch, BatchBack
from trainer.engines.compiled.forward import run_samples
from trainer.engines.compiled.guard import Outputs, check_backward, check_forward
from trainer.engines.compiled.job import MODELS, ORDERS, Job, make_job
from trainer.engines.compiled.later import add_up_tapes, fresh_notes
from trainer.engines.ending import end_of
from trainer.engines.neurons.lif import lif_facts
from trainer.engines.parts import apply_link
from trainer.engines.result import Result
from trainer.engines.selection import with_kept_inputs
from trainer.engines.threads import in_threads


class Adjoint(NamedTuple):
    """Gradients of one sample's registers: membrane, current, delivered sums, queue entries; (N,) each.

    Attributes:
        slope: (N,) working space: the surrogate's slopes in one round.
        window: (N,) the first served spike of each max pooling's window; nothing where there is none.
    """

    v: Array
    u: Array
    sums: Array
    entry: Array
    slope: Array
    window: Array


class Gradients(NamedTuple):
    """Gradients of the parameters, as the kernels lay them out."""

    weights: Array
    leak_v: Array
    leak_u: Array
    threshold: Array
    bias: Array
    bias_u: Array


def unknown(call: Call) -> str | None:
    """The neuron model, order rule or gradient of a call that the kernels do not know, in words; None = they do."""
    if call.schedule.kind == "layered":
        return multi_step.unknown(call)
    what = subset.unknown(call, MODELS, ORDERS, RESETS, currents=True)
    if what is not None:
        return what
    facts = [lif_facts(p) for p in call.plan.parts]
    if not subset.learns(call):
        return None
    if call.frames.requires_grad and any(f.pools for f in facts):
        return "the gradient of frames through a max pooling"
    if call.state is not None and call.state.requires_grad:
        return "the gradient of a state into the call before"
    if call.from_host and call.frames.requires_grad and call.schedule.input != "first":
        return f"the gradient of an encoder under {call.schedule.input} input"
    return None


def reason_against(call: Call) -> str | None:
    """Why this engine cannot run a call; None = it can."""
    what = unknown(call)
    return None if what is None else f"engine 'cpu' does not know {what}; use engine 'reference'"


def run(call: Call) -> Result:
    """``reference.run``, compiled; the same result."""
    against = reason_against(call)
    require(against is None, str(against))
    call = checked(call)
    if call.schedule.kind == "layered":
        return multi_step.run(with_kept_inputs(call))
    frames, params = call.frames, call.params
    if call.schedule.input != "first":
        call = replace(call, frames=frames.detach())  # which events are served when is a choice, without a gradient
    elif frames.requires_grad:
        call = with_kept_inputs(call)
    lif = params.lif
    tensors = [lif.leak_v, lif.leak_u, lif.threshold, lif.bias, lif.bias_u, lif.unit]
    job = make_job(call)
    counts, v, steps = Asynchronous.apply(job, call.frames, *tensors, *params.weights)
    return Result(counts, v, steps, call.recording, partial(end_of, call, counts, v, job.last_u))


class Asynchronous(torch.autograd.Function):
    """Frames and parameters to counts, membranes and forward steps."""

    @staticmethod
    def forward(ctx: Any, job: Job, frames: Tensor, leak_v: Tensor, leak_u: Tensor | None, threshold: Tensor,
                bias: Tensor | None, bias_u: Tensor | None, unit: Tensor | None, *weights: Tensor,
                ) -> tuple[Tensor, Tensor, Tensor]:  # fmt: skip
        flat = kernel.Lent(sum(job.flat.sizes), leak_v.detach().numpy().dtype, job.flat.spare_weights)
        given = Held(kernel_numbers(job, flat.array, leak_v, leak_u, threshold, bias, bias_u, unit, list(weights)))
        ctx.set_materialize_grads(False)
        x = frames.detach().contiguous().numpy()
        seen, steps, tapes = forward_in_threads(job, given, x)
        outward = job.flat.outward
        job.last_u = outward(seen.u[-1]).copy() if job.rules.current and len(x) else None
        job.flat.usual = np.sum([tape.used for tape in tapes], axis=0) / max(1, steps.size)
        write_recording(job, tapes, seen)
        if job.rules.training:
            ctx.job, ctx.given, ctx.flat, ctx.seen = job, given, flat, seen
            ctx.kept, ctx.is_read = kernel.Tapes(tapes, job.flat.spare), False
            ctx.save_for_backward(frames, *weights)
        counts = torch.from_numpy(outward(seen.counts)).to(leak_v.dtype)
        result = counts, torch.from_numpy(outward(seen.v)), torch.from_numpy(steps)
        ctx.mark_non_differentiable(result[2])
        return result

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grad_outputs: Tensor | None) -> Any:  # type: ignore[override]
        job: Job = ctx.job
        frames, *weights = ctx.saved_tensors
        want_frames = ctx.needs_input_grad[1]
        g_first = np.empty(ctx.seen.v.shape if want_frames else (0, 0, 0), ctx.seen.v.dtype)
        if ctx.is_read and job.flat.net.keeps.any():  # gradients stand where the membranes were
            x = frames.detach().contiguous().numpy()
            ctx.kept = kernel.Tapes(forward_in_threads(job, ctx.given, x)[2], job.flat.spare)
        ctx.is_read = True
        nothing = job.flat.nothing(ctx.seen.v)
        inward, outward = job.flat.inward, job.flat.outward
        g_counts, g_v = (nothing if g is None else inward(g.contiguous().numpy()) for g in grad_outputs[:2])
        room = kernel.Lent(sum(job.flat.sizes), ctx.seen.v.dtype, job.flat.spare_gradients)
        total = backward_in_threads(job, ctx.given, ctx.kept.tapes, ctx.seen, (g_counts, g_v), g_first, room.array)
        to_leak = -1.0 / DECAY_ALL if job.fixed else 1.0
        named = [total.leak_v * to_leak, total.leak_u * to_leak, total.threshold, total.bias, total.bias_u]
        grads: list[Tensor | None] = [torch.from_numpy(outward(x)) for x in named]
        grads = [g if need else None for g, need in zip(grads, ctx.needs_input_grad[2:7])]
        g_frames = frames_gradient(job, frames, weights, torch.from_numpy(outward(g_first))) if want_frames else None
        return None, g_frames, *grads, None, *job.flat.unflatten(torch.from_numpy(total.weights))


def forward_in_threads(job: Job, given: Held, x: Array) -> tuple[Outputs, Array, list[kernel.Tape]]:
    """Run the samples of frames ``x``: what is seen of them, (T, B) forward steps, the tape of each thread."""
    numbers = numbers_of(given)
    kind, shape, none = numbers.leak_v.dtype, (*x.shape[:2], job.plan.n_neurons), (1, 1, 1)
    counts, v, steps = np.empty(shape, np.int32), np.empty(shape, kind), np.empty(shape[:2], np.int64)
    u = np.empty(shape if job.rules.current else none, kind)
    seen = Outputs(counts, v, u, np.empty(shape if job.rules.training else none, np.uint8))
    bits = x.view(np.int32 if x.itemsize == 4 else np.int64)
    shared = job.flat.held, job.held_rules, given

    def run_some(chosen: Array) -> kernel.Tape:
        net, most = job.flat.net, job.most_events
        state = kernel.fresh_state(net, job.rules, kind, job.n_cores, most)
        tape = kernel.fresh_tape(net, job.rules, kind, len(x) * len(chosen), most, job.flat.most_blocks, job.flat.usual)
        tape = kernel.reusing(tape, job.flat.spare) if job.rules.training else tape
        done, before = 0, np.zeros(columns.N_USED, np.int64)
        check_forward(job, numbers, state, x, seen, steps, chosen)
        batch = Held(Batch(x, bits, job.ids, job.core_of_neuron, job.events_at, job.events, job.cleared,
                           *seen, steps, before, job.start_v, job.start_u, job.start_late))  # fmt: skip
        held = Held(state)
        while True:
            done = run_samples(*shared, held, Held(tape), batch, chosen, done)
            if done == len(chosen):
                return tape
            tape = kernel.grown(tape, before, job.plan.n_neurons, job.flat.most_blocks, most)

    return seen, steps, in_threads(run_some, job.chosen)


def numbers_of(given: Held) -> kernel.Numbers:
    """The parameters that kernels read."""
    assert isinstance(given.fields, kernel.Numbers)
    return given.fields


def kernel_numbers(job: Job, room: Array, leak_v: Tensor, leak_u: Tensor | None, threshold: Tensor, bias: Tensor | None,
                   bias_u: Tensor | None, unit: Tensor | None, weights: list[Tensor]) -> kernel.Numbers:  # fmt: skip
    """Parameters as arrays, weights in ``room``; decays of integers become the share that is left."""

    def array(x: Tensor | None) -> Array:
        none = np.zeros(1, leak_v.detach().numpy().dtype)
        return none if x is None else job.flat.inward(x.detach().contiguous().numpy())

    def share(x: Tensor | None) -> Array:
        return array(x if x is None or not job.fixed else (DECAY_ALL - x) / DECAY_ALL)

    per_unit = torch.ones_like(leak_v) if unit is None else 1 / unit
    job.flat.flatten([w.detach() for w in weights], torch.from_numpy(room))
    return kernel.Numbers(
        room, share(leak_v), share(leak_u), array(threshold), array(bias), array(bias_u), array(per_unit)
    )


def write_recording(job: Job, tapes: list[kernel.Tape], seen: Outputs) -> None:
    """Hand the trace's rows over, thread by thread; currents are 0 where no population keeps one."""
    if job.recording is None:
        return
    for tape in tapes:
        n_fired, n_served = tape.used[columns.FIRED], tape.used[columns.SERVED]
        for name, n in zip(LIMITS, tape.used[columns.INT32 :]):
            job.recording.limits[name] += int(n)
        job.recording.fired.append(tape.fired[:n_fired].astype(np.int64))
        job.recording.m.append(tape.fired_m[:n_fired].copy())
        job.recording.served.append(tape.served[:n_served].astype(np.int64))
    states = {"v": seen.v, **({"u": seen.u} if job.rules.current else {})}
    if "late" in job.recording.record:
        net = job.flat.net
        states["late"] = ((seen.counts > 0) & (net.late[net.part_of] != 0)).astype(seen.v.dtype)
    for name in job.recording.record:
        job.recording.states[name] = list(job.flat.outward(states.get(name, np.zeros_like(seen.v))))


def backward_in_threads(job: Job, given: Held, tapes: list[kernel.Tape], seen: Outputs,
                        g_outputs: tuple[Array, Array], g_first: Array, room: Array) -> Gradients:  # fmt: skip
    """Gradients of the parameters, summed over threads in their order; those of weights stand in ``room``."""
    kind, n, numbers = seen.v.dtype, job.plan.n_neurons, numbers_of(given)
    g_counts, g_v = g_outputs
    shifts = job.flat.net.link[:, columns.EXPONENT]
    scale = (job.rules.weight_shift * 2.0**shifts if job.fixed else np.ones(len(shifts))).astype(kind)

    starts = job.start_v, job.start_u, job.start_late
    batch = Held(BatchBack(*seen, job.cleared, scale, g_counts, g_v, g_first, *starts, *job.slope))
    shared = job.flat.held, job.held_rules, given
    notes = [fresh_notes(job.flat.net, tape) for tape in tapes]
    places = list(zip(*job.flat.net.link[:, [columns.WEIGHT, columns.WIDE]].T, job.flat.sizes))
    for at, wide, size in places:
        if not wide:  # those of wide links are written, not added to
            room[at : at + size] = 0

    def run_some(i: int) -> Gradients:
        rows = [np.zeros(n, kind) for _ in range(5)]
        window = np.zeros(n if job.flat.net.pools.any() else 0, np.int64)
        g = Adjoint(rows[0], rows[1], rows[2] if job.rules.current else rows[0], rows[3], rows[4], window)
        weights = room if i == 0 else np.zeros(room.shape, kind)
        sums = Gradients(weights, *(np.zeros(n, kind) for _ in range(5)))
        check_backward(job, numbers, seen, (g_counts, g_v), g_first, [*g[:-1], *sums[1:]])
        back_through_samples(*shared, Held(tapes[i]), batch, job.chosen[i], Held(g), Held(sums), Held(notes[i]))
        return sums

    threads = list(range(len(tapes)))
    first, *others = in_threads(run_some, threads)
    for other in others:
        for total, part in zip(first[1:], other[1:]):
            total += part
        for at, wide, size in places:
            if not wide:  # memory that nobody has touched would be made now
                first.weights[at : at + size] += other.weights[at : at + size]
    if job.flat.net.keeps.any():
        in_threads(partial(add_up_tapes, job.flat.net, notes, tapes, first.weights), threads)
    return first


def frames_gradient(job: Job, frames: Tensor, weights: list[Tensor], g_first: Tensor) -> Tensor:
    """The gradient of the frames from that of the first drive, link by link."""
    with torch.enable_grad():
        x = frames.detach().flatten(0, 1).requires_grad_()
        drives, gradients = [], []
        for link, weight in zip(job.plan.links, weights):
            if link.from_input:
                drives.append(apply_link(link, weight.detach(), x[:, link.pre]))
                scale = job.rules.weight_shift * 2.0**link.weight_exp if job.fixed else 1.0
                gradients.append(g_first.flatten(0, 1)[:, link.post] * scale)
    if not drives:
        return torch.zeros_like(frames)
    return torch.autograd.grad(drives, x, gradients)[0].reshape(frames.shape)
