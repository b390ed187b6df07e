"""``unlayered run``: a network, an executor, a trace."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table

from unlayered.console import facts, progress, show
from unlayered.destinations import check_apart, check_destinations
from unlayered.options import (
    AllowUnsafe,
    As,
    Data,
    DataOption,
    Dt,
    F,
    InputRule,
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
)

if TYPE_CHECKING:
    from unlayered.execute import Run

On = Annotated[str, typer.Option("--on", help="reference (E2), lava (E3) or trainer (E1); floats run as E0.")]
Chip = Annotated[str | None, typer.Option("--chip", help="Give a network of floats this chip's integers first.")]
TimeLimit = Annotated[float | None, typer.Option("--time-limit", min=1.0, help="Seconds that Lava may take.")]
ProcessPerCore = Annotated[
    bool, typer.Option("--process-per-core", help="On Lava: processes of its own for every core; slower.")
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
    as_json: Json = False,
) -> None:
    """Run a network and write every spike into a trace.

    An unmapped network runs on one large core. The schedule is the one the network was trained for; flags change it.
    What a chip or Lava would not compute alike on these data is refused with the layer and the number.

      unlayered run mapped.npz --on reference --data digits --out a.npz
      unlayered run mapped.npz --on lava --data digits --samples 50 --out b.npz
      unlayered run mapped.npz --on reference --data digits --F 1 --order random --seed 3 --out c.npz
      unlayered run net --on reference --data frames.npy --schedule layered --out d.npz
      unlayered run own --on reference --data folder:recordings --out e.npz
      unlayered run net --on reference --data frames.npy --keep-state s.npz --out f.npz
      unlayered run net --on reference --data frames.npy --state s.npz --out g.npz
    """
    from exchange import npz
    from ir.state import State
    from stimuli.own.options import options_of_words
    from unlayered.execute import RunOptions, run_safely
    from unlayered.sources import check_width, open_network, open_stimulus, other_time_steps, path_of, plain_network

    _check_paths(out, keep_state, network, path_of(data, root), state)
    before = None if state is None else npz.load(state, State)
    opened = open_network(network, as_, dt)
    inner = plain_network(opened)
    flags = ScheduleFlags(schedule, f, order, scope, input_rule, r, stop_after, stop_after_output, seed)
    stimulus = open_stimulus(data, root, split, samples, options_of_words(data_option or ()))
    check_width(stimulus, inner.n_inputs, data)
    options = RunOptions(chip, time_limit, process_per_core, allow_unsafe, before, keep_state is not None)
    with progress(f"{on}: samples", as_json) as tick:
        ran = run_safely(opened, stimulus, flags.on(inner.schedule), on, options, tick)
    _write(ran, out, keep_state)
    numbers, lines = _told(ran, f"{network} on {on}")
    show({**numbers, "trace": str(out)}, as_json, *lines, *other_time_steps(stimulus, inner.dt_s), f"wrote {out}")


def _check_paths(out: Path, keep_state: Path | None, *read: Path | None) -> None:
    """Raise unless results go to files of their own."""
    written = [path for path in (out, keep_state) if path is not None]
    check_destinations(*written)
    for path in written:
        check_apart(path, *(x for x in read if x is not None))


def _write(ran: Run, out: Path, keep_state: Path | None) -> None:
    """Write the trace, and the state where it was asked for."""
    from exchange import npz

    files = {out: npz.encoded(replace(ran.trace, state=None))}
    if keep_state is not None:
        files[keep_state] = npz.encoded(ran.trace.state)
    npz.write_together(files)


def _told(ran: Run, title: str) -> tuple[dict[str, Any], list[Table | str]]:
    """A run in numbers, and as lines for a person."""
    from ir.mapped import MappedNetwork
    from sim_reference.compare.statistics import statistics
    from sim_reference.compare.summary import readable, summary
    from unlayered.costs import cost_facts, cost_of_counts
    from unlayered.safety import other_edges, overflows, warnings

    numbers = summary(ran.trace, statistics(ran.trace))
    cost = cost_of_counts(ran.network, ran.trace, ran.inputs) if isinstance(ran.network, MappedNetwork) else None
    costs = {} if cost is None else cost_facts(cost)
    value = {**numbers, "outside_envelope": [str(finding) for finding in ran.unsafe], "cost": costs or None}
    lines: list[Table | str] = [facts(title, readable(numbers))]
    if costs:
        lines.append(facts("The mean sample costs on the chip", costs.items()))
    if isinstance(ran.network, MappedNetwork):
        lines += other_edges(ran.network, ran.unsafe)
    return value, [*lines, *warnings(ran.unsafe), *overflows(ran.trace.limits_reached)]
