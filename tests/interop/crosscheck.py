"""``make crosscheck``: drawn networks on the chip emulators of others against our reference, spike for spike.

nengo-loihi's emulator also shows its registers, and its edges are those of our ``loihi1``: overflowing networks are
drawn as well. brian2-loihi has no edges: inside the safe envelope only.
"""

from __future__ import annotations

import argparse
import itertools
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

from ir.check import TargetError
from ir.connection import Dense
from ir.network import Input
from ir.neurons import FixedLIF
from ir.quantized import FixedPopulation, FixedProjection, QuantizedNetwork
from ir.schedule import Schedule
from ir.stimulus import Stimulus
from ir.trace import Trace
from sim_reference.simulate import run
from tests.interop.compare import ROOT

LAYERED = Schedule(kind="layered", F=None)
EMULATORS = ("nengo-loihi", "brian2-loihi")


def draw(seed: int, extreme: bool) -> QuantizedNetwork:
    """A chain of one to three layers with even weights; ``extreme`` reaches the registers' edges."""
    rng = np.random.default_rng(seed)
    sizes = rng.integers(3, 40, int(rng.integers(2, 5))).tolist()
    names = ["in", *(f"p{i}" for i in range(len(sizes) - 1))]
    populations, projections = [], []
    for (pre, post), (a, b) in zip(itertools.pairwise(names), itertools.pairwise(sizes)):
        weight = 2 * rng.integers(-96 if extreme else -40, 128, (b, a))
        gain = int(rng.choice([1, 64, 512])) if extreme else 1
        lif = FixedLIF(
            decay_v=int(rng.choice([0, 4096, rng.integers(1, 4096)])),
            v_threshold=int(rng.integers(1, 131071 if extreme else 600)),
            decay_u=int(rng.choice([4096, rng.integers(1, 4096)])),
        )
        populations.append(FixedPopulation(post, (b,), lif))
        projections.append(FixedProjection(pre, post, Dense((weight * gain).astype(np.int32))))
    return QuantizedNetwork(
        (Input("in", (sizes[0],)),), tuple(populations), tuple(projections), names[-1], arithmetic="loihi1"
    )


def frames_for(network: QuantizedNetwork, n_steps: int, rate: float, seed: int) -> np.ndarray:
    """(T, 1, n_in) independent spikes."""
    return (np.random.default_rng(seed).random((n_steps, 1, network.n_inputs)) < rate).astype(np.int32)


def write(network: QuantizedNetwork, frames: np.ndarray, path: Path) -> None:
    """What ``emulators.py`` reads."""
    weights = {f"weight{i}": e.connection.weight for i, e in enumerate(network.projections)}
    lifs = {
        name: np.array([int(np.asarray(getattr(p.neuron, name))) for p in network.populations])
        for name in ("decay_u", "decay_v", "v_threshold")
    }
    np.savez(path, frames=frames[:, 0], **weights, **lifs)


def emulate(emulator: str, folder: Path) -> None:
    """Run a folder's networks in the emulator's environment."""
    python = ROOT / emulator / "bin" / "python"
    child = [python, Path(__file__).with_name("emulators.py"), emulator, folder]
    done = subprocess.run(child, capture_output=True, text=True, check=False)
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["no message"])[-1]
        raise TargetError(f"{emulator} failed: {last}; build its environment anew with tests/interop/environments.sh")


def has_environment(emulator: str) -> bool:
    """Whether ``environments.sh`` has built it."""
    return (ROOT / emulator / "ready").exists()


def registers(trace: Trace) -> dict[str, np.ndarray]:
    """Our spikes and registers as (T, N)."""
    assert trace.spikes is not None and trace.v is not None and trace.u is not None
    s = np.zeros(trace.v[:, 0].shape, bool)
    s[trace.spikes.t, trace.spikes.neuron] = True
    return {"s": s, "v": trace.v[:, 0], "u": trace.u[:, 0]}


def check(emulator: str, count: int) -> bool:
    """Compare ``count`` networks; prints how many values were equal and the first that was not."""
    with tempfile.TemporaryDirectory() as name:
        folder, drawn = Path(name), {}
        for i in range(count):
            network = draw(i, extreme=emulator == "nengo-loihi" and i % 2 == 1)
            frames = frames_for(network, 60, 0.2, i)
            path = folder / f"net{i:03}.npz"
            write(network, frames, path)
            drawn[path] = run(network, Stimulus(frames), LAYERED, record=("v", "u"))
        emulate(emulator, folder)
        compared = differing = spikes = edges = 0
        for path, trace in drawn.items():
            ours = registers(trace)
            spikes, edges = spikes + int(trace.counts.sum()), edges + any(trace.limits_reached.values())
            with np.load(path.with_suffix(".out.npz")) as theirs:
                for key in [k for k in ("s", "v", "u") if k in theirs.files]:
                    wrong = np.argwhere(ours[key] != theirs[key])
                    compared, differing = compared + theirs[key].size, differing + len(wrong)
                    if len(wrong):
                        print(f"  {path.stem}: {key} first differs at time step, neuron {wrong[0].tolist()}")
    print(
        f"{emulator}: {count} networks, {spikes} spikes, {edges} networks reach an edge; "
        f"{compared} values compared, {differing} differ"
    )
    return compared > 0 and differing == 0


def main() -> int:
    """Check against every emulator whose environment is there."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("emulators", nargs="*", choices=[*EMULATORS, []])
    parser.add_argument("--count", type=int, default=100)
    options = parser.parse_args()
    good = True
    for emulator in options.emulators or EMULATORS:
        if has_environment(emulator):
            good &= check(emulator, options.count)
        else:
            print(f"no environment for {emulator} under {ROOT}; make one with tests/interop/environments.sh {emulator}")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
