"""``unlayered run``: a network, an executor, a trace."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from unlayered.clock import Clock, Kept, Replay, Timeline
from unlayered.completing import chips, offered
from unlayered.console import progress, show
from unlayered.destinations import check_all_apart, check_destinations, check_ending
from unlayered.options import (
    AllowUnsafe,
    As,
    Data,
    DataOption,
    Dt,
    F,
    InputRule,
    Insecure,
    Json,
    Kind,
    Order,
    Out,
    R,
    Root,
    Samples,
    ScheduleFlags,
    Scope,
    Seed,
    Split,
    StopAfter,
    StopAfterOutput,
    Workers,
)

if TYPE_CHECKING:
    from ir.schedule import Schedule
    from ir.state import State
    from sim_reference.compare.statistics import Statistics
    from unlayered.cluster.place import Place
    from unlayered.execute import Run, RunOptions
    from unlayered.sources import AnyNetwork
    from unlayered.sources import Samples as Stimuli

On = Annotated[
    str,
    typer.Option(
        "--on",
        help="reference (E2), lava (E3), trainer (E1) or clockless (E4); floats run as E0.",
        autocompletion=offered("unlayered.execute", "EXECUTORS"),
    ),
]
Chip = Annotated[
    str | None,
    typer.Option("--chip", help="Give a network of floats this chip's integers first.", autocompletion=chips),
]
TimeLimit = Annotated[float | None, typer.Option("--time-limit", min=1.0, help="Seconds that Lava may take.")]
ProcessPerCore = Annotated[
    bool, typer.Option("--process-per-core", help="On Lava: processes of its own for every core; slower.")
]


def _installed(asked: bool) -> bool:
    """Refuse before anything is run, where the library is not there."""
    if asked:
        from unlayered.neurobench import check_installed

        check_installed()
    return asked


WithNeurobench = Annotated[
    bool,
    typer.Option(
        "--neurobench",
        help="Also NeuroBench's footprint, sparsity and operations, by its own library.",
        callback=_installed,
    ),
]
FromState = Annotated[Path | None, typer.Option("--state", help="Go on from what --keep-state wrote.")]
KeepState = Annotated[
    Path | None, typer.Option("--keep-state", help="Write where the samples end, for a run that goes on.")
]


def run(
    network: Annotated[Path, typer.Argument(help="A mapped network, a train folder, or a network file.")],
    on: On,
    data: Data,
    out: Out,
    root: Root = None,
    split: Split = "test",
    samples: Samples = None,
    data_option: DataOption = None,
    chip: Chip = None,
    as_: As = None,
    dt: Dt = None,
    schedule: Kind = None,
    f: F = None,
    order: Order = None,
    scope: Scope = None,
    input_rule: InputRule = None,
    r: R = None,
    stop_after: StopAfter = None,
    stop_after_output: StopAfterOutput = None,
    seed: Seed = None,
    time_limit: TimeLimit = None,
    process_per_core: ProcessPerCore = False,
    allow_unsafe: AllowUnsafe = False,
    state: FromState = None,
    keep_state: KeepState = None,
    clock: Clock = None,
    timeline: Timeline = None,
    replay: Replay = False,
    neurobench: WithNeurobench = False,
    workers: Workers = None,
    insecure: Insecure = False,
    as_json: Json = False,
) -> None:
    """Run a network and write every spike into a trace.

    An unmapped network runs on one large core. The schedule is the one the network was trained for; flags change it.
    What a chip or Lava would not compute alike on these data is refused with the layer and the number.

      unlayered run mapped.npz --on reference --data digits --out a.npz
      unlayered run mapped.npz --on lava --data digits --samples 50 --out b.npz
      unlayered run mapped.npz --on reference --data digits --F 1 --order random --seed 3 --out c.npz
      unlayered run own --on reference --data folder:recordings --out e.pieces
      unlayered run net --on reference --data frames.npy --keep-state s.npz --out f.npz
      unlayered run net --on reference --data frames.npy --state s.npz --out g.npz
      unlayered run timed.npz --on clockless --data digits --timeline cores.svg --out h.npz
    """
    from unlayered.execute import RunOptions
    from unlayered.run_told import run_told
    from unlayered.sources import chip_file, open_network, path_of, plain_network

    flags = ScheduleFlags(schedule, f, order, scope, input_rule, r, stop_after, stop_after_output, seed)
    kept, place = Kept(on, clock, timeline, replay, keep_state), _place(workers, insecure)
    _check_paths(out, kept, neurobench, network, path_of(data, root), state, chip_file(chip))
    opened = open_network(network, as_, dt)
    stimulus = _stimulus(data, root, split, samples, data_option, flags.on(plain_network(opened).schedule), on)
    options = RunOptions(chip, time_limit, process_per_core, allow_unsafe, _state_of(state), **kept.options())
    ran, counts, lines = _run(opened, stimulus, flags, on, options, (data, out), kept, as_json, place)
    numbers, told = run_told(ran, counts, f"{network} on {on}", options, stimulus if neurobench else None)
    show({**numbers, "trace": str(out)}, as_json, *told, *lines, *(f"wrote {path}" for path in (out, *kept.files)))


def _place(workers: str | None, insecure: bool) -> Place | None:
    """Where it runs."""
    from unlayered.cluster.place import place_asked

    return place_asked(workers, insecure)


def _stimulus(
    data: str,
    root: Path | None,
    split: str,
    samples: int | None,
    words: list[str] | None,
    schedule: Schedule,
    on: str,
) -> Stimuli:
    """What the network is given."""
    from stimuli.own.options import options_of_words
    from unlayered.sources import open_stimulus, takes_stamps

    return open_stimulus(data, root, split, samples, options_of_words(words or ()), takes_stamps(schedule, on))


def _state_of(path: Path | None) -> State | None:
    """The state that a run goes on from."""
    from exchange import npz
    from ir.state import State

    return None if path is None else npz.load(path, State)


def _run(
    opened: AnyNetwork,
    stimulus: Stimuli,
    flags: ScheduleFlags,
    on: str,
    options: RunOptions,
    names: tuple[str, Path],
    kept: Kept,
    quiet: bool,
    place: Place | None,
) -> tuple[Run, Statistics, list[str]]:
    """Run what was opened and write what is asked for; what there is to say of its time steps.

    Args:
        names: of the data, and of the trace.
    """
    from exchange import npz
    from exchange.pieces import in_pieces
    from sim_reference.compare.statistics import statistics
    from unlayered.cluster.pool import workers_at
    from unlayered.execute import run_safely
    from unlayered.pieces import run_to_pieces
    from unlayered.sources import check_width, other_time_steps, plain_network

    (data, out), inner = names, plain_network(opened)
    check_width(stimulus, inner.n_data, data)
    with workers_at(place) as pool, progress(f"{on}: samples", quiet) as tick:
        words = opened, stimulus, flags.on(inner.schedule), on, options, tick
        if in_pieces(out):
            with run_to_pieces(*words, out, None if pool is None else pool.pieces) as (ran, counts):
                npz.write_together(kept.contents(ran.trace))
        else:
            ran = run_safely(*words, None if pool is None else pool.execute)
            counts = statistics(ran.trace)
            npz.write_together({out: npz.encoded(replace(ran.trace, state=None)), **kept.contents(ran.trace)})
    return ran, counts, other_time_steps(stimulus, inner.dt_s)


def _check_paths(out: Path, kept: Kept, whole: bool, network: Path, *read: Path | None) -> None:
    """Raise unless results go to files of their own, each named so that it can be read, and the trace into one where
    all of it is looked at."""
    from exchange.pieces import ENDING, in_pieces

    check_destinations(out, *kept.files)
    if whole and in_pieces(out):
        raise ValueError("--neurobench counts in a trace in memory; give --out a name that ends in .npz")
    check_all_apart((out, *kept.files), network, *read)
    endings = (out, (".npz", ENDING), "a trace"), (kept.state, ".npz", "a state"), (kept.timeline, ".svg", "a timeline")
    for path, ending, what in endings:
        if path is not None:
            check_ending(path, ending, what)
