"""Compare capacity and cost with what Intel's compiler and board report for two trained networks; map a large one.

    UNLAYERED_DATA=../shared python benchmarks/capacity.py [--only cores words energy conv1m conv10m] [--json FILE]

Reads ``models/`` of the shared data: ``mnist_mlp.net``, ``pilotnet_snn.net``, its recorded input, and
``loihi2_compiler_reports.json``. ``conv1m`` is a random convolutional network of a million neurons and needs none.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.implicit import Row, conv1m, conv100m, mapped_implicit, row, violations
from exchange import net
from exchange.chip_toml import find_chip
from ir.chip import Chip
from ir.connection import Conv2d, Dense
from ir.graph import slices
from ir.mapped import Core, MappedNetwork, one_large_core
from ir.quantized import QuantizedNetwork
from ir.stimulus import Stimulus
from mapper import map_network
from mapper.cost import count_events, estimate
from mapper.memory.layout import layout, list_words
from sim_reference import fast

MODELS = Path(os.environ.get("UNLAYERED_DATA", "../shared")) / "models"
TIME_STEPS = 16  # of an inference: reset_interval in the tutorial that measured it, and tSample in the file


@cache
def reports() -> dict[str, Any]:
    return json.loads((MODELS / "loihi2_compiler_reports.json").read_text())


def trained(name: str) -> QuantizedNetwork:
    """One of Intel's networks; PilotNet with the layer of neurons that turns an image into spikes, as on the board."""
    return net.read(MODELS / "lava_dl" / name, input_neurons=name.startswith("pilotnet"))


@cache
def mapped(name: str) -> MappedNetwork:
    return map_network(trained(name), find_chip("loihi2"))


def cores() -> list[Row]:
    """Cores of our maps beside Intel's."""
    rows: list[Row] = []
    for name in ("mnist_mlp.net", "pilotnet_snn.net"):
        started = time.process_time()
        ours, theirs = len(mapped(name).cores), reports()[name]["total_cores"]
        rows.append(row(f"{name}.cores", ours, "cores"))
        rows.append(row(f"{name}.cores_ratio", ours / theirs, f"of Intel's {theirs}"))
        rows.append(row(f"{name}.violations", len(violations(mapped(name))), "count"))
        rows.append(row(f"{name}.seconds", time.process_time() - started, "CPU s"))
    return rows


def words() -> list[Row]:
    """Synapse words of a core by our format beside Intel's, for Intel's own cut: neurons a core as its report says."""
    chip, rows = find_chip("loihi2"), []
    form = list_words(chip)
    for name, budget in (("mnist_mlp.net", 12000 / 100), ("pilotnet_snn.net", 1)):
        share = 4096 / 100 if name.startswith("mnist") else 1  # percent of a core there, numbers here
        projections = [e for e in trained(name).projections if isinstance(e.connection, (Conv2d, Dense))]
        printed = [r for r in reversed(reports()[name]["rows"]) if r["Synapses"] > 0]
        for e, theirs in zip(projections, printed, strict=True):
            way, c = layout(e, chip), e.connection
            if isinstance(c, Conv2d):
                ours = c.weight[0].size * int(form.of_list(c.weight.shape[0], way.bits))
            elif theirs["cores"] > 1 and share == 1:  # its mean over the cores: all but one hold the same number
                full = -(-c.n_post // theirs["cores"])
                sizes = np.array([full] * (c.n_post // full) + [c.n_post % full])
                ours = c.n_pre * float(form.of_list(sizes, way.bits).sum()) / theirs["cores"]
            else:
                ours = c.n_pre * int(form.of_list(round(theirs["Neurons"] * share), way.bits))
            ratio = ours / (theirs["Synapses"] * budget)
            rows.append(row(f"{name}.words.{e.post}", ratio, f"of Intel's {theirs['Synapses'] * budget:.0f} words"))
    return rows


def pilotnet_counts(network: QuantizedNetwork) -> np.ndarray:
    """(N + inputs,) spikes of one inference: the recorded input, everything behind it by the reference."""
    spikes = np.load(MODELS / "pilotnet_snn" / "input.npy")[..., :TIME_STEPS]
    frames = spikes.transpose(3, 2, 1, 0).reshape(TIME_STEPS, 1, -1).astype(np.int64)
    behind = fast.run(one_large_core(net.read(MODELS / "lava_dl" / "pilotnet_snn.net")), Stimulus(frames))
    return np.concatenate([frames.sum((0, 1)), behind.counts[0], np.zeros(network.n_inputs, np.int64)])


def intels_cut(network: QuantizedNetwork, chip: Chip) -> MappedNetwork:
    """Cores as Intel's report cuts PilotNet: a layer at a time, convolutions into columns; placed in order."""
    tiles = [16, 4, 4, 8, 8, 16]
    core = np.zeros(network.n_neurons, np.int32)
    used = 0
    for (p, at), columns in zip(zip(network.populations, slices(network.populations).values()), [*tiles, 0, 0, 0, 0]):
        each = np.arange(p.n) % p.shape[-1] // columns if columns else np.arange(p.n) // (9 if p.n == 100 else p.n)
        core[at] = used + each
        used = int(core[at].max()) + 1
    mesh = chip.mesh
    tile = [divmod(i // mesh.cores_per_tile, mesh.width) for i in range(used)]
    places = tuple(Core(i, 0, tile[i][1], tile[i][0], i % mesh.cores_per_tile) for i in range(used))
    return MappedNetwork(network, chip, core, places)


def energy() -> list[Row]:
    """Energy and time of an inference of PilotNet beside the board's, on our map and on Intel's cut."""
    network, chip = trained("pilotnet_snn.net"), find_chip("loihi2")
    counts, seen = pilotnet_counts(network), reports()["pilotnet_snn.net"]["measured_on_board"]
    rows = [
        row("pilotnet.board.energy", seen["dynamic_energy_per_inference_mJ"], "mJ, measured"),
        row("pilotnet.board.time", 1e3 / seen["throughput_fps"], "ms, measured"),
    ]
    for label, found in (("ours", mapped("pilotnet_snn.net")), ("intels_cut", intels_cut(network, chip))):
        cost = estimate(count_events(found, counts, TIME_STEPS), chip)
        for name, amount, scale, unit in (("energy", cost.energy_pj, 1e9, "mJ"), ("time", cost.time_ns, 1e6, "ms")):
            ends = (("", amount.value), (".low", amount.low), (".high", amount.high))
            rows += [row(f"pilotnet.{label}.{name}{end}", x / scale, unit) for end, x in ends]
        rows += [row(f"pilotnet.{label}.part.{k}", r.value / 1e9, "mJ") for k, r in cost.parts_pj.items()]
        rows.append(row(f"pilotnet.{label}.cores", len(found.cores), "cores"))
    return rows


PARTS: dict[str, Callable[[], list[Row]]] = {
    "cores": cores,
    "words": words,
    "energy": energy,
    "conv1m": conv1m,
    "conv10m": partial(mapped_implicit, "conv10m"),
    "conv100m": conv100m,
}
LONG = ("conv100m",)  # not run unless named


def isolated(name: str) -> list[Row]:
    """Measure in a process of its own: memory peaks do not mix."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "rows.json"
        subprocess.run([sys.executable, __file__, "--here", name, "--json", str(out)], check=True)
        return json.loads(out.read_text())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", choices=tuple(PARTS), nargs="+")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--here", choices=tuple(PARTS), help=argparse.SUPPRESS)
    given = parser.parse_args()
    rows: list[Row] = []
    for name in [given.here] if given.here else given.only or [n for n in PARTS if n not in LONG]:
        more = PARTS[name]() if given.here else isolated(name)
        rows += more
        if not given.here:
            for r in more:
                print(f"{r['name']:44} {r['value']:16,.4g}  {r['unit']}", flush=True)
    value = {r["name"]: r["value"] for r in rows}
    for name, most in (("conv10m", 12.6), ("conv100m", 126.0)):
        if {f"{name}.seconds", "conv1m.seconds"} <= value.keys():
            ratio = value[f"{name}.seconds"] / value["conv1m.seconds"]
            rows.append(row(f"{name}.over_conv1m", ratio, f"of conv1m's seconds, goal at most {most}"))
            print(f"{rows[-1]['name']:44} {ratio:16,.4g}  {rows[-1]['unit']}", flush=True)
    if given.json:
        given.json.write_text(json.dumps(rows, indent=1))


if __name__ == "__main__":
    main()
