"""What an engine returns, and how its recording becomes a ``Trace``."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from ir.arithmetic import LIMITS
from ir.check import check_choice
from ir.quantized import QuantizedNetwork, limit_names
from ir.schedule import Schedule
from ir.state import is_graded
from ir.trace import Spikes, Trace
from trainer.engines.live import LiveState
from trainer.engines.plan import Plan


@dataclass
class Recording:
    """Events of a run as they come: rows of (position in batch, t, k, neuron), membranes and payloads beside them.

    Attributes:
        record: names of states to keep, beside ``v``, which every result has.
        states: those, (B, N) at the end of each time step, by name.
        limits: how often each register limit changed a value.
    """

    record: tuple[str, ...] = ()
    fired: list[np.ndarray] = field(default_factory=list)
    m: list[np.ndarray] = field(default_factory=list)
    payload: list[np.ndarray] = field(default_factory=list)
    served: list[np.ndarray] = field(default_factory=list)
    states: dict[str, list[np.ndarray]] = field(default_factory=dict)
    limits: dict[str, int] = field(default_factory=lambda: dict.fromkeys(LIMITS, 0))

    @staticmethod
    def _rows(mask: Tensor, t: int, k: int) -> tuple[np.ndarray, np.ndarray]:
        b, n = (x.cpu().numpy() for x in torch.nonzero(mask, as_tuple=True))
        return np.stack([b, np.full_like(b, t), np.full_like(b, k), n], 1), np.stack([b, n])

    def fire(self, mask: Tensor, m: Tensor, carried: Tensor, t: int, k: int) -> None:
        """Note who fired; mask, m and what spikes carry (B, N)."""
        rows, _ = self._rows(mask, t, k)
        self.fired.append(rows)
        self.m.append(m.detach()[mask].cpu().numpy())
        self.payload.append(carried.detach()[mask].cpu().numpy())

    def serve(self, mask: Tensor, t: int, k: int) -> None:
        """Note whose entries left the queue."""
        self.served.append(self._rows(mask, t, k)[0])

    def end(self, state: Callable[[str], Tensor]) -> None:
        """Note the states at the end of a time step; ``state`` gives each (B, N) by its name."""
        for name in self.record:
            self.states.setdefault(name, []).append(state(name).detach().cpu().numpy())


@dataclass
class Result:
    """One run on a batch.

    Attributes:
        counts: (T, B, N) spikes, with a gradient.
        v: (T, B, N) membranes at the end of each time step, with a gradient.
        forward_steps: (T, B).
        recording: where asked for.
        ended: what gives ``state``.
        plan: of the network that ran.
        monitors: what was watched, by name (``trainer.engines.monitor``).
    """

    counts: Tensor
    v: Tensor
    forward_steps: Tensor
    recording: Recording | None = None
    ended: Callable[[], LiveState] | None = None
    plan: Plan | None = None
    monitors: dict[str, Tensor] = field(default_factory=dict)

    @property
    def output(self) -> Tensor:
        """(T, B, n) spikes of the output neurons, with a gradient; their membranes where they never fire."""
        assert self.plan is not None
        return (self.counts if self.plan.output_fires else self.v)[:, :, self.plan.output]

    def of(self, population: str) -> tuple[Tensor, Tensor]:
        """(T, B, n) spikes and membranes of a population, by its name.

        Raises:
            ValueError: there is none of that name.
        """
        assert self.plan is not None
        names = [p.name for p in self.plan.parts]
        check_choice("population", population, names)
        at = self.plan.parts[names.index(population)].at
        return self.counts[:, :, at], self.v[:, :, at]

    def last(self, n: int) -> Result:
        """The same of the last n time steps alone."""
        return replace(self, counts=self.counts[-n:], v=self.v[-n:], forward_steps=self.forward_steps[-n:])

    @cached_property
    def state(self) -> LiveState:
        """Where the run ended: give it to the call that goes on with the time steps that follow."""
        assert self.ended is not None, "every engine says where it ended"
        return self.ended()


def trace_of(
    result: Result,
    plan: Plan,
    schedule: Schedule,
    executor: str,
    sample_ids: np.ndarray,
    labels: np.ndarray | None = None,
    core_of_neuron: np.ndarray | None = None,
    record: Collection[str] = ("v",),
) -> Trace:
    """Turn a recorded run into a ``Trace`` with the states ``record``; integers (E1) come out as int64."""
    rec = result.recording
    assert rec is not None, "the run was not recorded"
    fired = np.concatenate(rec.fired) if rec.fired else np.zeros((0, 4), np.int64)
    m = np.concatenate(rec.m) if rec.m else np.zeros(0)
    served = np.concatenate(rec.served) if rec.served else np.zeros((0, 4), np.int64)
    v = result.v.detach().cpu().numpy()
    states = {name: np.array(rec.states.get(name, [])).reshape(v.shape).astype(v.dtype) for name in rec.record}
    states["v"] = v
    if executor == "E1":
        m, states = m.astype(np.int64), {name: state.astype(np.int64) for name, state in states.items()}
    payload = _payload(rec, plan, m.dtype)
    columns = sample_ids[fired[:, 0]], fired[:, 1], fired[:, 2], fired[:, 3], m, match_served(fired, served)
    spikes = Spikes(*columns, payload=payload)
    limits: dict[str, int] = {}
    if isinstance(plan.network, QuantizedNetwork):
        limits = {**dict.fromkeys(limit_names(plan.network), 0), **rec.limits}
    counts = result.counts.detach().sum(0).cpu().numpy().astype(np.int32)
    return Trace(
        executor,
        spikes,
        counts,
        {name: states[name] for name in record},
        result.forward_steps.cpu().numpy(),
        sample_ids,
        plan.populations(),
        plan.output_name,
        schedule,
        labels,
        core_of_neuron,
        limits,
        output_fires=plan.output_fires,
    )


def _payload(rec: Recording, plan: Plan, dtype: np.dtype) -> np.ndarray | None:
    """(n,) what each spike carries, in numbers like the membranes'; None where every spike carries 1."""
    if not is_graded(plan.network):
        return None
    return np.concatenate(rec.payload).astype(dtype) if rec.payload else np.zeros(0, dtype)


def match_served(fired: np.ndarray, served: np.ndarray) -> np.ndarray:
    """For each spike the round in which its entry was served: the first at or after firing; -1 = never."""
    if len(fired) == 0 or len(served) == 0:
        return np.full(len(fired), -1)
    _, times, rounds, neurons = (int(x) + 1 for x in np.maximum(fired.max(0), served.max(0)))

    def address(rows: np.ndarray) -> np.ndarray:
        return ((rows[:, 0] * times + rows[:, 1]) * neurons + rows[:, 3]) * rounds + rows[:, 2]

    order = np.sort(address(served))
    own = address(fired)
    at = np.minimum(np.searchsorted(order, own), len(order) - 1)
    found = order[at]
    same_entry = (found >= own) & (found // rounds == own // rounds)
    return np.where(same_entry, found % rounds, -1)
