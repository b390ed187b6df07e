"""What a long day asks: many samples from disk, 1e8 spikes, many Lava runs in one process, engines in forked workers.

    python -m benchmarks.load [--only stream lava many two forked] [--samples 10000] [--runs 200] [--folder DIR]

Prints a line a figure; ends with 1 where anything is not as it must be.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from torch.utils.data import DataLoader

sys.path.insert(0, str(Path(__file__).parent.parent))

from benchmarks.scale import network_of
from exchange import npz
from ir.stimulus import Stimulus
from sim_reference import fast
from sim_reference.compare.divergence import first_divergence
from targets.lava.run import run
from trainer.execute import run as trainer_run

SMALL = (12, 8, 4)
SIDE, STEPS, STEP_US, EVENTS = 34, 100, 1000, 9000
"""A recording: 34 x 34 pixels of two polarities are 2,312 inputs; 100 time steps; events."""

MOST_MIB, MOST_GROWTH_MIB = 2000, 0.2


SAID: list[dict[str, Any]] = []
"""What was printed."""


def say(good: bool, what: str) -> bool:
    """Print a figure; ``good``: whether it is as it must be."""
    print(f"{'ok  ' if good else 'BAD '} {what}", flush=True)
    SAID.append({"ok": good, "said": what})
    return good


def recordings(folder: Path, n: int) -> None:
    """``n`` recordings to test with and 20 that say what all look like, each in a file of its own."""
    kind = np.dtype([("x", "<i2"), ("y", "<i2"), ("t", "<i8"), ("p", "?")])
    rng = np.random.default_rng(0)
    for part, count in (("train", 20), ("test", n)):
        for label in range(10):
            (folder / part / str(label)).mkdir(parents=True)
        for i in range(count):
            made = np.zeros(EVENTS, kind)
            made["x"], made["y"], made["p"] = (rng.integers(0, side, EVENTS) for side in (SIDE, SIDE, 2))
            made["t"] = np.sort(rng.integers(0, STEPS * STEP_US, EVENTS))
            made[-1] = (SIDE - 1, SIDE - 1, STEPS * STEP_US - 1, True)
            np.save(folder / part / str(i % 10) / f"{i:05d}.npy", made)
    (folder / "data.toml").write_text(f"window_us = {STEP_US}\n")


def watched(*words: object) -> tuple[float, dict[int, float], dict[str, Any]]:
    """Run a verb; its seconds, peak memory in MiB of each process below it, and what it said."""
    command = [sys.executable, "-m", "unlayered", *map(str, words), "--json"]
    begin = time.perf_counter()
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as verb:
        peaks: dict[int, float] = {}
        over = threading.Event()

        def watch() -> None:
            while not over.wait(0.2):
                peaks.update({pid: peak for pid in below(verb.pid) if (peak := peak_of(pid))})

        thread = threading.Thread(target=watch)
        thread.start()
        said, _ = verb.communicate()
        over.set()
        thread.join()
    if verb.returncode not in (0, 1):
        raise SystemExit(f"{' '.join(command)} ended with {verb.returncode}")
    return time.perf_counter() - begin, peaks, json.loads(said)


def below(pid: int) -> list[int]:
    """A process and all that it started."""
    try:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except OSError:
        return []
    return [pid, *(found for child in children for found in below(int(child)))]


def peak_of(pid: int) -> float:
    """The most memory that a process has held, in MiB; 0 where it is gone."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0.0
    return next((int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM")), 0.0)


def stream(asked: argparse.Namespace, folder: Path) -> bool:
    """Samples from disk through 2312-64-64-64-10, the trace on disk; twice, compared piece by piece."""
    data, n = folder / "recordings", asked.samples
    recordings(data, n)
    npz.save(network_of(), folder / "m.npz")
    words = "run", folder / "m.npz", "--on", "reference", "--data", f"folder:{data}", "--out"
    good = True
    for name, more in (("two workers", ("--workers", 2)), ("one process", ())):
        out = folder / f"{name.replace(' ', '-')}.pieces"
        took, peaks, said = watched(*words, out, *more)
        size = sum(file.stat().st_size for file in out.iterdir())
        good &= say(
            max(peaks.values()) < MOST_MIB and said["samples"] == n,
            f"{name}: {n:,} samples x {said['time_steps']} steps from disk in {took:.0f} s, {said['spikes']:,} spikes, "
            f"{size / 1e9:.1f} GB of pieces, peak memory of the largest process {max(peaks.values()):,.0f} MiB",
        )
    for verb in ("compare", "diff"):
        took, peaks, said = watched(verb, folder / "two-workers.pieces", folder / "one-process.pieces")
        equal = said["equal"] if verb == "compare" else said["fine"]
        good &= say(
            equal and max(peaks.values()) < MOST_MIB,
            f"{verb} of the two: {took:.0f} s, peak memory {max(peaks.values()):,.0f} MiB, {'equal' * equal}",
        )
    took, peaks, said = watched("inspect", folder / "two-workers.pieces")
    return good & say(
        max(peaks.values()) < MOST_MIB,
        f"inspect: {said['pieces']} pieces, {said['spikes']:,} spikes, {took:.0f} s, peak memory "
        f"{max(peaks.values()):,.0f} MiB",
    )


def small(n_samples: int, n_steps: int = 5) -> tuple[Any, Stimulus, Any]:
    """A small network, drawn frames, and what the reference does with them."""
    mapped = network_of(SMALL)
    frames = np.random.default_rng(2).integers(0, 2, (n_steps, n_samples, SMALL[0]))
    stimulus = Stimulus(frames)
    return mapped, stimulus, fast.run(mapped, stimulus)


def lava(asked: argparse.Namespace, folder: Path) -> bool:
    """A thousand samples in one run."""
    mapped, stimulus, reference = small(1000)
    begin = time.perf_counter()
    equal = first_divergence(reference, run(mapped, stimulus, time_limit_s=3000)) is None
    return say(equal, f"1,000 samples on Lava in one run: {time.perf_counter() - begin:.0f} s, equal to the reference")


def held() -> dict[str, int]:
    """What this process holds open."""
    return {
        "descriptors": len(os.listdir("/proc/self/fd")),
        "threads": len(os.listdir("/proc/self/task")),
        "shared memory files": len(os.listdir("/dev/shm")),
        "child processes": len(below(os.getpid())) - 1,
    }


def resident_mib() -> float:
    """What this process takes of memory now."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20


def many(asked: argparse.Namespace, folder: Path) -> bool:
    """Many runs in one process; the first ten fill what is kept for later runs."""
    mapped, stimulus, reference = small(2, 3)
    for _ in range(10):
        run(mapped, stimulus)
    before, memory, begin, equal = held(), resident_mib(), time.perf_counter(), True
    for _ in range(asked.runs):
        equal &= first_divergence(reference, run(mapped, stimulus)) is None
    took, growth, after = time.perf_counter() - begin, (resident_mib() - memory) / asked.runs, held()
    return say(
        equal and before == after and growth <= MOST_GROWTH_MIB,
        f"{asked.runs} Lava runs in one process, {took / asked.runs:.2f} s each, all equal to the reference: "
        f"memory grows by {growth:.3f} MiB a run; before {before}, after {after}",
    )


def two(asked: argparse.Namespace, folder: Path) -> bool:
    """Two runs at the same time, each in a process of its own."""
    mapped, stimulus, reference = small(100)
    npz.save(mapped, folder / "small.npz")
    npz.save(stimulus, folder / "frames.npz")
    npz.save(reference, folder / "reference.npz")
    words = [sys.executable, "-m", "unlayered", "run", folder / "small.npz", "--on", "lava", "--data"]
    words += [folder / "frames.npz", "--out"]
    runs = [subprocess.Popen([*map(str, words), str(folder / f"{i}.npz")], stdout=subprocess.DEVNULL) for i in range(2)]
    ended = [one.wait() for one in runs]
    equal = ended == [0, 0] and all(
        watched("compare", folder / "reference.npz", folder / f"{i}.npz")[2]["equal"] for i in range(2)
    )
    return say(equal, "two Lava runs at once: both end, both equal to the reference")


class Counted:
    """A torch data set whose samples are what the engines count, run where the sample is asked for."""

    def __init__(self, mapped: Any, stimulus: Stimulus) -> None:
        self.mapped, self.stimulus = mapped, stimulus

    def __len__(self) -> int:
        return self.stimulus.n_samples

    def __getitem__(self, i: int) -> tuple[Any, Any]:
        one = self.stimulus.select(slice(i, i + 1))
        schedule = self.mapped.network.schedule
        return fast.run(self.mapped, one).counts[0].copy(), trainer_run(self.mapped, one, schedule).counts[0].copy()


def forked(asked: argparse.Namespace, folder: Path) -> bool:
    """The reference and the trainer's engine in forked workers of a ``DataLoader``, after both ran in the parent."""
    mapped, stimulus, reference = small(64)
    data: Any = Counted(mapped, stimulus)
    own = data[0]
    loader = DataLoader(data, batch_size=8, num_workers=2, multiprocessing_context="fork", timeout=300)
    found = [np.concatenate([np.asarray(batch[k]) for batch in loader]) for k in range(2)]
    equal = all(np.array_equal(x, reference.counts) for x in found) and np.array_equal(own[0], reference.counts[0])
    return say(equal, "both engines in two forked workers of a DataLoader, 64 samples: equal to the reference")


PARTS: dict[str, Callable[[argparse.Namespace, Path], bool]] = {
    "stream": stream,
    "lava": lava,
    "many": many,
    "two": two,
    "forked": forked,
}


def main() -> int:
    """Every part, or those named."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", choices=tuple(PARTS), default=list(PARTS))
    parser.add_argument("--samples", type=int, default=10_000, help="of stream")
    parser.add_argument("--runs", type=int, default=200, help="of many")
    parser.add_argument("--folder", type=Path, help="Where files go, some 5 GB; they are removed.")
    parser.add_argument("--json", type=Path, help="Write the lines here, too.")
    asked = parser.parse_args()
    good = True
    for name in asked.only:
        with TemporaryDirectory(dir=asked.folder) as folder:
            good &= PARTS[name](asked, Path(folder))
            shutil.rmtree(folder, ignore_errors=True)
            Path(folder).mkdir(exist_ok=True)
    if asked.json:
        asked.json.write_text(json.dumps(SAID, indent=1))
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
