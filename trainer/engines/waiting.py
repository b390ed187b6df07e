"""What waits in a time step of the reference engine, and what is delivered: one queue, or one a core that sends."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from ir.schedule import stream
from trainer.engines.call import Call
from trainer.engines.options import SPIKE_DROP
from trainer.engines.parts import Link, apply_link
from trainer.engines.queue import InputQueue, choose, ranks
from trainer.engines.selection import happens
from trainer.engines.state import BatchState


def summed(call: Call, through: Callable[[Link, Tensor], Tensor | None], like: Tensor) -> Tensor:
    """The summed drive of one forward step, (B, N), in weight units.

    Args:
        through: what a link with its weight brings, (B, n_post); None = nothing. like: (B, N).
    """
    drives: dict[int, Tensor] = {}
    for link, weight in zip(call.plan.links, call.params.weights):
        part = through(link, weight)
        if part is not None:
            part = call.numbers.shift(part, link.weight_exp)
            before = drives.get(link.post.start)
            drives[link.post.start] = part if before is None else before + part
    return torch.cat([drives.get(p.at.start, torch.zeros_like(like[:, p.at])) for p in call.plan.parts], 1)


def delivered(call: Call, q: Tensor, chosen: Tensor, t: int, k: int) -> Tensor:
    """(B, N) what the chosen entries of a queue ``q`` deliver in round k, silent slots 0 with a gradient."""
    out = q * chosen
    if call.options.spike_dropout > 0:
        seed = stream(call.schedule.seed, SPIKE_DROP)
        out = out * ~happens(chosen, call.options.spike_dropout, seed, call.sample_ids, t, k)
    return out


class OneQueue:
    """The entries of one time step of a batch.

    Attributes:
        sources: (B, N) what the neurons served last deliver; inputs: (B, N_in) input taken with them, None = nothing.
    """

    def __init__(self, call: Call, state: BatchState, t: int) -> None:
        self.call, self.state, self.t = call, state, t
        self.events = InputQueue(call, t)
        self.inputs: Tensor | None = self.events.first_drive()
        self.sources = torch.zeros_like(state.q)

    def drive(self) -> Tensor:
        """The summed drive of one forward step, (B, N), in weight units."""
        return summed(self.call, self._through, self.sources)

    def _through(self, link: Link, weight: Tensor) -> Tensor | None:
        source = self.inputs if link.from_input else self.sources
        return None if source is None else apply_link(link, weight, source[:, link.pre])

    def add(self, now: Tensor, entry: Tensor) -> None:
        """Let spikes wait; ``entry`` (B, N) is what they deliver, silent neurons 0 with a gradient."""
        self.state.waiting = self.state.waiting | now
        self.state.q = self.state.q + entry

    def on_its_way(self) -> Tensor:
        """(B,) whether an entry or an event waits that has a projection."""
        return (self.state.waiting & self.call.sends).any(1) | self.events.left()

    def entries(self) -> Tensor:
        """(B,) how many entries and events wait."""
        return self.state.waiting.sum(1) + self.events.competing()

    def serve(self, active: Tensor, learn: Tensor, k: int) -> Tensor:
        """Step e: choose and deliver after round k; the selected leave the queue.

        Args:
            active: (B,) samples that go on, or end with this round.
            learn: (B,) those that go on. The last round of a sample has no silent slots: what it serves reaches nobody,
                a gradient neither.

        Returns:
            (B, N) the neurons whose entries have left.
        """
        call, state, by = self.call, self.state, ranks(self.call, self.state, self.t, k)
        paced = self.events.next_paced(active) if self.events.rule == "paced" else None
        served, slots, queued = choose(call, self.events, state.waiting, state.waiting, by, active, k)
        self.inputs = queued if paced is None else paced
        chosen = served | slots & learn[:, None]
        self.sources = delivered(call, state.q, chosen, self.t, k)
        state.q = state.q * ~chosen
        state.waiting = state.waiting & ~served
        return served
