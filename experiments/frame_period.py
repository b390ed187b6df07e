"""Why can frames that come before the last one is done help? Interventions on one network, timed without a barrier.

A frame that comes early does two things to events of the last one that still wait: the neurons they reach may fire
again, and have leaked once more. So the same events are also run free, to quiescence, but cut into several frames; and
free with neurons that may fire again at once.

python experiments/frame_period.py runs/clockless/layered-0
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from exchange import npz
from experiments.clockless_rows import last_mapping
from ir.mapped import MappedNetwork
from ir.network import Network
from ir.neurons import as_lif
from ir.stimulus import Stimulus
from ir.trace import Trace
from sim_reference.compare.statistics import statistics
from stimuli.data_sets import load
from targets.clockless.options import Timekeeping
from targets.clockless.run import run


def cut(stimulus: Stimulus, parts: int) -> Stimulus:
    """Each frame as ``parts`` frames, by the order of its events."""
    assert stimulus.events is not None
    n_steps, n_samples, n_inputs = stimulus.frames.shape
    events = stimulus.events.copy()
    place = events[:, 0] * n_steps + events[:, 1]
    size = np.diff(stimulus.begins)
    rank = np.arange(len(events)) - stimulus.begins[place]
    events[:, 1] = events[:, 1] * parts + rank * parts // size[place]
    frames = np.zeros((n_steps * parts, n_samples, n_inputs), np.int16)
    np.add.at(frames, (events[:, 1], events[:, 0], events[:, 3]), 1)
    return Stimulus(frames, stimulus.sample_ids, stimulus.labels, events)


def never_refractory(mapped: MappedNetwork) -> MappedNetwork:
    """All neurons but the output's may fire again in the same time step."""
    network = mapped.network
    free = [
        p
        if p.name == network.output
        else replace(p, neuron=replace(as_lif(p.name, p.neuron, "this experiment"), refractory=False))
        for p in network.populations
    ]
    return replace(mapped, network=replace(network, populations=tuple(free)))


def told(name: str, trace: Trace) -> None:
    """One line."""
    assert trace.timing is not None
    numbers, events = statistics(trace), trace.timing.counted("events").sum()
    late = float(trace.timing.counted("late").sum() / max(int(events), 1))
    spikes = float(numbers.spikes_per_sample.mean())
    print(
        f"{name:32} accuracy {numbers.accuracy:.3f}, {spikes:6.1f} spikes a sample, {late:.0%} of events late",
        flush=True,
    )


def main() -> int:
    """Run the interventions on each network."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("networks", type=Path, nargs="+", help="train folders of experiments/clockless.py")
    parser.add_argument("--data", default="nmnist-like")
    parser.add_argument("--samples", type=int, default=1_000)
    parser.add_argument("--many", type=int, default=4, help="cores of the first population")
    options = parser.parse_args()
    test = load(options.data, None, "test", options.samples, True, npz)
    for path in options.networks:
        mapped = last_mapping(npz.load(path / "network.npz", Network), options.many)
        free = run(mapped, test, record=())
        assert free.timing is not None
        mean = float((free.timing.quiescent_ps - free.timing.frame_ps).mean())
        print(f"{path.name}, {len(mapped.cores)} cores, {mean / 1e6:.2f} us to quiescence")
        told("free", free)
        for share in (1.0, 0.75):
            time = Timekeeping(period_ps=int(share * mean))
            told(f"a frame every {share:g} of it", run(mapped, test, time=time, record=()))
        for parts in (2, 4):
            told(f"free, frames cut into {parts}", run(mapped, cut(test, parts), record=()))
        told("free, hidden neurons fire again", run(never_refractory(mapped), test, record=()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
