"""What a user may watch of a run's rounds: how long queues are, what is served, what a neuron needs to fire."""

from __future__ import annotations

import torch
from torch import Tensor

from ir.check import check_choice

NAMES = ("queue", "served", "currents")


class Monitor:
    """Notes what was asked for while the plain asynchronous engine runs.

    Args:
        names: some of ``NAMES``. ``queue``: (T, B, K) entries that wait in each forward step, before it serves;
            ``served``: (T, B, K) entries that it serves; both with the input events that compete, and -1 where a sample
            has no such forward step. ``currents``: (T, B, N) forward steps of a time step that brought a neuron
            anything, up to the one in which it first fired; all of them where it did not fire.
    """

    def __init__(self, names: tuple[str, ...]) -> None:
        for name in names:
            check_choice("monitor", name, NAMES)
        self.names = names
        self.rounds: dict[str, list[list[Tensor]]] = {"queue": [], "served": []}
        self.currents: list[Tensor] = []
        self.fired: list[Tensor] = []

    def begin(self, like: Tensor) -> None:
        """Begin a time step; ``like``: (B, N)."""
        for steps in self.rounds.values():
            steps.append([])
        self.currents.append(torch.zeros(like.shape, dtype=torch.int64, device=like.device))
        self.fired.append(torch.zeros(like.shape, dtype=torch.bool, device=like.device))

    def reached(self, drive: Tensor, active: Tensor, now: Tensor) -> None:
        """Note a round's drive and who fires in it, (B, N) each; active (B, 1)."""
        self.currents[-1] += (drive.detach() != 0) & active & ~self.fired[-1]
        self.fired[-1] |= now

    def round(self, running: Tensor, waiting: Tensor, served: Tensor) -> None:
        """Note a round's numbers of entries, (B,) each; ``running``: the samples that have this round."""
        for name, n in (("queue", waiting), ("served", served)):
            self.rounds[name][-1].append(torch.where(running, n, -1))

    def found(self, shape: torch.Size, device: torch.device) -> dict[str, Tensor]:
        """What was asked for, by name; ``shape``: (T, B, N)."""
        deepest = max((len(step) for step in self.rounds["queue"]), default=0)
        found: dict[str, Tensor] = {}
        for name in self.names:
            if name == "currents":
                found[name] = torch.stack(self.currents) if self.currents else torch.zeros(shape, dtype=torch.int64)
                continue
            table = torch.full((*shape[:2], deepest), -1, dtype=torch.int64, device=device)
            for t, step in enumerate(self.rounds[name]):
                table[t, :, : len(step)] = torch.stack(step, 1)
            found[name] = table
        return found
