"""Map the networks of ``pooled.py`` with this tree and with the commit before near-twins, in one run.

    python benchmarks/mapper.py --only pooled [--network lenet] [--before FOLDER] [--json FILE]

A tree runs in a process of its own: this file is started with the tree's root as the working folder and in front of
the path, so it imports nothing that the older tree lacks.
"""

from __future__ import annotations

import argparse
import importlib
import importlib.util
import json
import os
import subprocess
import sys
import tarfile
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

BEFORE = "5cc0b1d"  # the commit that rows ``_before`` are measured on
HERE = Path(__file__).resolve()
RUNS = [
    ("lenet", "loihi2", 0.77),
    ("lenet", "loihi1", 0.65),
    ("vgg11-1/2", "loihi2", 0.78),
    ("vgg11-1/4", "loihi1", 0.54),
    ("unet-8", "loihi2", 0.77),
    ("unet-8", "loihi1", 0.70),
    ("shd", "loihi1", 0.89),
    ("mobilenet-1/4", "loihi1", 1.0),
    ("resnet-3", "loihi1", 1.0),
]
"""Network, chip, and the goal of km1 over km1 before."""
FAST_GOALS = {"mobilenet-1/4": 0.69}


def measure_pooled(only: str | None = None, kept: Path | None = None) -> list[dict[str, Any]]:
    """Rows of every network and preset; those of the older commit only where git has it.

    Args:
        only: a network's name. kept: where the older commit's files stay, with what is compiled of them.
    """
    rows: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as folder:
        before = checked_out(kept or Path(folder))
        for network, chip, goal in RUNS:
            if only in (None, network):
                rows += measured(network, chip, goal, before)
    return rows


def measured(network: str, chip: str, goal: float, before: Path | None) -> list[dict[str, Any]]:
    """Rows of one network on one chip, ``default`` and ``fast``."""
    rows: list[dict[str, Any]] = []
    for preset in ("default", "fast"):
        name = f"{network}.{chip}" if preset == "default" else f"{network}.{chip}.fast"
        values = mapped_in(HERE.parent.parent, network, chip, preset)
        if before is not None:
            values |= {f"{key}_before": v for key, v in mapped_in(before, network, chip, preset).items()}
            if "km1" in values and "km1_before" in values:
                values["ratio"] = values["km1"] / values["km1_before"]
                aim = goal if preset == "default" else FAST_GOALS.get(network)
                if aim is not None:
                    verdict = "met" if values["ratio"] <= aim else "MISSED"
                    print(f"{name}: {values['ratio']:.3f} of before, goal {aim}: {verdict}", flush=True)
        values["cores_at_most"] = -(-21 * values["bound"] // 20) + 1 if "bound" in values else 0
        rows += [{"name": f"{name}.{key}", "value": value, "unit": _unit(key)} for key, value in values.items()]
    return rows


def _unit(key: str) -> str:
    """What a row counts."""
    units = {"km1": "rates x 1000 x copies", "cpu_seconds": "CPU s", "ratio": "of before", "refused": "sentence"}
    return units.get(key.removesuffix("_before"), "count")


def checked_out(folder: Path) -> Path | None:
    """The older commit's files in a folder; None, and a sentence, where git does not have it."""
    root, packed = HERE.parent.parent, folder / "before.tar"
    if (folder / "tree").exists():
        return folder / "tree"
    folder.mkdir(parents=True, exist_ok=True)
    done = subprocess.run(
        ["git", "-C", str(root), "archive", "--output", str(packed), BEFORE], capture_output=True, check=False
    )
    if done.returncode:
        print(f"commit {BEFORE} is not in this checkout: rows of before are left out", flush=True)
        return None
    with tarfile.open(packed) as files:
        files.extractall(folder / "tree", filter="data")
    return folder / "tree"


def mapped_in(tree: Path, network: str, chip: str, preset: str) -> dict[str, Any]:
    """What the mapper of a tree makes of a network."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "values.json"
        environment = {**os.environ, "PYTHONPATH": str(tree)}
        command = [sys.executable, str(HERE), network, chip, preset, str(out)]
        subprocess.run(command, cwd=tree, env=environment, check=True)
        return json.loads(out.read_text())


def run_here(name: str, chip_name: str, preset: str) -> dict[str, Any]:
    """Map with the tree in the working folder; a network that does not fit is its sentence."""
    sys.path.insert(0, str(Path.cwd()))
    path = HERE.with_name("pooled.py")
    spec = importlib.util.spec_from_file_location("pooled", path)
    assert spec is not None and spec.loader is not None
    pooled = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(pooled)
    new = (Path.cwd() / "exchange" / "chip_toml.py").exists()
    chip = importlib.import_module("exchange.chip_toml" if new else "ir.formats.chip_toml").find_chip(chip_name)
    find_partition = importlib.import_module("mapper.partition").find_partition
    find_partition(pooled.lenet(), chip, None, preset)  # compiles
    network = pooled.POOLED[name]()
    started = time.process_time()
    try:
        found = find_partition(network, chip, pooled.mean_rates(network), preset)
    except ValueError as error:
        return {"refused": str(error)}
    seconds = time.process_time() - started
    least = importlib.import_module("mapper.check.least").least_cores(network, chip) if new_rules() else 0
    shares = [float(np.sum(held)) / most for held, most in found.use.values() if most]
    return {
        "km1": found.tally.km1,
        "cores": int(found.tally.neurons.size),
        "bound": int(np.ceil(max(shares[:2]))),  # input and output axons depend on the map
        "least": least,  # no partition takes fewer cores; 0 = the tree does not say
        "violations": sum(int((np.asarray(held) > most).sum()) for held, most in found.use.values()),
        "cpu_seconds": seconds,
    }


def new_rules() -> bool:
    """Whether the tree in the working folder proves how many cores are needed."""
    return (Path.cwd() / "mapper" / "check" / "least.py").exists()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    for word, what in (
        ("network", "a name of benchmarks.pooled.POOLED"),
        ("chip", "a name"),
        ("preset", "of the search"),
        ("out", "a file"),
    ):
        parser.add_argument(word, help=what)
    said = parser.parse_args()
    Path(said.out).write_text(json.dumps(run_here(said.network, said.chip, said.preset)))
