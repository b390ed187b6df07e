"""How fast a training step is: the compiled engine against snnTorch's layers and against the reference engine.

    python benchmarks/trainer.py [--json FILE] [--quick] [--device cpu|cuda]

The step: forward, cross-entropy of the output counts of each time step, backward. Contestants take turns within a
case, so that what else the machine does slows all of them; the best of their turns counts. On ``cuda`` the Triton
engine takes the compiled one's place, the reference runs on the same GPU, rows also go to ``benchmarks/results``.
"""

from __future__ import annotations

import argparse
import datetime
import json
import math
import os
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

# What importing ``trainer`` before torch does for everyone: threads that wait do not spin. All contestants run so.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
os.environ.setdefault("GOMP_SPINCOUNT", "3000")
# Before this file's own folder, where Python would find this file under the name of the package.
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import torch
import torch.nn.functional as functional
from torch import Tensor, nn

from benchmarks.trainer_cases import GROWTH, MAIN, N_CLASSES, REPEATS, WIDE, Case
from trainer import LIF, SpikingNetwork
from trainer.engines.options import TrainingOptions

ROOT = Path(__file__).resolve().parent.parent
Row = dict[str, Any]
Step = Callable[[], Tensor]

THREADS = 2
THRESHOLD, TAU_S, DT_S = 0.3, 1e-3, 10e-3
OPTIONS = TrainingOptions(refractory_dropout=0.8)


def modules(case: Case) -> list[nn.Module]:
    """The layers between populations, weights by seed."""
    torch.manual_seed(0)
    if case.conv:
        blocks: list[nn.Module] = [
            nn.Conv2d(2, 8, 5, 2, bias=False),
            nn.Conv2d(8, 16, 3, 2, bias=False),
            nn.Sequential(nn.Flatten(), nn.Linear(16 * 7 * 7, N_CLASSES, bias=False)),
        ]
    else:
        blocks = [nn.Linear(a, b, bias=False) for a, b in zip(case.layers, case.layers[1:])]
    for parameter in nn.ModuleList(blocks).parameters():
        parameter.data *= case.gain
    return blocks


def inputs(case: Case, device: str) -> tuple[Tensor, Tensor]:
    """Frames (T, B, ...) and labels (B,)."""
    generator = torch.Generator().manual_seed(1)
    shape = (2, 34, 34) if case.conv else (case.layers[0],)
    frames = (torch.rand(case.n_steps, case.batch, *shape, generator=generator) < case.active).float()
    return frames.to(device), torch.randint(0, N_CLASSES, (case.batch,), generator=generator).to(device)


def our_network(case: Case) -> SpikingNetwork:
    """The network as this package trains it."""
    parts = []
    for block in modules(case):
        parts += [*(block if isinstance(block, nn.Sequential) else [block]), LIF(TAU_S, THRESHOLD)]
    shape = (2, 34, 34) if case.conv else (case.layers[0],)
    return SpikingNetwork.sequential(shape, *parts, dt_s=DT_S).train()


def our_step(case: Case, engine: str, device: str = "cpu") -> Step:
    """A training step on one of our engines; it returns the spikes a sample."""
    network, (frames, labels) = our_network(case).to(device), inputs(case, device)
    output, schedule = network.plan().output, case.schedule()

    def step() -> Tensor:
        network.zero_grad(set_to_none=True)
        counts = network(frames, schedule, options=OPTIONS, engine=engine).counts
        mean_rate_loss(counts[:, :, output], labels).backward()
        return counts.detach().sum() / case.batch

    return step


def snntorch_step(case: Case, device: str = "cpu") -> Step:
    """The same layers with snnTorch's neurons, a layer after the other."""
    import snntorch  # noqa: PLC0415  (a development dependency)

    layers = nn.ModuleList(modules(case)).to(device)
    beta = math.exp(-DT_S / TAU_S)
    leaky = [snntorch.Leaky(beta=beta, threshold=THRESHOLD, reset_mechanism="zero") for _ in layers]
    frames, labels = inputs(case, device)

    def step() -> Tensor:
        layers.zero_grad(set_to_none=True)
        membranes = [neuron.init_leaky() for neuron in leaky]
        counts, spikes = [], torch.zeros((), device=device)
        for frame in frames:
            x = frame
            for i, (layer, neuron) in enumerate(zip(layers, leaky)):
                x, membranes[i] = neuron(layer(x), membranes[i])
                spikes += x.detach().sum()
            counts.append(x)
        mean_rate_loss(torch.stack(counts), labels).backward()
        return spikes / case.batch

    return step


def mean_rate_loss(counts: Tensor, labels: Tensor) -> Tensor:
    """Cross-entropy of the counts (T, B, classes) of every time step, averaged."""
    return functional.cross_entropy(counts.flatten(0, 1), labels.repeat(len(counts)))


@dataclass
class Timing:
    """The best turn of one contestant: wall-clock and CPU seconds, and spikes a sample."""

    wall_s: float = math.inf
    cpu_s: float = math.inf
    spikes: float = 0.0


def take_turns(contestants: dict[str, tuple[Step, int]], device: str) -> dict[str, Timing]:
    """Run the contestants in turn, each as often as it says, after one turn that is not counted."""
    best = {name: Timing() for name in contestants}
    for step, turns in contestants.values():
        if turns > 1:
            step()
    for turn in range(max(turns for _, turns in contestants.values())):
        for name, (step, turns) in contestants.items():
            if turn < turns:
                wall, cpu, spikes = timed(step, device)
                seen = best[name]
                best[name] = Timing(min(seen.wall_s, wall), min(seen.cpu_s, cpu), spikes)
    return best


def timed(step: Step, device: str) -> tuple[float, float, float]:
    """Wall-clock and CPU seconds of one step, and the spikes it saw."""
    if device == "cuda":
        torch.cuda.synchronize()
    wall, cpu = time.perf_counter(), time.process_time()
    spikes = step()
    if device == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter() - wall, time.process_time() - cpu, float(spikes)


def row(name: str, value: float, unit: str, **more: Any) -> Row:
    return {"name": name, "value": value, "unit": unit, **more}


def measure_case(case: Case, device: str) -> dict[str, Timing]:
    """Our fast engine, snnTorch, and the reference where asked for."""
    ours = "gpu" if device == "cuda" else "cpu"
    contestants = {ours: (our_step(case, ours, device), REPEATS), "snntorch": (snntorch_step(case, device), REPEATS)}
    if case.reference_turns:
        contestants["reference"] = (our_step(case, "reference", device), case.reference_turns)
    return take_turns(contestants, device)


def rows_of(case: Case, best: dict[str, Timing]) -> list[Row]:
    """Milliseconds of each contestant and our ratio to the others; the paper's case under the names of the goals."""
    tail = "" if case is MAIN else f".{case.name}"
    rows = [
        row(f"{name}_ms.{case.name}", 1e3 * t.wall_s, "ms", cpu_ms=round(1e3 * t.cpu_s, 1), spikes=round(t.spikes, 1))
        for name, t in best.items()
    ]
    ours = next(iter(best))
    for over, under in ((ours, "snntorch"), ("reference", "snntorch"), ("reference", ours)):
        if over in best:
            a, b = best[over], best[under]
            rows.append(row(f"{over}_over_{under}{tail}", a.wall_s / b.wall_s, "x", cpu=round(a.cpu_s / b.cpu_s, 2)))
    return rows


def peak_bytes(engine: str) -> int:
    """In a process of its own: most memory during one step of the paper's case, less what was held before."""
    command = [sys.executable, __file__, "--peak-of", engine]
    return int(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def measure_peak(engine: str) -> int:
    """Bytes that one step adds to this process; a small step before it compiles and loads whatever is needed."""
    our_step(Case("small", batch=2), engine)()
    step = our_step(MAIN, engine)
    Path("/proc/self/clear_refs").write_text("5")  # Linux: the peak starts again at what is held now
    before = _status("VmRSS")
    step()
    return _status("VmHWM") - before


def _status(field: str) -> int:
    return 1024 * int(Path("/proc/self/status").read_text().split(f"{field}:")[1].split()[0])


def peak_rows() -> list[Row]:
    """Peak memory of the step on each engine, and their ratio."""
    peaks = {engine: peak_bytes(engine) for engine in ("cpu", "reference")}
    rows = [row(f"peak_mb.{engine}", peak / 1e6, "MB") for engine, peak in peaks.items()]
    return [*rows, row("peak_memory_ratio", peaks["cpu"] / peaks["reference"], "x")]


def shown(rows: list[Row]) -> list[Row]:
    """The rows, printed."""
    for r in rows:
        more = "  ".join(f"{k} {v}" for k, v in r.items() if k not in ("name", "value", "unit"))
        print(f"{r['name']:<30} {r['value']:>10.4g} {r['unit']:<4} {more}", flush=True)
    return rows


def main() -> None:
    """Measure, print, and write the rows where asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=Path, help="write the rows to this file")
    parser.add_argument("--quick", action="store_true", help="only the paper's case and its memory")
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--peak-of", choices=("cpu", "reference"), help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    torch.set_num_threads(THREADS)
    if chosen.peak_of:
        print(measure_peak(chosen.peak_of))
        return
    if chosen.device == "cuda" and not torch.cuda.is_available():
        sys.exit("PyTorch sees no GPU here; run --device cuda on a machine that has one, or leave it out.")
    rows: list[Row] = []
    for case in (MAIN, *(() if chosen.quick else (*WIDE, *GROWTH))):
        rows += shown(rows_of(case, measure_case(case, chosen.device)))
    if chosen.device == "cpu":
        rows += shown(peak_rows())
    files = [chosen.json] if chosen.json else []
    if chosen.device == "cuda":
        device = torch.cuda.get_device_name().replace(" ", "-")
        files.append(ROOT / "benchmarks" / "results" / f"{datetime.date.today()}-{device}.json")
    for file in files:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
