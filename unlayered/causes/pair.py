"""One pair of sides, run, compared and explained."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from exchange.chip_toml import shipped_chips
from ir.check import require
from ir.network import Network
from ir.stimulus import Stimulus
from ir.trace import Trace
from sim_reference.compare.difference import TAU_STEPS, Difference, difference, differing_spikes
from sim_reference.compare.divergence import Divergence, first_divergence
from unlayered.causes.compare_neurons import network_settings, neuron_settings
from unlayered.causes.compare_weights import aligned, weight_settings
from unlayered.causes.experiment import Done, Measure, OverSamples, Run, Tried, experiments, here, runner
from unlayered.causes.lift import bridged
from unlayered.causes.reconstruct import differing_samples, reconstructed, unexplained
from unlayered.causes.setup import Setting, Setup
from unlayered.causes.value import Diff

NO_NETWORK = "no network is given on either side, so nothing could be tried: give one of the two as a network"


WIDTHS = (8, 6, 4, 3, 2)
"""Bits of weights that a float network may have been rounded to."""

SAME_FILES = "the two are alike in every setting: {} and {} disagree about them, which the contract forbids; report it"


@dataclass(frozen=True, eq=False)
class Side:
    """What is compared.

    Attributes:
        name: as it is printed. trace: its run.
        setup: what ran; None where only the trace is known.
    """

    name: str
    trace: Trace
    setup: Setup | None


def diff_of(
    a: Side, b: Side, stimulus: Stimulus | None, done: Done, tau_steps: float = TAU_STEPS, by: OverSamples = here
) -> Diff:
    """Compare two runs; where they differ find out why.

    Args:
        stimulus: the samples of both; None = nothing can be run, so nothing is explained.
        by: who runs what is tried.

    Raises:
        ValueError: they are not runs of the same samples and neurons.
    """
    found = difference(a.trace, b.trace, tau_steps)
    first = where_they_part(a.trace, b.trace)
    whole = _described(a, b, found, first)
    measure = Measure.of(a.trace, b.trace)
    if not measure.whole:
        return whole
    if a.setup is None and b.setup is None:
        return replace(whole, notes=(NO_NETWORK,))
    if stimulus is None:
        return replace(whole, notes=("without --data nothing could be run, so nothing was tried",))
    try:
        a, b, notes = with_setups(a, b, stimulus, by)
    except ValueError as error:
        return replace(whole, notes=(f"the trace could not be explained: {error}",))
    found = explained(whole, a, b, measure, runner(stimulus, by=by), done)
    return replace(found, notes=(*notes, *found.notes))


def with_setups(a: Side, b: Side, stimulus: Stimulus, by: OverSamples = here) -> tuple[Side, Side, list[str]]:
    """Both sides with set-ups: that of a trace is worked out from the other side's, which it may not fully explain."""
    if a.setup is not None and b.setup is not None:
        return a, b, []
    known, unknown = (a, b) if b.setup is None else (b, a)
    assert known.setup is not None
    base, own, notes = known.setup, known.trace, list[str]()
    if isinstance(base.network, Network):
        base, own, said = likely_integers(base, unknown.trace, stimulus, by)
        notes.append(said)
    setup = reconstructed(base, own, unknown.trace, stimulus)
    again = runner(stimulus, by=by)(setup)
    left = Measure.of(again, unknown.trace)
    if left.whole:
        where = unexplained(setup, unknown.trace, stimulus, differing_samples(again, unknown.trace))
        named = f", at {', '.join(f'{n} neurons of {name}' for name, n in where.items())}" if where else ""
        notes.append(
            f"{left.whole:,} spikes of {unknown.name} stay unexplained by any single change that was tried{named}"
        )
    else:
        notes.append(f"with these changes the file leaves {unknown.name}, spike for spike")
    found = replace(unknown, setup=setup)
    return (a, found, notes) if b.setup is None else (found, b, notes)


def likely_integers(setup: Setup, trace: Trace, stimulus: Stimulus, by: OverSamples = here) -> tuple[Setup, Trace, str]:
    """The integers of a float network that come nearest to a trace: every chip's, at every width.

    Raises:
        ValueError: the trace is one of floats, or no chip holds the network.
    """
    from mapper.quantize import quantize

    assert isinstance(setup.network, Network)
    require(trace.executor != "E0", "both are floats: give the other network, its settings are then compared")
    tried: list[tuple[int, Setup, Trace, str]] = []
    for chip in shipped_chips():
        for bits in WIDTHS:
            try:
                network = quantize(setup.network, chip, bits)
                candidate = replace(setup, network=network, schedule=trace.schedule, cores=trace.core_of_neuron)
                run = runner(stimulus, ("v",), by)(candidate)
            except ValueError:  # a chip that has no such numbers did not leave this trace
                continue
            name = (
                f"taken as {bits}-bit integers of {chip.title}, quantized without data, which come nearest to the trace"
            )
            tried.append((differing_spikes(run, trace), candidate, run, name))
    require(len(tried) > 0, "no chip that ships holds the network's numbers")
    _, found, run, name = min(tried, key=lambda x: x[0])
    return found, run, name


def _described(a: Side, b: Side, found: Difference, first: Divergence | None) -> Diff:
    names, executors = (a.name, b.name), (a.trace.executor, b.trace.executor)
    return Diff(names, executors, found, first, traces=(a.trace, b.trace))


def where_they_part(a: Trace, b: Trace) -> Divergence | None:
    """The first event in which two runs differ; between floats and integers, whose units differ, of spikes alone."""
    if ("E0" in (a.executor, b.executor)) and a.executor != b.executor:
        found = first_divergence(_addresses_only(a), _addresses_only(b))
        if found is None or found.what != "spike":
            return found
        return replace(found, a=_membrane(a, found), b=_membrane(b, found))
    return first_divergence(a, b)


def _addresses_only(trace: Trace) -> Trace:
    assert trace.spikes is not None
    n = len(trace.spikes)
    return replace(trace, spikes=replace(trace.spikes, m=np.zeros(n), k_served=np.full(n, -1), payload=None), states={})


def _membrane(trace: Trace, at: Divergence) -> float | None:
    """The membrane of the neuron: just before its spike there, else at the end of the time step; None = not known."""
    s = trace.spikes
    assert s is not None
    here = (s.sample == at.sample) & (s.t == at.t) & (s.k == at.k) & (s.neuron == at.neuron)
    if here.any():
        return s.m[here][0].item()
    return None if trace.v is None else trace.v[at.t, at.position, at.neuron].item()


def settings_of(a: Setup, b: Setup) -> tuple[Setup, Setup, list[Setting], list[str]]:
    """The two in one kind of numbers, and everything in which they differ; with what there is to say of that.

    Raises:
        ValueError: they cannot be brought together.
    """
    grids, notes = None, list[str]()
    if isinstance(a.network, Network) and not isinstance(b.network, Network):
        a, b, grids = bridged(a, b)
    a, b = aligned(a, b)
    found = [*weight_settings(a, b, grids), *neuron_settings(a, b), *network_settings(a, b)]
    return a, b, found, notes


def explained(whole: Diff, a: Side, b: Side, measure: Measure, run: Run, done: Done) -> Diff:
    """The same with its causes: each setting that differs is switched, and the runs are compared."""
    assert a.setup is not None and b.setup is not None
    if isinstance(b.setup.network, Network) and not isinstance(a.setup.network, Network):
        note = "a is in integers, b in floats: give the floats first, and the causes are looked for"
        return replace(whole, notes=(note,))
    try:
        one, other, settings, notes = settings_of(a.setup, b.setup)
    except ValueError as error:
        return replace(whole, notes=(f"causes could not be tried one by one: {error}",))
    if not settings and type(one.network) is type(b.setup.network):
        return replace(whole, notes=(SAME_FILES.format(*whole.executors),))
    found = experiments(one, other, a.trace, measure, settings, run, done)
    tried, start = found.tried, 1.0
    if type(one.network) is not type(b.setup.network):  # b's integers were lifted to floats
        start = measure.share(a.trace, run(other))
        tried = (_registers(b.trace, 1.0 - start), *tried)
    return replace(whole, tried=tried, left=found.left, runs=found.runs, notes=tuple(notes))


def _registers(trace: Trace, share: float) -> Tried:
    """What registers do to the same numbers: edges where any was reached, else whole numbers alone."""
    reached = {name: n for name, n in trace.limits_reached.items() if n}
    kind = "registers" if not reached else "accumulator" if "accumulator" in reached else "saturation"
    said = ", ".join(f"{name} {n:,} times" for name, n in reached.items())
    what = f"edges reached: {said}" if reached else "leaks rounded toward zero, sums in whole numbers"
    return Tried(kind, None, what, share, None, together=share)
