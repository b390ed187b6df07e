"""Samples a second of a sharded reference run: one process on all cores, one worker, two; efficiency and memory.

    python -m benchmarks.scale --samples 2000 --repeats 3 [--sizes 2312-64-64-64-10] [--json FILE] [--whole]

A worker computes on one core and writes its pieces of the trace itself; with ``--whole`` traces are sent back and
joined in memory. Efficiency is a rate over so many times that of one worker; all in one run, interleaved, best of the
repeats, after one run of each that warms it up. Processor seconds do not depend on who else uses the machine.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import resource
import sys
import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import cast

import numpy as np

sys.path.insert(0, str(Path(__file__).parent.parent))

from exchange import npz
from exchange.chip_toml import find_chip
from ir.connection import Dense
from ir.mapped import MappedNetwork, one_large_core
from ir.network import Input, Network, Population, Projection
from ir.neurons import LIF
from ir.stimulus import Stimulus
from mapper.quantize import quantize
from unlayered.cluster.place import Place
from unlayered.cluster.pool import Pool, pool_at
from unlayered.cluster.shards import silent
from unlayered.execute import RunOptions, execute
from unlayered.pieces import run_to_pieces

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


def samples_of(n: int, n_steps: int, n_inputs: int = SIZES[0]) -> Stimulus:
    """Drawn events, 2 % of the inputs a time step."""
    rng = np.random.default_rng(1)
    return Stimulus((rng.random((n_steps, n, n_inputs), np.float32) < 0.02).astype(np.int8))


class Bench:
    """One run, by whoever, without looking at what it left.

    Attributes:
        seconds: what the last one took. busy: seconds of a processor that it took of this process, and of workers.
    """

    def __init__(self, mapped: MappedNetwork, stimulus: Stimulus, whole: bool) -> None:
        self.mapped, self.stimulus, self.whole = mapped, stimulus, whole
        self.seconds, self.busy = 0.0, (0.0, 0.0)

    def run(self, pool: Pool | None) -> tuple[int, str]:
        """Spikes, and a digest of every bit of the trace."""
        before = processor_s(pool)
        words = self.mapped, self.stimulus, self.mapped.network.schedule, "reference", RunOptions(), silent
        begin = time.perf_counter()
        if self.whole:
            trace = (execute if pool is None else pool.execute)(*words)
            self._took(begin, before, pool)
            return int(trace.counts.sum()), hashlib.sha256(npz.encoded(trace)).hexdigest()
        with TemporaryDirectory() as folder:
            path = Path(folder) / "t.pieces"
            with run_to_pieces(*words, path, None if pool is None else pool.pieces) as (ran, _):
                pass
            self._took(begin, before, pool)
            digest = hashlib.sha256(b"".join(file.read_bytes() for file in sorted(path.iterdir())))
            return int(ran.trace.counts.sum()), digest.hexdigest()

    def _took(self, begin: float, before: tuple[float, float], pool: Pool | None) -> None:
        self.seconds = time.perf_counter() - begin
        here, there = (now - then for now, then in zip(processor_s(pool), before))
        self.busy = here, there


def main() -> None:
    """Print a row for each way to run."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--samples", type=int, default=1000)
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--json", type=Path, help="Write the numbers here, too.")
    parser.add_argument("--whole", action="store_true", help="Traces in memory, not in pieces on disk.")
    parser.add_argument("--sizes", default="-".join(map(str, SIZES)), help="Inputs, and neurons of each layer.")
    asked = parser.parse_args()
    sizes = tuple(map(int, asked.sizes.split("-")))
    bench = Bench(network_of(sizes), samples_of(asked.samples, asked.steps, sizes[0]), asked.whole)
    with pool_at(Place(WORKERS[0])) as one, pool_at(Place(WORKERS[1])) as two:
        ways: dict[str, Callable[[], tuple[int, str]]] = {
            f"one process, {len(os.sched_getaffinity(0))} cores": lambda: bench.run(None),
            "1 worker": lambda: bench.run(one),
            "2 workers": lambda: bench.run(two),
        }
        found = {name: way() for name, way in ways.items()}
        best, busy = dict.fromkeys(ways, float("inf")), dict.fromkeys(ways, (float("inf"), 0.0))
        for _ in range(asked.repeats):
            for name, way in ways.items():
                way()
                best[name] = min(best[name], bench.seconds)
                busy[name] = min(busy[name], bench.busy, key=sum)
        peak = max(in_workers(two, peak_mib))
    rate = {name: asked.samples / seconds for name, seconds in best.items()}
    efficiency = {name: rate[name] / (n * rate["1 worker"]) for name, n in zip(list(ways)[1:], WORKERS)}
    alone, *_, last = ways
    for name in ways:
        share = f", efficiency {efficiency[name]:.2f}" if name in efficiency else ""
        here, there = busy[name]
        print(f"{name}: {rate[name]:,.0f} samples/s{share}; processor: {here:.2f} s here, {there:.2f} s in workers")
    print(f"{last} do {rate[last] / rate[alone]:.2f} of what {alone} do")
    spikes, _ = next(iter(found.values()))
    print(
        f"{asked.samples:,} samples, {spikes:,} spikes, traces that differ in any bit: {len(set(found.values())) - 1}"
    )
    print(f"peak memory: {peak_mib():,.0f} MiB here, {peak:,.0f} MiB in a worker")
    if asked.json:
        numbers = {"samples_per_s": rate, "efficiency": efficiency, "spikes": spikes, "worker_mib": peak}
        asked.json.write_text(json.dumps(numbers, indent=1))


def processor_s(pool: Pool | None) -> tuple[float, float]:
    """Seconds of a processor that this process has taken, and its workers."""
    return time.process_time(), sum(in_workers(pool, time.process_time)) if pool is not None else 0.0


def in_workers(pool: Pool, asked: Callable[[], float]) -> list[float]:
    """What every worker answers."""
    return list(cast("dict[str, float]", pool.client.run(asked)).values())


def peak_mib() -> float:
    """Of this process since it began, in MiB; the system's other count goes on from that of who started it."""
    status = Path("/proc/self/status")
    if status.exists():
        return int(status.read_text().partition("VmHWM:")[2].split()[0]) / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == "__main__":
    main()
