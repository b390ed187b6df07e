"""A small recurrent network on digits, trained with a loop of one's own."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import nn

from exchange import npz
from ir import Network, Schedule
from stimuli.data_sets import load
from trainer import LIF, SpikingNetwork


def train_recurrent(path: Path, epochs: int, seed: int = 0) -> Network:
    """A network 800-48-10 whose hidden population also feeds itself; trained once and kept in a file."""
    if path.exists():
        return npz.load(path, Network)
    torch.manual_seed(seed)
    data = load("digits", None, "train", None, store=npz)
    assert data.labels is not None
    neurons = {"hidden": LIF(0.03, 0.3), "out": LIF(0.03, 0.3)}
    ends = [
        ("input", "hidden", nn.Linear(data.frames.shape[2], 48, bias=False)),
        ("hidden", "hidden", nn.Linear(48, 48, bias=False)),
        ("hidden", "out", nn.Linear(48, 10, bias=False)),
    ]
    schedule = Schedule(F=8, order="momentum")
    network = SpikingNetwork({"input": (data.frames.shape[2],)}, neurons, ends, dt_s=0.01, schedule=schedule)
    optimizer = torch.optim.Adam(network.parameters(), 1e-3)
    frames, labels = torch.as_tensor(data.frames.astype(np.float32)), torch.as_tensor(np.array(data.labels))
    for epoch in range(epochs):
        order = torch.randperm(len(labels), generator=torch.Generator().manual_seed(seed + epoch))
        for batch in order.split(64):
            result = network(frames[:, batch], sample_ids=batch)
            counts = result.counts[:, :, -10:].sum(0)
            loss = nn.functional.cross_entropy(counts, labels[batch])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    exported = network.eval().export()
    npz.save(exported, path)
    return exported
