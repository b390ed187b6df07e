"""Convolutional networks of a million neurons and more, mapped: CPU seconds, memory, and the checker's own share."""

from __future__ import annotations

import inspect
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

import ir.check
import ir.connection
import ir.network
from benchmarks.pooled_rows import checked_out
from exchange.chip_toml import find_chip
from ir.connection import Conv2d, Dense
from ir.mapped import MappedNetwork
from ir.network import Input
from ir.neurons import FixedLIF
from ir.quantized import FixedPopulation, FixedProjection, QuantizedNetwork
from mapper import map_network
from mapper.check.capacity import core_use, exceeded
from mapper.check.recount import recount_network
from mapper.memory.bounds import synapse_counts

SIDES = {"conv1m": 128, "conv10m": 405, "conv100m": 1280}
Row = dict[str, Any]


def row(name: str, value: float, unit: str) -> Row:
    return {"name": name, "value": float(value), "unit": unit}


def violations(found: MappedNetwork) -> list[str]:
    """Limits that the checker finds exceeded."""
    assert found.chip is not None
    rates = np.ones(found.network.n_neurons + found.network.n_inputs, np.int64)
    tally = recount_network(found.network, found.core_of_neuron, rates)
    return exceeded(core_use(found.network, found.chip, found.core_of_neuron, tally))


def implicit(side: int) -> QuantizedNetwork:
    """Make a convolutional network on images of ``side``; 128 makes 1,052,682 neurons and 241M synapses.

    32 channels; 64 at half the side, twice; 16 at a quarter of that, again and again until they are at most 16 wide;
    10 dense ones.
    """
    rng = np.random.default_rng(0)

    def weights(*shape: int) -> np.ndarray:
        return (2 * rng.integers(-64, 64, shape)).astype(np.int32)

    blocks: list[FixedPopulation] = []
    edges: list[FixedProjection] = []
    shape, before = (3, side, side), "input"
    plan = [(32, 3, 1), (64, 3, 2), (64, 3, 1), (16, 4, 4)]
    while plan:
        channels, kernel, stride = plan.pop(0)
        conv = Conv2d(weights(channels, shape[0], kernel, kernel), shape, (stride, stride), (kernel % 2, kernel % 2))
        blocks.append(FixedPopulation(f"c{len(blocks)}", conv.out_shape, FixedLIF()))
        edges.append(FixedProjection(before, blocks[-1].name, conv))
        shape, before = conv.out_shape, blocks[-1].name
        if not plan and shape[1] > 16:
            plan.append((16, 4, 4))
    blocks.append(FixedPopulation("out", (10,), FixedLIF()))
    edges.append(FixedProjection(before, "out", Dense(weights(10, int(np.prod(shape))))))
    return QuantizedNetwork((Input("input", (3, side, side)),), tuple(blocks), tuple(edges), "out")


def timed_map(side: int) -> tuple[MappedNetwork, float]:
    """Map a convolutional network on a board with room for half as much again; the CPU seconds, compiling aside."""
    chip, network = find_chip("loihi2"), implicit(side)
    chips = max(2, int(np.ceil(np.sqrt(1.5 * network.n_neurons / chip.limits.max_neurons / chip.mesh.usable_cores))))
    chip = replace(chip, mesh=replace(chip.mesh, chips_x=chips, chips_y=chips))
    map_network(implicit(16), replace(chip, limits=replace(chip.limits, max_neurons=96)))  # compiles, boards too
    started = time.process_time()
    found = map_network(network, chip)
    return found, time.process_time() - started


def mapped_implicit(name: str) -> list[Row]:
    """Map a convolutional network; CPU seconds and peak memory of the process, the checker's own seconds beside."""
    found, seconds = timed_map(SIDES[name])
    started = time.process_time()
    wrong = violations(found)
    checking = time.process_time() - started
    return [
        row(f"{name}.neurons", found.network.n_neurons, "neurons"),
        row(f"{name}.synapses", int(synapse_counts(found.network).sum()), "synapses"),
        row(f"{name}.cores", len(found.cores), "cores"),
        row(f"{name}.km1", found.report["km1"], "packets a step"),
        row(f"{name}.seconds", seconds, "CPU s, checking included"),
        row(f"{name}.checking", checking, "CPU s, checking alone"),
        row(f"{name}.peak_gb", resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20, "GiB"),
        row(f"{name}.violations", len(wrong), "count"),
    ]


IN_OLDER_TREE = """
import json, sys
import benchmarks.capacity as here
exec(sys.argv[1], vars(here))
found, seconds = here.timed_map(int(sys.argv[2]))
print(json.dumps([seconds, found.report["km1"], len(found.cores)]))
"""


def conv1m() -> list[Row]:
    """A million neurons, by this tree and by the commit before near-twins, where git has it."""
    rows = mapped_implicit("conv1m")
    with tempfile.TemporaryDirectory() as folder:
        tree = checked_out(Path(folder))
        if tree is None:
            return rows
        code = (
            "from __future__ import annotations\nimport time\n"
            + inspect.getsource(implicit)
            + inspect.getsource(timed_map)
        )
        command = [sys.executable, "-c", IN_OLDER_TREE, code, str(SIDES["conv1m"])]
        environment = {**os.environ, "PYTHONPATH": str(tree)}
        done = subprocess.run(command, cwd=tree, env=environment, check=True, capture_output=True, text=True)
    seconds, km1, n_cores = json.loads(done.stdout)
    value = {r["name"]: r["value"] for r in rows}
    return [
        *rows,
        row("conv1m.seconds_before", seconds, "CPU s"),
        row("conv1m.over_before", value["conv1m.seconds"] / seconds, "of before, goal at most 1"),
        row("conv1m.km1_before", km1, "packets a step"),
        row("conv1m.cores_before", n_cores, "cores"),
    ]


def conv100m() -> list[Row]:
    """A hundred million neurons: more than a network may have, so the limit is lifted, in this process alone."""
    try:
        implicit(SIDES["conv100m"])
    except ValueError as error:
        print(f"as the limits are: {error}", flush=True)
    for module in (ir.check, ir.connection, ir.network):
        vars(module)["MAX_NEURONS"] = 1 << 27
    return mapped_implicit("conv100m")
