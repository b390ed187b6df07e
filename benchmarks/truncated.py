"""Peak memory of truncated training, samples of 1,000 and of 10,000 time steps, input streamed from files.

    python benchmarks/truncated.py [--json FILE]

Each length in a process of its own: what an epoch adds to the memory of the process (without what a short training
before it has loaded and compiled), and the most that the whole process takes.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import torch

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))

import unlayered as ul  # noqa: E402

N_SAMPLES, N_INPUTS, TRUNCATE = 16, 200, 100
LENGTHS = (1_000, 10_000)


class Recordings:
    """Frames in files, of which the time steps at work are read."""

    def __init__(self, folder: Path, n_steps: int) -> None:
        self.folder = folder
        rng = np.random.default_rng(n_steps)
        for i in range(N_SAMPLES):
            file = np.lib.format.open_memmap(folder / f"{i}.npy", "w+", np.int8, (n_steps, N_INPUTS))
            for start in range(0, n_steps, TRUNCATE):
                file[start : start + TRUNCATE] = rng.random((TRUNCATE, N_INPUTS)) < 0.05

    def __len__(self) -> int:
        return N_SAMPLES

    def __getitem__(self, i: int) -> tuple[np.ndarray, int]:
        return np.load(self.folder / f"{i}.npy", mmap_mode="r"), i % 2


def epoch(recordings: Recordings, kind: str) -> None:
    """Train once over them."""
    config = ul.TrainConfig(
        layers=("512", "512", "2"),
        epochs=1,
        batch_size=N_SAMPLES,
        truncate=TRUNCATE,
        validation_share=0,
        schedule=ul.Schedule(kind=kind, F=None),  # type: ignore[arg-type]
    )
    ul.train(config, recordings.folder / "net", data=ul.data(recordings, options={"memory_mb": 0}))


def measure(n_steps: int, kind: str) -> dict[str, int]:
    """Bytes that an epoch adds, and that the process takes."""
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as a, tempfile.TemporaryDirectory() as b:
        small, measured = Recordings(Path(a), 2 * TRUNCATE), Recordings(Path(b), n_steps)
        epoch(small, kind)
        Path("/proc/self/clear_refs").write_text("5")  # Linux: the peak starts again at what is held now
        before = status("VmRSS")
        epoch(measured, kind)
        return {"added": status("VmHWM") - before, "whole": status("VmHWM")}


def status(field: str) -> int:
    """A line of /proc/self/status in bytes."""
    return 1024 * int(Path("/proc/self/status").read_text().split(f"{field}:")[1].split()[0])


def apart(n_steps: int, kind: str) -> dict[str, int]:
    """:func:`measure` in a process of its own."""
    command = [sys.executable, __file__, "--of", str(n_steps), "--kind", kind]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()[-1])


def rows(kind: str, lengths: tuple[int, int] = LENGTHS) -> list[dict[str, object]]:
    """The peaks of both lengths, and their ratio."""
    short, long = (apart(n, kind) for n in lengths)
    found: list[dict[str, object]] = []
    for name in ("added", "whole"):
        for n, x in zip(lengths, (short, long)):
            found.append({"name": f"{kind}.{name}_mb.{n}", "value": x[name] / 1e6, "unit": "MB"})
    for name in ("added", "whole"):
        found.append({"name": f"{kind}.{name}_ratio", "value": long[name] / short[name], "unit": "x"})
    return found


def main() -> None:
    """Measure, print, and write the rows where asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=Path, help="write the rows to this file")
    parser.add_argument("--of", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--kind", default="layered", help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.of:
        print(json.dumps(measure(chosen.of, chosen.kind)))
        return
    found = rows("layered")
    for row in found:
        print(f"{row['name']:<28} {row['value']:>10.4g} {row['unit']}")
    if chosen.json:
        chosen.json.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
