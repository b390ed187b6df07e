"""Settled first: each declared difference between the published code's training and ours, switched alone, and all.

The same 1,000 real N-MNIST recordings, initial weights and batches for every setting: 578-64-64-10, momentum order,
F = 8, refractory dropout .8. The engine is ``experiments/published.py``; the spikes of a network are the same whatever
is switched, what it learns is not.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, replace
from typing import Any

import torch
from torch import Tensor

from experiments.published import OURS, PUBLISHED, Chain, Draw, Settings, Switches, as_torch_begins, rate_loss, right
from experiments.recordings import emulated_nmnist, real_nmnist, tensors
from experiments.settled_tables import parts
from trainer.kinds import check_kinds, known
from unlayered.experiments.definition import Job, Row

__all__ = ["jobs", "parts", "run"]

CPU_S = 4.5e-4
"""Planned for a training sample of a seed and epoch, seeds side by side; forward and backward, 10 time steps."""

TOLD = {
    "carry": "queue carried over",
    "gate": "surrogate open everywhere",
    "slots": "silent slots to the first neurons",
    "noise": "silent slots by noise",
    "peak": "peak 1 / pi",
    "skip": "silent layers skipped",
    "wave": "end of a time step",
    "cut": "fired membranes not cut",
}
"""What each switch is called, most telling first."""


@dataclass(frozen=True)
class Settled:
    """The settings of ``settled.toml``."""

    epochs: int = 20
    samples: int = 1000
    test_samples: int = 100
    emulated_samples: int = 500
    batch_size: int = 50
    learning_rate: float = 1e-3
    F: int = 8
    price_after: int = 5
    seeds: list[int] = field(default_factory=list[int])
    hidden: list[int] = field(default_factory=list[int])
    spike_prices: list[float] = field(default_factory=list[float])


def variants() -> dict[str, Switches]:
    """Each setting by name: all ours, all published, each switched alone from ours and back."""
    found = {"ours": OURS, "published": PUBLISHED}
    for name, told in TOLD.items():
        field_of, there = ("slots", "noise") if name == "noise" else (name, getattr(PUBLISHED, name))
        back = "noise" if name == "noise" else getattr(OURS, name)
        found[f"ours, but {told}"] = replace(OURS, **{field_of: there})
        found[f"published, but {'' if name == 'noise' else 'not '}{told}"] = replace(PUBLISHED, **{field_of: back})
    return found


def jobs(settings: dict[str, Any]) -> list[Job]:
    """A job a setting, all seeds side by side; ours, the published code and the switch that tells most at several
    prices of a spike, too."""
    ours = Settled(**known(settings, Settled, "settled.toml"))
    check_kinds(ours)
    cpu_s = CPU_S * ours.samples * ours.epochs * len(ours.seeds)
    kept = {name: value for name, value in settings.items() if name != "spike_prices"}

    def job(name: str, switches: Switches, price: float = 0.0) -> Job:
        told = f"{name}, price {price:g}" if price else name
        what = {**kept, "switches": asdict(switches), "price": price}
        return Job(told, what, cpu_s, "spike prices" if price else "switches")

    known_as = variants()
    most = {name: known_as[name] for name in ("ours", "published", f"ours, but {TOLD['carry']}")}
    alone = [job(name, switches) for name, switches in known_as.items()]
    priced = [job(name, switches, price) for price in ours.spike_prices for name, switches in most.items()]
    return [*alone[:6], *priced[: len(most)], *alone[6:10], *priced[len(most) :], *alone[10:]]


def run(job: Job) -> list[Row]:
    """Train all seeds of a setting side by side, test after every epoch; a row a seed."""
    torch.set_num_threads(1)
    what = {name: value for name, value in job.what.items() if name not in ("switches", "price")}
    ours, seeds = Settled(**what), job.what["seeds"]
    settings = Settings(F=ours.F, switches=Switches(**job.what["switches"]))
    data = tensors(real_nmnist("nmnist-17", "train", ours.samples))
    tests = {
        "real": tensors(real_nmnist("nmnist-17", "test", ours.test_samples)),
        "emulated": tensors(emulated_nmnist("nmnist-like-17", "test", ours.emulated_samples)),
    }
    weights = as_torch_begins([data[0].shape[-1], *ours.hidden, 10], seeds)
    optimizer = torch.optim.Adam(weights, ours.learning_rate)
    random = torch.Generator().manual_seed(seeds[0])

    def draw(purpose: str, t: int, k: int, shape: tuple[int, ...]) -> Tensor:
        return torch.rand(shape, generator=random)

    net = Chain(weights, settings)
    curves: list[dict[str, tuple[list[float], list[float]]]] = []
    for epoch in range(ours.epochs):
        price = job.what["price"] if epoch >= ours.price_after else 0.0
        _epoch(net, optimizer, data, ours, seeds, epoch, price, draw)
        curves.append({name: tested(net, *test) for name, test in tests.items()})
    one = Chain(weights, replace(settings, F=1))
    ends = {
        "F=1": {name: tested(one, *test) for name, test in tests.items()},
        "escaping": {name: tested(net, *test, draw) for name, test in tests.items()},
    }
    return [
        {
            "seed": seed,
            **{
                f"{name} {part}": [c[name][x][i] for c in curves]
                for name in tests
                for x, part in enumerate(("accuracy", "spikes"))
            },
            **{
                f"{end} {name} {part}": ends[end][name][x][i]
                for end in ends
                for name in tests
                for x, part in enumerate(("accuracy", "spikes"))
            },
        }
        for i, seed in enumerate(seeds)
    ]


def _epoch(
    net: Chain,
    optimizer: torch.optim.Optimizer,
    data: tuple[Tensor, Tensor],
    ours: Settled,
    seeds: list[int],
    epoch: int,
    price: float,
    draw: Draw,
) -> None:
    """Go through the training samples once, each seed in an order of its own."""
    frames, labels = data
    n = len(labels)
    orders = [torch.randperm(n, generator=torch.Generator().manual_seed(100_000 * (s + 1) + epoch)) for s in seeds]
    order = torch.stack(orders)
    for start in range(0, n, ours.batch_size):
        index = order[:, start : start + ours.batch_size]
        spikes, _ = net.run(frames[:, index], draw)
        loss = rate_loss(spikes[..., net.output], labels[index]) + price * spikes.mean((0, 2, 3))
        optimizer.zero_grad()
        loss.sum().backward()
        optimizer.step()


@torch.no_grad()
def tested(net: Chain, frames: Tensor, labels: Tensor, draw: Draw | None = None) -> tuple[list[float], list[float]]:
    """Accuracy and spikes a sample of each seed; with ``draw`` neurons escape in testing, too, as published."""
    n_seeds, n = len(net.weights[0]), len(labels)
    spikes, _ = net.run(frames[:, None].expand(-1, n_seeds, -1, -1), draw)
    good = right(spikes[..., net.output], labels.expand(n_seeds, n)).double().mean(1)
    return [round(x, 5) for x in good.tolist()], [round(x, 3) for x in (spikes.sum((0, 2, 3)) / n).tolist()]
