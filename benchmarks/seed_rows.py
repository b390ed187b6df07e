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
from collections.abc import Iterator
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
MARK = "seed row: "  # in front of what a worker has measured
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
            for age, tree in trees.items():
                have = {j["seed"] for j in done if (j["name"], j["age"]) == (name, age)}
                for values in mapped_in(tree, name, [seed for seed in range(n) if seed not in have]):
                    done.append({"name": name, "age": age, **values})
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


def mapped_in(tree: Path, name: str, seeds: list[int]) -> Iterator[Job]:
    """What the mapper of a tree makes of a network, in a process of its own; each seed as soon as it is there."""
    if not seeds:
        return
    environment = {**os.environ, "PYTHONPATH": str(tree), "SEED_ROWS_TREE": str(tree)}
    command = [sys.executable, str(HERE), "--here", name, *map(str, seeds)]
    with subprocess.Popen(command, cwd=tree, env=environment, stdout=subprocess.PIPE, text=True) as worker:
        assert worker.stdout is not None
        yield from (json.loads(line.removeprefix(MARK)) for line in worker.stdout if line.startswith(MARK))
    if worker.returncode:
        raise subprocess.CalledProcessError(worker.returncode, command)


def run_here(name: str, seeds: list[int]) -> Iterator[Job]:
    """Map or place with the tree that comes first in the path."""
    bench: Any = importlib.import_module("benchmarks.mapper")
    bench.warm_up()
    if name in PLACED:
        flow, mesh = bench.core_traffic(*bench.cut_for_placement(PLACED[name])), bench.Mesh(32, 32, 1, 1024)
        for seed in seeds:
            started = time.process_time()
            hops, seconds = bench.route(flow, bench.place(flow, mesh, seed), mesh).hops_per_packet, time.process_time()
            yield {
                "seed": seed,
                "cost": hops,
                "cores": flow.shape[0],
                "violations": 0,
                "cpu_seconds": seconds - started,
            }
        return
    network = bench.NETWORKS[name]()
    caps = network.caps
    for seed in seeds:
        started = time.process_time()
        best = bench.search(network.cells, caps, network.orders, "default", seed)[0]
        seconds = time.process_time() - started
        tally = bench.recount(network.synapses(), best.block, network.cells.rate)
        wrong = tally.violations(caps.neurons, caps.memory, caps.axons) + (tally.km1 != best.km1)
        yield {
            "seed": seed,
            "cost": int(best.km1),
            "cores": int(best.n_cores),
            "violations": int(wrong),
            "cpu_seconds": seconds,
        }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--only", choices=NAMES, nargs="+", default=NAMES)
    parser.add_argument("--rows", type=Path, help="measurements, a line each: kept, and not made again")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--here", nargs="+", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.here:
        for values in run_here(given.here[0], [int(seed) for seed in given.here[1:]]):
            print(MARK + json.dumps(values), flush=True)
        return
    rows = measure_seeds(given.seeds, tuple(given.only), given.rows)
    for row in rows:
        print(f"{row['name']:44} {row['value']:16,.3f}  {row['unit']}", flush=True)
    if given.json:
        given.json.write_text(json.dumps(rows, indent=1) + "\n")


if __name__ == "__main__":
    main()
