"""One call of the compiled engine in the kernels' terms: rules, events, the samples of each thread."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np
from torch import Tensor

from ir.arrays import Array
from ir.held import Held
from ir.schedule import Schedule, mix, stream
from ir.stimulus import in_order
from trainer.engines.call import Call
from trainer.engines.compiled import state as kernel
from trainer.engines.compiled.flat import FlatPlan
from trainer.engines.neurons.lif import lif_facts
from trainer.engines.numbers import FixedNumbers
from trainer.engines.options import ESCAPE, INPUT_DROP, NOISE, SPIKE_DROP
from trainer.engines.plan import Plan
from trainer.engines.result import Recording
from trainer.engines.subset import learns
from trainer.engines.threads import threads_for
from trainer.surrogate import ARCTAN

ORDERS = {"random": kernel.RANDOM, "momentum": kernel.MOMENTUM, "fifo": kernel.FIFO}
MODELS = ("lif",)
"""Neuron models that the kernels know: a part of what the plain engines know, as are ``ORDERS``."""

INPUTS = {"first": kernel.FIRST, "queued": kernel.QUEUED, "paced": kernel.PACED}
SILENT = {"slots": kernel.SLOTS, "all": kernel.ALL, "none": kernel.NONE, "carried": kernel.CARRIED, "rest": kernel.REST}


@dataclass
class Job:
    """One call of the engine, static parts as the kernels take them.

    Attributes:
        chosen: for each thread the samples it runs; fixed, so that sums have a fixed order.
        cleared: (T, P) populations whose registers are reset before a time step.
        most_events: of a sample in a time step.
        start_v, start_u: (B, N) registers that samples begin with; (1, 1) where no current is kept. start_late: (B, N)
            1 where a late reset is due.
        slope: number, steepness and peak of the surrogate.
        last_u: (B, N) currents after the last time step, once it has run; None where none is kept.
    """

    plan: Plan
    flat: FlatPlan
    rules: kernel.Rules
    ids: Array
    chosen: list[Array]
    core_of_neuron: Array
    n_cores: int
    events_at: Array
    events: Array
    cleared: Array
    most_events: int
    start_v: Array
    start_u: Array
    start_late: Array
    slope: tuple[int, float, float]
    fixed: bool
    recording: Recording | None
    last_u: Array | None = None

    @cached_property
    def held_rules(self) -> Held:
        """The rules for kernels."""
        return Held(self.rules)


def make_job(call: Call) -> Job:
    """Turn the arguments of a run into what the kernels take."""
    plan, frames, schedule = call.plan, call.frames, call.schedule
    n_steps, n_samples, _ = frames.shape
    training = learns(call)
    fixed = isinstance(call.numbers, FixedNumbers)
    threads = threads_for(n_samples)
    cores = np.zeros(plan.n_neurons, np.int64)
    if schedule.scope == "core" and call.core_of_neuron is not None:
        cores = np.unique(call.core_of_neuron, return_inverse=True)[1].astype(np.int64).reshape(-1)
    events_at, listed, longest = list_events(frames, schedule, call.events)
    flat = flat_plan_of(plan, separate_sums=fixed)
    v, u, late = starts_of(call)
    starts = flat.inward(v), flat.inward(u), flat.inward(late)
    return Job(
        plan,
        flat,
        make_rules(call, training),
        call.sample_ids.detach().cpu().numpy().astype(np.int64),
        [np.arange(i, n_samples, threads) for i in range(threads)],
        flat.inward(cores),
        int(cores.max(initial=0)) + 1,
        events_at,
        listed,
        cleared_at(plan, n_steps, call.t0),
        longest,
        *starts,
        call.options.slope.numbers() if isinstance(call.options.surrogate, str) else ARCTAN.numbers(),
        fixed,
        call.recording,
    )


def make_rules(call: Call, training: bool) -> kernel.Rules:
    """Schedule, options and arithmetic as numbers."""
    lif, schedule, options = call.params.lif, call.schedule, call.options

    a = call.numbers.arithmetic if isinstance(call.numbers, FixedNumbers) else None
    return kernel.Rules(
        kernel.or_no_limit(schedule.F),
        ORDERS[schedule.order],
        INPUTS[schedule.input],
        kernel.or_no_limit(schedule.R),
        kernel.or_no_limit(schedule.stop_after),
        kernel.or_no_limit(schedule.stop_after_output),
        call.plan.last_due(),
        SILENT[options.silent_gradient],
        training,
        call.recording is not None,
        a is not None,
        lif.leak_u is not None,
        lif.bias is not None,
        lif.bias_u is not None,
        *prefixes(schedule.seed),
        call.t0,
        float(options.refractory_dropout),
        float(options.momentum_noise),
        float(options.input_dropout),
        float(options.spike_dropout),
        2.0 ** (a.weight_shift if a else 0),
        0.0 if a is None or a.accumulator_bits is None else 2.0**a.accumulator_bits,
        2.0 ** (a.u_bits if a else 0),
        a.u_edge if a else 0,
        a is not None and a.bias_in_u,
        float(a.v_max) if a else np.inf,
    )


@lru_cache(maxsize=64)
def prefixes(seed: int) -> tuple[np.uint64, np.uint64, np.uint64, np.uint64, np.uint64]:
    """What the keys of order, escapes, noise, dropped inputs and dropped spikes begin with."""

    def prefix(own: int) -> np.uint64:
        return np.uint64(mix(np.asarray(own % (1 << 64), np.uint64)))

    escape, noise, inputs, spikes = (prefix(stream(seed, x)) for x in (ESCAPE, NOISE, INPUT_DROP, SPIKE_DROP))
    return prefix(seed), escape, noise, inputs, spikes


def list_events(frames: Tensor, schedule: Schedule, events: np.ndarray | None) -> tuple[Array, Array, int]:
    """Gradual input: starts of each (sample, time step), inputs in time-stamp order, the longest list."""
    nothing = np.zeros(1, np.int64), np.zeros(0, np.int64)
    if schedule.input == "first":
        return *nothing, frames.shape[2]
    counts = frames.detach()
    longest = int(counts.sum(2).max()) if counts.numel() else 0
    n_steps, n_samples, _ = frames.shape
    if events is None:
        return np.zeros(n_steps * n_samples + 1, np.int64), nothing[1], longest
    rows = in_order(events)
    owner = rows[:, 0] * n_steps + rows[:, 1]
    starts = np.searchsorted(owner, np.arange(n_steps * n_samples + 1)).astype(np.int64)
    return starts, rows[:, 3].astype(np.int64), longest


def starts_of(call: Call) -> tuple[Array, Array, Array]:
    """Membranes and currents that samples begin with, and whose late reset is due."""
    like, state = call.params.like, call.state
    none = np.zeros((call.frames.shape[1], call.plan.n_neurons), like.detach().numpy().dtype)
    no_current = np.zeros((1, 1), none.dtype)
    if state is None:
        return none, none if call.params.lif.leak_u is not None else no_current, np.zeros(none.shape, np.int32)
    late = state.states["late"].detach().numpy().astype(np.int32) if "late" in state.states else none.astype(np.int32)
    v, u = (state.states[name].detach().contiguous().numpy() for name in ("v", "u"))
    return v, u if call.params.lif.leak_u is not None else no_current, late


def cleared_at(plan: Plan, n_steps: int, t0: int = 0) -> Array:
    """(T, P) which populations reset their registers before a time step (Lava's ``LIFReset``), from ``t0`` on."""
    cleared = np.zeros((n_steps, len(plan.parts)), np.uint8)
    for i, p in enumerate(plan.parts):
        if lif_facts(p).reset_interval:
            cleared[:, i] = [lif_facts(p).clears(t0 + t) for t in range(n_steps)]
    return cleared


def flat_plan_of(plan: Plan, separate_sums: bool) -> FlatPlan:
    """The plan as flat arrays, made once."""
    name = f"flat {separate_sums}"
    if name not in plan.derived:
        plan.derived[name] = FlatPlan(plan, separate_sums)
    return plan.derived[name]
