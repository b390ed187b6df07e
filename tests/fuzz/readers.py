"""Spoilt files through every reader: a network or a FormatError, in bounded memory and time, nothing else.

usage: python -m tests.fuzz.readers [--seconds 600] [--reader .nir] [--seed 0]
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
import tempfile
import time
import warnings
from pathlib import Path

import numpy as np

from ir.check import FormatError
from ir.formats.open import OPENERS, open_network
from tests.fuzz.mutate import mutant, seeds

MAX_MEMORY_BYTES = 3 << 30
"""Address space of the process that reads; numpy, h5py and onnx alone take about one GiB of it."""

MAX_SECONDS_A_FILE = 20
"""Of the processor, so that a busy machine is no finding."""


def read_one(path: Path) -> str:
    """What became of one file: ``read``, ``refused``, or the name of what must not happen."""
    began = time.process_time()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            open_network(path, "norse" if path.suffix == ".nir" else None)
    except FormatError as error:
        sentence = str(error)
        outcome = "refused" if sentence and "\n" not in sentence else f"several lines: {sentence!r}"
    except BaseException as error:  # anything else is the finding
        outcome = f"{type(error).__name__}: {error}"
    else:
        outcome = "read"
    took_s = time.process_time() - began
    return f"took {took_s:.0f} s" if took_s > MAX_SECONDS_A_FILE else outcome


def work(ending: str, seed: int, seconds: float, folder: Path) -> int:
    """Spoil and read until the time is up; keep the file at hand so that a crash leaves it behind."""
    resource.setrlimit(resource.RLIMIT_AS, (MAX_MEMORY_BYTES, MAX_MEMORY_BYTES))
    rng, sound, until = np.random.default_rng(seed), seeds(folder)[ending], time.monotonic() + seconds
    counts = {"read": 0, "refused": 0}
    path = folder / f"case{ending}"
    while time.monotonic() < until:
        path.write_bytes(mutant(ending, sound[int(rng.integers(len(sound)))], folder, rng))
        outcome = read_one(path)
        if outcome not in counts:
            print(f"{ending}: {outcome[:300]}")
            return 1
        counts[outcome] += 1
    print(f"{ending}: {counts['read']} read, {counts['refused']} refused, nothing else")
    return 0


def fuzz(ending: str, seconds: float, seed: int, keep: Path) -> tuple[bool, str]:
    """Run one reader in a process of its own; on a finding its file is kept."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "tests.fuzz.readers", "--work", folder, "--reader", ending,
                   "--seed", str(seed), "--seconds", str(seconds)]  # fmt: skip
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=seconds + 90)
        except subprocess.TimeoutExpired:
            message, good = f"{ending}: a file takes for ever", False
        else:
            message, good = (done.stdout + done.stderr).strip(), done.returncode == 0
            if done.returncode < 0:
                message = f"{ending}: the process died of signal {-done.returncode}"
        if not good:
            keep.mkdir(parents=True, exist_ok=True)
            case = Path(folder) / f"case{ending}"
            kept = keep / f"finding-{seed}{ending}"
            if case.exists():
                kept.write_bytes(case.read_bytes())
                message += f"\n  kept as {kept}"
    return good, message


def main() -> int:
    """Fuzz every reader in turn, or the one named."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--seconds", type=float, default=600.0, help="a reader, or all of them together without --reader"
    )
    parser.add_argument("--reader", choices=tuple(OPENERS))
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.add_argument("--work", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.work is not None:
        return work(options.reader, options.seed, options.seconds, options.work)
    readers = [options.reader] if options.reader else list(OPENERS)
    good = True
    for reader in readers:
        fine, message = fuzz(reader, options.seconds / len(readers), options.seed, Path("out") / "fuzz")
        print(message, flush=True)
        good &= fine
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
