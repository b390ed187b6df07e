"""What placement is compared with: a Hilbert curve and force-directed swaps (after Jin 2023), Mt-KaHyPar over chips."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import astuple
from pathlib import Path
from typing import Any

import mtkahypar
import numpy as np
import scipy.sparse

from benchmarks.networks import NETWORKS
from benchmarks.pooled_rows import checked_out
from ir.arrays import Array
from ir.chip import Mesh
from ir.kernels import kept_on_disk
from mapper.board.chips import cut
from mapper.board.place import place, swap_gain, symmetric
from mapper.board.route import core_traffic, route, route_chips
from mapper.search.neuron_search import METIS_PINS
from mapper.search.split import compact
from mapper.search.starts import metis, started, symmetric_graph
from mapper.view.hypergraph import Caps
from mapper.view.twins import chunk_cells

BOARD = Mesh(8, 4, 4, 128, 4, 2)  # eight chips of the size of loihi1
MODULE = 16  # cores of a module
SHEETS = {"sheet422k": 1012, "sheet100k": 1012, "sheet1m": 1000}
"""Recurrent sheets, and how many cores they are cut into; of the first the older commit sends 46.6 % between chips."""
PRESETS = "DEFAULT", "QUALITY"  # of Mt-KaHyPar, tried with five seeds each


def hilbert(side: int) -> Array:
    """(side^2, 2) points of the Hilbert curve through a square whose side is a power of two."""
    points = np.zeros((1, 2), np.int64)
    size = 1
    while size < side:
        turned = points[:, ::-1]
        points = np.concatenate([turned, points + [0, size], points + [size, size], [2 * size - 1, size - 1] - turned])
        size *= 2
    return points


@kept_on_disk
def neighbour_swaps(start, other, weight, site, core_at, column, row, side, sweeps):
    """Swap neighbouring sites while that saves hops, at most ``sweeps`` times over the mesh."""
    x, y = column[site], row[site]
    for _ in range(sweeps):
        swaps = 0
        for p in range(side * side):
            for step in (1, side):
                q = p + step
                if q >= side * side or (step == 1 and q % side == 0):
                    continue
                a, b, here, there = core_at[p], core_at[q], p, q
                if a < 0:
                    a, b, here, there = b, a, q, p
                if a >= 0 and swap_gain(a, b, here, there, start, other, weight, x, y, column, row) > 1e-9:
                    site[a], core_at[there], core_at[here] = there, a, b
                    x[a], y[a] = column[there], row[there]
                    if b >= 0:
                        site[b] = here
                        x[b], y[b] = column[here], row[here]
                    swaps += 1
        if swaps == 0:
            break
    return site


def hilbert_and_force(flow: scipy.sparse.spmatrix, order: Array, side: int) -> tuple[Array, Array]:
    """Lay the cores along the curve in ``order``, then swap neighbours until none gains.

    Returns:
        Column and row of each core.
    """
    both, points, k = symmetric(flow), hilbert(side), flow.shape[0]
    site = np.empty(k, np.int32)
    site[order] = (points[:k, 1] * side + points[:k, 0]).astype(np.int32)
    core_at = np.full(side * side, -1, np.int32)
    core_at[site] = np.arange(k)
    row, column = np.divmod(np.arange(side * side, dtype=np.int32), np.int32(side))
    site = neighbour_swaps(both.indptr, both.indices, both.data, site, core_at, column, row, side, 1000)
    return column[site], row[site]


def modules(
    n: int = 960, size: int = MODULE, partners: int = 2, seed: int = 0, one_way: bool = False
) -> scipy.sparse.csr_matrix:
    """Flow between ``n`` cores in modules, 1 a pair inside, .25 to random partners outside, numbers shuffled.

    Args:
        one_way: 1 from one core of a pair to the other; else 1 both ways.
    """
    rng = np.random.default_rng(seed)
    module = np.arange(n) // size
    flow = (module[:, None] == module).astype(np.float64)
    if one_way:
        flow = np.triu(flow)
    for core in range(n):
        flow[core, rng.choice(np.flatnonzero(module != module[core]), partners, replace=False)] += 0.25
    np.fill_diagonal(flow, 0.0)
    names = rng.permutation(n)
    return scipy.sparse.csr_matrix(flow[names][:, names])


def sheet_on_cores(name: str, neurons: int, k: int) -> Any:
    """Flow between the cores of a recurrent sheet, cut by METIS into about ``k`` cores of ``neurons`` at most."""
    cells = NETWORKS[name]().cells
    graph = chunk_cells(cells, Caps(neurons)).graph
    return core_traffic(cells, compact(metis(symmetric_graph(graph, METIS_PINS), k, graph.neurons, 0)))


def best_of_ten(flow: Any, capacity: int, n_chips: int) -> float:
    """Share of packets that change chip in Mt-KaHyPar's best partition of the cores that fits."""
    both, found = symmetric(flow), list[float]()
    pairs: Any = scipy.sparse.triu(both).tocoo()
    ends, k = list(zip(pairs.row.tolist(), pairs.col.tolist())), both.shape[0]
    weight = np.maximum(np.rint(pairs.data * (2**29 / pairs.data.sum())), 1).astype(np.int64).tolist()
    for preset in PRESETS:
        for seed in range(5):
            mtkahypar.set_seed(seed)
            context = started().context_from_preset(getattr(mtkahypar.PresetType, preset))
            context.set_partitioning_parameters(n_chips, 0.03, mtkahypar.Objective.CUT)
            context.set_individual_target_block_weights([capacity] * n_chips)
            context.logging = False
            graph = started().create_graph(context, k, len(ends), ends, [1] * k, weight)
            chip = np.array(graph.partition(context).get_partition())
            if np.bincount(chip).max() <= capacity:
                found.append(2 * cut(both, chip) / float(both.sum()))
    return min(found, default=1.0)


IN_OLDER_TREE = """
import json, sys
import scipy.sparse
from ir.chip import Mesh
from mapper.place import place
cores = place(scipy.sparse.load_npz(sys.argv[1]), Mesh(*json.loads(sys.argv[2])))
print(json.dumps([core.chip for core in cores]))
"""


def chips_before(flow: Any, tree: Path) -> Array:
    """(K,) the chips that the commit before near-twins gives the cores: the whole board is one mesh to it."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "flow.npz"
        scipy.sparse.save_npz(path, flow)
        command = [sys.executable, "-c", IN_OLDER_TREE, str(path), json.dumps(astuple(BOARD))]
        environment = {**os.environ, "PYTHONPATH": str(tree)}
        done = subprocess.run(command, cwd=tree, env=environment, check=True, capture_output=True, text=True)
    return np.array(json.loads(done.stdout))


def measure_boards() -> Iterator[list[dict[str, Any]]]:
    """How many packets change chip on a board of eight, beside the older commit and Mt-KaHyPar's best of ten.

    Yields:
        The rows of a network.
    """
    with tempfile.TemporaryDirectory() as folder:
        before = checked_out(Path(folder))
        yield board_rows("modules", modules(), before)
        yield board_rows("modules-one-way", modules(one_way=True), before)
        for name, k in SHEETS.items():
            yield board_rows(name, sheet_on_cores(name, 1024, k), before)


def board_rows(name: str, flow: Any, before: Path | None) -> list[dict[str, Any]]:
    """The rows of one network, placed with seed 0."""
    started = time.process_time()
    k, cores = int(flow.shape[0]), place(flow, BOARD)
    seconds = time.process_time() - started
    routes, chips = route(flow, cores, BOARD), route_chips(flow, cores, BOARD)
    held = np.bincount([core.chip for core in cores])
    values = {
        "between_chips": (chips.packets / routes.packets, f"of packets, {k} cores"),
        "between_chips_mt_kahypar": (best_of_ten(flow, BOARD.usable_cores, held.size), "of packets, best of 10"),
        "hops": (routes.hops_per_packet, "hops a packet"),
        "cpu_seconds": (seconds, "CPU s"),
        "violations": (float((held > BOARD.usable_cores).sum()), "chips with too many cores"),
    }
    if before is not None:
        chip, pairs = chips_before(flow, before), flow.tocoo()
        apart = float(pairs.data[chip[pairs.row] != chip[pairs.col]].sum())
        values["between_chips_before"] = apart / routes.packets, "of packets, by the older commit"
    return [{"name": f"board.{name}.{key}", "value": v, "unit": unit} for key, (v, unit) in values.items()]
