"""``make interop``: drawn ``.net`` files in lava-dl's own reader and in ours, spike for spike, in both directions.

Ours written, opened and run by ``netx.hdf5.Network`` on Lava; what it holds against what our reader holds; files that
lava-dl's slayer wrote, run by slayer and by us; and the weights that the writer lets through against what netx makes
of them.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np

from exchange import net
from exchange.net.netx import check_dense
from ir.check import FormatError, TargetError
from ir.compose import dense_weight
from ir.connection import Conv2d
from ir.graph import slices
from ir.quantized import FixedPopulation, QuantizedNetwork
from ir.stimulus import Stimulus
from ir.trace import Trace
from sim_reference.simulate import run
from tests.interop.compare import ROOT
from tests.interop.net_draw import LAYERED, draw

N_STEPS = 20
BATCH = 25
MAX_SECONDS = 540
EDGES = (-300, -257, -256, -255, -128, -127, -64, -3, -1, 0, 1, 3, 64, 127, 128, 254, 255, 256, 300)
SETTLE = (1000, 1)
"""reset_interval and reset_offset with which each layer begins anew at its first frame: before it, biases add up."""


def has_lava_dl() -> bool:
    """Whether ``environments.sh`` has built it."""
    return (ROOT / "lava-dl" / "ready").exists()


def child(*arguments: str | Path) -> None:
    """One job in lava-dl's environment."""
    command = [ROOT / "lava-dl" / "bin" / "python", Path(__file__).with_name("lava_dl.py"), *arguments]
    try:  # a failed process leaves Lava waiting for ever
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=MAX_SECONDS)
    except subprocess.TimeoutExpired as late:
        raise TargetError(f"lava-dl did not end within {MAX_SECONDS} s; run one of its files alone") from late
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["no message"])[-1]
        raise TargetError(f"lava-dl failed: {last}; build its environment anew with tests/interop/environments.sh")


def resets_for(network: QuantizedNetwork, rng: np.random.Generator) -> tuple[int, ...]:
    """Of every third network a recurring reset; of one with biases at least the one that settles it."""
    biased = any(p.neuron.bias is not None for p in network.populations)
    if rng.random() < 0.3:
        return int(rng.integers(4, 10)), 1 if biased else int(rng.integers(0, 10))
    return SETTLE if biased else ()


def spikes_of(trace: Trace) -> np.ndarray:
    """(T, N)."""
    assert trace.spikes is not None and trace.v is not None
    found = np.zeros((len(trace.v), trace.n_neurons), np.int64)
    found[trace.spikes.t, trace.spikes.neuron] = 1
    return found


def play(network: QuantizedNetwork, frames: np.ndarray) -> Trace:
    """The reference, layered."""
    return run(network, Stimulus(frames[:, None]), LAYERED, record=("v", "u"))


def ours_to_netx(seeds: range, folder: Path, tally: Counter[str]) -> None:
    """Write, let lava-dl open and run, read back, compare."""
    jobs: dict[Path, tuple[QuantizedNetwork, np.ndarray, tuple[int, ...]]] = {}
    for seed in seeds:
        rng, network = np.random.default_rng([seed, 1]), draw(seed)
        frames = (rng.random((N_STEPS, network.n_inputs)) < rng.choice([0.2, 0.5, 0.8])).astype(np.int32)
        resets, path = resets_for(network, rng), folder / f"{seed:05}.net"
        tally["drawn"] += 1
        try:
            net.write(network, path)
        except ValueError as error:
            tally["refused by our writer"] += 1
            print(f"  {seed}: {error}")
            continue
        np.savez(path.with_suffix(".npz"), frames=frames, resets=np.array(resets, int))
        jobs[path] = (network, frames, resets)
    child("run", folder)
    for path, (network, frames, resets) in jobs.items():
        if path.with_suffix(".error").exists():
            print(f"  {path.stem}: {path.with_suffix('.error').read_text().strip().splitlines()[-1]}")
            continue
        tally["opened and run by lava-dl"] += 1
        with np.load(path.with_suffix(".out.npz")) as theirs:
            wrong = difference(path, network, frames, resets, theirs, tally)
        tally["equal"] += not wrong
        if wrong:
            print(f"  {path.stem}: {wrong}")


def difference(
    path: Path, network: QuantizedNetwork, frames: np.ndarray, resets: tuple[int, ...], theirs: Any, tally: Counter[str]
) -> str:
    """The first thing in which lava-dl, our reader and the network itself differ; '' where nothing does."""
    try:
        back = net.read(path, reset_interval=resets[0] if resets else 0, reset_offset=resets[1] if resets else 0)
        plain = net.read(path)
    except FormatError as error:
        tally["refused by our reader"] += 1
        return str(error)
    if not np.array_equal(spikes_of(play(plain, frames)), spikes_of(play(network, frames))):
        return "what was read back spikes otherwise than what was written"
    trace = play(back, frames)
    spikes, at = spikes_of(trace), slices(back.populations)
    for i, p in enumerate(back.populations):
        said = holds(back, i, p, theirs)
        if said:
            return said
        tally["spikes"] += int(theirs[f"s{i}"].sum())
        tally["values"] += theirs[f"s{i}"].size
        wrong = np.argwhere(theirs[f"s{i}"].astype(int) != spikes[:, at[p.name]])
        if len(wrong):
            return f"layer {i} spikes differently, first at time step, neuron {wrong[0].tolist()}"
    assert trace.v is not None and trace.u is not None
    last = at[back.populations[-1].name]
    same = np.array_equal(theirs["v"], trace.v[-1, 0, last]) and np.array_equal(theirs["u"], trace.u[-1, 0, last])
    return "" if same else "the last layer's registers differ after the last frame"


def holds(network: QuantizedNetwork, i: int, p: FixedPopulation, theirs: Any) -> str:
    """Where lava-dl holds other numbers than our reader; '' where none."""
    n = p.neuron
    register = n.register_bias()
    ours = {"du": np.asarray(n.decay_u) - 1, "dv": np.asarray(n.decay_v),
            "vth": (1 << 18) - 1 if n.v_threshold is None else np.asarray(n.v_threshold),
            "bias": 0 if register is None else np.asarray(register) >> 6}  # fmt: skip
    for key, value in ours.items():
        given = theirs[f"{key}{i}"]
        given = np.repeat(given, p.n // given.size) if given.size not in (1, p.n) else given
        if np.any(given != value):
            return f"layer {i}: lava-dl holds another {key}"
    ahead = [e for e in network.projections if e.post == p.name and e.pre != p.name]
    if isinstance(ahead[0].connection, Conv2d) and len(ahead) == 1:
        return "" if np.array_equal(theirs[f"weight{i}"], ahead[0].connection.weight) else f"layer {i}: other kernel"
    weight = sum(dense_weight(e.connection).astype(np.int64) for e in ahead)
    if not np.array_equal(theirs[f"weight{i}"], weight):
        return f"layer {i}: lava-dl holds other weights"
    loops = [e for e in network.projections if e.post == e.pre == p.name]
    if loops and not np.array_equal(theirs[f"rec{i}"], dense_weight(loops[0].connection)):
        return f"layer {i}: lava-dl holds another self-connection"
    return ""


def slayer_to_ours(start: int, count: int, folder: Path, tally: Counter[str]) -> None:
    """Files of lava-dl's trainer: its spikes, and those of the network our reader makes of them."""
    child("make", str(start), str(count), folder)
    for path in sorted(folder.glob("*.net")):
        tally["written by slayer"] += 1
        with np.load(path.with_suffix(".npz")) as made:
            frames, kinds = made["frames"], made["kinds"].tolist()
            sent = [made[f"sent{i}"] for i in range(len(kinds))]
        tally.update(f"with {k}" for k in set(kinds))
        try:
            network = net.read(path)
        except FormatError as error:
            print(f"  {path.stem}: {error}")
            continue
        tally["read"] += 1
        trace = play(network, frames)
        last = slices(network.populations)[network.output]
        assert trace.v is not None
        if kinds[-1] == "Affine":
            equal = np.array_equal(np.cumsum(sent[-1].astype(np.float64), 0) * 4096, trace.v[:, 0, last])
        else:
            equal = np.array_equal(sent[-1], spikes_of(trace)[:, last])
            tally["spikes"] += int(sent[-1].sum())
        tally["equal"] += equal
        if not equal:
            print(f"  {path.stem}: {'-'.join(kinds)} gives other output")


def weights_netx_keeps(count: int, folder: Path, tally: Counter[str]) -> None:
    """The writer's rule of weights: what it lets through netx runs, what it refuses netx changes."""
    rng, drawn = np.random.default_rng(0), {}
    for i in range(count):
        parts = []
        for _ in range(int(rng.integers(1, 3))):
            low, high = sorted(rng.choice(EDGES, 2).tolist())
            step = int(rng.choice([1, 1, 2, 4, 64]))
            parts.append(rng.integers(low, high + 1, (2, 2)) // step * step)
        drawn[f"m{i}"] = np.array(parts)
    np.savez(folder / "w.npz", **drawn)
    child("weights", folder / "w.npz")
    with np.load(folder / "w.out.npz") as run_as:
        for name, matrix in drawn.items():
            kept = np.array_equal(run_as[name], matrix)
            try:
                check_dense("x", *matrix)
                let = True
            except ValueError:
                let = False
            tally["matrices"] += 1
            tally["kept by lava-dl"] += kept
            tally["rule agrees"] += let == kept
            if let != kept:
                print(
                    f"  {matrix.tolist()}: {'let through' if let else 'refused'}, lava-dl runs {run_as[name].tolist()}"
                )


def check(count: int, start: int = 0) -> bool:
    """All three, with their counts; whether all is equal."""
    ours, theirs, rule = Counter[str](), Counter[str](), Counter[str]()
    for first in range(start, start + count, BATCH):
        with tempfile.TemporaryDirectory() as folder:
            ours_to_netx(range(first, min(first + BATCH, start + count)), Path(folder), ours)
    print(f"our .net in lava-dl: {said(ours)}")
    with tempfile.TemporaryDirectory() as folder:
        slayer_to_ours(start, count, Path(folder), theirs)
    print(f"lava-dl's .net here: {said(theirs)}")
    with tempfile.TemporaryDirectory() as folder:
        weights_netx_keeps(20 * count, Path(folder), rule)
    print(f"weights: {said(rule)}")
    good = ours["drawn"] == ours["equal"] and theirs["written by slayer"] == theirs["equal"]
    return good and rule["matrices"] == rule["rule agrees"]


def said(tally: Counter[str]) -> str:
    """All counts in a line."""
    return ", ".join(f"{n} {what}" for what, n in tally.items())


def main() -> int:
    """Compare, if lava-dl's environment is there."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=200)
    parser.add_argument("--start", type=int, default=0)
    options = parser.parse_args()
    if not has_lava_dl():
        print(f"no environment for lava-dl under {ROOT}; make one with tests/interop/environments.sh lava-dl")
        return 0
    return 0 if check(options.count, options.start) else 1


if __name__ == "__main__":
    sys.exit(main())
