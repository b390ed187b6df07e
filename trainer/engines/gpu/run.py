"""One call of the Triton engine: what it refuses, tables and keys for the kernels, one autograd function."""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ir.check import require
from ir.schedule import stream
from trainer.engines import reference, subset
from trainer.engines.call import Call
from trainer.engines.checks import checked
from trainer.engines.compiled.state import or_no_limit
from trainer.engines.ending import end_of
from trainer.engines.gpu.tables import first_drive, reach_of, table_of
from trainer.engines.neurons.lif import lif_facts
from trainer.engines.numbers import FixedNumbers
from trainer.engines.options import ESCAPE, NOISE, SPIKE_DROP
from trainer.engines.result import Result
from trainer.engines.selection import sample_prefix, with_kept_inputs
from trainer.surrogate import ARCTAN

ORDERS = {"random": 0, "momentum": 1, "fifo": 2}
MODELS = ("lif",)
"""Neuron models that the kernels know: a part of what the plain engines know, as are ``ORDERS``."""

SILENT = {"slots": 0, "carried": 0, "rest": 0, "all": 1, "none": 2}
MAX_NEURONS = 1 << 14
"""A sample's registers lie in one program's fast memory, its weights in an (N, N) table."""

ROUNDS_ON_TAPE = 64
"""Forward steps of a time step that the backward pass keeps; where there are more it runs the time step again."""


def interpreted() -> bool:
    """Whether Triton runs kernels in Python, on the CPU: slowly, for tests."""
    return os.environ.get("TRITON_INTERPRET") == "1"


def unknown(call: Call) -> str | None:
    """The neuron model or order rule of a call that the kernels do not know, in words; None = they know it."""
    return subset.unknown(call, MODELS, ORDERS, ("zero", "subtract"))


def reason_against(call: Call) -> str | None:
    """Why this engine cannot run a call; None = it can."""
    what = unknown(call)
    if what is not None:
        return f"engine 'gpu' does not know {what}; use engine 'reference'"
    plan, schedule = call.plan, call.schedule
    facts = [lif_facts(p) for p in plan.parts]
    asked = {
        "without Triton": find_spec("triton") is None,
        "the layered schedule": schedule.kind == "layered",
        f"input {schedule.input!r}": schedule.input != "first",
        "silent_gradient 'carried' or 'rest'": subset.learns(call)
        and call.options.silent_gradient in ("carried", "rest"),
        "a queue a core": schedule.scope != "network",
        "integers": isinstance(call.numbers, FixedNumbers),
        "a recording": call.recording is not None,
        "a max pooling": any(f.pools for f in facts),
        "a run that goes on from a state": call.state is not None,
        "a synaptic current": call.params.lif.leak_u is not None,
        "a reset by subtraction": any(f.subtract for f in facts),
        "a lowest membrane": any(f.v_min is not None for f in facts),
        "a reset by the clock": any(f.reset_interval for f in facts),
        f"{plan.n_neurons} neurons, more than {MAX_NEURONS},": plan.n_neurons > MAX_NEURONS,
    }
    found = [what for what, present in asked.items() if present]
    return f"engine 'gpu' does not run {found[0]}; use engine 'reference'" if found else None


@dataclass(frozen=True)
class Launch:
    """What both kernels are launched with beside tensors that learn.

    Attributes:
        prefix: (B, 4) key prefixes of each sample: order, escape, noise, dropped spikes.
        rules: compile-time settings that both kernels share.
    """

    reach: Tensor
    depth: Tensor
    refractory: Tensor
    sends: Tensor
    prefix: Tensor
    rules: dict[str, Any]
    stops: dict[str, Any]
    learning: dict[str, Any]
    output: slice


def run(call: Call) -> Result:
    """``reference.run`` for floats, whole frames and one queue, on the tensors' GPU; the same result."""
    against = reason_against(call)
    require(against is None, str(against))
    call = checked(call)
    if 0 in call.frames.shape[:2]:
        return reference.run(call)  # nothing to launch
    plan, params, frames = call.plan, call.params, with_kept_inputs(call).frames
    lif = params.lif
    with torch.backends.cudnn.flags(allow_tf32=False):
        drive0, table = first_drive(plan, params.weights, frames), table_of(plan, params.weights, lif.leak_v)
    bias = torch.zeros_like(lif.leak_v) if lif.bias is None else lif.bias
    counts, v, steps = Asynchronous.apply(launch_of(call), drive0, table, lif.leak_v, lif.threshold, bias)
    return Result(counts, v, steps, ended=partial(end_of, call, counts, v))


def launch_of(call: Call) -> Launch:
    """Static tables on the device (made once), keys of this call, settings."""
    plan, params, schedule, options = call.plan, call.params, call.schedule, call.options
    device = params.like.device
    name = f"gpu {device}"
    if name not in plan.derived:
        sizes = [p.at.stop - p.at.start for p in plan.parts]
        depth = np.repeat([p.depth for p in plan.parts], sizes).astype(np.int32)
        closing = np.repeat([p.refractory for p in plan.parts], sizes).astype(np.int32)
        sends = np.repeat([p.sends for p in plan.parts], sizes).astype(np.int32)
        plan.derived[name] = tuple(torch.as_tensor(x, device=device) for x in (reach_of(plan), depth, closing, sends))
    seeds = [schedule.seed, *(stream(schedule.seed, x) for x in (ESCAPE, NOISE, SPIKE_DROP))]
    prefix = torch.stack([sample_prefix(seed, call.sample_ids.to(device)) for seed in seeds], 1).contiguous()
    block = 1 << (plan.n_neurons - 1).bit_length()
    rules = {
        "block": block,
        "group": or_no_limit(schedule.F),
        "order": ORDERS[schedule.order],
        "biased": params.lif.bias is not None,
        "escape": options.refractory_dropout,
        "noise": options.momentum_noise,
        "drop": options.spike_dropout,
        "num_warps": max(1, min(16, block // 128)),
        "enable_fp_fusion": False,
    }
    stops = {
        "last_due": plan.last_due(),
        "stop_after": or_no_limit(schedule.stop_after),
        "stop_after_output": or_no_limit(schedule.stop_after_output),
    }
    own = not isinstance(options.surrogate, str)  # then nothing learns here
    shape, steep, peak = (ARCTAN if own else options.slope).numbers()
    learning = {"shape": shape, "steep": steep, "peak": peak, "silent": SILENT[options.silent_gradient]}
    reach, depths, refractory, sends = plan.derived[name]
    return Launch(reach, depths, refractory, sends, prefix, rules, stops, learning, plan.output)


class Asynchronous(torch.autograd.Function):
    """First drives and parameters to counts, membranes and forward steps."""

    @staticmethod
    def forward(ctx: Any, launch: Launch, drive0: Tensor, table: Tensor, leak: Tensor, threshold: Tensor,
                bias: Tensor) -> tuple[Tensor, Tensor, Tensor]:  # fmt: skip
        from trainer.engines.gpu.kernels import run_samples  # noqa: PLC0415  (Triton exists for Linux only)

        given = [x.detach().contiguous() for x in (drive0, table, leak, threshold, bias)]
        n_steps, n_samples, n = drive0.shape
        counts, v = torch.empty_like(given[0]), torch.empty_like(given[0])
        steps = torch.empty(n_steps, n_samples, dtype=torch.int64, device=drive0.device)
        first, weights, *numbers = given
        run_samples[(n_samples,)](
            first, weights, launch.reach, *numbers, launch.depth, launch.refractory, launch.sends, launch.prefix,
            counts, v, steps, n_steps, n_samples, n, launch.output.start, launch.output.stop,
            **launch.rules, **launch.stops,
        )  # fmt: skip
        ctx.launch = launch
        ctx.save_for_backward(*given, counts, v, steps)
        ctx.mark_non_differentiable(steps)
        return counts, v, steps

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Tensor) -> tuple[Tensor | None, ...]:
        from trainer.engines.gpu.kernels import back_through_samples  # noqa: PLC0415  (Triton exists for Linux only)

        launch: Launch = ctx.launch
        first, weights, leak, threshold, bias, counts, v, steps = ctx.saved_tensors
        n_steps, n_samples, n = first.shape
        g_first, g_table = torch.empty_like(first), torch.zeros_like(weights)
        g_neuron = first.new_empty(3, n_samples, n)
        tape = [torch.empty(n_samples, ROUNDS_ON_TAPE, n, dtype=d, device=v.device) for d in (v.dtype, v.dtype)]
        code = torch.empty(n_samples, ROUNDS_ON_TAPE, n, dtype=torch.int32, device=v.device)
        back_through_samples[(n_samples,)](
            first, weights, launch.reach, leak, threshold, bias, launch.depth, launch.refractory, launch.prefix,
            counts, v, steps, *(g.contiguous() for g in grad_outputs[:2]), g_first, g_table, g_neuron, *tape, code,
            n_steps, n_samples, n, ROUNDS_ON_TAPE, **launch.rules, **launch.learning,
        )  # fmt: skip
        return None, g_first, g_table, *g_neuron.sum(1)
