"""A queue at each receiving core, in plain PyTorch: what waits there, what is served, and whom it reaches."""

from __future__ import annotations

import copy

import torch
from torch import Tensor

from ir.receivers import cores_reached
from trainer.engines.call import Call
from trainer.engines.parts import Link, apply_link
from trainer.engines.queue import InputQueue, choose, ranks
from trainer.engines.state import BatchState
from trainer.engines.waiting import delivered, summed


class Receivers:
    """Which neurons each core holds and which sources reach it, as tensors; made once a run.

    Attributes:
        core: (N,) the place of each neuron's core.
        hears: (C, N) and hears_input: (C, N_in), whether a source has a synapse to a neuron on the core.
    """

    def __init__(self, call: Call) -> None:
        assert call.core_of_neuron is not None
        place, reach = cores_reached(call.plan.network, call.core_of_neuron)
        device, n = call.frames.device, call.plan.n_neurons
        self.core = torch.as_tensor(place.copy(), device=device)
        self.hears = torch.as_tensor(reach[:, :n].copy(), device=device)
        self.hears_input = torch.as_tensor(reach[:, n:].copy(), device=device)
        self.heard = self.hears.any(0)
        self._on: dict[int, list[tuple[int, Tensor | None]]] = {}

    def cores_of(self, link: Link) -> list[tuple[int, Tensor | None]]:
        """The cores that hold targets of a link, each with (n_post,) which, None for all."""
        found = self._on.get(link.post.start)
        if found is None:
            own = self.core[link.post]
            cores = own.unique().tolist()
            found = [(c, None if len(cores) == 1 else own == c) for c in cores]
            self._on[link.post.start] = found
        return found


class AtReceivers:
    """What waits in one time step of a batch: the counterpart of ``waiting.OneQueue``.

    Attributes:
        waiting: (C, B, N) entries; q: (C, B, N) what they deliver, and gradients of silent neurons.
        sources, inputs: of each core what was served for it, (B, N) and (B, N_in); None = nothing.
    """

    def __init__(self, call: Call, state: BatchState, t: int, receivers: Receivers) -> None:
        self.call, self.state, self.t, self.at = call, state, t, receivers
        n_cores = len(receivers.hears)
        self.events = InputQueue(call, t)
        self.waiting = torch.zeros((n_cores, *state.q.shape), dtype=torch.bool, device=state.q.device)
        self.q = [torch.zeros_like(state.q) for _ in range(n_cores)]
        self.unheard = torch.zeros_like(self.waiting[0])
        self.sources: list[Tensor | None] = [torch.zeros_like(state.q)] * n_cores
        self.queues = [self.events] * n_cores
        if self.events.rule == "queued":
            self.queues = [self._events_of(core) for core in range(n_cores)]
            self.inputs: list[Tensor | None] = [queue.first_drive() for queue in self.queues]
        else:
            self.inputs = [self.events.first_drive()] * n_cores

    def _events_of(self, core: int) -> InputQueue:
        """The events that reach a core."""
        queue = copy.copy(self.events)
        heard = torch.cat([self.at.hears_input[core], self.at.hears_input.new_zeros(1)])
        queue.waiting = self.events.waiting & heard[self.events.index]
        return queue

    def drive(self) -> Tensor:
        """The summed drive of one forward step, (B, N), in weight units."""
        return summed(self.call, self._through, self.state.q)

    def _through(self, link: Link, weight: Tensor) -> Tensor | None:
        """What a link brings to its targets, each from the queue of its own core."""
        total = None
        for core, own in self.at.cores_of(link):
            source = (self.inputs if link.from_input else self.sources)[core]
            if source is None:
                continue
            part = apply_link(link, weight, source[:, link.pre])
            part = part if own is None else torch.where(own, part, torch.zeros_like(part))
            total = part if total is None else total + part
        return total

    def add(self, now: Tensor, entry: Tensor) -> None:
        """Let spikes wait at whom they reach; ``entry`` (B, N) is what they deliver."""
        hears = self.at.hears[:, None]
        self.waiting = self.waiting | (now & hears)
        self.q = [q + torch.where(hears[core], entry, torch.zeros_like(entry)) for core, q in enumerate(self.q)]
        self.unheard = now & ~self.at.heard

    def on_its_way(self) -> Tensor:
        """(B,) whether any entry waits, or input that has a projection."""
        waits = self.waiting.any(0).any(1)
        for queue in {id(queue): queue for queue in self.queues}.values():
            waits = waits | queue.left()
        return waits

    def entries(self) -> Tensor:
        """(B,) how many entries and events wait."""
        waits = self.waiting.sum((0, 2))
        for queue in self.queues:
            waits = waits + queue.competing()
        return waits

    def serve(self, active: Tensor, learn: Tensor, k: int) -> Tensor:
        """Choose and deliver after round k.

        Args:
            learn: (B,) samples whose silent neurons have slots; as ``OneQueue.serve``.

        Returns:
            (B, N) the neurons none of whose spikes waits any more.
        """
        call, before = self.call, self.waiting.any(0)
        by = ranks(call, self.state, self.t, k)
        paced = self.events.next_paced(active) if self.events.rule == "paced" else None
        kept: list[Tensor] = []
        for core, waits in enumerate(self.waiting):
            deaf = waits | ~self.at.hears[core]
            served, slots, queued = choose(call, self.queues[core], waits, deaf, by, active, k)
            self.inputs[core] = queued if paced is None else paced
            chosen = served | slots & learn[:, None]
            self.sources[core] = delivered(call, self.q[core], chosen, self.t, k)
            self.q[core] = self.q[core] * ~chosen
            kept.append(waits & ~served)
        self.waiting = torch.stack(kept)
        gone = (before & ~self.waiting.any(0)) | (self.unheard & active[:, None])
        self.unheard = torch.zeros_like(self.unheard)
        return gone
