"""How fast clockless chips are timed: beside the compiled reference, beside plain Python, and as runs grow.

python benchmarks/timed.py [--json FILE] [--most EVENTS]
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.execution import chain, noise
from exchange.chip_toml import find_chip
from ir.mapped import Core, MappedNetwork
from ir.quantized import QuantizedNetwork
from ir.schedule import Schedule
from ir.stimulus import Stimulus
from sim_reference import fast
from targets.clockless.run import run

SIZES, GAINS = [2312, 64, 64, 64, 10], [4.0, 1.5, 1.5, 1.5]
FIFO = Schedule(F=8, order="fifo", input="queued")
RATE = 0.02
REPEATS = 3


def shortest_s(call: Callable[[], object], repeats: int) -> float:
    """The shortest of some runs, seconds of one processor: both run in one thread."""
    times = []
    for _ in range(repeats):
        start = time.process_time()
        call()
        times.append(time.process_time() - start)
    return min(times)


def layers_on_cores(network: QuantizedNetwork, first: int = 1) -> MappedNetwork:
    """A population a core, the first one over ``first`` of them."""
    sizes = [p.n for p in network.populations]
    parts = np.array_split(np.arange(sizes[0]), first)
    core = np.concatenate([np.full(len(part), i) for i, part in enumerate(parts)])
    rest = [np.full(n, first + i) for i, n in enumerate(sizes[1:])]
    cores = tuple(Core(i, x=i % 4, y=i // 4) for i in range(first + len(rest)))
    return MappedNetwork(network, find_chip("seneca"), np.concatenate([core, *rest]), cores)


def one_core(network: QuantizedNetwork) -> MappedNetwork:
    return MappedNetwork(network, find_chip("seneca"), np.zeros(network.n_neurons, np.int32), (Core(0),))


def beside_the_reference(n_samples: int = 64) -> list[dict[str, Any]]:
    """Seconds of one processor of both, same network and samples, same process."""
    network = replace(chain(SIZES, GAINS), arithmetic="seneca")
    stimulus = noise(network, 10, n_samples, RATE)

    def reference() -> None:
        fast.run(network, stimulus, FIFO, record_spikes=False, record=(), n_threads=1)

    reference()
    rows = []
    for name, mapped in (
        ("1 core", one_core(network)),
        ("4 cores", layers_on_cores(network)),
        ("7 cores", layers_on_cores(network, 4)),
    ):
        timed = run(mapped, stimulus, record=())
        assert timed.timing is not None
        events = int(timed.timing.counted("events").sum())
        pair = shortest_s(reference, REPEATS), shortest_s(lambda m=mapped: run(m, stimulus, record=()), REPEATS)
        few = stimulus.select(slice(1))
        start = shortest_s(lambda m=mapped, s=few: run(m, s, record=(), plain=True), 1)
        compiled = shortest_s(lambda m=mapped, s=few: run(m, s, record=()), REPEATS)
        rows.append(
            {
                "mapping": name,
                "events": events,
                "reference_s": pair[0],
                "timed_s": pair[1],
                "over_reference": pair[1] / pair[0],
                "us_an_event": 1e6 * pair[1] / events,
                "plain_over_compiled": start / compiled,
            }
        )
    return rows


def growth(most: float) -> tuple[list[dict[str, Any]], float]:
    """Seconds of single samples with more and more events, and the exponent of time against events."""
    network = replace(chain(SIZES, GAINS), arithmetic="seneca")
    mapped, rows = layers_on_cores(network, 4), []
    small = noise(network, 10, 1, RATE)
    first = run(mapped, small, record=()).timing
    assert first is not None
    a_step = int(first.counted("events")[0]) / 10
    events = 1e5
    while events <= most * 1.01:
        frames = noise(network, 100, 1, RATE).frames
        steps = max(int(events / a_step), 1)
        long = np.tile(frames, (-(-steps // 100), 1, 1))[:steps]
        stimulus = Stimulus(long)
        run(mapped, Stimulus(long[:10]), record=())  # compiled
        seconds = shortest_s(lambda s=stimulus: run(mapped, s, record=()), 1)
        rows.append({"events": int(steps * a_step), "seconds": seconds})
        events *= 10
    x, y = (np.log([row[name] for row in rows]) for name in ("events", "seconds"))
    return rows, float(np.polyfit(x, y, 1)[0]) if len(rows) > 1 else float("nan")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--most", type=float, default=1e7, help="events of the longest run; 1e8 takes minutes")
    chosen = parser.parse_args()
    rows = beside_the_reference()
    for row in rows:
        beside = f"{row['over_reference']:.2f} x the reference's fifo ({row['reference_s']:.3f} s)"
        rest = f"{row['us_an_event']:.2f} us an event, {row['plain_over_compiled']:.0f} x plain Python"
        print(f"{row['mapping']}: {row['events']} events, {row['timed_s']:.3f} s, {beside}, {rest}")
    grown, exponent = growth(chosen.most)
    for row in grown:
        print(f"{row['events']:>12} events: {row['seconds']:.3f} s")
    print(f"exponent of time against events: {exponent:.3f}")
    if chosen.json is not None:
        chosen.json.write_text(json.dumps({"beside": rows, "growth": grown, "exponent": exponent}, indent=1))


if __name__ == "__main__":
    main()
