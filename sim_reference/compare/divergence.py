"""Where two traces part: the first event in which they differ."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ir.check import require
from ir.trace import Spikes, Trace
from sim_reference.compare.same_runs import check_same_runs, compared_columns, recorded_spikes
from sim_reference.compare.statistics import batch_positions

END_OF_STEP = 1 << 30
"""Stands for "after all rounds" where events are sorted by k."""


@dataclass(frozen=True)
class Divergence:
    """The first event in which two traces differ, in the order (sample, t, k, neuron).

    Attributes:
        what: ``host`` (a spike of an encoder on the host), ``spike`` (only one trace has it), ``m``, ``k_served``,
            ``payload``, ``forward_steps``, or a state: ``v``, ``u``, ...
        sample: id; ``position`` in the batch.
        k: forward step; for differences at the end of a time step the last one both have.
        population, index: address of the neuron; ``neuron`` is its global index, -1 for forward steps.
        a, b: what differs (membranes for ``spike``, ``m`` and ``v``); None = that trace has no such spike and recorded
            no membrane.
        core: index of the core that holds the neuron; None = unmapped.
        spiked: whether the neuron spikes here in a, in b.
    """

    what: str
    sample: int
    position: int
    t: int
    k: int
    population: str
    index: int
    neuron: int
    a: float | int | None
    b: float | int | None
    core: int | None = None
    spiked: tuple[bool, bool] = (False, False)

    def __str__(self) -> str:
        if self.what == "host":
            where = f"sample {self.sample}, time step {self.t}"
            return f"{where}: neuron {self.index} of the encoder on the host sent {self.a} and {self.b} spikes"
        core = "" if self.core is None else f" on core {self.core}"
        when = f"sample {self.sample}, time step {self.t}, forward step {self.k}"
        if self.what == "forward_steps":
            return f"{when}: the first trace has {self.a} forward steps, the second {self.b}"
        who = f"{when}: neuron {self.index} of {self.population!r} (global {self.neuron}){core}"
        if self.what == "spike":
            only = "first" if self.spiked[0] else "second"
            return f"{who} spikes only in the {only} trace; membranes {_shown(self.a)} and {_shown(self.b)}"
        if self.what == "k_served":
            served = " and ".join(
                f"{_served(k)} in the {trace} trace" for k, trace in ((self.a, "first"), (self.b, "second"))
            )
            return f"{who} spikes in both; the spike is {served}"
        names = {
            "m": "spikes with membranes",
            "payload": "spikes with payloads",
            "v": "ends the time step with membranes",
            "u": "ends the time step with currents",
        }
        said = names.get(self.what, f"ends the time step with states {self.what!r}")
        return f"{who} {said} {_shown(self.a)} and {_shown(self.b)}"


def _shown(x: float | int | None) -> str:
    return "unknown" if x is None else str(x)


def _served(k: float | int | None) -> str:
    """What became of a spike: ``k_served`` in words."""
    return "dropped" if k == -1 else f"served in forward step {_shown(k)}"


def first_divergence(a: Trace, b: Trace) -> Divergence | None:
    """Find the first event in which the traces differ; None where they are equal.

    Compares the spikes of an encoder on the host where both traces hold them, spikes, their membranes and serving
    rounds, their payloads where both traces hold those, forward steps, and what both traces hold of the neurons'
    states at the end of each time step: membranes first, then the others in the first trace's order.

    Raises:
        ValueError: the traces are not of the same contract, samples and neurons, or one of them only counted.
    """
    check_same_runs(a, b)
    found = [x for x in (_first_of_host(a, b), _first_spike(a, b), _first_steps(a, b), *_states_apart(a, b)) if x]
    if not found:
        return None
    first = min(found, key=_when)
    return replace(first, k=_last_round(a, b, first.t, first.position)) if first.k == END_OF_STEP else first


def _when(d: Divergence) -> tuple[int, int, int, int]:
    """Order of differences; min() keeps the earliest found among equals: spikes, steps, v, other states."""
    return d.position, d.t, d.k, d.neuron if d.k < END_OF_STEP else 0


def _last_round(a: Trace, b: Trace, t: int, position: int) -> int:
    return int(min(a.forward_steps[t, position], b.forward_steps[t, position])) - 1


def _in_batch_order(trace: Trace) -> tuple[Any, Spikes]:
    """(n, 5) each spike as (position, t, k, neuron, its row in the trace), sorted; and the trace's spikes."""
    s = recorded_spikes(trace)
    address = np.stack([batch_positions(trace), s.t, s.k, s.neuron], 1).astype(np.int64)
    ids = trace.sample_ids
    order = np.arange(len(s)) if (ids[1:] > ids[:-1]).all() else np.lexsort(address.T[::-1])  # spikes are by sample
    return np.concatenate([address[order], order[:, None]], 1), s


def _first_spike(a: Trace, b: Trace) -> Divergence | None:
    (rows_a, spikes_a), (rows_b, spikes_b) = _in_batch_order(a), _in_batch_order(b)
    n = min(len(rows_a), len(rows_b))
    columns = (
        (name, *(getattr(s, name) for s in (spikes_a, spikes_b))) for name in compared_columns(spikes_a, spikes_b)
    )
    values = [(name, x[rows_a[:n, 4]], y[rows_b[:n, 4]]) for name, x, y in columns]
    address = (rows_a[:n, :4] != rows_b[:n, :4]).any(1)
    differs = address | np.any([x != y for _, x, y in values], 0)
    if not differs.any() and len(rows_a) == len(rows_b):
        return None
    i = int(np.argmax(differs)) if differs.any() else n
    if i < n and not address[i]:
        name, x, y = next(v for v in values if v[1][i] != v[2][i])
        return _divergence(a, b, name, rows_a[i], x[i].item(), y[i].item(), (True, True))
    only_a = i < len(rows_a) and (i >= len(rows_b) or tuple(rows_a[i, :4]) < tuple(rows_b[i, :4]))
    row = rows_a[i] if only_a else rows_b[i]
    m = (spikes_a if only_a else spikes_b).m[row[4]].item()
    silent = (b if only_a else a).v
    other = None if silent is None else silent[row[1], row[0], row[3]].item()
    return _divergence(a, b, "spike", row, *((m, other) if only_a else (other, m)), (only_a, not only_a))


def _first_of_host(a: Trace, b: Trace) -> Divergence | None:
    """The first spike that only one host has sent; it lies before the time step's first round."""
    if a.host is None or b.host is None or np.array_equal(a.host, b.host):
        return None
    require(
        a.host.shape == b.host.shape, f"the hosts sent {a.host.shape[2]} and {b.host.shape[2]} spikes; same network?"
    )
    position, t, i = (int(x) for x in np.argwhere((a.host != b.host).transpose(1, 0, 2))[0])
    x, y = int(a.host[t, position, i]), int(b.host[t, position, i])
    return Divergence("host", int(a.sample_ids[position]), position, t, -1, "host", i, a.n_neurons + i, x, y)


def _first_steps(a: Trace, b: Trace) -> Divergence | None:
    differs = np.argwhere((a.forward_steps != b.forward_steps).T)
    if not len(differs):
        return None
    position, t = (int(x) for x in differs[0])
    x, y = int(a.forward_steps[t, position]), int(b.forward_steps[t, position])
    return Divergence("forward_steps", int(a.sample_ids[position]), position, t, END_OF_STEP, "", -1, -1, x, y)


def _states_apart(a: Trace, b: Trace) -> list[Divergence | None]:
    """The first difference of each state that both traces hold."""
    names = sorted((name for name in a.states if name in b.states), key=lambda name: name != "v")
    return [_first_state(a, b, name) for name in names]


def _first_state(a: Trace, b: Trace, name: str) -> Divergence | None:
    x, y = a.states[name], b.states[name]
    for position in range(x.shape[1]):
        differs = x[:, position] != y[:, position]
        if differs.any():
            t, neuron = (int(i) for i in np.argwhere(differs)[0])
            row = position, t, END_OF_STEP, neuron
            return _divergence(a, b, name, row, x[t, position, neuron].item(), y[t, position, neuron].item())
    return None


def _divergence(
    a: Trace, b: Trace, what: str, row: Any, x: Any, y: Any, spiked: tuple[bool, bool] = (False, False)
) -> Divergence:
    position, t, k, neuron = (int(i) for i in row[:4])
    population, index = a.address(neuron)
    cores = a.core_of_neuron if a.core_of_neuron is not None else b.core_of_neuron
    core = None if cores is None else int(cores[neuron])
    return Divergence(what, int(a.sample_ids[position]), position, t, k, population, index, neuron, x, y, core, spiked)
