"""The numbers every executor reports, from a trace: spikes, forward steps, latency, decision, accuracy."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from ir.arrays import Bits, Ints, set_field
from ir.check import check_choice, check_type, require
from ir.trace import Trace


@dataclass(frozen=True, eq=False)
class Latency:
    """From the start of the sample until an event, the event's own round included; -1 = it never came.

    Attributes:
        forward_steps, spikes: (B,) forward steps and network spikes.
    """

    forward_steps: Ints
    spikes: Ints

    def __post_init__(self) -> None:
        for name in ("forward_steps", "spikes"):
            getattr(self, name).setflags(write=False)

    def mean(self) -> tuple[float, float]:
        """Mean forward steps and spikes over the samples in which the event came; NaN without any."""
        came = self.forward_steps >= 0
        if not came.any():
            return float("nan"), float("nan")
        return float(self.forward_steps[came].mean()), float(self.spikes[came].mean())


@dataclass(frozen=True, eq=False)
class Statistics:
    """A trace in numbers (docs/semantics.md, "Numbers every executor reports").

    Attributes:
        spikes_per_sample: (B,).
        spikes_per_population: name -> (B,).
        density: spikes / (neurons x time steps), mean over samples.
        forward_steps: (T, B).
        forward_steps_per_time_step: their mean.
        first_output: latency to the first output spike; None where the trace only counted.
        first_correct: to the first spike of the right class; None without labels or spikes.
        decision: (B,) class, -1 = none.
        accuracy: 0 to 1; None without labels.
        readout: whether spikes (``count``) or membranes (``membrane``) decided.
        limits_reached: how often each register limit was reached.
    """

    spikes_per_sample: Ints
    spikes_per_population: dict[str, Ints]
    density: float
    forward_steps: Ints
    forward_steps_per_time_step: float
    first_output: Latency | None
    first_correct: Latency | None
    decision: Ints
    accuracy: float | None
    readout: str
    limits_reached: dict[str, int]

    def __post_init__(self) -> None:
        for name in ("spikes_per_sample", "decision"):
            array = np.array(getattr(self, name), np.int64)
            array.setflags(write=False)
            set_field(self, name, array)

    @property
    def spikes(self) -> int:
        """All spikes of the run."""
        return int(self.spikes_per_sample.sum())


def statistics(trace: Trace, readout: Literal["count", "membrane"] | None = None) -> Statistics:
    """Count, time and decide.

    Args:
        readout: ``count``: largest output spike count, ties to the smallest index, no output spike = class -1;
            ``membrane``: largest output membrane after the last time step; None = :func:`readout_of`.
    """
    check_type("the trace", trace, Trace, "what a run returns, a Trace")
    counts = trace.counts.astype(np.int64)
    t, b = trace.forward_steps.shape
    if readout is None:
        readout = readout_of(trace, trace.v is not None and t > 0)
    decided = decision(trace, readout)
    per_sample = counts.sum(1)
    return Statistics(
        spikes_per_sample=per_sample,
        spikes_per_population={n: counts[:, trace.population_slice(n)].sum(1) for n, _ in trace.populations},
        density=float(per_sample.sum() / max(b * t * trace.n_neurons, 1)),
        forward_steps=trace.forward_steps.astype(np.int64),
        forward_steps_per_time_step=float(trace.forward_steps.mean()) if trace.forward_steps.size else 0.0,
        first_output=None if trace.spikes is None else _latency(trace, _is_output(trace)),
        first_correct=None if trace.spikes is None or trace.labels is None else _latency(trace, _is_correct(trace)),
        decision=decided,
        accuracy=None if trace.labels is None or b == 0 else float((decided == trace.labels).mean()),
        readout=readout,
        limits_reached=dict(trace.limits_reached),
    )


def readout_of(trace: Trace, has_membranes: bool) -> Literal["count", "membrane"]:
    """What decides: membranes, where they were recorded, of an output that never fires, else counts.

    Of a trace that does not know whether its output fires, one without any output spike is taken for such.
    """
    fires = trace.output_fires
    if fires is None:
        fires = bool(trace.counts[:, trace.population_slice(trace.output)].any())
    return "count" if fires or not has_membranes else "membrane"


def decision(trace: Trace, readout: str) -> Ints:
    """(B,) the class of each sample; -1 = no output spike, or no time step after which to read a membrane."""
    check_choice("readout", readout, ("count", "membrane"))
    output = trace.population_slice(trace.output)
    if readout == "membrane":
        require(trace.v is not None, "the membrane readout needs recorded membranes; run with record=('v',)")
        assert trace.v is not None
        if len(trace.v) == 0:
            return np.full(trace.v.shape[1], -1)
        return np.argmax(trace.v[-1][:, output], 1)
    counts = trace.counts[:, output]
    return np.where(counts.any(1), np.argmax(counts, 1), -1)


def batch_positions(trace: Trace) -> Ints:
    """(n,) position in the batch of each spike's sample."""
    assert trace.spikes is not None
    order = np.argsort(trace.sample_ids, kind="stable")
    return order[np.searchsorted(trace.sample_ids, trace.spikes.sample, sorter=order)]


def _is_output(trace: Trace) -> Bits:
    assert trace.spikes is not None
    output, neuron = trace.population_slice(trace.output), trace.spikes.neuron
    return (neuron >= output.start) & (neuron < output.stop)


def _is_correct(trace: Trace) -> Bits:
    assert trace.spikes is not None and trace.labels is not None
    start = trace.population_slice(trace.output).start
    return _is_output(trace) & (trace.spikes.neuron - start == trace.labels[batch_positions(trace)])


def _latency(trace: Trace, event: Bits) -> Latency:
    """Latency to the first spike where ``event`` holds, in each sample."""
    s, b = trace.spikes, trace.forward_steps.shape[1]
    assert s is not None
    before = np.cumsum(trace.forward_steps, 0, dtype=np.int64) - trace.forward_steps
    position = batch_positions(trace)
    clock = before[s.t, position] + s.k + 1
    steps = np.full(b, np.iinfo(np.int64).max)
    np.minimum.at(steps, position[event], clock[event])
    until = clock <= steps[position]
    spikes = np.bincount(position[until], minlength=b)
    never = steps == np.iinfo(np.int64).max
    return Latency(np.where(never, -1, steps), np.where(never, -1, spikes))
