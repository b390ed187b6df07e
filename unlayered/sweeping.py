"""What group size and order make of a network: accuracy, spikes, forward steps, energy; one row a schedule."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure
from rich.table import Table

from exchange import npz
from exchange.plain import newer
from exchange.seal import seal
from ir.check import FormatError, check_choice, require
from ir.mapped import MappedNetwork
from ir.schedule import ORDERS, Schedule, group_of, group_word
from ir.state import digest_of, fingerprint
from ir.stimulus import Stimulus
from sim_reference.compare.settling import settled
from sim_reference.compare.statistics import statistics
from unlayered.console import Tick, plain, table
from unlayered.costs import cost_of_counts
from unlayered.execute import RunOptions, run_safely
from unlayered.sources import AnyNetwork, plain_network

NAME, VERSION = "unlayered sweep", 1
FORMAT = f"{NAME} {VERSION}"
"""What the JSON says of itself; unlayered/sweeping.schema.json describes it."""

NOT_SEALED = ("seal", "plot")
"""Beside what is sealed; releases before this one sealed nothing."""


@dataclass(frozen=True)
class Row:
    """A network under one schedule, means over samples.

    Attributes:
        F, order: None under the layered schedule; F is ``all`` where everything is served.
        latency: forward steps until the first output spike. decided: until the decision stands, over the samples that
            decide.
        undecided: share of the samples without an output spike.
        energy_pj, time_ns: of a sample, (value, low, high); None where it is not mapped onto a chip with costs.
    """

    schedule: str
    F: int | str | None
    order: str | None
    accuracy: float | None
    spikes: float
    forward_steps: float
    latency: float | None
    decided: float | None
    undecided: float
    energy_pj: tuple[float, float, float] | None
    time_ns: tuple[float, float, float] | None

    @property
    def name(self) -> tuple[str, int | str | None, str | None]:
        """Which schedule it is."""
        return self.schedule, self.F, self.order


@dataclass(frozen=True)
class Sweep:
    """All rows of a sweep.

    Attributes:
        network: as it was named. made_of: which numbers of which network on which samples, as a fingerprint.
    """

    network: str
    made_of: str
    samples: int
    rows: tuple[Row, ...]

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        value = {"format": FORMAT, **asdict(self)}
        return {**value, "seal": seal(value)}


def schedules_of(default: Schedule, sizes: Sequence[str], orders: Sequence[str]) -> list[Schedule]:
    """The layered schedule, then every group size under every order; what serves all does so in any order, once.

    Raises:
        ValueError: a size is no whole number, or an order is unknown.
    """
    for order in orders:
        check_choice("--order", order, ORDERS)
    found = [replace(default, kind="layered")]
    for word in dict.fromkeys(sizes):
        require(
            word == "all" or (word.isdecimal() and int(word) > 0),
            f"--F holds {word!r}; give whole numbers from 1, or all",
        )
        f = group_of(int(word) if word.isdecimal() else word)
        for order in list(dict.fromkeys(orders))[: 1 if f is None else None]:
            found.append(replace(default, kind="asynchronous", F=f, order=order))
    return found


def made_of(network: AnyNetwork, stimulus: Stimulus) -> str:
    """A fingerprint of all that a row depends on beside kind, F and order of its schedule: numbers of the network and
    of its encoder, the rest of its schedule, chip and places of its cores, samples."""
    body = plain_network(network)
    on_chip = (network.chip, network.core_of_neuron, network.cores) if isinstance(network, MappedNetwork) else None
    schedule = replace(body.schedule, kind="asynchronous", F=1, order="fifo")
    samples = stimulus.frames, stimulus.sample_ids, stimulus.labels, stimulus.events
    return digest_of(NAME, (fingerprint(body), body.encoder, schedule, on_chip, samples))[:16]


def kept(path: Path, key: str) -> tuple[Row, ...]:
    """The rows of an earlier run of the same sweep; none where there is no file.

    Raises:
        FormatError: the file is none of ours, or of another network or other samples.
    """
    if not path.exists():
        return ()
    way = "choose another --out, or remove it"
    try:
        value = json.loads(path.read_bytes())
        check_whole(value)
        same = value["made_of"] == key
        rows = tuple(_row(x) for x in value["rows"])
    except FormatError as error:
        raise FormatError(f"{path} {error}; {way}") from error
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise FormatError(f"{path} is there and is no sweep of ours; {way}") from error
    if not same:
        raise FormatError(f"{path} is a sweep of another network or of other samples; {way}")
    return rows


def check_whole(value: Any) -> None:
    """Raise unless a value read back is a sweep of a form that this release knows, as whole as its seal says.

    Raises:
        FormatError: what is wrong with the file, as the end of a sentence about it.
    """
    form = value.get("format") if isinstance(value, dict) else None
    words = str(form).rpartition(" ")
    if words[0] == NAME and words[2].isdecimal() and int(words[2]) > VERSION:
        raise FormatError(newer(int(words[2]), VERSION))
    if form != FORMAT:
        raise FormatError("is no sweep of ours")
    said = {name: part for name, part in value.items() if name not in NOT_SEALED}
    if "seal" in value and value["seal"] != seal(said):
        raise FormatError("is damaged: it does not say what was written")


def _row(value: dict[str, Any]) -> Row:
    found: dict[str, Any] = {name: tuple(x) if isinstance(x, list) else x for name, x in value.items()}
    return Row(**found)


def measured(network: AnyNetwork, stimulus: Stimulus, schedule: Schedule, allow_unsafe: bool) -> Row:
    """Run a network under one schedule."""
    options = RunOptions(allow_unsafe=allow_unsafe)
    ran = run_safely(network, stimulus, schedule, "reference", options, lambda done, total: None)
    numbers, stands = statistics(ran.trace), settled(ran.trace)
    cost = None
    if isinstance(ran.network, MappedNetwork):
        cost = cost_of_counts(ran.network, ran.trace, ran.inputs, ran.delivered)
    first = float("nan") if numbers.first_output is None else numbers.first_output.mean()[0]
    decides = stands >= 0
    queued = schedule.kind == "asynchronous"
    found = Row(
        schedule.kind,
        group_word(schedule.F) if queued else None,
        schedule.order if queued else None,
        numbers.accuracy,
        float(numbers.spikes_per_sample.mean()),
        numbers.forward_steps_per_time_step,
        first,
        float(stands[decides].mean()) if decides.any() else None,
        float(1 - decides.mean()),
        None if cost is None else (cost.energy_pj.value, cost.energy_pj.low, cost.energy_pj.high),
        None if cost is None else (cost.time_ns.value, cost.time_ns.low, cost.time_ns.high),
    )
    return _row(plain(asdict(found)))


Measured = Callable[[AnyNetwork, Stimulus, Sequence[Schedule], bool], Iterable[tuple[int, Row]]]
"""Runs a network under each schedule: (which of them, its row), in any order."""


def one_by_one(
    network: AnyNetwork, stimulus: Stimulus, schedules: Sequence[Schedule], allow_unsafe: bool
) -> Iterator[tuple[int, Row]]:
    """Run them in this process, one after the other."""
    for i, schedule in enumerate(schedules):
        yield i, measured(network, stimulus, schedule, allow_unsafe)


def swept(
    name: str,
    network: AnyNetwork,
    stimulus: Stimulus,
    schedules: Sequence[Schedule],
    out: Path,
    allow_unsafe: bool,
    tick: Tick,
    wrote: Callable[[int], None],
    by: Measured = one_by_one,
) -> Sweep:
    """Run every schedule that ``out`` does not hold yet; it is written after each.

    Args:
        wrote: called with how many rows are kept.
        by: who runs them; the file says the same whoever did, and in which order.
    """
    key = made_of(network, stimulus)
    before = {row.name: row for row in kept(out, key)}
    wanted = [("layered", None, None) if s.kind == "layered" else (s.kind, group_word(s.F), s.order) for s in schedules]
    left = {which: schedule for which, schedule in zip(wanted, schedules) if which not in before}
    rows, order = dict(before), [*before, *left]
    tick(len(before), len(order))
    if before:
        wrote(len(before))
    for i, row in by(network, stimulus, list(left.values()), allow_unsafe):
        rows[list(left)[i]] = row
        sweep = Sweep(name, key, stimulus.n_samples, tuple(rows[which] for which in order if which in rows))
        npz.write_atomically(out, json.dumps(sweep.to_dict(), indent=1).encode())
        wrote(len(rows))
        tick(len(rows), len(order))
    return Sweep(name, key, stimulus.n_samples, tuple(rows[which] for which in wanted))


COLUMNS = ("schedule", "F", "order", "accuracy", "spikes", "steps", "first", "decided", "energy nJ")


def told(sweep: Sweep) -> Table:
    """One table; steps a time step, first output spike and decision in forward steps."""
    rows = [
        (
            r.schedule,
            "-" if r.F is None else str(r.F),
            r.order or "-",
            r.accuracy,
            r.spikes,
            r.forward_steps,
            r.latency,
            r.decided,
            None if r.energy_pj is None else r.energy_pj[0] / 1e3,
        )
        for r in sweep.rows
    ]
    return table(f"{sweep.network}, means of {sweep.samples} samples", COLUMNS, rows)


COLOURS = {"momentum": "#3b8fd6", "random": "#e0851b", "fifo": "#2fa57a"}
OTHER = "#8c7ae6"


def paint(figure: Figure, sweep: Sweep) -> None:
    """Accuracy against spikes a sample; a line an order, a point a group size, the layered schedule beside."""
    ax = figure.subplots()
    rows = [r for r in sweep.rows if r.accuracy is not None]
    for order in dict.fromkeys(r.order for r in rows if r.order is not None):
        own = [r for r in rows if r.order == order]
        colour = COLOURS.get(order, OTHER)
        ax.plot([r.spikes for r in own], [r.accuracy or 0.0 for r in own], "o-", ms=4, lw=1, color=colour, label=order)
        for r in own:
            where = (r.spikes, r.accuracy or 0.0)
            ax.annotate(f"{r.F}", where, xytext=(3, 3), textcoords="offset points", fontsize=7, color=colour)
    layered = [(r.spikes, r.accuracy or 0.0) for r in rows if r.schedule == "layered"]
    ax.plot([x for x, _ in layered], [y for _, y in layered], "*", ms=11, color="#c46ba0", label="layered")
    ax.set_xlabel("spikes a sample")
    ax.set_ylabel("accuracy")
    ax.legend()
