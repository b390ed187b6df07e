"""snnTorch networks brought here: imported as they are, run without layers, tuned, rounded, run on Lava.

An MLP and a convolutional network with max pooling, snnTorch's default settings (``Leaky``: reset by subtraction one
time step late, arctan), are trained in snnTorch on rate-coded MNIST and on emulated N-MNIST; tested on 1,000 held-out
images and on all 1,100 real recordings of the N-MNIST subset. Each then goes the whole road: imported (the same spikes
in layers as in snnTorch, where the pooling of the convolutional one has moved behind the neurons, too), run
asynchronously (F = 8, largest membrane first) untuned, tuned so, rounded to 8 bits with scales that were searched on
training samples, run on the simulator (all samples) and on Lava.

    python experiments/imported.py [--out FOLDER] [--seeds 3]

A case that is in FOLDER already is not trained again.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import snntorch as snn
import torch
from rich.console import Console
from rich.table import Table
from torch import Tensor, nn

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import unlayered as ul
from exchange import npz
from experiments.recordings import real_root
from ir.schedule import key, uniform
from sim_reference.compare.equality import equality, first_samples
from stimuli.data_sets import load
from stimuli.readers import read_mnist

N_STEPS = 10
RATE_SEED = 5
CALIBRATION_SAMPLES = 256
ASYNCHRONOUS = ul.Schedule(F=8, order="momentum")
LAYERED = ul.Schedule("layered")


@dataclass(frozen=True)
class Case:
    """What is trained in snnTorch.

    Attributes:
        network: ``mlp`` or ``conv``. data: ``mnist`` or ``nmnist``.
        shape: of a frame.
    """

    network: str
    data: str
    seed: int

    @property
    def shape(self) -> tuple[int, int, int]:
        return (1, 28, 28) if self.data == "mnist" else (2, 17, 17)

    @property
    def name(self) -> str:
        return f"{self.network}-{self.data}-{self.seed}"


def leaky(beta: float = 0.9) -> nn.Module:
    """snnTorch's neuron with its default settings."""
    return snn.Leaky(beta=beta)


def model_of(case: Case) -> nn.Sequential:
    """The model as snnTorch's tutorials write it: the pooling before the neurons."""
    torch.manual_seed(case.seed)
    channels, side, _ = case.shape
    if case.network == "mlp":
        return nn.Sequential(nn.Flatten(), nn.Linear(channels * side * side, 128), leaky(), nn.Linear(128, 10), leaky())
    kernel = 5 if case.data == "mnist" else 3
    last = ((side - kernel + 1) // 2 - kernel + 1) // 2
    return nn.Sequential(
        nn.Conv2d(channels, 8, kernel),
        nn.MaxPool2d(2),
        leaky(),
        nn.Conv2d(8, 16, kernel),
        nn.MaxPool2d(2),
        leaky(),
        nn.Flatten(),
        nn.Linear(16 * last * last, 10),
        leaky(),
    )


def moved(model: nn.Sequential) -> nn.Sequential:
    """The same layers with each pooling behind the neurons that followed it."""
    layers = list(model)
    for i in range(len(layers) - 1):
        if isinstance(layers[i], nn.MaxPool2d) and isinstance(layers[i + 1], snn.Leaky):
            layers[i], layers[i + 1] = layers[i + 1], layers[i]
    return nn.Sequential(*layers).eval()


def run_snntorch(model: nn.Sequential, frames: Tensor) -> Tensor:
    """(T, B, C, H, W) -> the last neurons' spikes, (T, B, 10)."""
    states: dict[int, Tensor] = {i: m.init_leaky() for i, m in enumerate(model) if isinstance(m, snn.Leaky)}
    out = []
    for x in frames:
        for i, module in enumerate(model):
            if isinstance(module, snn.Leaky):
                x, states[i] = module(x, states[i])
            else:
                x = module(x)
        out.append(x)
    return torch.stack(out)


def train_in_snntorch(case: Case, learn: ul.Stimulus, epochs: int, say: Callable[[str], None]) -> nn.Sequential:
    """Adam, cross-entropy of the membranes' spikes a time step, as snnTorch's ``ce_rate_loss``."""
    model = model_of(case)
    optimizer = torch.optim.Adam(model.parameters(), lr=2e-3)
    labels = torch.as_tensor(np.array(learn.labels))
    draw = torch.Generator().manual_seed(case.seed)
    for epoch in range(epochs):
        right = 0
        for batch in torch.randperm(learn.n_samples, generator=draw).split(128):
            frames = torch.as_tensor(learn.frames[:, batch.numpy()]).float().unflatten(2, case.shape)
            spikes = run_snntorch(model, frames)
            loss = sum(nn.functional.cross_entropy(s, labels[batch]) for s in spikes) / len(spikes)
            assert isinstance(loss, torch.Tensor)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            right += int((spikes.detach().sum(0).argmax(1) == labels[batch]).sum())
        say(f"{case.name}: epoch {epoch}, {right / learn.n_samples:.3f} in training")
    return model.eval()


def decided_by_snntorch(model: nn.Sequential, case: Case, test: ul.Stimulus) -> tuple[float, Tensor]:
    """Accuracy by spike counts, and all output spikes."""
    with torch.no_grad():
        frames = torch.as_tensor(test.frames.copy()).float().unflatten(2, case.shape)
        spikes = torch.cat([run_snntorch(model, part) for part in frames.split(256, dim=1)], 1)
    right = spikes.sum(0).argmax(1).numpy() == np.asarray(test.labels)
    return float(right.mean()), spikes


def rate_coded(split: str, n: int) -> ul.Stimulus:
    """MNIST, each pixel a spike a time step with the probability of its brightness."""
    images, labels = read_mnist(None, split, n)
    light = images.reshape(len(images), -1) / 255.0
    ids, inputs = np.arange(len(light)), np.arange(light.shape[1])
    frames = [uniform(key(RATE_SEED, ids[:, None], t, split == "train", inputs)) < light for t in range(N_STEPS)]
    return ul.Stimulus(np.stack(frames).astype(np.int8), ids, labels.astype(np.int64))


def data_of(name: str, n: int) -> tuple[ul.Stimulus, ul.Stimulus]:
    """Training and held-out data."""
    if name == "mnist":
        return rate_coded("train", n), rate_coded("test", 1000)
    learn = load("nmnist-like-17", None, "train", n, store=npz)
    with real_root() as root:
        parts = [load("nmnist-17", root, split) for split in ("train", "test")]
    frames = np.concatenate([part.frames for part in parts], 1)
    labels = np.concatenate([np.asarray(part.labels) for part in parts])
    return learn, ul.Stimulus(frames, np.arange(frames.shape[1]), labels)


def road(case: Case, model: nn.Sequential, learn: ul.Stimulus, test: ul.Stimulus, options: Any) -> dict[str, Any]:
    """Everything that becomes of one trained model."""
    begin = time.perf_counter()
    row: dict[str, Any] = {"case": case.name, "held out": test.n_samples}
    row["snnTorch"], theirs = decided_by_snntorch(model, case, test)
    if case.network == "conv":
        row["snnTorch, pooling moved"], theirs = decided_by_snntorch(moved(model), case, test)
    frozen = ul.from_snntorch(model, case.shape, dt_s=10e-3, pool="after" if case.network == "conv" else None)
    layered = ul.run(frozen, test, LAYERED)
    row["imported, layered"] = accuracy(layered)
    row["counts that differ from snnTorch's"] = differing_counts(layered, theirs)
    row["untuned, F = 8"] = accuracy(ul.run(frozen, test, ASYNCHRONOUS))
    npz.save(frozen, options.out / f"{case.name}.npz")
    config = ul.TrainConfig(
        start=str(options.out / f"{case.name}.npz"), schedule=ASYNCHRONOUS, epochs=options.tuning_epochs,
        learning_rate=options.tuning_rate, rate_schedule="cosine", loss="count", batch_size=128, keep="last",
        validation_share=0.02, seed=case.seed, shift_px=int(case.data == "nmnist"),
    )  # fmt: skip
    some = learn.select(slice(options.tuning_samples))
    tuned = ul.train(config, options.out / f"{case.name}-tuned", resume=True, data=some).export()
    row["tuned, F = 8"] = accuracy(ul.run(tuned, test, ASYNCHRONOUS))
    mapped = ul.map(tuned, "loihi2", calibrate=learn.select(slice(CALIBRATION_SAMPLES)))
    trained, reference = (ul.run(mapped, test, on=on) for on in ("trainer", "reference"))
    row["tuned, 8 bits (E1)"] = accuracy(trained)
    lava = ul.run(mapped, test.select(slice(options.exact_samples)), on="lava")
    pairs = {"E1 = E2": (trained, reference), "E2 = E3": (first_samples(reference, options.exact_samples), lava)}
    for name, (a, b) in pairs.items():
        found = equality(a, b)
        row[f"{name}, spikes"], row[f"{name}, differing"] = found.spikes_compared, found.differing
    row["seconds"] = round(time.perf_counter() - begin)
    return row


def accuracy(trace: ul.Trace) -> float:
    """Share of samples decided right, by spike counts."""
    found = ul.statistics(trace).accuracy
    assert found is not None
    return float(found)


def differing_counts(trace: ul.Trace, theirs: Tensor) -> int:
    """Output spike counts (sample, class) in which a run differs from snnTorch's."""
    ours = trace.counts[:, -theirs.shape[2] :]
    return int((ours != theirs.sum(0).numpy()).sum())


def shown(rows: list[dict[str, Any]]) -> Table:
    """One row a figure, one column a case."""
    names = list(dict.fromkeys(name for row in rows for name in row if name != "case"))
    table = Table("", *(row["case"] for row in rows))
    for name in names:
        values = [row.get(name) for row in rows]
        table.add_row(name, *("-" if v is None else f"{v:.3f}" if isinstance(v, float) else f"{v:,}" for v in values))
    return table


def main() -> int:
    """Train what is not there yet, take every case down the road, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("runs/imported"))
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--samples", type=int, default=12_000, help="training samples")
    parser.add_argument("--epochs", type=int, default=4, help="in snnTorch")
    parser.add_argument("--tuning-samples", type=int, default=12_000)
    parser.add_argument("--tuning-epochs", type=int, default=4)
    parser.add_argument("--tuning-rate", type=float, default=1e-3)
    parser.add_argument("--exact-samples", type=int, default=50, help="run on Lava")
    parser.add_argument("--cases", default="mlp-mnist,conv-mnist,mlp-nmnist,conv-nmnist")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    console = Console()
    rows: list[dict[str, Any]] = []
    for seed in range(options.seeds):
        for words in options.cases.split(","):
            network, data = words.split("-")
            case = Case(network, data, seed)
            learn, test = data_of(data, options.samples)
            file = options.out / f"{case.name}.pt"
            if file.exists():
                model = model_of(case).eval()
                model.load_state_dict(torch.load(file, weights_only=True))
            else:
                model = train_in_snntorch(case, learn, options.epochs, console.print)
                torch.save(model.state_dict(), file)
            rows.append(road(case, model, learn, test, options))
            console.print(rows[-1])
            npz.write_atomically(options.out / "imported.json", json.dumps(rows, indent=1).encode())
    console.print(shown(rows))
    return int(any(value for row in rows for name, value in row.items() if name.endswith("differing")))


if __name__ == "__main__":
    sys.exit(main())
