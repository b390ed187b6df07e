"""The main job, whole: train, quantize, map, run in four executors, compare every spike, report."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from rich.table import Table

from exchange import npz
from exchange.chip_toml import find_chip, shipped_chips
from ir.check import TargetError
from ir.chip import Chip
from ir.mapped import MappedNetwork
from ir.network import Network
from ir.schedule import Schedule
from ir.stimulus import Stimulus
from ir.trace import Trace
from ir.words import counted
from mapper import map_network
from sim_reference.compare.divergence import first_divergence
from sim_reference.compare.equality import equality, first_samples
from sim_reference.compare.statistics import Statistics, statistics
from sim_reference.compare.summary import summary
from stimuli.data_sets import load
from trainer.config import preset
from trainer.execute import run as run_trainer
from trainer.fit import train
from unlayered import two_chips
from unlayered.console import Stopwatch, progress, table
from unlayered.costs import cost_facts, cost_of_run
from unlayered.execute import run_reference
from unlayered.report.demo_page import write_page, write_picture
from unlayered.safety import THIS_INPUT, check_safe
from unlayered.training import TrainingBar, history
from unlayered.versions import versions

KINDS = ("layered", "asynchronous")
TRAINED_BY = {"layered": "digits-layered", "asynchronous": "digits"}
TABLE_KEYS = ("accuracy", "spikes_per_sample", "density", "forward_steps", "latency")


@dataclass(frozen=True)
class DemoConfig:
    """How large the demo is.

    Attributes:
        epochs: of each training; None = the preset's.
        train_samples, test_samples: of the digits; None = all.
        lava_samples: how many of the test samples also run on Lava.
        chip: what is mapped to.
        neurons_per_core: fewer than the chip has, so that a small network spreads over several cores.
        seed: of everything random.
    """

    epochs: int | None = None
    train_samples: int | None = None
    test_samples: int | None = None
    lava_samples: int = 60
    chip: str = "loihi2"
    neurons_per_core: int = 16
    seed: int = 0

    @staticmethod
    def quick(seed: int = 0) -> DemoConfig:
        """A first look."""
        return DemoConfig(epochs=6, train_samples=600, test_samples=100, lava_samples=10, seed=seed)


@dataclass(frozen=True)
class Road:
    """One trained network and what became of it.

    Attributes:
        kind: the schedule it was trained under.
        metrics: of each epoch.
        tested: E0 statistics and E1 statistics by the schedule they were run under.
        traces: by executor, under the schedule of training; E3 on the first samples only.
        integers: E1 traces by the schedule they were run under.
        cost: energy and time of the mean sample on the chip; empty where the chip's file holds no costs.
        chips: rows of ``two_chips.COLUMNS``: on the chip, and on one without a barrier.
        timeline: cores of the latter over time, one sample, as an SVG.
    """

    kind: str
    network: Network
    mapped: MappedNetwork
    metrics: list[dict[str, Any]]
    tested: dict[str, tuple[dict[str, Any], dict[str, Any]]]
    traces: dict[str, Trace]
    integers: dict[str, Trace]
    latency: Statistics
    cost: dict[str, Any]
    chips: list[dict[str, Any]]
    timeline: str


def run_demo(config: DemoConfig, out: Path, quiet: bool = False) -> dict[str, Any]:
    """Go the whole road and leave networks, traces, ``report.json`` and ``report.html`` in ``out``.

    Returns:
        What ``report.json`` holds: ``table``, ``equal``, ``chips``, ``versions``, ``seed``.

    Raises:
        TargetError: Lava is absent or failed; the report is written without it.
    """
    out.mkdir(parents=True, exist_ok=True)
    chip = chip_of(config)
    learn = load("digits", None, "train", config.train_samples)
    test = load("digits", None, "test", config.test_samples, stamps=True)  # in whose order events enter in time
    schedules: dict[str, Schedule] = {kind: preset(TRAINED_BY[kind]).schedule for kind in KINDS}
    roads = [_road(kind, config, chip, (learn, test), schedules, out, quiet) for kind in KINDS]
    absent = _on_lava(roads, test.select(slice(config.lava_samples)), out, quiet)
    report = {
        "table": [_row(road, tested) for road in roads for tested in KINDS],
        "equal": [row for road in roads for row in equal_rows(road.kind, road.traces)],
        "chips": [row for road in roads for row in road.chips],
        "versions": versions(),
        "seed": config.seed,
    }
    npz.write_atomically(out / "report.json", json.dumps(report, indent=1).encode())
    write_page(out / "report.html", report, roads, chip, "" if absent is None else str(absent))
    write_picture(out / "raster.svg", roads)
    if absent is not None:
        raise absent
    return report


def chip_of(config: DemoConfig) -> Chip:
    """The chip with as few neurons a core as the demo wants."""
    chip = find_chip(config.chip)
    return replace(chip, limits=replace(chip.limits, max_neurons=config.neurons_per_core))


def _road(
    kind: str,
    config: DemoConfig,
    chip: Chip,
    data: tuple[Stimulus, Stimulus],
    schedules: dict[str, Schedule],
    out: Path,
    quiet: bool,
) -> Road:
    """Train under one schedule on the first of ``data``, map, run the second under both."""
    learn, test = data
    watch = Stopwatch(quiet)
    folder = out / f"train-{kind}"
    changes = {"seed": config.seed, "limit": config.train_samples or 0}
    chosen = preset(TRAINED_BY[kind], **changes, **({} if config.epochs is None else {"epochs": config.epochs}))
    with TrainingBar(f"training, {kind}", chosen.epochs, quiet) as bar:
        train(chosen, folder, report=bar.report, stimulus=learn)
    network = npz.load(folder / "network.npz", Network)
    watch.lap(f"trained the {kind} network")
    mapped = map_network(network, chip, alternatives=shipped_chips())
    check_safe(mapped.network, chip, test.frames, False, THIS_INPUT)
    npz.save(mapped, out / f"mapped-{kind}.npz")
    watch.lap(f"mapped it to {counted(len(mapped.cores), 'core')}")
    traces: dict[str, Trace] = {}
    under: dict[str, Trace] = {}
    tested: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {}
    for name, schedule in schedules.items():
        floats, integers = run_trainer(network, test, schedule), run_trainer(mapped.network, test, schedule)
        under[name] = integers
        tested[name] = summary(floats, statistics(floats)), summary(integers, statistics(integers))
        if name == kind:
            traces = {"E0": floats, "E1": integers}
    watch.lap("ran it in the trainer's engine (E0, E1) under both schedules")
    with progress("reference simulator: samples", quiet) as tick:
        traces["E2"] = run_reference(mapped, test, schedules[kind], tick)
    npz.save(traces["E2"], out / f"reference-{kind}.npz")
    watch.lap(f"ran {counted(test.n_samples, 'sample')} in the reference simulator (E2)")
    cost = cost_of_run(mapped, traces["E2"], test)
    costs = {} if cost is None else cost_facts(cost)
    rows, picture = _on_two_chips(kind, network, config, chip, test, traces["E2"], costs, out)
    watch.lap("timed it on a chip without a barrier")
    numbers = statistics(traces["E2"])
    return Road(kind, network, mapped, history(folder), tested, traces, under, numbers, costs, rows, picture)


def _on_two_chips(
    kind: str,
    network: Network,
    config: DemoConfig,
    chip: Chip,
    test: Stimulus,
    trace: Trace,
    costs: dict[str, Any],
    out: Path,
) -> tuple[list[dict[str, Any]], str]:
    """What a network costs with a barrier, and what without; and a picture of the latter."""
    other = two_chips.clockless_chip(config.neurons_per_core)
    barrier_ns = chip.costs["barrier_ns"].value if "barrier_ns" in chip.costs else 0.0
    mapped, rows, picture = two_chips.without_barrier(kind, network, other, barrier_ns, test)
    npz.save(mapped, out / f"timed-{kind}.npz")
    return [two_chips.with_barrier(kind, trace, chip, costs), *rows], picture


def _on_lava(roads: list[Road], stimulus: Stimulus, out: Path, quiet: bool) -> TargetError | None:
    """Run the first samples of every road on Lava; add the traces, or return why there are none."""
    from targets.lava import Job, run_jobs

    watch = Stopwatch(quiet)
    jobs = [Job(road.mapped, stimulus, road.traces["E2"].schedule) for road in roads]
    try:
        with progress("Lava: samples", quiet) as tick:
            traces = run_jobs(jobs, progress=tick)
    except TargetError as error:
        return error
    for road, trace in zip(roads, traces):
        road.traces["E3"] = trace
        npz.save(trace, out / f"lava-{road.kind}.npz")
    watch.lap(f"ran {counted(stimulus.n_samples, 'sample')} of both networks on Lava (E3)")
    return None


def _row(road: Road, tested: str) -> dict[str, Any]:
    """A line of the train x test table: the trained network's own numbers (E0)."""
    numbers = road.tested[tested][0]
    return {"trained": road.kind, "tested": tested, **{key: numbers[key] for key in TABLE_KEYS}}


def equal_rows(schedule: str, traces: dict[str, Trace]) -> list[dict[str, Any]]:
    """E1, E2 and E3 against each other, on the samples that both have."""
    pairs = [("E1", "E2"), ("E1", "E3"), ("E2", "E3")]
    return [_equal(traces[a], traces[b], schedule) for a, b in pairs if a in traces and b in traces]


def _equal(a: Trace, b: Trace, schedule: str) -> dict[str, Any]:
    n = min(len(a.sample_ids), len(b.sample_ids))
    a, b = first_samples(a, n), first_samples(b, n)
    counted, parted = equality(a, b), first_divergence(a, b)
    row: dict[str, Any] = {"a": a.executor, "b": b.executor, "schedule": schedule, "samples": n}
    row |= {"spikes_compared": counted.spikes_compared, "differing": counted.differing}
    return row if parted is None else {**row, "first": str(parted)}


def differing(report: dict[str, Any]) -> bool:
    """Whether anything that must be equal is not."""
    return any(row["differing"] or "first" in row for row in report["equal"])


def tables(report: dict[str, Any]) -> list[Table | str]:
    """The report for a terminal."""
    columns = ("trained", "tested", *TABLE_KEYS)
    shown: list[Table | str] = [
        table("Trained x tested (E0)", columns, [[row[c] for c in columns] for row in report["table"]])
    ]
    kinds = table("Two kinds of chip", two_chips.IN_A_TERMINAL, [*map(two_chips.in_a_terminal, report["chips"])])
    shown += [kinds, two_chips.WORDS]
    columns = ("a", "b", "schedule", "samples", "spikes_compared", "differing")
    shown.append(table("Spike for spike", columns, [[row[c] for c in columns] for row in report["equal"]]))
    return [*shown, *(f"{r['a']} and {r['b']}: {r['first']}" for r in report["equal"] if "first" in r)]
