"""Gradients in a fixed order of additions: block by block of 16 samples, whoever computes which.

Additions of floats depend on their order, and so a sum over samples on how many threads and processes share it. Here a
batch is cut into blocks, each block's loss and gradients come from one thread of one process, and all processes add up
all blocks in the order of the batch. So the same bits come from any number of threads and processes.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from functools import lru_cache
from typing import Any, NamedTuple, TypeVar

import numpy as np
import torch
from torch import Tensor
from torch.nn.utils.parametrize import is_parametrized

from ir.check import require
from trainer.batch import Batch
from trainer.engines.live import LiveState
from trainer.network import SpikingNetwork
from trainer.processes import gathered, rank, world

BLOCK = 16
"""Samples whose gradients are summed by one thread of one process."""

X = TypeVar("X")
Y = TypeVar("Y")


class Part(NamedTuple):
    """What some samples add to a batch: their part of its loss, of the gradient of each parameter that learns (None =
    nothing), and where they ended."""

    loss: Tensor
    gradients: list[Tensor | None]
    state: LiveState | None


class Sum(NamedTuple):
    """Of a whole batch the loss; of this process's blocks where each ended."""

    loss: float
    states: tuple[LiveState, ...]


Work = Callable[[Batch, float], Part]
"""The part of a block, and how much of the whole batch that is."""


def check_same_bits(config: Any, rule: object) -> None:
    """Raise where a configuration asks for the same bits of what has none.

    Args:
        config: a ``TrainConfig``.
        rule: the one that it names.
    """
    if config.same_bits:
        adds_up = getattr(rule, "by_blocks", False)
        require(adds_up, f"rule {config.rule!r} does not add up blocks of samples; leave same_bits out, or use another")
        on_cpu = config.device == "cpu" and config.engine != "gpu"
        require(on_cpu, "same_bits holds on the CPU, a GPU adds up in any order; leave one of the two out")
        once = config.neuron != "spiking_gamma" or config.rule in ("bptt", "surrogate")
        once = once or config.gamma.update == "sequence"
        require(once, "same_bits adds up a whole batch; set gamma.update = 'sequence', or leave same_bits out")


def check_together(name: str, rule: object) -> None:
    """Raise where several processes train by a rule that may not add up over them: each would train its own network.

    Args:
        name: the rule's. rule: has ``adds_up``, or ``by_blocks``, where it adds up.
    """
    adds_up = getattr(rule, "by_blocks", False) or getattr(rule, "adds_up", False)
    way = "where it does (trainer.processes.add_up) give it adds_up = True, else leave torchrun out"
    require(world() == 1 or adds_up, f"rule {name!r} does not say that it adds up gradients over processes; {way}")


def of_this_process(index: np.ndarray) -> np.ndarray:
    """The samples of this process's blocks among those of a batch."""
    starts = range(rank() * BLOCK, len(index), world() * BLOCK)
    return np.concatenate([index[:0], *(index[start : start + BLOCK] for start in starts)])


def learning(network: SpikingNetwork) -> list[Tensor]:
    """The parameters that learn, in the network's order."""
    return [p for p in network.parameters() if p.requires_grad]


def sum_of_blocks(network: SpikingNetwork, batch: Batch, work: Work) -> Sum:
    """Set the gradient of every parameter that learns to that of the whole batch, of which ``batch`` is this process's
    part; a parameter that nothing reaches gets zeros."""
    parameters, whole = learning(network), batch.whole or len(batch.ids)
    n_blocks, states = -(-whole // BLOCK), list[LiveState]()
    total: list[Tensor] = []

    def part(block: Batch) -> Part:
        return work(block, len(block.ids) / whole)

    network.plan()  # made once, and not by several threads
    with one_thread() as threads:
        found = ahead(part, blocks(batch), workers(network, threads))
        for first in range(0, n_blocks, world()):
            here = next(found) if first + rank() < n_blocks else Part(torch.zeros(()), [None] * len(parameters), None)
            states += [] if here.state is None else [here.state]
            gradients = [torch.zeros_like(p) if g is None else g for p, g in zip(parameters, here.gradients)]
            for block in gathered([here.loss.double(), *gradients])[: n_blocks - first]:
                total = total or [torch.zeros_like(x, memory_format=torch.contiguous_format) for x in block]
                torch._foreach_add_(total, block)
    for p, g in zip(parameters, total[1:]):
        p.grad = g
    return Sum(float(total[0]), tuple(states))


def blocks(batch: Batch) -> Iterator[Batch]:
    """A batch block by block, each in memory of its own: where a product begins may change its last bits."""
    n = len(batch.ids)
    for i, start in enumerate(range(0, n, BLOCK)):
        at = slice(start, min(start + BLOCK, n))
        events = batch.events
        if events is not None:
            events = events[(events[:, 0] >= at.start) & (events[:, 0] < at.stop)] - np.array([at.start, 0, 0, 0])
        frames = batch.frames[:, at].clone(memory_format=torch.contiguous_format)
        states = batch.states[i : i + 1]
        yield replace(
            batch, frames=frames, labels=batch.labels[at], ids=batch.ids[at], events=events, states=states, whole=0
        )


@contextmanager
def one_thread() -> Generator[int]:
    """Inside, torch computes in one thread, so that no sum depends on how many there are; how many there were."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield before
    finally:
        torch.set_num_threads(before)


def workers(network: SpikingNetwork, threads: int) -> int:
    """How many blocks of a network may run at a time: one where a run switches the network, or a parametrized layer, to
    evaluation for a while."""
    switched = any(is_parametrized(m) for m in network.modules())
    return 1 if switched or network.quantization is not None or network.encoder is not None else threads


def ahead(work: Callable[[X], Y], items: Iterable[X], n: int) -> Iterator[Y]:
    """``map``, with ``n`` of the items at work at a time, each in a thread of its own."""
    if n == 1:
        yield from map(work, items)
        return
    waiting: deque[Future[Y]] = deque()
    for item in items:
        waiting.append(_pool(os.getpid(), n).submit(work, item))
        if len(waiting) > n:
            yield waiting.popleft().result()
    while waiting:
        yield waiting.popleft().result()


@lru_cache(maxsize=1)
def _pool(process: int, n: int) -> ThreadPoolExecutor:
    """Threads in which torch computes alone; a fork has none of them."""
    return ThreadPoolExecutor(n, f"blocks-{process}", initializer=torch.set_num_threads, initargs=(1,))
