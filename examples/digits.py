"""The main job in Python, on one page: train, quantize and map, run in four executors, compare spike for spike."""

from __future__ import annotations

import sys
from pathlib import Path

from ir.formats.chip_toml import find_chip
from mapper import map_network
from sim_reference.compare import first_divergence
from sim_reference.fast import run as run_reference
from sim_reference.statistics import statistics
from targets import lava
from trainer import preset, run, train
from trainer.data import load


def main(out: Path = Path("runs/digits"), epochs: int = 50, lava_samples: int = 50) -> int:
    """Go the whole road with the asynchronous digits network; 0 = every spike is the same."""
    network = train(preset("digits", epochs=epochs), out).export()
    mapped = map_network(network, find_chip("loihi2"))
    test = load("digits", split="test")
    few = test.select(slice(lava_samples))

    e0 = run(network, test)
    e1 = run(mapped.network, test)
    e2 = run_reference(mapped, test)
    e3 = lava.run(mapped, few)

    print(f"accuracy: trained {statistics(e0).accuracy:.3f}, on integers {statistics(e2).accuracy:.3f}")
    print(f"first difference of E0 (floats) and E1 (integers): {first_divergence(e0, e1)}")
    differences = [first_divergence(e1, e2), first_divergence(run_reference(mapped, few), e3)]
    print(f"E1 = E2 over {statistics(e1).spikes} spikes: {differences[0] or 'no difference'}")
    print(f"E2 = E3 over {statistics(e3).spikes} spikes: {differences[1] or 'no difference'}")
    return int(any(d is not None for d in differences))


if __name__ == "__main__":
    sys.exit(main())
