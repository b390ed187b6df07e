"""Run a mapped network on a chip without a barrier: every spike with its picosecond, and what each core did."""

from __future__ import annotations

from collections.abc import Callable, Collection, Generator
from contextlib import contextmanager

import numpy as np

from ir.arithmetic import LIMITS
from ir.arrays import Array
from ir.check import DeadlockError
from ir.chip import Chip
from ir.encoder import hosted
from ir.mapped import MappedNetwork
from ir.quantized import limit_names
from ir.schedule import Schedule
from ir.stimulus import Stimulus
from ir.timing import COUNTS, OPERATIONS, PER_CORE, EffectLog, Timing
from ir.trace import Spikes, Trace, count_spikes
from targets.clockless.compiled.sample import compiled_sample
from targets.clockless.job import Done, Job, job_of
from targets.clockless.ledger import Ledger
from targets.clockless.options import Timekeeping
from targets.clockless.plain import PlainSample, inputs_of

Progress = Callable[[int, int], None]
OnLog = Callable[[int, EffectLog], None]
"""Called with a sample's position in the batch and its log."""

IDEAL = Timekeeping()


@hosted
def run(
    mapped: MappedNetwork,
    stimulus: Stimulus,
    schedule: Schedule | None = None,
    *,
    chip: Chip | None = None,
    time: Timekeeping = IDEAL,
    record: Collection[str] = ("v",),
    plain: bool = False,
    on_log: OnLog | None = None,
    progress: Progress | None = None,
) -> Trace:
    """Run samples one after the other, each a task of its own.

    Args:
        schedule: goes into the trace; here time decides the order, and no schedule does.
        chip: None = the one it is mapped to.
        plain: run the definition itself, slowly; else its compiled twin.
        on_log: called with the log of every sample, which is kept for it alone.

    Raises:
        ValueError: what does not go together.
        DeadlockError: a sample in which nothing can move any more.
    """
    job = job_of(mapped, stimulus, chip, time, record, on_log is not None)
    done: list[Done] = []
    one = plain_sample if plain else compiled_sample
    for b in range(stimulus.n_samples):
        with _named(job, b):
            done.append(one(job, b))
        conserved(done[-1])
        log = done[-1].log
        if on_log is not None and log is not None:
            on_log(b, log)
        if progress is not None:
            progress(b + 1, stimulus.n_samples)
    return _trace(job, mapped.network.schedule if schedule is None else schedule, done)


@contextmanager
def _named(job: Job, b: int) -> Generator[None, None, None]:
    """Let a deadlock say in which sample."""
    try:
        yield
    except DeadlockError as error:
        ids = job.stimulus.sample_ids
        raise DeadlockError(f"sample {b if ids is None else ids[b]}: {error}") from error


def plain_sample(job: Job, b: int) -> Done:
    """One sample by the definition."""
    w = job.wiring
    ledger = Ledger.empty(w.core_model, job.stimulus.n_steps, w.n_neurons, w.n_cores, len(job.routes.links), job.logs)
    inputs = [inputs_of(*frame) for frame in job.inputs(b)]
    sample = PlainSample(w, job.routes, job.time, inputs, ledger)
    sample.run()
    return Done(
        rows=np.array(ledger.rows, np.int64).reshape(-1, 5),
        times=np.stack([ledger.frame_ps, ledger.quiescent_ps, ledger.forward_steps]),
        states={name: ledger.states[name] for name in job.record},
        end_ps=ledger.end_ps,
        operations=np.array([ledger.operations[name] for name in OPERATIONS]),
        counts=np.array([ledger.counts[name] for name in COUNTS]),
        cores=ledger.table(),
        link_flits=ledger.link_flits,
        limits=np.array(sample.registers.limits),
        log=ledger.effect_log() if job.logs else None,
    )


def conserved(done: Done) -> None:
    """Hold the law of conservation: on each core, copies sent = taken + dropped + left."""
    sent, taken, dropped, left = (done.cores[PER_CORE.index(x)] for x in ("sent", "taken", "dropped", "left"))
    lost = np.flatnonzero(sent != taken + dropped + left)
    assert not lost.size, f"core {lost[0]}: copies sent {sent[lost[0]]} are not those taken, dropped and left"


def _trace(job: Job, schedule: Schedule, done: list[Done]) -> Trace:
    """Put the samples together."""
    stimulus, network, w = job.stimulus, job.mapped.network, job.wiring
    ids = stimulus.sample_ids
    assert ids is not None
    t, n = stimulus.n_steps, network.n_neurons
    rows = np.concatenate([np.zeros((0, 5), np.int64), *(d.rows for d in done)])
    sample = np.repeat(ids, [len(d.rows) for d in done])
    never = np.full(len(rows), -1)
    spikes = Spikes(sample, rows[:, 0], rows[:, 1], rows[:, 2], rows[:, 3], never, rows[:, 4])
    times = np.stack([np.zeros((3, t), np.int64), *(d.times for d in done)])[1:]
    limits = np.sum([np.zeros(len(LIMITS), np.int64), *(d.limits for d in done)], 0)

    def stacked(name: str) -> Array:
        return np.stack([np.zeros((t, n), np.int64), *(d.states[name] for d in done)])[1:].swapaxes(0, 1)

    return Trace(
        executor="E4",
        spikes=spikes,
        counts=count_spikes(spikes, ids, n),
        states={name: stacked(name) for name in job.record},
        forward_steps=np.maximum(times[:, 2].T, 1),
        sample_ids=ids,
        populations=tuple((p.name, p.n) for p in network.populations),
        output=network.output,
        output_fires=network.output_fires,
        schedule=schedule,
        labels=stimulus.labels,
        core_of_neuron=job.mapped.core_of_neuron,
        limits_reached={name: 0 for name in limit_names(network)} | dict(zip(LIMITS, limits.tolist())),
        timing=_timing(job, done, times, w.output),
    )


def _timing(job: Job, done: list[Done], times: Array, output: tuple[int, int]) -> Timing:
    labels = job.stimulus.labels
    of_output = [d.rows[(d.rows[:, 2] >= output[0]) & (d.rows[:, 2] < output[1])] for d in done]

    def first(b: int, only: int | None) -> int:
        rows = of_output[b] if only is None else of_output[b][of_output[b][:, 2] == only]
        return int(rows[:, 4].min()) if len(rows) else -1

    n = len(done)
    correct = [-1 if labels is None else first(b, output[0] + int(labels[b])) for b in range(n)]
    k, n_links = job.wiring.n_cores, len(job.routes.links)
    return Timing(
        frame_ps=times[:, 0].T,
        quiescent_ps=times[:, 1].T,
        first_output_ps=np.array([first(b, None) for b in range(n)], np.int64),
        first_correct_ps=np.array(correct, np.int64),
        end_ps=np.array([d.end_ps for d in done], np.int64),
        operations=np.array([d.operations for d in done], np.int64).reshape(n, len(OPERATIONS)),
        counts=np.array([d.counts for d in done], np.int64).reshape(n, len(COUNTS)),
        cores=np.array([d.cores for d in done], np.int64).reshape(n, len(PER_CORE), k),
        links=job.routes.links,
        link_flits=np.array([d.link_flits for d in done], np.int64).reshape(n, n_links),
        said=job.time.said(job.wiring.core_model),
    )
