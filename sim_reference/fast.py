"""The compiled twin of ``simulate``: the same call, the same trace, event-driven, samples over cores."""

from __future__ import annotations

import itertools
import os
import threading
import warnings
from collections.abc import Callable, Collection
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np

from ir.arrays import Array
from ir.check import SlowerWarning, require, sentence
from ir.contract import CONTRACT
from ir.encoder import hosted
from ir.held import Held
from ir.mapped import MappedNetwork
from ir.quantized import QuantizedNetwork
from ir.runnable import check_record, check_run
from ir.schedule import Schedule
from ir.state import State
from ir.stimulus import Stimulus
from ir.trace import Trace, unchecked
from ir.trace_parts import ended
from sim_reference import simulate
from sim_reference.compiled.asynchronous import run_asynchronous
from sim_reference.compiled.flat import FlatNetwork, flatten
from sim_reference.compiled.gamma_run import run_gamma
from sim_reference.compiled.inputs import held_inputs
from sim_reference.compiled.kernels import Work, new_work
from sim_reference.compiled.known import reason_against
from sim_reference.compiled.layered import new_history, run_layered
from sim_reference.compiled.narrow import largest_count
from sim_reference.compiled.output import REGISTERS, Cut, Output, Share, joined, limits_of, new_rows
from sim_reference.compiled.queue import flat_schedule, new_queue
from sim_reference.layout import Layout, layout_of
from sim_reference.serve import check_order
from sim_reference.simulate import Progress

SAMPLES_A_CALL, SAMPLES_A_REPORT = 256, 8
"""The most samples in one call of a kernel, without and with progress to report."""

KEPT_BYTES, KEPT_VARIANTS, LARGEST_BYTE = 1 << 26, 8, 128
"""Networks with weights up to this size stay prepared, each for so many input counts and schedule kinds."""

A_THREAD = 1 << 20
"""Neurons, inputs too, times time steps that are worth another thread: to start one takes some 0.3 ms."""

FIRST_CAPACITY = 1 << 16
"""Room for spikes at first; doubled when it runs out."""


class _Task(NamedTuple):
    """What all workers share."""

    net: FlatNetwork
    schedule: Schedule
    stimulus: Stimulus
    inputs: Held
    max_events: int
    cut: Cut


@hosted
def run(
    mapped: MappedNetwork | QuantizedNetwork,
    stimulus: Stimulus,
    schedule: Schedule | None = None,
    *,
    record_spikes: bool = True,
    record: Collection[str] = ("v",),
    n_threads: int | None = None,
    progress: Progress | None = None,
    state: State | None = None,
    keep_state: bool = False,
) -> Trace:
    """Execute the network; ``simulate.run`` says what the trace holds.

    What is not compiled (a neuron model, an order rule) is run by ``simulate.run`` itself, after a ``SlowerWarning``.

    Args:
        schedule: None = the one the network was trained for.
        record_spikes: False = only count them, in memory that does not grow with the number of time steps once
            ``record`` is empty too.
        record: names of the neurons' states that the trace holds, (T, B, N): ``v``, ``u``, ...
        n_threads: samples that run at once; None = as many as cores may be used and are worth it.
        progress: called now and then, from any thread, with samples done and in all.
        state, keep_state: as for ``simulate.run``.

    Raises:
        ValueError: the network, the stimulus and the schedule do not go together.
    """
    layout, names = (kept := _kept(mapped)).layout, tuple(dict.fromkeys(record))
    schedule = layout.network.schedule if schedule is None else schedule
    state = check_run(layout.network, stimulus, schedule, state)
    check_order(schedule)
    check_record(layout.network, record)
    require(n_threads is None or n_threads >= 1, f"n_threads is {n_threads}; use at least 1")
    same: Any = {"record": names, "progress": progress, "state": state, "keep_state": keep_state}
    own = _by_another(layout, mapped, stimulus, schedule, **same)
    if own is not None:
        return own if record_spikes else replace(own, spikes=None)
    shape = stimulus.n_steps, stimulus.n_samples, layout.n_neurons
    out, cut = _output(shape, names, record_spikes or keep_state), _cut(shape, layout.network, state, keep_state)
    parts = _over_threads(_task(kept, stimulus, schedule, cut), out, n_threads or _n_worth(stimulus, shape), progress)
    out.freeze()
    trace = unchecked(
        Trace,
        executor="E2",
        spikes=joined(parts, _ids(stimulus)) if out.keep_rows else None,
        counts=out.counts,
        states=dict(zip(names, out.kept)),
        forward_steps=out.forward_steps,
        sample_ids=_ids(stimulus),
        populations=layout.populations(),
        output=layout.network.output,
        output_fires=layout.network.output_fires,
        schedule=schedule,
        labels=stimulus.labels,
        core_of_neuron=mapped.core_of_neuron if isinstance(mapped, MappedNetwork) else None,
        limits_reached=limits_of(parts),
        contract=CONTRACT,
    )
    return _with_end(trace, layout.network, stimulus, cut, state, record_spikes) if keep_state else trace


def _by_another(
    layout: Layout, mapped: MappedNetwork | QuantizedNetwork, stimulus: Stimulus, schedule: Schedule, **same: Any
) -> Trace | None:
    """The run by SpikingGamma's own kernel, or by the plain simulator after a warning; None where it is run here."""
    reason = reason_against(layout.network, schedule)
    if reason is not None:
        warnings.warn(sentence(f"{reason}; the plain one runs it, slower"), SlowerWarning, stacklevel=3)
        return simulate.run(mapped, stimulus, schedule, **same)
    is_gamma = layout.network.populations[0].neuron.MODEL == "spiking_gamma"
    return run_gamma(layout, mapped, stimulus, schedule, **same) if is_gamma else None


def _with_end(
    trace: Trace, network: QuantizedNetwork, stimulus: Stimulus, cut: Cut, state: State | None, record_spikes: bool
) -> Trace:
    """The trace with where its samples ended; its spikes are needed for that, and then only where asked for."""
    end = ended(network, stimulus, trace, dict(zip(REGISTERS, cut.end)), state)
    return replace(trace, state=end, spikes=trace.spikes if record_spikes else None)


def _cut(shape: tuple[int, int, int], network: QuantizedNetwork, state: State | None, keep_state: bool) -> Cut:
    """Where the samples of a run of ``shape`` (T, B, N) begin, and room for where they end."""
    _, b, n = shape
    n_registers = len(REGISTERS)
    end = np.zeros((n_registers, b, n) if keep_state else (n_registers, 0, 0), np.int64)
    if state is None:
        sent, inputs = (np.zeros((0, b, k), np.int64) for k in (n, network.n_inputs))
        return Cut(0, np.zeros((n_registers, 0, 0), np.int64), sent, inputs, end)
    begin = np.stack([state.states[name] for name in REGISTERS]).astype(np.int64)
    sent, inputs = (np.array(x, np.int64, order="C") for x in (state.sent, state.inputs))  # ours: kernels ask for that
    return Cut(state.t, begin, sent, inputs, end)


def _output(shape: tuple[int, int, int], names: tuple[str, ...], record_spikes: bool) -> Output:
    """Room for what a run of ``shape`` (T, B, N) leaves; for spikes each worker makes its own."""
    t, b, n = shape
    kept, which = np.zeros((len(names), *shape), np.int64), np.array([REGISTERS.index(x) for x in names], np.int64)
    counts, steps, starts_at = np.zeros((b, n), np.int32), np.zeros((t, b), np.int32), np.zeros(b + 1, np.int64)
    return Output(counts, steps, kept, which, new_rows(0), starts_at, np.zeros(1, np.int64), record_spikes)


def _n_worth(stimulus: Stimulus, shape: tuple[int, int, int]) -> int:
    """Threads that a run of ``shape`` (T, B, N) is worth."""
    t, b, n = shape
    return min(n_usable_cores(), 1 + t * b * (n + stimulus.frames.shape[2]) // A_THREAD)


def n_usable_cores() -> int:
    """Cores this process may run on; as few as ``OMP_NUM_THREADS`` says, by which who starts many shares them out."""
    there = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    asked = os.environ.get("OMP_NUM_THREADS", "")
    return min(there, int(asked)) if asked.isdecimal() and int(asked) > 0 else there


def _ids(stimulus: Stimulus) -> Array:
    assert stimulus.sample_ids is not None
    return stimulus.sample_ids


class _Kept(NamedTuple):
    """What one network needs in every run; ``flat`` by schedule kind and the most that is sent at once."""

    layout: Layout
    flat: dict[tuple[bool, int, int], FlatNetwork]


def _prepare(mapped: MappedNetwork | QuantizedNetwork) -> _Kept:
    return _Kept(layout_of(mapped), {})


_remembered = lru_cache(maxsize=8)(_prepare)


def _kept(mapped: MappedNetwork | QuantizedNetwork) -> _Kept:
    """Prepare a network; a small one only once, since that takes longer than a short run of it."""
    return (_remembered if _is_small(mapped) else _prepare)(mapped)


def _is_small(mapped: MappedNetwork | QuantizedNetwork) -> bool:
    network = mapped.network if isinstance(mapped, MappedNetwork) else mapped
    return sum(e.connection.weight.nbytes for e in network.projections) <= KEPT_BYTES


def _flat(kept: _Kept, stimulus: Stimulus, layered: bool, cut: Cut) -> FlatNetwork:
    """The network's arrays. Frames of bytes are not gone through, on one core, where any bytes leave sums narrow."""
    before, sent = largest_count(cut.inputs), max(largest_count(cut.sent), 1)
    if stimulus.frames.dtype.itemsize == 1 and _is_small(kept.layout.network):
        flat = _flat_for(kept, layered, max(LARGEST_BYTE, before), sent)
        if flat.narrow:
            return flat
    return _flat_for(kept, layered, max(largest_count(stimulus.frames), before), sent)


def _flat_for(kept: _Kept, layered: bool, most_inputs: int, most_sent: int) -> FlatNetwork:
    """The arrays for inputs and neurons that deliver at most so often at once."""
    key = layered, most_inputs, most_sent
    flat = kept.flat.get(key) or flatten(kept.layout, (most_inputs, most_sent), layered)
    return kept.flat.setdefault(key, flat) if len(kept.flat) < KEPT_VARIANTS else flat


def _task(kept: _Kept, stimulus: Stimulus, schedule: Schedule, cut: Cut) -> _Task:
    """Prepare network and events."""
    layered = schedule.kind == "layered"
    inputs, max_events = held_inputs(stimulus, gradual=not layered and schedule.input != "first")
    return _Task(_flat(kept, stimulus, layered, cut), schedule, stimulus, inputs, max_events, cut)


def _over_threads(task: _Task, out: Output, n_threads: int, progress: Progress | None) -> list[Share]:
    """Run all samples, an equal share a worker."""
    n = task.stimulus.n_samples
    report = _Report(n, progress)
    if min(n_threads, n) <= 1:
        return [_run_share(task, out, 0, n, report)] if n else []
    bounds = np.linspace(0, n, min(n_threads, n) + 1).astype(int).tolist()
    shares = list(itertools.pairwise(bounds))
    with ThreadPoolExecutor(len(shares)) as pool:
        return list(pool.map(lambda share: _run_share(task, out, share[0], share[1], report), shares))


class _Report:
    """Counts finished samples over all workers."""

    def __init__(self, n: int, progress: Progress | None) -> None:
        self.n, self.progress, self.done, self.lock = n, progress, 0, threading.Lock()

    def add(self, finished: int) -> None:
        with self.lock:
            self.done += finished
            if self.progress is not None and finished:
                self.progress(self.done, self.n)


def _run_share(task: _Task, out: Output, first: int, last: int, report: _Report) -> Share:
    """Run samples ``first`` to ``last`` - 1 in this thread; room for spikes grows as needed."""
    work = new_work(task.net, task.max_events)
    out = out._replace(row_start=np.zeros_like(out.row_start), full=np.zeros(1, np.int64))
    out = out._replace(rows=new_rows(FIRST_CAPACITY if out.keep_rows else 0))
    run_range = _layered_range(task, work) if task.schedule.kind == "layered" else _asynchronous_range(task, work)
    size = SAMPLES_A_CALL if report.progress is None else SAMPLES_A_REPORT
    b = first
    while b < last:
        reached = run_range(b, min(b + size, last), out)
        report.add(reached - b)
        b = reached
        if out.full[0]:
            kept = out.rows[: out.row_start[b]]
            out = out._replace(rows=new_rows(2 * len(out.rows)))
            out.rows[: len(kept)] = kept
            out.full[0] = 0
    return Share(first, np.diff(out.row_start[first : last + 1]), out.rows[: out.row_start[last]], work.limits)


_RunRange = Callable[[int, int, Output], int]


def _layered_range(task: _Task, work: Work) -> _RunRange:
    history = new_history(task.net)
    return lambda a, z, out: run_layered(task.net, task.inputs, a, z, work, history, task.cut, out)


def _asynchronous_range(task: _Task, work: Work) -> _RunRange:
    schedule = flat_schedule(task.schedule)
    queue = new_queue(task.net, schedule, task.max_events)
    return lambda a, z, out: run_asynchronous(task.net, schedule, task.inputs, a, z, work, queue, task.cut, out)
