"""What two traces must share before anything in them can be compared."""

from __future__ import annotations

from itertools import zip_longest

from ir.check import check_type, require
from ir.contract import check_same_contract
from ir.trace import Spikes, Trace
from ir.words import counted


def check_same_runs(a: Trace, b: Trace) -> None:
    """Raise unless two traces are of the same contract, samples, time steps and neurons.

    Raises:
        ValueError: what differs, and the way out.
    """
    for who, value in (("the first trace", a), ("the second trace", b)):
        check_type(who, value, Trace, "what a run returns, a Trace")
    check_same_contract(a.contract, b.contract)
    way_out = "compare runs of one network on the same samples"
    require(
        a.forward_steps.shape == b.forward_steps.shape,
        f"the traces are of different runs: {_size(a)} and {_size(b)}; {way_out}",
    )
    for one, other in zip_longest(a.populations, b.populations):
        require(
            one == other, f"the traces are of different runs: one has {_who(one)}, the other {_who(other)}; {way_out}"
        )
    require(bool((a.sample_ids == b.sample_ids).all()), f"the traces hold different samples; {way_out}")


def recorded_spikes(trace: Trace) -> Spikes:
    """The spikes of a trace that recorded them."""
    if trace.spikes is None:
        raise ValueError("a trace that only counted cannot be compared spike for spike; record spikes")
    return trace.spikes


def compared_columns(a: Spikes, b: Spikes) -> tuple[str, ...]:
    """What two spikes of one address must agree in; in what they carry where both traces say it."""
    graded = a.payload is not None and b.payload is not None
    return ("m", "k_served", "payload") if graded else ("m", "k_served")


def _size(trace: Trace) -> str:
    t, b = trace.forward_steps.shape
    return f"{counted(t, 'time step')} of {counted(b, 'sample')}"


def _who(population: tuple[str, int] | None) -> str:
    if population is None:
        return "no further population"
    return f"population {population[0]!r} of {counted(population[1], 'neuron')}"
