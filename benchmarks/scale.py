"""Samples a second of a sharded reference run: one process on all cores, one worker, two; efficiency and memory.

    python -m benchmarks.scale --samples 2000 --repeats 3 [--json FILE]

A worker computes on one core. Efficiency is a rate over so many times that of one worker; all in one run, interleaved,
best of the repeats, after one run of each that warms it up.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import sys
import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parent.parent))

from exchange import npz
from exchange.chip_toml import find_chip
from ir.connection import Dense
from ir.mapped import MappedNetwork, one_large_core
from ir.network import Input, Network, Population, Projection
from ir.neurons import LIF
from ir.stimulus import Stimulus
from ir.trace import Trace
from mapper.quantize import quantize
from unlayered.cluster.place import Place
from unlayered.cluster.pool import Pool, pool_at
from unlayered.execute import RunOptions, execute

SIZES = (2312, 64, 64, 64, 10)
WORKERS = (1, 2)


def network_of(sizes: tuple[int, ...] = SIZES) -> MappedNetwork:
    """The paper's N-MNIST network with drawn weights, 8 bits, on one core."""
    rng = np.random.default_rng(0)
    names = [f"layer{i}" for i in range(len(sizes))]
    neuron = LIF(tau_mem_s=5e-3, v_threshold=1.0)
    weights = [rng.normal(0.3 / n**0.5, 4 / n**0.5, (m, n)).astype(np.float32) for n, m in pairwise(sizes)]
    floats = Network(
        (Input(names[0], (sizes[0],)),),
        tuple(Population(name, (n,), neuron) for name, n in zip(names[1:], sizes[1:])),
        tuple(Projection(a, b, Dense(w)) for a, b, w in zip(names, names[1:], weights)),
        names[-1],
    )
    return one_large_core(quantize(floats, find_chip("loihi2")))


def samples_of(n: int, n_steps: int) -> Stimulus:
    """Drawn events, 2 % of the inputs a time step."""
    rng = np.random.default_rng(1)
    return Stimulus((rng.random((n_steps, n, SIZES[0]), np.float32) < 0.02).astype(np.int8))


def main() -> None:
    """Print a row for each way to run."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--samples", type=int, default=1000)
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--json", type=Path, help="Write the numbers here, too.")
    asked = parser.parse_args()
    mapped, stimulus = network_of(), samples_of(asked.samples, asked.steps)
    schedule, options = mapped.network.schedule, RunOptions()

    def run(pool: Pool | None) -> Trace:
        by = execute if pool is None else pool.execute
        return by(mapped, stimulus, schedule, "reference", options, lambda done, total: None)

    with pool_at(Place(WORKERS[0])) as one, pool_at(Place(WORKERS[1])) as two:
        ways: dict[str, Callable[[], Trace]] = {
            f"one process, {len(os.sched_getaffinity(0))} cores": lambda: run(None),
            "1 worker": lambda: run(one),
            "2 workers": lambda: run(two),
        }
        traces = {name: way() for name, way in ways.items()}
        bits = {bytes(npz.encoded(trace)) for trace in traces.values()}
        best = dict.fromkeys(ways, float("inf"))
        for _ in range(asked.repeats):
            for name, way in ways.items():
                begin = time.perf_counter()
                way()
                best[name] = min(best[name], time.perf_counter() - begin)
        peak = max(two.client.run(peak_mib).values())
    rate = {name: asked.samples / seconds for name, seconds in best.items()}
    efficiency = {name: rate[name] / (n * rate["1 worker"]) for name, n in zip(list(ways)[1:], WORKERS)}
    for name in ways:
        share = f", efficiency {efficiency[name]:.2f}" if name in efficiency else ""
        print(f"{name}: {rate[name]:,.0f} samples/s{share}")
    (first, *_) = traces.values()
    spikes = int(first.counts.sum())
    print(f"{asked.samples:,} samples, {spikes:,} spikes, traces that differ in any bit: {len(bits) - 1}")
    print(f"peak memory: {peak_mib():,.0f} MiB here, {peak:,.0f} MiB in a worker")
    if asked.json:
        numbers = {"samples_per_s": rate, "efficiency": efficiency, "spikes": spikes, "worker_mib": peak}
        asked.json.write_text(json.dumps(numbers, indent=1))


def peak_mib() -> float:
    """Of this process, in MiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == "__main__":
    main()
