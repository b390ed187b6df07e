"""How far rounded networks are from the trained ones, beside the rounding of commit 5cc0b1d, in one run.

    python benchmarks/quantization.py [--json FILE] [--nets FOLDER] [--only digits.layered] [--samples 1024]

Trains digits and `nmnist-like-17` under both schedules (kept in FOLDER), quantizes each on calibration samples drawn by
three seeds at 4, 3 and 2 bits, and judges on the test part, which no search saw. mismatch = sum over samples and
neurons of |count difference| / spikes of the floats. Braille: 100 draws of Bernoulli(.15) over 256 time steps, half of
them for calibration. "Before" is its `mapper/quantize.py`, read from git and run on today's simulator: weights
to the nearest, one scale and one threshold a population.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from exchange import npz  # noqa: E402
from exchange.chip_toml import find_chip  # noqa: E402
from exchange.open import open_network  # noqa: E402
from ir import Network, QuantizedNetwork, Schedule, Stimulus  # noqa: E402
from mapper.quantize import quantize as quantize_now  # noqa: E402
from sim_reference.compare.difference import decided  # noqa: E402
from sim_reference.fast import run as run_integers  # noqa: E402
from stimuli.data_sets import load  # noqa: E402
from trainer import TrainConfig, preset, train  # noqa: E402
from trainer.engines.options import TrainingOptions  # noqa: E402
from trainer.execute import run as run_floats  # noqa: E402

CHIP = find_chip("loihi2")
BITS, SEEDS = (4, 3, 2), (0, 1, 2)
GOALS = {4: 0.85, 3: 0.80, 2: 0.72}
COMMIT = "5cc0b1d"
TEST_SAMPLES = 2000


def before() -> Any:
    """The module ``mapper.quantize`` of the commit, as git keeps it."""
    said = subprocess.run(
        ["git", "show", f"{COMMIT}:mapper/quantize.py"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    if said.returncode:
        raise SystemExit(f"quantization: git has no commit {COMMIT} here; clone the repository with its history")
    module: Any = type(sys)("quantize_before")
    sys.modules[module.__name__] = module  # dataclasses look their module up
    exec(compile(said.stdout, f"mapper/quantize.py at {COMMIT}", "exec"), vars(module))
    return module


def configs() -> dict[str, TrainConfig]:
    """The networks by name and schedule."""
    like = replace(
        preset("nmnist", data="nmnist-like-17", limit=4000, epochs=8),
        learning_rate=2e-3,
        batch_size=64,
        validation_share=0.05,
        layers=("64", "64", "10"),
    )
    layered = replace(like, schedule=Schedule("layered"), options=TrainingOptions(input_dropout=0.25))
    return {
        "digits.layered": preset("digits-layered", epochs=30),
        "digits.asynchronous": preset("digits", epochs=30),
        "nmnist-like-17.layered": layered,
        "nmnist-like-17.asynchronous": like,
    }


def rounded(module: Any, network: Network, bits: int, samples: Stimulus, keeps_spikes: bool) -> QuantizedNetwork:
    """A network rounded by a search on ``samples``."""

    def measure(q: QuantizedNetwork, spikes: bool = False) -> Any:
        return run_integers(q, samples, network.schedule, record_spikes=spikes, record=())

    more = {"record": lambda q: measure(q, True)} if keeps_spikes else {}
    known = module.Calibration(run_floats(network, samples, network.schedule), measure, samples.frames, **more)
    return module.quantize(network, CHIP, bits, known)


def judged(network: Network, fixed: QuantizedNetwork, samples: Stimulus) -> tuple[float, float]:
    """Mismatch with the floats, and accuracy (share of equal decisions with the floats without labels)."""
    wanted = run_floats(network, samples, network.schedule)
    found = run_integers(fixed, samples, network.schedule, record_spikes=False, record=())
    apart = np.abs(np.asarray(found.counts, np.int64) - wanted.counts).sum() / max(1, int(wanted.counts.sum()))
    right = decided(wanted) if samples.labels is None else samples.labels
    return float(apart), float((decided(found) == right).mean())


def measured(name: str, network: Network, bits: int, parts: list[tuple[Stimulus, Stimulus]]) -> list[dict[str, Any]]:
    """Rows of one network, schedule and width: means over pairs of calibration and test samples."""
    ways = {"": (sys.modules[quantize_now.__module__], True), "_before": (before(), False)}
    found: list[dict[str, Any]] = []
    for ending, (module, keeps) in ways.items():
        begin = time.process_time()
        pairs = [judged(network, rounded(module, network, bits, few, keeps), test) for few, test in parts]
        seconds = (time.process_time() - begin) / len(parts)
        apart, accuracy = (float(np.mean(x)) for x in zip(*pairs))
        for key, value, unit in (("mismatch", apart, "of the float spikes"), ("accuracy", accuracy, "of the samples"),
                                 ("cpu_seconds", seconds, "CPU s a search")):  # fmt: skip
            found.append({"name": f"{name}.{bits}.{key}{ending}", "value": value, "unit": unit})
    return found


def digits_and_events(folder: Path, only: str | None, n: int, seeds: tuple[int, ...]) -> list[dict[str, Any]]:
    """The trained networks."""
    rows: list[dict[str, Any]] = []
    for name, config in configs().items():
        if only is not None and not name.startswith(only):
            continue
        network = train(config, folder / name, resume=True).export()
        learn = load(config.data, None, "train", config.limit or None, store=npz)
        limit = None if config.data == "digits" else TEST_SAMPLES
        test = load(config.data, None, "test", limit, store=npz)
        drawn = [np.sort(np.random.default_rng(s).permutation(learn.n_samples)[:n]) for s in seeds]
        for bits in BITS:
            more = measured(name, network, bits, [(learn.select(index), test) for index in drawn])
            show(more)
            rows += more
    return rows


def braille(root: Path) -> list[dict[str, Any]]:
    """The recurrent network with biases that others have trained, at 3 bits."""
    network = open_network(root / "models" / "nir" / "braille_noDelay_bias_zero.nir", "norse", 1e-4)
    assert isinstance(network, Network)
    network = replace(network, schedule=Schedule("layered"))
    frames = (np.random.default_rng(0).random((256, 100, network.n_inputs)) < 0.15).astype(np.int8)
    parts = Stimulus(frames[:, :50]), Stimulus(frames[:, 50:])
    rows = measured("braille.layered", network, 3, [parts])
    show(rows)
    return rows


def show(rows: list[dict[str, Any]]) -> None:
    """Print the rows, and the ratio beside its goal."""
    values = {row["name"]: row["value"] for row in rows}
    for row in rows:
        old = values.get(f"{row['name']}_before")
        ratio = "" if old is None or not row["name"].endswith("mismatch") else f"   {row['value'] / old:.2f} of before"
        print(f"{row['name']:52} {row['value']:9.4f}  {row['unit']}{ratio}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--nets", type=Path, default=Path("out/quantization"))
    parser.add_argument("--only", help="begin of a name, such as digits.layered or braille")
    parser.add_argument("--samples", type=int, default=1024, help="for calibration")
    parser.add_argument("--seeds", type=int, default=len(SEEDS))
    parser.add_argument("--root", type=Path, help="folder of the networks trained by others; without it no Braille")
    given = parser.parse_args()
    rows = digits_and_events(given.nets, given.only, given.samples, SEEDS[: given.seeds])
    if given.root is not None and (given.only is None or given.only == "braille"):
        rows += braille(given.root)
    if given.json:
        given.json.write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
