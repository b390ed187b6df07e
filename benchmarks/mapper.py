"""Partition and place the networks of ``networks.py``; print cost, cores, time and memory beside the simple fills.

    python benchmarks/mapper.py [--only 16k-rand] [--json FILE] [--preset default]

Seconds are wall seconds of the search after one small network has warmed up the compiler; ``cpu_seconds`` are beside.
km1 of the `rand` networks is in rates as published, of the others in rates x 1000. ``seeds``, an hour and more, runs
only where it is named.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.networks import NETWORKS, RATE_SCALE
from benchmarks.placement import hilbert_and_force, measure_boards
from benchmarks.pooled_rows import measure_pooled
from benchmarks.seed_rows import measure_seeds
from ir.chip import Mesh
from mapper.board.place import place
from mapper.board.route import core_traffic, route, trace_routes
from mapper.check.recount import recount
from mapper.search.search import PRESETS, search
from mapper.search.split import compact
from mapper.search.starts import metis, symmetric_graph
from mapper.view.hypergraph import Caps
from mapper.view.twins import Cells, chunk_cells

GOALS = {
    "16k-rand": {"km1": 71e3},
    "64k-rand": {"km1": 560e3, "cores": 110, "seconds": 150},
    "vgg-loihi": {"km1": 2.2e7, "cores": 310, "seconds": 15},
    "vgg-large": {"km1": 4.3e6, "seconds": 2},
    "sheet1m": {"km1": 4.3e7, "seconds": 60, "peak_gb": 4},
    "place": {"seconds": 3},
    "place.vgg": {"ratio": 0.55},
    "place.sheet": {"ratio": 0.92},
    "board.modules": {"between_chips": 0.06, "violations": 0},
    "board.modules-one-way": {"between_chips": 0.06, "violations": 0},
    "board.sheet422k": {"between_chips": 0.41, "violations": 0},
    "board.sheet100k": {"violations": 0},
    "board.sheet1m": {"violations": 0},
}
PLACES = {"place.vgg": ("vgg-loihi", 0.55), "place.sheet": ("sheet100k", 0.92)}
NAMES = ["16k-rand", "64k-rand", "vgg-loihi", "vgg-large", "sheet1m", "place", "boards", "pooled", "seeds"]
SIDE = 32  # tiles a side of the mesh that is placed on, one core a tile


def warm_up() -> None:
    """Compile on small networks, with twins and without."""
    ids = np.arange(64, dtype=np.int32)
    ring = Cells(
        ids,
        64,
        np.arange(65) * 2,
        np.stack([(ids + 1) % 64, (ids + 2) % 64], 1).reshape(-1),
        np.ones(64, int),
        ids * 0 + 2,
    )
    twin = Cells(
        np.repeat(ids[:4], 16), 64, np.arange(5), np.array([1, 2, 3, 0], np.int32), np.ones(64, int), ids * 0 + 16
    )
    for cells in (ring, twin):
        search(cells, Caps(10), {"id order": ids})


def measure(name: str, preset: str) -> list[dict[str, Any]]:
    """Map one network; return its rows."""
    network = NETWORKS[name]()
    warm_up()
    started, cpu = time.perf_counter(), time.process_time()
    found = search(network.cells, network.caps, network.orders, preset)
    seconds, cpu = time.perf_counter() - started, time.process_time() - cpu
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9
    scale = RATE_SCALE if name.endswith("rand") else 1
    best, caps = found[0], network.caps
    tally = recount(network.synapses(), best.block, network.cells.rate)
    wrong = tally.violations(caps.neurons, caps.memory, caps.axons) + (tally.km1 != best.km1)
    values = {
        "km1": best.km1 / scale,
        "cores": best.n_cores,
        "seconds": seconds,
        "cpu_seconds": cpu,
        "peak_gb": peak,
        "violations": wrong,
    }
    units = {
        "km1": "rate-weighted copies",
        "cores": "cores",
        "seconds": "s",
        "cpu_seconds": "CPU s",
        "peak_gb": "GB",
        "violations": "count",
    }
    rows = [{"name": f"{name}.{key}", "value": float(value), "unit": units[key]} for key, value in values.items()]
    return rows + [
        {"name": f"{name}.by.{c.method}", "value": c.km1 / scale, "unit": f"copies on {c.n_cores} cores"} for c in found
    ]


def cut_for_placement(name: str) -> tuple[Cells, np.ndarray]:
    """Cut a network into nearly as many cores as the mesh has tiles: by the search, without twins by METIS."""
    network = NETWORKS[name]()
    if name.startswith("vgg"):
        found = search(network.cells, Caps(network.cells.n_neurons // (SIDE * SIDE - 40)), network.orders)
        return network.cells, next(c.block for c in found if c.n_cores <= SIDE * SIDE)
    graph = chunk_cells(network.cells, Caps(1024)).graph
    return network.cells, compact(metis(symmetric_graph(graph), SIDE * SIDE - 12, graph.neurons, 0))


def measure_placement() -> list[dict[str, Any]]:
    """Hops a packet on a square mesh, beside a Hilbert curve with force-directed swaps in the same core order."""
    rows: list[dict[str, Any]] = []
    mesh, seconds = Mesh(SIDE, SIDE, 1, SIDE * SIDE), []
    place(core_traffic(*cut_for_placement("vgg-loihi")), mesh)  # compiles
    for label, (name, _) in PLACES.items():
        flow: Any = core_traffic(*cut_for_placement(name))
        started = time.perf_counter()
        ours = route(flow, place(flow, mesh), mesh).hops_per_packet
        seconds.append(time.perf_counter() - started)
        column, row = hilbert_and_force(flow, np.arange(flow.shape[0]), SIDE)
        theirs = trace_routes(flow, column, row).hops_per_packet
        rows.append({"name": f"{label}.hops", "value": ours, "unit": f"hops a packet on {flow.shape[0]} cores"})
        rows.append({"name": f"{label}.hilbert_and_force", "value": theirs, "unit": "hops a packet"})
        rows.append({"name": f"{label}.ratio", "value": ours / theirs, "unit": "of Hilbert + force-directed"})
    return [*rows, {"name": "place.seconds", "value": max(seconds), "unit": "s, the slower of the two"}]


def isolated(name: str, preset: str) -> list[dict[str, Any]]:
    """Measure in a process of its own: memory peaks do not mix."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "rows.json"
        command = [sys.executable, __file__, "--here", name, "--json", str(out), "--preset", preset]
        subprocess.run(command, check=True)
        return json.loads(out.read_text())


def show(rows: list[dict[str, Any]]) -> None:
    """Print the rows and, where a goal is missed, say so."""
    for row in rows:
        network, _, key = row["name"].rpartition(".")
        goal = GOALS.get(network, {}).get(key)
        verdict = "" if goal is None else f"   goal <= {goal:g}: {'met' if row['value'] <= goal else 'MISSED'}"
        value = row["value"]
        if not isinstance(value, str):
            value = f"{value:16,.{4 if abs(value) < 1 else 2}f}"
        print(f"{row['name']:44} {value}  {row['unit']}{verdict}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", choices=NAMES, action="append")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--preset", default="default", choices=PRESETS)
    parser.add_argument("--network", help="of the pooled ones, such as unet-8")
    parser.add_argument("--before", type=Path, help="folder that keeps the older commit's files between runs")
    parser.add_argument("--here", choices=NAMES, help=argparse.SUPPRESS)
    given = parser.parse_args()
    rows: list[dict[str, Any]] = []
    for name in [given.here] if given.here else given.only or [n for n in NAMES if n != "seeds"]:
        if name == "pooled":
            more = measure_pooled(given.network, given.before)
        elif name == "seeds":
            more = measure_seeds()
        elif name == "boards":
            more = []
            for of_network in measure_boards():
                show(of_network)
                rows += of_network
        elif not given.here:
            more = isolated(name, given.preset)
        else:
            more = measure_placement() if name == "place" else measure(name, given.preset)
        rows += more
        if not given.here:
            show(more)
    if given.json:
        given.json.write_text(json.dumps(rows, indent=1) + "\n")


if __name__ == "__main__":
    main()
