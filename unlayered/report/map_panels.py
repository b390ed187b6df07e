"""What a page shows of a map and its runs: where neurons lie, the traffic, the energy of a sample, and the player."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from ir.arrays import Floats, Ints
from ir.chip import Range
from ir.encoder import body_of, spikes_of
from ir.mapped import MappedNetwork
from ir.schedule import Schedule
from ir.stimulus import Stimulus
from ir.trace import Trace
from ir.words import counted
from unlayered.costs import cost_facts, cost_of_run, in_units
from unlayered.execute import run_reference
from unlayered.mapping import POPULATION_COLUMNS, look_again, mapping_facts, population_rows
from unlayered.report import result_figures
from unlayered.report.map_page import board_panels, core_table, fullest_rows
from unlayered.report.material import fits
from unlayered.report.page import Panel, figures_of, folded, html_table, section
from unlayered.report.player import player, schedule_title
from unlayered.sources import input_counts
from unlayered.timed import PJ, PS, price_of

ENERGY_WORDS = (
    "Dynamic energy: what the sample's own events take, counted from its spikes and multiplied by the chip's "
    "constants; no static power, no input or output of the chip. A range is what those constants leave open, not a "
    "confidence interval: a board's own measurement lies inside it if the constants hold."
)
NO_INPUT = "Energy needs the input's events, which a trace does not hold: add --data with what the run was given."
TIMED_WORDS = (
    "What the sample's events take on a chip without a barrier, by circuit, with the standing power of its cores for "
    "as long as it lasts. A range is what the chip's published constants leave open, not a confidence interval."
)
NOT_TIMED = "A chip without a barrier is priced by its time: give a run that was made with --on clockless."
BY_SPIKES = {
    True: "packets a time step, as counted in {}",
    False: "packets a time step of the neurons, as counted in {}; events of the input are left out (--data adds them)",
}


@dataclass(frozen=True, eq=False)
class Placed:
    """A map, and those of the given runs that may be its own: in integers where there are any.

    Attributes:
        stimulus: what the runs were given; None = not known.
    """

    name: str
    mapped: MappedNetwork
    traces: tuple[tuple[str, Trace], ...]
    stimulus: Stimulus | None


def placed(name: str, mapped: MappedNetwork, traces: Sequence[tuple[str, Trace]], stimulus: Stimulus | None) -> Placed:
    """Find the runs of a map."""
    own = tuple((word, trace) for word, trace in traces if fits(mapped, trace) and len(trace.sample_ids))
    integers = tuple(x for x in own if x[1].executor != "E0")
    return Placed(name, mapped, integers or own, stimulus)


def fed(mapped: MappedNetwork, trace: Trace, stimulus: Stimulus | None) -> Stimulus | None:
    """What a run's mapped neurons were given, behind the encoder where there is one; None where it is not known."""
    if trace.host is not None:
        return Stimulus(trace.host, trace.sample_ids, trace.labels)
    found = None if stimulus is None else same_samples(stimulus, trace)
    if found is None or found.frames.shape[2] != mapped.network.n_data:
        return None
    return spikes_of(mapped, found)


def same_samples(stimulus: Stimulus, trace: Trace) -> Stimulus | None:
    """The samples of a run; None where some are not there or another length."""
    assert stimulus.sample_ids is not None
    place = {int(x): i for i, x in enumerate(stimulus.sample_ids)}
    at = [place.get(int(x), -1) for x in trace.sample_ids]
    if min(at, default=-1) < 0 or len(stimulus.frames) != len(trace.forward_steps):
        return None
    return stimulus.select(np.array(at, np.int64))


def rates_of(trace: Trace, inputs: Ints | None, n_inputs: int) -> Floats:
    """(N + inputs,) spikes a time step of each source; inputs that are not known are silent."""
    t, b = trace.forward_steps.shape
    counts = np.zeros(n_inputs) if inputs is None else inputs
    return np.concatenate([trace.counts.sum(0, dtype=np.float64), counts]) / max(t * b, 1)


def board_section(one: Placed) -> str:
    """Where the neurons lie, and the packets of the last run of the map; without one, one spike a source."""
    name, mapped, traces, stimulus = one.name, one.mapped, one.traces, one.stimulus
    if mapped.chip is None:
        return section(f"Map: {name}", "This network lies on no chip; unlayered map places it.")
    inputs, words, rates = None, "packets, one a source (no run of this map is given)", None
    if traces:
        run, trace = traces[-1]
        given = fed(mapped, trace, stimulus)
        inputs = None if given is None else input_counts(given)
        rates, words = rates_of(trace, inputs, mapped.network.n_inputs), BY_SPIKES[inputs is not None].format(run)
    made = look_again(mapped, rates)
    said = (
        f"{counted(mapped.network.n_neurons, 'neuron')} on {counted(len(mapped.cores), 'core')} of "
        f"{mapped.chip.title}. Traffic: {words}."
    )
    rows = [(k, v) for k, v in mapping_facts(made).items() if not k.startswith("fullest")]
    tables = [
        html_table(POPULATION_COLUMNS, population_rows(made)),
        html_table(("limit", "fullest core", "uses", "of", "share"), fullest_rows(made)),
        html_table(("", ""), rows),
        core_table(made),
    ]
    return section(f"Map: {name}", said, figures_of(board_panels(made), name), *tables)


def energy_sections(one: Placed) -> list[str]:
    """What a sample of each run of the map takes, kind of event by kind of event."""
    chip, title = one.mapped.chip, f"Energy and time of a sample: {one.name}"
    if not one.traces or chip is None:
        return []
    if not chip.costs:
        return [section(title, f"The file of {chip.title} holds no costs.")]
    panels, tables = list[Panel](), list[str]()
    rows: list[tuple[object, ...]] = []
    for run, trace in one.traces:
        found = _priced(one, trace)
        if found is None:
            continue
        total, spent, time = found
        rows.append((run, schedule_title(trace), in_units(total, PJ), time))
        listed = [(k, v) for k, v in sorted(spent.items(), key=lambda x: -x[1].value) if v.high > 0]
        unit, size = next(((u, s) for u, s in reversed(PJ) if total.value >= s), PJ[0])
        paint = partial(result_figures.energy, parts=[(_event(k), v) for k, v in listed], unit=unit, size=size)
        panels.append((f"Energy by component: {run}", paint, 1.0 + 0.22 * len(listed)))
        table = [(_event(k), v.value / size, v.low / size, v.high / size) for k, v in listed]
        tables.append(folded(f"{run}, in numbers", html_table(("energy of", unit, "low", "high"), table)))
    if not rows:
        return [section(title, NO_INPUT if chip.kind == "barrier" else NOT_TIMED)]
    words = ENERGY_WORDS if chip.kind == "barrier" else TIMED_WORDS
    shown = html_table(("run", "schedule", "energy", "time"), rows), figures_of(panels, one.name)
    return [section(title, words, *shown, *tables)]


def _priced(one: Placed, trace: Trace) -> tuple[Range, dict[str, Range], str] | None:
    """Energy of a run's mean sample, in all and by kind of event, and its time; None where that is not known."""
    assert one.mapped.chip is not None
    if trace.timing is not None:
        price = price_of(trace.timing, one.mapped.chip)
        end = Range(*(float(trace.timing.end_ps.mean()),) * 3)
        return None if price is None else (price.energy_pj, price.parts_pj, in_units(end, PS).split(" (")[0])
    stimulus = fed(one.mapped, trace, one.stimulus)
    cost = None if stimulus is None else cost_of_run(body_of(one.mapped), trace, stimulus)
    return None if cost is None else (cost.energy_pj, cost.parts_pj, cost_facts(cost)["time"])


EVENTS = {
    "synop_dense": "synapses, dense",
    "synop_sparse": "synapses, sparse",
    "synop_conv": "synapses, convolution",
    "neuron_active": "updates, active",
    "neuron_inactive": "updates, inactive",
    "spike_out": "spikes",
    "packet_out": "packets",
    "hop_x": "hops along rows",
    "hop_y": "hops along columns",
    "chip_link": "links between chips",
}


def _event(name: str) -> str:
    return EVENTS.get(name, name.replace("_", " "))


PLAYER_WORDS = (
    "A core lights up as its neurons fire; a packet leaves when its spike is served and travels along the row first, "
    "then along the column. The runs share one clock of forward steps. Events of the input are not drawn."
)


NOTHING = (
    "Nothing to play: it needs a run of this map by forward steps that recorded its spikes and holds the sample; a "
    "timed run has no forward steps that all cores share."
)


def player_sections(one: Placed, sample: int | None) -> list[str]:
    """One sample on the mesh, layered beside asynchronous.

    Args:
        sample: None = the first that a run of either kind has.
    """
    mapped, stimulus = one.mapped, one.stimulus
    recorded = [(word, trace) for word, trace in one.traces if trace.spikes is not None and trace.timing is None]
    title = f"Player: {one.name}"
    if mapped.chip is None or not one.traces:
        return []
    shown = _sample(recorded, sample)
    if shown is None:
        return [section(title, NOTHING)]
    runs, said = side_by_side(mapped, recorded, stimulus, shown)
    if not runs:
        return [section(title, *said)]
    return [section(f"{title}, sample {shown}", PLAYER_WORDS, *said, player(mapped, runs, shown))]


def _sample(traces: Sequence[tuple[str, Trace]], asked: int | None) -> int | None:
    """The sample to play: asked for, or the first of the runs; None where nothing has it."""
    held = [int(x) for _, trace in traces for x in trace.sample_ids]
    if asked is not None:
        return asked if asked in held else None
    kinds = {trace.schedule.kind: set(trace.sample_ids.tolist()) for _, trace in reversed(traces)}
    both = set.intersection(*kinds.values()) if kinds else set[int]()
    return next((x for x in held if x in both), held[0] if held else None)


def side_by_side(
    mapped: MappedNetwork, traces: Sequence[tuple[str, Trace]], stimulus: Stimulus | None, sample: int
) -> tuple[dict[str, Trace], list[str]]:
    """A layered and an asynchronous run of one sample, and what there is to say where one is missing.

    The one that is missing runs in the reference simulator, where the input is known.
    """
    found: dict[str, tuple[str, Trace]] = {}
    for name, trace in traces:
        if sample in trace.sample_ids:
            found.setdefault(trace.schedule.kind, (f"{name} ({trace.executor})", trace))
    said: list[str] = []
    for kind in ("layered", "asynchronous"):
        if kind in found or not found:
            continue
        one = _one(stimulus, sample)
        if one is None or one.frames.shape[2] != mapped.network.n_data:
            said.append(f"No {kind} run beside it: give one of this map, or --data, and it is run here.")
            continue
        own = mapped.network.schedule
        schedule = own if own.kind == kind else Schedule(kind="layered") if kind == "layered" else Schedule()
        try:
            found[kind] = "run for this page (E2)", run_reference(mapped, one, schedule, lambda done, total: None)
        except ValueError as error:
            said.append(f"No {kind} run beside it: {error}.")
    order = [found[kind] for kind in ("layered", "asynchronous") if kind in found]
    names = [name if name not in {n for n, _ in order[:i]} else f"{name}, {i + 1}" for i, (name, _) in enumerate(order)]
    return dict(zip(names, (trace for _, trace in order))), said


def _one(stimulus: Stimulus | None, sample: int) -> Stimulus | None:
    if stimulus is None:
        return None
    assert stimulus.sample_ids is not None
    at = np.flatnonzero(stimulus.sample_ids == sample)
    return stimulus.select(at[:1]) if len(at) else None
