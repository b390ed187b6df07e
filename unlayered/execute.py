"""Run any network on any executor."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import reduce
from operator import add
from typing import TYPE_CHECKING, NamedTuple

from exchange.chip_toml import find_chip
from ir.arrays import Ints
from ir.check import check_choice, check_type, require
from ir.chip import Chip
from ir.encoder import body_of, encoded
from ir.formats import Excess
from ir.mapped import MappedNetwork
from ir.network import Network
from ir.quantized import QuantizedNetwork
from ir.schedule import Schedule
from ir.state import State, check_state, with_past
from ir.stimulus import Stimulus
from ir.timing import EffectLog
from ir.trace import Trace
from ir.trace_parts import join
from targets.clockless.options import Timekeeping
from unlayered.console import Tick
from unlayered.safety import THIS_INPUT, check_safe
from unlayered.sources import AnyNetwork, Samples, chip_names, input_counts, mapped_of

if TYPE_CHECKING:
    from mapper.cost import Delivered


@dataclass(frozen=True)
class RunOptions:
    """How a run is carried out, beside its schedule.

    Attributes:
        chip: whose integers a network of floats takes; None = floats stay floats (Lava: ``loihi2``).
        time_limit_s: wall-clock limit of Lava.
        process_per_core: on Lava, a process for every core.
        allow_unsafe: run what lies outside the safe envelope, too.
        state: where the samples go on from; None = they begin.
        keep_state: leave ``trace.state``, for a run of the time steps that follow.
        time: on a clockless chip, how time is kept; None = frames at once, each at quiescence.
        on_log: called on a clockless chip with the position of each sample and the log of its effects.
        replay: there, replay every sample's log and hold the run to it.
    """

    chip: str | None = None
    time_limit_s: float | None = None
    process_per_core: bool = False
    allow_unsafe: bool = False
    state: State | None = None
    keep_state: bool = False
    time: Timekeeping | None = None
    on_log: Callable[[int, EffectLog], None] | None = None
    replay: bool = False

    def __post_init__(self) -> None:
        check_type("the state", self.state, (State, type(None)), "what a run with keep_state left, trace.state")


Execute = Callable[[Network | MappedNetwork, Stimulus, Schedule, str, RunOptions, Tick], Trace]
"""Like :func:`execute`: in this process, or spread over others."""


@dataclass(frozen=True, eq=False)
class Run:
    """What was run and what came of it.

    Attributes:
        network: as the executor was given it.
        unsafe: what lies outside the safe envelope, where that was allowed.
        inputs: (N_in,) events of each input, all samples together.
        delivered: what reached its targets; nothing is known of it where nothing is priced by it.
    """

    network: Network | MappedNetwork
    trace: Trace
    unsafe: tuple[Excess, ...]
    inputs: Ints
    delivered: Delivered


def run_safely(
    network: AnyNetwork,
    samples: Samples,
    schedule: Schedule,
    on: str,
    options: RunOptions,
    tick: Tick,
    by: Execute | None = None,
) -> Run:
    """Run ``network`` on one executor, inside the safe envelope unless the options say otherwise.

    Own data that do not fit memory are run piece by piece; samples are apart, so the trace is that of one run.

    Args:
        by: who runs it; None = :func:`execute`, in this process.
    """
    from unlayered.costs import delivered_in

    ready = ready_for(network, on, options)
    body = body_of(ready)
    traces: list[Trace] = []
    unsafe: dict[str, Excess] = {}
    inputs: Ints | None = None
    reached: list[Delivered] = []
    for piece, ticked in pieces_of(samples, tick):
        host = encoded(ready, piece, options.state)
        stimulus, own = host.spikes, replace(options, state=host.body)
        unsafe |= {str(found): found for found in envelope_of(body, stimulus, schedule, on, own)}
        traces.append(host.beside((by or execute)(body, stimulus, schedule, on, own, ticked)))
        inputs = input_counts(stimulus) + (0 if inputs is None else inputs)
        reached.append(delivered_in(body, traces[-1], stimulus))
    assert inputs is not None
    return Run(ready, join(traces), tuple(unsafe.values()), inputs, reduce(add, reached))


def pieces_of(samples: Samples, tick: Tick) -> Iterator[tuple[Stimulus, Tick]]:
    """Samples as stimuli that fit memory, each with what counts its samples among all."""
    if isinstance(samples, Stimulus):
        yield samples, tick
        return
    done = 0
    for piece in samples.pieces():

        def ticked(n: int, total: int, before: int = done) -> None:
            tick(before + n, samples.n_samples)

        yield piece.stimulus(), ticked
        done += piece.n_samples


def ready_for(network: AnyNetwork, on: str, options: RunOptions) -> Network | MappedNetwork:
    """What an executor is given: a network of floats gets a chip's integers where ``--chip`` or Lava asks for them.

    Raises:
        ValueError: the network has integers already, of another chip than is asked for.
    """
    check_choice("--on", on, EXECUTORS)
    if options.chip is not None and not isinstance(network, Network) and on != "clockless":  # which says it itself
        _check_own_chip(network, find_chip(options.chip))
    if isinstance(network, MappedNetwork) and options.chip is None:
        return network
    if EXECUTORS[on].integers_only or options.chip is not None or not isinstance(network, Network):
        return mapped_of(network, find_chip(options.chip or EXECUTORS[on].chip))
    return network


def _check_own_chip(network: QuantizedNetwork | MappedNetwork, asked: Chip) -> None:
    own = network.chip if isinstance(network, MappedNetwork) else None
    anew = "leave --chip out, or give the network of floats"
    if own is not None:
        require(own == asked, f"the network is mapped onto {own.title}, --chip says {asked.title}; {anew}")
    had = network.network.arithmetic if isinstance(network, MappedNetwork) else network.arithmetic
    same = had == asked.arithmetic
    require(same, f"the network has integers of {had}, {asked.title} computes as {asked.arithmetic}; {anew}")


def envelope_of(
    network: Network | MappedNetwork, stimulus: Stimulus, schedule: Schedule, on: str, options: RunOptions
) -> tuple[Excess, ...]:
    """What of a network for a chip or for Lava lies outside the safe envelope on these very frames, where allowed.

    Raises:
        ValueError: something does, and ``allow_unsafe`` is not set.
    """
    if isinstance(network, Network):
        return ()
    integers = replace(network.network, schedule=schedule)
    chip = network.chip or (find_chip(options.chip) if options.chip else None)
    if chip is None:
        if not EXECUTORS[on].integers_only:
            return ()
        chip = find_chip(integers.arithmetic) if integers.arithmetic in chip_names() else None
    frames, state = stimulus.frames, options.state
    if state is not None:
        frames = with_past(stimulus, check_state(network.network, state, stimulus.sample_ids)).frames
    t0 = 0 if state is None else state.t
    return check_safe(integers, chip or integers.arithmetic, frames, options.allow_unsafe, THIS_INPUT, t0)


def _on_lava(
    network: Network | MappedNetwork, stimulus: Stimulus, schedule: Schedule, options: RunOptions, tick: Tick
) -> Trace:
    from targets.lava.run import TIME_LIMIT_S, run

    assert isinstance(network, MappedNetwork)
    return run(
        network,
        stimulus,
        schedule,
        progress=tick,
        time_limit_s=TIME_LIMIT_S if options.time_limit_s is None else options.time_limit_s,
        process_per_core=options.process_per_core,
        state=options.state,
        keep_state=options.keep_state,
    )


def run_reference(
    mapped: MappedNetwork, stimulus: Stimulus, schedule: Schedule, tick: Tick, options: RunOptions | None = None
) -> Trace:
    """E2: the integers in the compiled twin of the reference simulator, held equal to it by the tests."""
    from sim_reference.fast import run

    options = options or RunOptions()
    return run(mapped, stimulus, schedule, progress=tick, state=options.state, keep_state=options.keep_state)


def _on_reference(
    network: Network | MappedNetwork, stimulus: Stimulus, schedule: Schedule, options: RunOptions, tick: Tick
) -> Trace:
    if isinstance(network, Network):  # the simulator's are integers; floats have one executor
        return _on_trainer(network, stimulus, schedule, options, tick)
    return run_reference(network, stimulus, schedule, tick, options)


def _on_trainer(
    network: Network | MappedNetwork, stimulus: Stimulus, schedule: Schedule, options: RunOptions, tick: Tick
) -> Trace:
    from trainer.execute import run

    return run(network, stimulus, schedule, progress=tick, state=options.state, keep_state=options.keep_state)


def _on_clockless(
    network: Network | MappedNetwork, stimulus: Stimulus, schedule: Schedule, options: RunOptions, tick: Tick
) -> Trace:
    from sim_reference.replay import check_law
    from targets.clockless.run import IDEAL, run

    assert isinstance(network, MappedNetwork)
    goes_on = options.state is not None or options.keep_state
    require(not goes_on, "a timed run begins and ends with its samples; leave the state out, or run --on reference")
    logs: dict[int, EffectLog] = {}

    def keep(b: int, log: EffectLog) -> None:
        if options.replay:
            logs[b] = log
        if options.on_log is not None:
            options.on_log(b, log)

    trace = run(
        network,
        stimulus,
        schedule,
        chip=clockless_chip(network, options.chip),
        time=options.time or IDEAL,
        on_log=keep if options.replay or options.on_log is not None else None,
        progress=tick,
    )
    for b, log in logs.items():
        check_law(network, stimulus, trace, b, log)
    return trace


def clockless_chip(network: MappedNetwork, chip: str | None) -> Chip:
    """The chip that a timed run takes its time by: the one it is mapped to, else the one that is named."""
    return network.chip or find_chip(chip or EXECUTORS["clockless"].chip)


class Executor(NamedTuple):
    """What runs a network.

    Attributes:
        what: in a line.
        run: network, stimulus, schedule, options and progress to a trace.
        integers_only: a network of floats takes a chip's integers first.
        chip: whose, where none is named.
    """

    what: str
    run: Callable[[Network | MappedNetwork, Stimulus, Schedule, RunOptions, Tick], Trace]
    integers_only: bool = False
    chip: str = "loihi2"


EXECUTORS = {
    "reference": Executor("E2, the integers in the reference simulator; E0 for floats", _on_reference),
    "lava": Executor("E3, the integers in Lava processes", _on_lava, integers_only=True),
    "clockless": Executor(
        "E4, the integers on a chip without a barrier, timed", _on_clockless, integers_only=True, chip="seneca"
    ),
    "trainer": Executor("E1, the integers in the trainer's engine; E0 for floats", _on_trainer),
}
"""The values of ``--on``."""


def execute(
    network: Network | MappedNetwork, stimulus: Stimulus, schedule: Schedule, on: str, options: RunOptions, tick: Tick
) -> Trace:
    """Run what :func:`ready_for` made on one executor and record every spike."""
    check_choice("--on", on, EXECUTORS)
    return EXECUTORS[on].run(network, stimulus, schedule, options, tick)
