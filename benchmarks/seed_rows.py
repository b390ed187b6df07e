"""Map the networks of ``networks.py`` with several seeds, by this tree and by the commit before near-twins, in one run.

    python benchmarks/mapper.py --only seeds [--json FILE]
    python benchmarks/seed_rows.py [--seeds 5] [--only 64k-rand] [--rows FILE] [--json FILE]

Rows: for each network the median and the worst of km1 (of hops a packet where cores are placed), its ratio to the older
tree's, and whether that is at most 0.5 % worse in the median and 1 % in the worst. With ``--rows`` every measurement is
kept there, a line each, and a later call goes on where this one stopped.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import Any

HERE = Path(__file__).resolve()
if __name__ == "__main__":
    sys.path[0] = os.environ.get("SEED_ROWS_TREE", str(HERE.parent.parent))  # not this folder: a mapper.py lies in it

SEARCHED = ("vgg-large", "vgg-loihi", "64k-rand", "sheet1m", "16k-rand")
PLACED = {"place.vgg": "vgg-loihi", "place.sheet": "sheet100k"}
NAMES = (*PLACED, *SEARCHED)
MEDIAN, WORST = 1.005, 1.01  # at most so much of the older tree's median, and of its worst
Job = dict[str, Any]


def measure_seeds(n: int = 5, only: tuple[str, ...] = NAMES, kept: Path | None = None) -> list[dict[str, Any]]:
    """Rows of every network; empty where git does not have the older commit.

    Args:
        n: seeds, from 0. kept: a file of measurements that are not repeated, and to which the new ones are added.
    """
    from benchmarks.pooled_rows import checked_out  # noqa: PLC0415 - workers of the older tree have none

    done: list[Job] = [json.loads(line) for line in kept.read_text().splitlines()] if kept and kept.exists() else []
    with tempfile.TemporaryDirectory() as folder:
        before = checked_out(Path(folder))
        if before is None:
            return []
        trees = {"now": HERE.parent.parent, "before": before}
        for name in only:
            for seed in range(n):
                for age, tree in trees.items():
                    if any((j["name"], j["seed"], j["age"]) == (name, seed, age) for j in done):
                        continue
                    done.append({"name": name, "seed": seed, "age": age, **mapped_in(tree, name, seed)})
                    print(json.dumps(done[-1]), flush=True)
                    if kept:
                        with kept.open("a") as file:
                            file.write(json.dumps(done[-1]) + "\n")
    return [row for name in only for row in compared(name, [j for j in done if j["name"] == name and j["seed"] < n])]


def compared(name: str, jobs: list[Job]) -> list[dict[str, Any]]:
    """The rows of one network."""
    cost = {age: [j["cost"] for j in jobs if j["age"] == age] for age in ("now", "before")}
    unit = "hops a packet" if name in PLACED else "rate-weighted copies"
    rows: list[dict[str, Any]] = []
    for key, of, most in (("median", median, MEDIAN), ("worst", max, WORST)):
        now, before = of(cost["now"]), of(cost["before"])
        rows.append({"name": f"seeds.{name}.{key}", "value": now, "unit": unit})
        rows.append({"name": f"seeds.{name}.{key}_before", "value": before, "unit": unit})
        verdict = "met" if now <= most * before else "MISSED"
        rows.append({"name": f"seeds.{name}.{key}_ratio", "value": now / before, "unit": f"goal {most}: {verdict}"})
    wrong = sum(j["violations"] for j in jobs if j["age"] == "now")
    return [*rows, {"name": f"seeds.{name}.violations", "value": wrong, "unit": f"count, {len(cost['now'])} seeds"}]


def mapped_in(tree: Path, name: str, seed: int) -> Job:
    """What the mapper of a tree makes of a network, in a process of its own."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "values.json"
        environment = {**os.environ, "PYTHONPATH": str(tree), "SEED_ROWS_TREE": str(tree)}
        command = [sys.executable, str(HERE), "--here", name, str(seed), "--json", str(out)]
        subprocess.run(command, cwd=tree, env=environment, check=True)
        return json.loads(out.read_text())


def run_here(name: str, seed: int) -> Job:
    """Map or place with the tree that comes first in the path."""
    bench: Any = importlib.import_module("benchmarks.mapper")
    bench.warm_up()
    if name in PLACED:
        flow, mesh = bench.core_traffic(*bench.cut_for_placement(PLACED[name])), bench.Mesh(32, 32, 1, 1024)
        started = time.process_time()
        hops = bench.route(flow, bench.place(flow, mesh, seed), mesh).hops_per_packet
        return {"cost": hops, "cores": flow.shape[0], "violations": 0, "cpu_seconds": time.process_time() - started}
    network = bench.NETWORKS[name]()
    started = time.process_time()
    best = bench.search(network.cells, network.caps, network.orders, "default", seed)[0]
    seconds, caps = time.process_time() - started, network.caps
    tally = bench.recount(network.synapses(), best.block, network.cells.rate)
    wrong = tally.violations(caps.neurons, caps.memory, caps.axons) + (tally.km1 != best.km1)
    return {"cost": best.km1, "cores": best.n_cores, "violations": int(wrong), "cpu_seconds": seconds}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--only", choices=NAMES, nargs="+", default=NAMES)
    parser.add_argument("--rows", type=Path, help="measurements, a line each: kept, and not made again")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--here", nargs=2, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.here:
        rows: Any = run_here(given.here[0], int(given.here[1]))
    else:
        rows = measure_seeds(given.seeds, tuple(given.only), given.rows)
        for row in rows:
            print(f"{row['name']:44} {row['value']:16,.3f}  {row['unit']}", flush=True)
    if given.json:
        given.json.write_text(json.dumps(rows, indent=1) + "\n")


if __name__ == "__main__":
    main()
