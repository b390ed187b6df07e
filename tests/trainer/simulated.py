"""Processes that train together, as threads of this one: what goes from one to another waits at a barrier."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

import pytest
import torch
from torch import Tensor

from trainer import batches, evaluation
from trainer.rules import blocks, surrogate

T = TypeVar("T")


class Simulated:
    """Some processes; each name of ``trainer.processes`` that modules have imported is answered for the thread."""

    def __init__(self, world: int, monkeypatch: pytest.MonkeyPatch) -> None:
        self.n, self.mine = world, threading.local()
        self.barrier, self.shelf = threading.Barrier(world), dict[int, Any]()
        own = {"rank": self.rank, "world": self.world, "gathered": self.gathered, "add_up": self.add_up}
        for module in (batches, blocks, surrogate, evaluation):
            for name, function in own.items():
                if hasattr(module, name):
                    monkeypatch.setattr(module, name, function)

    def rank(self) -> int:
        return self.mine.rank

    def world(self) -> int:
        return self.n

    def gathered(self, own: list[Tensor]) -> list[list[Tensor]]:
        self.shelf[self.rank()] = [x.clone() for x in own]
        self.barrier.wait(600)
        found = [[x.clone() for x in self.shelf[r]] for r in range(self.n)]
        self.barrier.wait(600)
        return found

    def add_up(self, x: Tensor) -> Tensor:
        rows = self.gathered([x])
        return x.copy_(torch.stack([row for (row,) in rows]).sum(0))

    def run(self, work: Callable[[int], T]) -> list[T]:
        """What ``work`` gives for each process, by rank."""

        def one(rank: int) -> T:
            self.mine.rank = rank
            try:
                return work(rank)
            except BaseException:
                self.barrier.abort()
                raise

        with ThreadPoolExecutor(self.n) as pool:
            return list(pool.map(one, range(self.n)))
