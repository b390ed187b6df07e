"""What ``experiments/clockless.py`` measures of one trained network: both kinds of chip, frame periods, schedules."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from benchmarks.execution import chain
from exchange.chip_toml import find_chip
from ir.chip import Chip
from ir.connection import Dense
from ir.graph import layered_order
from ir.mapped import Core, MappedNetwork, one_large_core
from ir.network import Network
from ir.quantized import QuantizedNetwork
from ir.schedule import Schedule
from ir.stimulus import Stimulus
from ir.trace import Trace
from mapper import map_network
from mapper.cost import count_events, estimate
from mapper.quantize import quantize
from sim_reference.compare.statistics import Statistics, batch_positions, statistics
from sim_reference.fast import run as run_reference
from targets.clockless.energy import STATIC, priced
from targets.clockless.options import Timekeeping
from targets.clockless.run import run as run_timed
from unlayered.costs import cost_of_run
from unlayered.fitting import fit
from unlayered.timed import timed_numbers

PERIODS = (2.0, 1.5, 1.0, 0.75, 0.5, 0.35, 0.25, 0.15)
"""Frame periods, in mean times to quiescence."""

FITTED_ON = 100
"""Samples of ``fit-schedule``: half of them choose, the others judge."""

Row = dict[str, Any]


@dataclass(frozen=True)
class Trained:
    """A network, how it was trained, and by which seed."""

    name: str
    seed: int
    schedule: Schedule
    network: Network


def on_cores(integers: QuantizedNetwork, chip: Chip, parts: list[np.ndarray]) -> MappedNetwork:
    """Put groups of neurons on cores of their own, row by row."""
    core = np.concatenate([np.full(len(part), i) for i, part in enumerate(parts)])
    width = max(int(np.ceil(np.sqrt(len(parts) / chip.mesh.cores_per_tile))), 1)
    slots = chip.mesh.cores_per_tile
    places = [(i // slots % width, i // slots // width, i % slots) for i in range(len(parts))]
    return MappedNetwork(integers, chip, core, tuple(Core(i, 0, x, y, slot) for i, (x, y, slot) in enumerate(places)))


def mappings(integers: QuantizedNetwork, chip: Chip, many: int) -> dict[str, MappedNetwork]:
    """As few cores as it fits, a population a core, and the first populations over ``many``."""
    whole = [np.arange(p.n) for p in integers.populations]
    split = [part for x in whole[:1] for part in np.array_split(x, many)] + whole[1:]
    if len(whole[0]) > 1000:  # convolutional: the second over as many, too
        split = [part for x in whole[:2] for part in np.array_split(x, many)] + whole[2:]
    fewest = map_network(integers, chip, preset="fast")
    return {
        f"fewest ({len(fewest.cores)})": fewest,
        f"a population a core ({len(whole)})": on_cores(integers, chip, whole),
        f"the first over several ({len(split)})": on_cores(integers, chip, split),
    }


def last_mapping(network: Network, many: int) -> MappedNetwork:
    """On SENECA, over most cores."""
    chip = find_chip("seneca")
    return list(mappings(quantize(network, chip), chip, many).values())[-1]


def with_barrier(trained: Trained, test: Stimulus, many: int) -> list[Row]:
    """Rows on Loihi 2, under the schedule of training."""
    chip, rows = find_chip("loihi2"), []
    for name, mapped in mappings(quantize(trained.network, chip), chip, many).items():
        trace = run_reference(mapped, test, trained.schedule)
        numbers, cost = statistics(trace), cost_of_run(mapped, trace, test)
        assert cost is not None
        rows.append({
            "mapping": name,
            "chip": chip.name,
            "next_frame": "barrier",
            "accuracy": numbers.accuracy,
            "spikes": float(numbers.spikes_per_sample.mean()),
            "energy_pj": vars(cost.energy_pj),
            "time_ps": cost.time_ns.value * 1e3,
            "decision_ps": cost.time_ns.value * 1e3 * share_until_right(mapped, trace, test, numbers),
        })  # fmt: skip
    return rows


def share_until_right(mapped: MappedNetwork, trace: Trace, test: Stimulus, numbers: Statistics) -> float:
    """The share of a sample's time that passes until the first spike of the right class, over samples that have one.

    Ticks, events of the frames until then and spikes until then are priced as those of whole samples are. A tick is a
    forward step; of the layered schedule a time step, and the output lags as many ticks as it is deep.
    """
    assert mapped.chip is not None and numbers.first_correct is not None and trace.spikes is not None
    steps, s, position = numbers.first_correct.forward_steps, trace.spikes, batch_positions(trace)
    sure = steps > 0
    ends = np.cumsum(trace.forward_steps, 0, dtype=np.int64)
    entered = (ends < steps).sum(0)
    """The frame of the spike; layered, of the input that enters in its tick."""
    ticks, of_all, at = steps, trace.forward_steps.sum(0), (ends - trace.forward_steps)[s.t, position] + s.k
    if trace.schedule.kind == "layered":
        entered = entered + layered_order(mapped.network).place[mapped.network.output]
        ticks, of_all, at = entered + 1, np.full_like(steps, test.n_steps), s.t + s.k
    until, known = at < ticks[position], sure[position]
    spikes, all_spikes = (np.bincount(s.neuron[x], minlength=trace.n_neurons) for x in (until & known, known))
    arrived = np.arange(test.n_steps)[:, None] <= entered[sure]
    inputs = (test.frames[:, sure] * arrived[..., None]).sum((0, 1), dtype=np.int64)
    all_inputs = test.frames[:, sure].sum((0, 1), dtype=np.int64)
    part = count_events(mapped, np.concatenate([spikes, inputs]), int(ticks[sure].sum()))
    whole = count_events(mapped, np.concatenate([all_spikes, all_inputs]), int(of_all[sure].sum()))
    return estimate(part, mapped.chip).time_ns.value / estimate(whole, mapped.chip).time_ns.value


def without_barrier(trained: Trained, test: Stimulus, many: int, barrier_ps: int) -> list[Row]:
    """Rows on SENECA, frames detected at once and after Loihi's barrier."""
    chip, rows = find_chip("seneca"), []
    for name, mapped in mappings(quantize(trained.network, chip), chip, many).items():
        for detect in (0, barrier_ps):
            trace = run_timed(mapped, test, time=Timekeeping(frame_detect_ps=detect), record=())
            numbers, times = statistics(trace), timed_numbers(trace, chip)
            rows.append({
                "mapping": name,
                "chip": chip.name,
                "next_frame": f"{detect / 1000:g} ns",
                "accuracy": numbers.accuracy,
                "spikes": float(numbers.spikes_per_sample.mean()),
                "energy_pj": times["energy_pj"],
                "time_ps": times["sample_ps"],
                "decision_ps": times["first_correct_ps"],
            })  # fmt: skip
    return rows


def periods(trained: Trained, test: Stimulus, many: int) -> list[Row]:
    """Accuracy, spikes and late events against the frame period, on the last mapping."""
    mapped = last_mapping(trained.network, many)
    free = run_timed(mapped, test, record=())
    assert free.timing is not None
    quiescence = float((free.timing.quiescent_ps - free.timing.frame_ps).mean())
    rows = [_period_row(free, None, None)]
    for share in PERIODS:
        time = Timekeeping(period_ps=max(int(share * quiescence), 1))
        rows.append(_period_row(run_timed(mapped, test, time=time, record=()), time.period_ps, share))
    return rows


def _period_row(trace: Trace, period_ps: int | None, share: float | None) -> Row:
    assert trace.timing is not None
    numbers = statistics(trace)
    events = max(int(trace.timing.counted("events").sum()), 1)
    return {
        "period_ps": period_ps,
        "share": share,
        "accuracy": numbers.accuracy,
        "late": float(trace.timing.counted("late").sum() / events),
        "spikes": float(numbers.spikes_per_sample.mean()),
    }


def shortest_within_a_point(rows: list[Row]) -> int | None:
    """The shortest period up to which accuracy stays within a point of the free run's."""
    kept = None
    for row in rows[1:]:
        if row["accuracy"] < rows[0]["accuracy"] - 0.01:
            break
        kept = row["period_ps"]
    return kept


def fitted(trained: Trained, test: Stimulus, many: int) -> Row:
    """What ``fit-schedule`` finds for it, on the last mapping, and on held-out samples with a population a core."""
    few = test.select(slice(min(FITTED_ON, test.n_samples)))
    mapped = last_mapping(trained.network, many)
    return fit(mapped, find_chip("seneca"), few, Timekeeping(), lambda done, total: None).as_json()


def published() -> Row:
    """SENECA's 2.8 pJ a synaptic operation from SENSIM's constants alone, to which nothing here was fitted.

    A dense layer of 64 neurons, weights of 4 bits, groups of 8 events: dynamic energy of the core over synapses.
    """
    rng = np.random.default_rng(0)
    network = chain([256, 64], [1e9])
    four = Dense(rng.integers(-8, 8, network.projections[0].connection.weight.shape).astype(np.int32))
    network = replace(network, arithmetic="seneca", projections=(replace(network.projections[0], connection=four),))
    chip = find_chip("seneca")
    mapped = replace(one_large_core(network), chip=chip)
    trace = run_timed(mapped, Stimulus((rng.random((10, 4, 256)) < 0.5).astype(np.int8)))
    assert trace.timing is not None
    price = priced(trace.timing, chip)
    synapses = float(trace.timing.counted("synapses").mean())
    core = [part for name, part in price.parts_pj.items() if name not in (STATIC, "links", "event queues")]
    sensim = sum(part.high for part in core) / synapses
    return {"figure": "pJ a synaptic operation of SENECA", "published": 2.8, "from SENSIM's constants": sensim}
