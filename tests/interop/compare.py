"""``make interop``: networks drawn for each framework, run by the framework and by us, compared spike for spike."""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

from exchange import nir
from ir.network import Network
from ir.quantized import QuantizedNetwork
from ir.schedule import Schedule
from ir.stimulus import Stimulus
from sim_reference.simulate import run as run_integers
from tests.interop.draw import DT, Nodes, draw, write_nir
from tests.interop.layered import run as run_floats

ROOT = Path(os.environ.get("UNLAYERED_INTEROP", Path.home() / ".cache" / "unlayered-interop"))


def slayer_layers(nodes: Nodes, dt: float) -> list[dict[str, object]]:
    """What lava-dl, which reads no NIR, is told to build."""
    layers: list[dict[str, object]] = []
    for name, node in nodes.items():
        if node["type"] == "CubaLIF":
            recurrent = nodes.get(f"{name}_rec")
            layers.append({
                "weight": nodes[f"layer{name[6:]}"]["weight"].tolist(),
                "recurrent": recurrent["weight"].tolist() if recurrent else None,
                "threshold": float(node["v_threshold"].reshape(-1)[0]),
                "current_decay": float(dt / node["tau_syn"].reshape(-1)[0]),
                "voltage_decay": float(dt / node["tau_mem"].reshape(-1)[0]),
            })  # fmt: skip
    return layers


def ours(path: Path, framework: str, frames: np.ndarray) -> np.ndarray:
    """Our output spikes, (T, n_out)."""
    network = nir.read(path, framework, DT[framework])
    flat = frames.reshape(len(frames), 1, -1)
    if isinstance(network, Network):
        return run_floats(network, flat)[network.output][:, 0]
    assert isinstance(network, QuantizedNetwork)
    trace = run_integers(network, Stimulus(flat.astype(np.int32)), Schedule(kind="layered", F=None))
    at = trace.population_slice(network.output)
    spikes = np.zeros((len(frames), trace.n_neurons))
    assert trace.spikes is not None
    spikes[trace.spikes.t, trace.spikes.neuron] = 1
    return spikes[:, at]


def compare(framework: str, count: int, folder: Path) -> bool:
    """Draw, run both, report one line; whether all are equal."""
    for i in range(count):
        nodes, edges, frames = draw(framework, i)
        write_nir(folder / f"{i:03}.nir", nodes, edges)
        np.save(folder / f"{i:03}.npy", frames)
        (folder / f"{i:03}.dt").write_text(str(DT[framework]))
        if framework == "lava-dl":
            (folder / f"{i:03}.json").write_text(json.dumps(slayer_layers(nodes, DT[framework])))
    python = ROOT / framework / "bin" / "python"
    subprocess.run(
        [python, Path(__file__).with_name("frameworks.py"), framework, folder], check=True, capture_output=True
    )
    equal, spikes, failed = 0, 0, []
    for path in sorted(folder.glob("*.nir")):
        if path.with_suffix(".error").exists():
            failed.append(path.with_suffix(".error").read_text().strip().splitlines()[-1])
            continue
        theirs = np.load(path.with_suffix(".out.npy"))
        mine = ours(path, framework, np.load(path.with_suffix(".npy")))
        equal += int(np.array_equal(theirs, mine))
        spikes += int(theirs.sum())
        if not np.array_equal(theirs, mine):
            first = np.argwhere(theirs != mine)[0]
            print(f"  {path.name}: {int(theirs.sum())} spikes there, {int(mine.sum())} here; first at {first.tolist()}")
    print(f"{framework}: {equal} of {count} networks equal, {spikes} output spikes")
    if failed:
        print(f"  {framework} itself failed on {len(failed)}: {failed[0]}")
    return equal == count


def main() -> int:
    """Compare the frameworks named, or every one whose environment is there."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("frameworks", nargs="*")
    parser.add_argument("--count", type=int, default=20)
    options = parser.parse_args()
    there = [f for f in DT if (ROOT / f / "ready").exists()]
    missing = [f for f in options.frameworks or DT if f not in there]
    if missing:
        print(f"no environment for {', '.join(missing)} under {ROOT}; make one with tests/interop/environments.sh")
    good = True
    for framework in options.frameworks or there:
        if framework in there:
            with tempfile.TemporaryDirectory() as folder:
                good &= compare(framework, options.count, Path(folder))
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
