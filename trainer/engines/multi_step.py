"""The layered schedule on compiled kernels: a population's time steps all in one call, behind one autograd function.

Nothing goes from a population to an earlier one within a time step, so that what comes into a population is known for
all time steps before it runs: one matrix product a projection.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any, Union

import numpy as np
import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from ir.connection import Dense
from ir.neurons import RESETS
from trainer.engines import subset
from trainer.engines.call import Call
from trainer.engines.compiled.through_time import (
    NEVER,
    SUBTRACT,
    ZERO,
    Course,
    Neurons,
    Shape,
    Sums,
    back_through_time,
    run_through,
)
from trainer.engines.live import LiveState
from trainer.engines.neurons.lif import LIFParams, lif_facts
from trainer.engines.numbers import FloatNumbers
from trainer.engines.parts import Part, apply_link, stretches
from trainer.engines.result import Result
from trainer.engines.threads import in_threads, shares


def unknown(call: Call) -> str | None:
    """What of a layered call these kernels do not know, in words; None = they do."""
    what = subset.unknown(call, ("lif",), (call.schedule.order,), RESETS, currents=True)
    if what is not None:
        return what
    if not isinstance(call.numbers, FloatNumbers):
        return "a chip's integers"
    if call.recording is not None or call.options.spike_dropout > 0 or len(call.frames) == 0:
        return "a recording, dropped spikes, or no time step"
    for facts in map(lif_facts, call.plan.parts):
        if (
            facts.pools
            or facts.multi_spike
            or facts.reset_interval
            or facts.v_min is not None
            or RESETS[facts.reset].late
        ):
            return "max poolings, resets that are late or by the clock, lowest membranes, or several spikes at once"
    for link in call.plan.links:
        own = link.pre == link.post and isinstance(link.connection, Dense)
        if link.delay.any() or (link.recurrent and not own):
            return "delays, or a cycle of more than one dense population"
    return None


@dataclass(frozen=True, eq=False)
class How:
    """What one population runs with beside its tensors.

    Attributes:
        mode: of its reset.
        fired: (B, n) who fired in the time step before.
    """

    mode: int
    slope: Shape
    fired: Tensor


def run(call: Call) -> Result:
    """``layered.run_layered`` of a checked call; sums of a projection are taken for all time steps at once."""
    plan = call.plan
    lif = call.params.lif
    at = dict(zip((p.name for p in plan.parts), stretches(plan.parts)))
    sources = {p.at.start: p.name for p in plan.parts}
    found: dict[str, tuple[Tensor, Tensor, Tensor]] = {}
    by_name = {p.name: p for p in plan.parts}
    for name in plan.order.order:
        part = by_name[name]
        drive, back = call.params.like.new_zeros(*call.frames.shape[:2], part.n), None
        for link, weight in zip(plan.links, call.params.weights):
            if link.post != part.at:
                continue
            if link.recurrent:
                back = weight if back is None else back + weight
                continue
            x = call.frames[:, :, link.pre] if link.from_input else found[sources[link.pre.start]][0]
            drive = drive + apply_link(link, weight, x.flatten(0, 1)).unflatten(0, x.shape[:2])
        found[name] = _through(call, part, lif.of(at[name]), drive, back)
    rows, v, u = (torch.cat([found[p.name][i] for p in plan.parts], -1) for i in range(3))
    steps = torch.full(rows.shape[:2], plan.order.n_places)
    return Result(rows, v, steps, None, partial(_end, call, rows, v, u))


def _end(call: Call, rows: Tensor, v: Tensor, u: Tensor) -> LiveState:
    """Where the run ended."""
    states = {"v": v[-1].clone(), "u": u, "late": torch.zeros_like(u)}
    return call.ended(states, rows, rows[len(rows) - min(len(rows), call.look_back) :].clone())


def _through(
    call: Call, part: Part, own: LIFParams, drive: Tensor, back: Tensor | None
) -> tuple[Tensor, Tensor, Tensor]:
    """(T, B, n) spikes and membranes of a population, and (B, n) what reached its membranes last."""
    reset, state, zeros = RESETS[lif_facts(part).reset], call.state, drive.new_zeros(drive.shape[1:])
    v0, u0, fired = zeros, zeros, zeros
    if state is not None:
        v0, u0 = (state.states[name][:, part.at] for name in ("v", "u"))
        fired = state.fired[:, part.at].to(zeros.dtype)
        if back is not None and len(state.sent):
            first = torch.nn.functional.linear(state.sent[-1][:, part.at], back)
            drive = torch.cat([(drive[0] + first)[None], drive[1:]])
    how = How(
        NEVER if reset.never else SUBTRACT if reset.subtracts else ZERO, Shape(*call.options.slope.numbers()), fired
    )
    return Through.apply(how, drive, back, own.leak_v, own.leak_u, own.threshold, own.bias, own.bias_u, v0, u0)  # type: ignore[no-any-return]


class Through(torch.autograd.Function):
    """A population's drive (T, B, n), numbers and beginning to its spikes, membranes and last currents."""

    @staticmethod
    def forward(ctx: Any, how: How, drive: Tensor, *numbers: Union[Tensor, None]) -> tuple[Tensor, Tensor, Tensor]:
        own, x = _neurons(numbers), _plain(drive)
        before, v, u, spikes = (np.empty_like(x) for _ in range(4))
        course = Course(before, v, u, spikes, *(_plain(y) for y in (*numbers[-2:], how.fired)))
        kind, n = x.dtype, x.shape[-1]
        in_threads(lambda some: run_through(own, course, x, how.mode, np.empty(n, kind), *some), shares(x.shape[1]))
        ctx.how, ctx.course, ctx.none = how, course, [y is None for y in numbers]
        ctx.save_for_backward(*(y for y in numbers if y is not None))
        ctx.set_materialize_grads(False)
        return torch.from_numpy(spikes), torch.from_numpy(v), torch.from_numpy(u[-1].copy())

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grad_outputs: Union[Tensor, None]) -> Any:  # type: ignore[override]
        how, course, saved = ctx.how, ctx.course, iter(ctx.saved_tensors)
        own, v = _neurons(tuple(None if gone else next(saved) for gone in ctx.none)), course.v
        g_spikes, g_v, g_u = (
            np.zeros(shape, v.dtype) if g is None else _plain(g)
            for g, shape in zip(grad_outputs, (v.shape, v.shape, v.shape[1:]))
        )
        g_drive, g_v0, g_u0 = np.empty_like(v), np.empty_like(v[0]), np.empty_like(v[0])

        def run_some(some: tuple[int, int]) -> Sums:
            sums = Sums(*(np.zeros(v.shape[-1], v.dtype) for _ in Sums._fields))
            back_through_time(own, course, g_spikes, g_v, g_u, g_drive, g_v0, g_u0, sums, how.mode, how.slope, *some)
            return sums

        totals = [sum(x) for x in zip(*in_threads(run_some, shares(v.shape[1])))]
        total = Sums(*totals)
        of_drive, sent = torch.from_numpy(g_drive), torch.from_numpy(course.spikes)
        g_back = of_drive[1:].flatten(0, 1).T @ sent[:-1].flatten(0, 1) if own.back.size else None
        named = [total.leak_v, total.leak_u, total.threshold, total.bias, total.bias_u, g_v0, g_u0]
        grads = [None if gone else torch.from_numpy(x) for x, gone in zip(named, ctx.none[1:])]
        return None, of_drive, g_back, *grads


def _plain(x: Tensor | None) -> np.ndarray:
    """Its memory, side by side."""
    assert x is not None
    return x.detach().contiguous().numpy()


def _neurons(numbers: tuple[Tensor | None, ...]) -> Neurons:
    """What the kernels read of a population."""
    back, leak_v, leak_u, threshold, bias, bias_u, _, _ = numbers
    assert leak_v is not None and threshold is not None

    def there(x: Tensor | None) -> np.ndarray:
        return _plain(leak_v[:0] if x is None else x)  # type: ignore[index]

    to = _plain(leak_v.new_zeros(0, 0) if back is None else back)
    height = torch.nan_to_num(threshold, posinf=0.0)
    plain = _plain(leak_v), there(leak_u), there(bias), there(bias_u), _plain(threshold), _plain(height)
    return Neurons(*plain, np.ones_like(plain[0]), np.ascontiguousarray(to.T), to)
