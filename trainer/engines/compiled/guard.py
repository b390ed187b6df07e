"""What compiled code may index: every array it is given is measured here, just before the call.

Kernels check no bounds, so an array of another size means memory of somebody else. Whatever the caller got wrong ends
here, in a sentence.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ir.arrays import Array
from ir.check import require
from trainer.engines.compiled.job import Job
from trainer.engines.compiled.state import FIRST, Numbers, SampleState

Sized = list[tuple[str, Array, tuple[int, ...]]]


class Outputs(NamedTuple):
    """What the forward pass fills, (T, B, N) each; currents and ``shut`` are (1, 1, 1) where nobody needs them."""

    counts: Array
    v: Array
    u: Array
    shut: Array


def check_forward(
    job: Job, given: Numbers, state: SampleState, frames: Array, seen: Outputs, steps: Array, chosen: Array
) -> None:
    """Raise unless all arrays of ``run_samples`` have the sizes that its loops run over."""
    n_steps, n_samples, n_inputs = frames.shape
    n, n_parts, current = job.plan.n_neurons, len(job.plan.parts), job.rules.current
    gradual = job.rules.input != FIRST
    require(n_inputs == job.plan.n_inputs, f"frames of {n_inputs} inputs for a network of {job.plan.n_inputs}")
    _check_sizes(
        [
            *_numbers(job, given),
            *_outputs(job, seen, n_steps, n_samples),
            ("forward steps", steps, (n_steps, n_samples)),
            ("sample ids", job.ids, (n_samples,)),
            ("resets", job.cleared, (n_steps, n_parts)),
            ("cores", job.core_of_neuron, (n,)),
            ("membranes", state.v, (n,)),
            *_starts(job, n_samples),
            ("currents", state.u, (n if current else 1,)),
            ("sums", state.sums, (job.flat.net.n_sums,)),
            ("marks of sites", state.sites, (int(job.flat.net.word_at[-1]) + 1,)),
            ("input flags", job.flat.net.input_sends, (n_inputs,)),
            ("events", job.events_at, (n_steps * n_samples + 1 if gradual else 1,)),
        ]
    )
    _check_inside("sample", chosen, n_samples)
    _check_inside("core", job.core_of_neuron, job.n_cores)
    _check_inside("event's input", job.events, n_inputs)
    _check_inside("list of events", job.events_at, len(job.events) + 1)
    most = int(np.diff(job.events_at).max(initial=0)) if gradual else n_inputs
    require(most <= job.most_events < len(state.event), f"{most} events in a time step, room for {job.most_events}")
    keeps = bool(job.flat.net.has_current.any())
    require(keeps == current, "populations and numbers disagree whether a current is kept")


def check_backward(
    job: Job, given: Numbers, seen: Outputs, gradients: tuple[Array, ...], g_first: Array, rows: list[Array]
) -> None:
    """Raise unless all arrays of ``back_through_samples`` have the sizes that its loops run over."""
    n_steps, n_samples, n = shape = seen.v.shape
    _check_sizes(
        [
            *_numbers(job, given),
            *_outputs(job, seen, n_steps, n_samples),
            *(("gradients", g, shape) for g in gradients),
            *(("gradients", g, (n,)) for g in rows),
            *_starts(job, n_samples),
            ("resets", job.cleared, (n_steps, len(job.plan.parts))),
        ]
    )
    require(g_first.shape in (shape, (0, 0, 0)), f"first drives have shape {g_first.shape}, not {shape}")


def _numbers(job: Job, given: Numbers) -> Sized:
    """The parameters, with the sizes that the plan and the rules ask for."""
    n, rules = job.plan.n_neurons, job.rules
    wanted: dict[str, int] = {
        "weights": sum(job.flat.sizes),
        "leak_v": n,
        "leak_u": n if rules.current else 1,
        "threshold": n,
        "bias": n if rules.biased else 1,
        "bias_u": n if rules.biased_u else 1,
        "per_unit": n,
    }
    return [(name, getattr(given, name), (size,)) for name, size in wanted.items()]


def _starts(job: Job, n_samples: int) -> Sized:
    """Registers that samples begin with."""
    whole, none = (n_samples, job.plan.n_neurons), (1, 1)
    return [
        ("first membranes", job.start_v, whole),
        ("first currents", job.start_u, whole if job.rules.current else none),
        ("first late resets", job.start_late, whole),
    ]


def _outputs(job: Job, seen: Outputs, n_steps: int, n_samples: int) -> Sized:
    whole, none = (n_steps, n_samples, job.plan.n_neurons), (1, 1, 1)
    return [
        ("counts", seen.counts, whole),
        ("membranes", seen.v, whole),
        ("currents", seen.u, whole if job.rules.current else none),
        ("refractory flags", seen.shut, whole if job.rules.training else none),
    ]


def _check_sizes(arrays: Sized) -> None:
    for name, array, shape in arrays:
        require(array.shape == shape, f"the compiled engine got {name} of shape {array.shape}; it reads {shape}")


def _check_inside(what: str, index: Array, n: int) -> None:
    inside = index.size == 0 or (int(index.min()) >= 0 and int(index.max()) < n)
    require(inside, f"the compiled engine got a {what} outside 0..{n - 1}")
