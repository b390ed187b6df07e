"""How fast integer networks run: the compiled twin against Lava, against plain numpy, and how time grows.

python benchmarks/execution.py [--json FILE] [--without-lava]
"""

from __future__ import annotations

import argparse
import itertools
import json
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from ir.check import TargetError
from ir.connection import Dense
from ir.network import Input
from ir.neurons import FixedLIF
from ir.quantized import FixedPopulation, FixedProjection, QuantizedNetwork
from ir.schedule import Schedule
from ir.stimulus import Stimulus
from ir.trace import Trace
from sim_reference import fast, simulate
from tests.interop import crosscheck

LAYERED = Schedule(kind="layered", F=None)
ASYNCHRONOUS = Schedule(F=8, order="momentum")
REPEATS = 5

Row = dict[str, Any]


def chain(sizes: list[int], gains: list[float], seed: int = 0) -> QuantizedNetwork:
    """A feed-forward network of even 8-bit weights; ``gains`` are thresholds in standard deviations of one spike."""
    rng = np.random.default_rng(seed)
    names = ["in", *(f"p{i}" for i in range(len(sizes) - 1))]
    weights = [2 * rng.integers(-64, 65, (b, a)).astype(np.int32) for a, b in itertools.pairwise(sizes)]
    lifs = [FixedLIF(decay_v=410, v_threshold=int(74 * g)) for g in gains]
    return QuantizedNetwork(
        (Input("in", (sizes[0],)),),
        tuple(FixedPopulation(n, (w.shape[0],), lif) for n, w, lif in zip(names[1:], weights, lifs)),
        tuple(FixedProjection(a, b, Dense(w)) for a, b, w in zip(names, names[1:], weights)),
        names[-1],
    )


def noise(network: QuantizedNetwork, n_steps: int, n_samples: int, rate: float, seed: int = 1) -> Stimulus:
    """Independent input spikes, in bytes as data sets give them."""
    rng = np.random.default_rng(seed)
    return Stimulus((rng.random((n_steps, n_samples, network.n_inputs)) < rate).astype(np.int8))


def shortest_s(call: Callable[[], object], repeats: int = REPEATS) -> float:
    """The shortest of some runs, wall-clock seconds: what else the machine does only ever adds."""
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    return min(times)


def counted(network: QuantizedNetwork, stimulus: Stimulus, schedule: Schedule) -> Trace:
    """A run of the compiled twin that only counts."""
    return fast.run(network, stimulus, schedule, record_spikes=False, record=())


def n_steps(trace: Trace) -> int:
    """Steps as Lava counts ticks: time steps where layered, forward steps where asynchronous."""
    layered = trace.schedule.kind == "layered"
    return trace.forward_steps.size if layered else int(trace.forward_steps.sum())


def fast_step_s(network: QuantizedNetwork, stimulus: Stimulus, schedule: Schedule) -> float:
    """Seconds a step on a batch, all cores, compiled before."""
    trace = counted(network, stimulus, schedule)
    return shortest_s(lambda: counted(network, stimulus, schedule)) / n_steps(trace)


def numpy_step_s(network: QuantizedNetwork, stimulus: Stimulus, schedule: Schedule) -> float:
    """Seconds a step of the plain simulator, on the first samples."""
    few = stimulus.select(slice(2))
    return shortest_s(lambda: simulate.run(network, few, schedule), 2) / n_steps(counted(network, few, schedule))


def lava_step_s(network: QuantizedNetwork, stimulus: Stimulus, schedule: Schedule) -> float:
    """Seconds a tick of Lava without its start: the difference of a long and a short run."""
    from targets import lava  # noqa: PLC0415  (lava-nc may be absent)

    few, many = stimulus.select(slice(2)), stimulus.select(slice(2 + 40))
    steps = n_steps(counted(network, many, schedule)) - n_steps(counted(network, few, schedule))
    short = shortest_s(lambda: lava.run(network, few, schedule, record=()), 2)
    long = shortest_s(lambda: lava.run(network, many, schedule, record=()), 2)
    return (long - short) / steps


def row(name: str, value: float | None, unit: str, **more: Any) -> Row:
    return {"name": name, "value": value, "unit": unit, **more}


def against_lava(
    kind: str, network: QuantizedNetwork, stimulus: Stimulus, schedule: Schedule, with_lava: bool
) -> list[Row]:
    """Ratios to Lava and to numpy on one network."""
    quick, plain = fast_step_s(network, stimulus, schedule), numpy_step_s(network, stimulus, schedule)
    trace = counted(network, stimulus, schedule)
    density = float(trace.counts.sum() / (stimulus.n_samples * stimulus.n_steps * trace.n_neurons))
    rows = [
        row(f"fast_us.{kind}", quick * 1e6, "us/step", density=density, samples=stimulus.n_samples),
        row(f"fast_over_numpy.{kind}", plain / quick, "x"),
    ]
    if not with_lava:
        return [*rows, row(f"fast_over_lava.{kind}", None, "x", reason="not asked for")]
    try:
        lava = lava_step_s(network, stimulus, schedule)
    except (ImportError, TargetError) as error:
        return [*rows, row(f"fast_over_lava.{kind}", None, "x", reason=str(error))]
    rows.append(row(f"fast_over_lava.{kind}", lava / quick, "x"))
    return [*rows, row("lava_tick_ms" if kind == "asynchronous" else "lava_step_ms.layered", lava * 1e3, "ms")]


def against_nengo_loihi(network: QuantizedNetwork) -> Row:
    """Ratio to nengo-loihi's emulator, in its own environment, a step on its own chip's arithmetic."""
    network = replace(network, arithmetic="loihi1")
    stimulus = noise(network, 50, 256, 0.03)
    if not crosscheck.has_environment("nengo-loihi"):
        reason = "no environment holds nengo-loihi; build it with tests/interop/environments.sh nengo-loihi"
        return row("fast_over_nengo_loihi", None, "x", reason=reason)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "net.npz"
        crosscheck.write(network, stimulus.frames[:, :1], path)
        crosscheck.emulate("nengo-loihi", path.parent)
        with np.load(path.with_suffix(".out.npz")) as result:
            theirs = float(result["seconds_a_step"])
    return row("fast_over_nengo_loihi", theirs / fast_step_s(network, stimulus, LAYERED), "x")


def growth() -> list[Row]:
    """How time grows with neurons, synapses and samples, others held."""
    rows = []
    for n in (256, 1024, 4096):
        network = chain([64, n, 10], [12, 1e4])
        rows.append(_grown("neurons", n, network, noise(network, 50, 16, 0.05), LAYERED))
    for n in (64, 256, 1024):
        network = chain([n, 512, 10], [12, 1e4])
        rows.append(_grown("synapses", n * 512, network, noise(network, 50, 16, 26 / n), LAYERED))
    network = chain([256, 256, 10], [12, 20])
    for n in (8, 32, 128):
        rows.append(_grown("samples", n, network, noise(network, 50, n, 0.05), LAYERED))
    return rows


def _grown(what: str, n: int, network: QuantizedNetwork, stimulus: Stimulus, schedule: Schedule) -> Row:
    seconds = fast_step_s(network, stimulus, schedule) * stimulus.n_steps * stimulus.n_samples
    return row(f"growth.{what}.{n}", seconds * 1e3, "ms")


def small() -> Row:
    """68 neurons, 1,000 time steps of one sample, spikes recorded."""
    network = chain([20, 32, 26, 10], [10, 8, 8])
    stimulus = noise(network, 1000, 1, 0.1)
    run = lambda: fast.run(network, stimulus, LAYERED, record=())  # noqa: E731
    spikes = run().spikes
    return row("small_ms", shortest_s(run, 20) * 1e3, "ms", spikes=0 if spikes is None else len(spikes))


def measure(with_lava: bool = True) -> list[Row]:
    """All rows; ratios are of runs on the same machine, one after the other."""
    mlp = chain([784, 512, 512, 10], [16, 12, 12])
    layered = against_lava("layered", mlp, noise(mlp, 50, 256, 0.03), LAYERED, with_lava)
    nmnist = chain([2312, 64, 64, 64, 10], [12, 6, 6, 6])
    asynchronous = against_lava("asynchronous", nmnist, noise(nmnist, 10, 256, 0.01), ASYNCHRONOUS, with_lava)
    ratios = [r["value"] for r in (*layered, *asynchronous) if r["name"].startswith("fast_over_numpy")]
    return [
        *layered,
        *asynchronous,
        row("fast_over_numpy", min(ratios), "x"),
        against_nengo_loihi(mlp),
        small(),
        *growth(),
    ]


def main() -> None:
    """Measure, print, and write the rows where asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=Path, help="write the rows to this file")
    parser.add_argument("--without-lava", action="store_true", help="leave Lava out")
    chosen = parser.parse_args()
    rows = measure(not chosen.without_lava)
    for r in rows:
        shown = "-" if r["value"] is None else f"{r['value']:.4g}"
        more = {k: v for k, v in r.items() if k not in ("name", "value", "unit")}
        print(f"{r['name']:<28} {shown:>10} {r['unit']:<8} {more or ''}")
    if chosen.json is not None:
        chosen.json.write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
