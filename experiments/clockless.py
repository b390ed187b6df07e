"""Does training for asynchrony pay on a chip without a barrier? Six trainings x two kinds of chip x three mappings.

Trains 2312-64-64-64-10 (or, with --conv, a convolutional network over 18 cores) under five schedules, maps each
to Loihi 2 and to SENECA, estimates and times it: accuracy, spikes, energy, time to the decision; then how fast a frame
may follow the last before accuracy falls, and how near ``fit-schedule`` comes; last, one published figure that nothing
was fitted to.

python experiments/clockless.py --epochs 4 --samples 3000 --test-samples 200 --seeds 1
"""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.execution import chain
from exchange import npz
from exchange.chip_toml import find_chip
from ir.chip import Chip
from ir.mapped import Core, MappedNetwork, one_large_core
from ir.network import Network
from ir.quantized import QuantizedNetwork
from ir.schedule import Schedule
from ir.stimulus import Stimulus
from mapper import map_network
from mapper.quantize import quantize
from sim_reference.compare.statistics import statistics
from sim_reference.fast import run as run_reference
from stimuli.data_sets import load
from targets.clockless.energy import STATIC, priced
from targets.clockless.options import Timekeeping
from targets.clockless.run import run as run_timed
from trainer import TrainConfig, preset, train
from unlayered.costs import cost_of_run
from unlayered.fitting import fit
from unlayered.timed import timed_numbers

LAYERED = Schedule("layered", F=None)
SCHEDULES = {
    "layered": LAYERED,
    "random": Schedule(F=8, order="random"),
    "momentum": Schedule(F=8, order="momentum"),
    "fifo": Schedule(F=8, order="fifo"),
    "a queue a core": Schedule(F=8, order="momentum", scope="core"),
    "as fitted": Schedule(F=8, order="fifo", input="queued"),
}
CONV = ("conv 8 3 stride 2 pad 1", "conv 16 3 stride 2 pad 1", "64", "10")
PERIODS = (2.0, 1.5, 1.0, 0.75, 0.5, 0.35, 0.25, 0.15)
"""Frame periods, in mean times to quiescence."""

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
    if len(split) < 2 * many and len(whole[0]) > 1000:  # convolutional: the second over as many, too
        split = [part for x in whole[:2] for part in np.array_split(x, many)] + whole[2:]
    fewest = map_network(integers, chip, preset="fast")
    return {
        f"fewest ({len(fewest.cores)})": fewest,
        f"a population a core ({len(whole)})": on_cores(integers, chip, whole),
        f"the first over several ({len(split)})": on_cores(integers, chip, split),
    }


def trainings(options: argparse.Namespace, seed: int) -> list[Trained]:
    """Train under each schedule."""
    found = []
    for name, schedule in SCHEDULES.items():
        cores = "" if schedule.scope == "network" else str(partition(options, found[0].network))
        config = configured(options, seed, schedule, cores)
        folder = options.out / f"{name.replace(' ', '-')}-{seed}{'-conv' if options.conv else ''}"
        made = train(config, folder, resume=True)
        print(f"trained {name}, seed {seed}", flush=True)
        found.append(Trained(name, seed, schedule, made.export()))
    return found


def configured(options: argparse.Namespace, seed: int, schedule: Schedule, cores: str) -> TrainConfig:
    """The preset of the data, with a schedule."""
    name = "digits" if options.data == "digits" else "nmnist"
    sizes = {"limit": options.samples, "epochs": options.epochs, "seed": seed, "data": options.data}
    changes = {"schedule": schedule, "partition": cores, "learning_rate": 1e-3, "validation_share": 0.05}
    return replace(preset(name, **sizes), **changes, **({"layers": CONV} if options.conv else {}))


def partition(options: argparse.Namespace, network: Network) -> Path:
    """The cores that each get a queue in training: those of the last mapping."""
    chip = find_chip("seneca")
    path = options.out / f"partition{'-conv' if options.conv else ''}.npz"
    npz.save(list(mappings(quantize(network, chip), chip, options.many).values())[-1], path)
    return path


def priced_with_barrier(trained: Trained, test: Stimulus, many: int) -> list[Row]:
    """Rows on Loihi 2, under the schedule of training."""
    chip, rows = find_chip("loihi2"), []
    for name, mapped in mappings(quantize(trained.network, chip), chip, many).items():
        trace = run_reference(mapped, test, trained.schedule)
        numbers, cost = statistics(trace), cost_of_run(mapped, trace, test)
        assert cost is not None
        row = {"mapping": name, "chip": chip.name, "next_frame": "barrier", "accuracy": numbers.accuracy}
        spikes = float(numbers.spikes_per_sample.mean())
        rows.append(
            row
            | {
                "spikes": spikes,
                "energy_pj": vars(cost.energy_pj),
                "time_ps": cost.time_ns.value * 1e3,
                "decision_ps": None,
            }
        )
    return rows


def timed_without(trained: Trained, test: Stimulus, many: int, barrier_ps: int) -> list[Row]:
    """Rows on SENECA, frames detected at once and after Loihi's barrier."""
    chip, rows = find_chip("seneca"), []
    for name, mapped in mappings(quantize(trained.network, chip), chip, many).items():
        for detect in (0, barrier_ps):
            trace = run_timed(mapped, test, time=Timekeeping(frame_detect_ps=detect))
            numbers, times = statistics(trace), timed_numbers(trace, chip)
            row = {
                "mapping": name,
                "chip": chip.name,
                "next_frame": f"{detect / 1000:g} ns",
                "accuracy": numbers.accuracy,
            }
            spikes = float(numbers.spikes_per_sample.mean())
            row |= {"spikes": spikes, "energy_pj": times["energy_pj"], "time_ps": times["sample_ps"]}
            rows.append(row | {"decision_ps": times["first_correct_ps"]})
    return rows


def periods(trained: Trained, test: Stimulus, many: int) -> list[Row]:
    """Accuracy against the frame period, on the last mapping."""
    chip = find_chip("seneca")
    mapped = list(mappings(quantize(trained.network, chip), chip, many).values())[-1]
    free = run_timed(mapped, test, record=())
    assert free.timing is not None
    quiescence = float((free.timing.quiescent_ps - free.timing.frame_ps).mean())
    rows: list[Row] = [{"period_ps": None, "accuracy": statistics(free).accuracy, "late": 0.0, "share": None}]
    for share in PERIODS:
        trace = run_timed(mapped, test, time=Timekeeping(period_ps=max(int(share * quiescence), 1)), record=())
        assert trace.timing is not None
        late = float(trace.timing.counted("late").sum() / max(int(trace.timing.counted("events").sum()), 1))
        accuracy = statistics(trace).accuracy
        rows.append({"period_ps": int(share * quiescence), "accuracy": accuracy, "late": late, "share": share})
    return rows


def shortest_within_a_point(rows: list[Row]) -> int | None:
    """The shortest period up to which accuracy stays within a point of the free run's."""
    kept = None
    for row in rows[1:]:
        if row["accuracy"] < rows[0]["accuracy"] - 0.01:
            break
        kept = row["period_ps"]
    return kept


def published() -> Row:
    """SENECA's 2.8 pJ a synaptic operation from SENSIM's constants alone, to which nothing here was fitted.

    A dense layer of 64 neurons, weights of 4 bits, groups of 8 events: dynamic energy of the core over synapses.
    """
    rng = np.random.default_rng(0)
    network = chain([256, 64], [1e9])
    weight = network.projections[0].connection
    four = type(weight)(rng.integers(-8, 8, weight.weight.shape).astype(np.int32))
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


def claim(rows: list[Row]) -> list[str]:
    """Whether fewer spikes became less energy and less time, said plainly, for each chip."""
    said = []
    for chip, frame in (("loihi2", "barrier"), ("seneca", "0 ns")):
        mine = [r for r in rows if r["chip"] == chip and r["next_frame"] == frame]
        base = [r for r in mine if r["trained"] == "layered"]
        for name in [x for x in SCHEDULES if x != "layered"]:
            other = [r for r in mine if r["trained"] == name]
            ratios = {k: _mean(other, k) / max(_mean(base, k), 1e-12) for k in ("spikes", "time_ps")}
            energy = np.mean([r["energy_pj"]["value"] for r in other]) / np.mean(
                [r["energy_pj"]["value"] for r in base]
            )
            gained = 100 * (_mean(other, "accuracy") - _mean(base, "accuracy"))
            said.append(
                f"{chip}, trained {name} over layered: spikes x {ratios['spikes']:.2f}, energy x {energy:.2f}, "
                f"time x {ratios['time_ps']:.2f}, accuracy {gained:+.1f} points"
            )
    return said


def _mean(rows: list[Row], name: str) -> float:
    return float(np.mean([row[name] for row in rows if row[name] is not None]))


def main() -> int:
    """Train, map, time, print; everything lands in ``clockless.json``."""
    options = _arguments()
    test = load(options.data, None, "test", options.test_samples, store=npz)
    barrier_ps = round(find_chip("loihi2").costs["barrier_ns"].value * 1000)
    rows: list[Row] = []
    curves: dict[str, Any] = {}
    fits: dict[str, Any] = {}
    for seed in range(options.seeds):
        for trained in trainings(options, seed):
            tag = {"trained": trained.name, "seed": seed}
            found = priced_with_barrier(trained, test, options.many)
            found += timed_without(trained, test, options.many, barrier_ps)
            rows += [tag | row for row in found]
            for row in rows[-len(found) :]:
                print(_line(row), flush=True)
            curve = periods(trained, test, options.many)
            curves[f"{trained.name} {seed}"] = {"curve": curve, "shortest_ps": shortest_within_a_point(curve)}
            chip = find_chip("seneca")
            mapped = list(mappings(quantize(trained.network, chip), chip, options.many).values())[-1]
            few = test.select(slice(min(100, test.n_samples)))
            fits[f"{trained.name} {seed}"] = fit(mapped, chip, few, Timekeeping(), lambda done, total: None).as_json()
            told = {"rows": rows, "periods": curves, "fits": fits, "published": published()}
            npz.write_atomically(options.out / "clockless.json", json.dumps(told, indent=1).encode())
    print("\n".join(claim(rows)))
    for name, curve in curves.items():
        free, shortest = curve["curve"][0]["accuracy"], curve["shortest_ps"]
        print(f"{name}: accuracy {free:.3f}, within a point down to {shortest} ps a frame")
    for name, found in fits.items():
        print(
            f"{name}: closest {found['flags']}, distance {found['held_out']['distance']:.3f} held out, "
            f"{found['other_mapping']['distance']:.3f} on another mapping"
        )
    print(published())
    return 0


def _line(row: Row) -> str:
    energy = row["energy_pj"]
    decision = "-" if row["decision_ps"] is None else f"{row['decision_ps'] / 1e6:.2f}"
    price = f"{energy['value'] / 1e6:.3f} uJ ({energy['low'] / 1e6:.3f} to {energy['high'] / 1e6:.3f})"
    who = f"{row['trained']:>15} {row['seed']} {row['chip']:>7} {row['mapping']:<28} {row['next_frame']:>8}"
    times = f"{row['time_ps'] / 1e6:.2f} us, right after {decision} us"
    return f"{who} {row['accuracy']:.3f} {row['spikes']:7.1f} spikes {price} {times}"


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("runs/clockless"))
    parser.add_argument("--data", default="nmnist-like", help="nmnist-like or digits")
    parser.add_argument("--conv", action="store_true", help="a convolutional network over 16 cores and more")
    parser.add_argument("--samples", type=int, default=10_000, help="training samples")
    parser.add_argument("--test-samples", type=int, default=1_000)
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--seeds", type=int, default=3)
    options = parser.parse_args()
    options.many = 8 if options.conv else 4
    options.out.mkdir(parents=True, exist_ok=True)
    return options


if __name__ == "__main__":
    sys.exit(main())
