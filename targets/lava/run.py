"""Run a mapped network on Lava: the same call as the reference, executor E3."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

from exchange import npz
from ir.arithmetic import ARITHMETICS
from ir.check import FormatError, TargetError
from ir.encoder import body_of, encoded
from ir.mapped import MappedNetwork, one_large_core
from ir.quantized import QuantizedNetwork
from ir.runnable import check_record
from ir.schedule import Schedule
from ir.state import State, state_names
from ir.stimulus import Stimulus
from ir.trace import Trace
from ir.trace_parts import ended
from targets.lava.checks import check_lava
from targets.lava.collect import nothing
from targets.lava.launch import run_child
from targets.lava.leftovers import job_folder
from targets.lava.neurons import MODELS

Progress = Callable[[int, int], None]
"""Called with (samples done, samples in all)."""

TIME_LIMIT_S = 600.0


@dataclass(frozen=True, eq=False)
class Job:
    """One network, its stimulus, its schedule (None = the network's own), the state its samples go on from, and what is
    recorded of it (None = what the call says)."""

    mapped: MappedNetwork | QuantizedNetwork
    stimulus: Stimulus
    schedule: Schedule | None = None
    state: State | None = None
    record: Collection[str] | None = None


def run(
    mapped: MappedNetwork | QuantizedNetwork,
    stimulus: Stimulus,
    schedule: Schedule | None = None,
    *,
    record: Collection[str] = ("v",),
    progress: Progress | None = None,
    time_limit_s: float | None = TIME_LIMIT_S,
    process_per_core: bool = False,
    state: State | None = None,
    keep_state: bool = False,
) -> Trace:
    """Execute the network on lava-nc 0.10.0 and record every spike.

    Lava runs in a child process of its own, in a Python 3.10 that is found by itself or named in
    ``UNLAYERED_LAVA_PYTHON``; whatever happens, that process and its shared memory are gone at the end.

    Args:
        schedule: None = the one the network was trained for.
        record: names of the neurons' states that the trace holds, (T, B, N), in register units: ``v``, and others that
            their models keep (a LIF's ``u``); 0 where a neuron has no such state.
        progress: called when samples are done.
        time_limit_s: wall-clock limit, start included; None = none.
        process_per_core: asynchronous schedule: neurons and synapses of each core, and its queue where the scope is
            ``core``, are Lava processes of their own; same spikes, slower.
        state: where the samples go on from: what a run of the time steps before has left; None = they begin.
        keep_state: leave ``trace.state``, for a run of the time steps that follow.

    Raises:
        ValueError: the network, the stimulus and the schedule do not go together, or stock Lava would change a number.
        TargetError: Lava is absent, failed, or ran out of time.
    """
    jobs = [Job(mapped, stimulus, schedule, state)]
    (trace,) = run_jobs(
        jobs,
        record=record,
        progress=progress,
        time_limit_s=time_limit_s,
        process_per_core=process_per_core,
        keep_state=keep_state,
    )
    return trace


def run_jobs(
    jobs: Sequence[Job],
    *,
    record: Collection[str] = ("v",),
    progress: Progress | None = None,
    time_limit_s: float | None = TIME_LIMIT_S,
    process_per_core: bool = False,
    keep_state: bool = False,
) -> list[Trace]:
    """Run several networks in one child process, one after the other; arguments as :func:`run`.

    Jobs without samples or time steps leave empty traces; Lava is not started for them.
    """
    hosts = [encoded(job.mapped, job.stimulus, job.state) for job in jobs]
    bodies = [replace(job, mapped=body_of(job.mapped), stimulus=x.spikes, state=x.body) for job, x in zip(jobs, hosts)]
    ready = [_checked(job, record, process_per_core) for job in bodies]
    busy = [number for number, job in enumerate(ready) if job.stimulus.frames.size]
    total = sum(job.stimulus.n_samples for job in ready)
    told = 0

    def report(number: int, frames: int, ticks: int) -> None:
        nonlocal told
        before = sum(job.stimulus.n_samples for job in ready[:number])
        done = min(before + frames // max(ready[number].frames_a_sample, 1), total)
        if progress is not None and done > told:
            told = done
            progress(done, total)

    options = {"process_per_core": process_per_core}
    found = _run_on_lava({i: ready[i] for i in busy}, options, keep_state, time_limit_s, report) if busy else {}
    whole = [found[i] if i in found else nothing(*job[:3], job.recorded(True)) for i, job in enumerate(ready)]
    traces = [_asked(trace, job, keep_state) for trace, job in zip(whole, ready)]
    if progress is not None and told < total:
        progress(total, total)
    for job, trace in zip(ready, traces):
        _check_limits(job.mapped, job.schedule, trace)
    plain = [
        replace(trace, core_of_neuron=None) if isinstance(job.mapped, QuantizedNetwork) else trace
        for job, trace in zip(jobs, traces)
    ]
    return [found.beside(trace) for found, trace in zip(hosts, plain)]


class Ready(NamedTuple):
    """A job that was checked; ``state`` of the stimulus's samples, in their order."""

    mapped: MappedNetwork
    stimulus: Stimulus
    schedule: Schedule
    state: State | None
    record: tuple[str, ...]

    @property
    def frames_a_sample(self) -> int:
        """What progress counts: under the layered schedule the spikes that are sent once more, too."""
        past = 0 if self.state is None or self.schedule.kind != "layered" else len(self.state.sent)
        return self.stimulus.n_steps + past

    def recorded(self, keep_state: bool) -> list[str]:
        """What Lava records: what was asked for, and where a state is kept every other state, too."""
        return list(dict.fromkeys([*self.record, *(state_names(self.mapped.network) if keep_state else ())]))


def _asked(trace: Trace, job: Ready, keep_state: bool) -> Trace:
    """A trace with the states and the end that were asked for."""
    last = {name: x[-1] for name, x in trace.states.items()} if job.stimulus.n_steps else {}
    end = ended(job.mapped.network, job.stimulus, trace, last, job.state) if keep_state else None
    return replace(trace, states={name: trace.states[name] for name in job.record}, state=end)


def _run_on_lava(
    ready: dict[int, Ready],
    options: dict[str, Any],
    keep_state: bool,
    time_limit_s: float | None,
    report: Callable[[int, int, int], None],
) -> dict[int, Trace]:
    """Run jobs that have something to run, by their numbers."""
    with job_folder() as folder:
        try:
            for number, job in ready.items():
                _write_job(folder / str(number), job, {**options, "record": job.recorded(keep_state)})
        except (OSError, FormatError) as error:
            raise TargetError(f"Lava's temporary folder cannot be written ({error}); free some space") from error
        run_child(folder, time_limit_s, report)
        return {number: _read_trace(folder / str(number)) for number in ready}


def _checked(job: Job, record: Collection[str], process_per_core: bool) -> Ready:
    mapped = job.mapped if isinstance(job.mapped, MappedNetwork) else one_large_core(job.mapped)
    schedule = mapped.network.schedule if job.schedule is None else job.schedule
    state = check_lava(mapped.network, job.stimulus, schedule, process_per_core, job.state)
    record = record if job.record is None else job.record
    check_record(mapped.network, record)
    return Ready(mapped, job.stimulus, schedule, state, tuple(dict.fromkeys(record)))


def _write_job(folder: Path, ready: Ready, options: dict[str, Any]) -> None:
    folder.mkdir()
    npz.save(ready.mapped, folder / "mapped.npz")
    npz.save(ready.stimulus, folder / "stimulus.npz")
    if ready.state is not None:
        npz.save(ready.state, folder / "state.npz")
    (folder / "options.json").write_text(json.dumps({"schedule": asdict(ready.schedule), **options}))


def _read_trace(folder: Path) -> Trace:
    try:
        return npz.load(folder / "trace.npz", Trace)
    except FormatError as error:
        raise TargetError(f"Lava left no trace ({error}); run it again, or see `unlayered doctor`") from error


def _check_limits(mapped: MappedNetwork, schedule: Schedule, trace: Trace) -> None:
    """Lava's own processes have Lava's edges; another profile is only the same as long as none is reached."""
    own = ARITHMETICS["lava"]
    profile = ARITHMETICS[mapped.network.arithmetic]
    stock = any(MODELS[p.neuron.MODEL].is_stock(p) for p in mapped.network.populations)
    same = not stock or replace(profile, name=own.name) == own
    reached = {name: n for name, n in trace.limits_reached.items() if n}
    if schedule.kind == "layered" and not same and reached:
        first, n = next(iter(reached.items()))
        raise ValueError(
            f"the registers reached the limit {first!r} {n} times, where Lava's LIF differs from {profile.name!r} "
            "arithmetic; calibrate with more headroom, or run on the reference"
        )
