"""How good a network is: decisions, accuracy, spikes, forward steps; several processes share the samples out."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import nullcontext
from enum import Enum

import numpy as np
import torch
from torch import Tensor

from ir.schedule import Schedule
from trainer.batches import batch_of, pieces
from trainer.data import Samples
from trainer.engines.plan import Plan
from trainer.engines.result import Result
from trainer.network import SpikingNetwork
from trainer.processes import add_up, rank, world
from trainer.rules.blocks import ahead, one_thread, workers

SAME_BITS_AT_ONCE = 64
"""Samples of one thread, where the same bits are promised."""


class Among(Enum):
    """Who evaluates: this process alone; all that train together, each its batches; or all of them in such a way that
    no bit depends on how many processes and threads there are."""

    NONE, ALL, SAME_BITS = range(3)


def evaluate(
    network: SpikingNetwork,
    stimulus: Samples,
    schedule: Schedule,
    engine: str = "auto",
    batch_size: int = 256,
    truncate: int = 0,
    among: Among = Among.NONE,
) -> tuple[float, float, float]:
    """(accuracy, spike density, mean forward steps a sample) under ``schedule``; ``truncate`` bounds memory alone."""
    network.eval()
    plan, exact = network.plan(), among is Among.SAME_BITS
    size = min(batch_size, SAME_BITS_AT_ONCE) if exact else batch_size
    starts = range(0, stimulus.n_samples, size)
    mine = starts if among is Among.NONE else starts[rank() :: world()]

    def judged(start: int) -> Tensor:
        index = np.arange(start, min(start + size, stimulus.n_samples))
        return judge(network, stimulus, index, schedule, engine, truncate)

    with one_thread() if exact else nullcontext(1) as threads:
        found: Iterator[Tensor] = ahead(judged, mine, workers(network, threads))
        total = sum(found, torch.zeros(3, dtype=torch.float64))
    right, spikes, rounds = (total if among is Among.NONE else add_up(total)).tolist()
    n = stimulus.n_samples
    return right / n, spikes / (n * plan.n_neurons * stimulus.n_steps), rounds / n


def judge(
    network: SpikingNetwork, stimulus: Samples, index: np.ndarray, schedule: Schedule, engine: str, truncate: int
) -> Tensor:
    """(3,) how many of some samples are decided rightly, their spikes and their forward steps."""
    plan, state, rounds = network.plan(), None, 0.0
    counts, v, labels = torch.zeros(()), torch.zeros(()), torch.zeros(())
    for steps in pieces(stimulus.n_steps, truncate):
        batch = batch_of(stimulus, index, steps if truncate else None).to(network.device)
        with torch.no_grad():
            result = network(batch.frames, schedule, batch.ids, events=batch.events, engine=engine, state=state)
        state = result.state if truncate else None
        counts = counts.to(network.device) + result.counts.sum(0)
        v, labels = result.v[-1:].sum(0), batch.labels
        rounds += float(result.forward_steps.sum())
    right = int((decided(counts[:, plan.output], v[:, plan.output], plan) == labels).sum())
    return torch.tensor([right, float(counts.sum()), rounds], dtype=torch.float64)


def decide(result: Result, plan: Plan) -> Tensor:
    """Class of each sample: most output spikes, ties to the smallest index, none = -1; or the largest membrane."""
    return decided(result.counts[:, :, plan.output].sum(0), result.v[-1][:, plan.output], plan)


def decided(counts: Tensor, v: Tensor, plan: Plan) -> Tensor:
    """The same of the output's counts and last membranes, (B, n) each."""
    if not plan.output_fires:
        return v.argmax(1)
    first_largest = (counts == counts.amax(1, keepdim=True)).to(torch.int64).argmax(1)
    return torch.where(counts.amax(1) > 0, first_largest, -1)
