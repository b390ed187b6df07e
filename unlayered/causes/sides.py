"""What words on the command line stand for in a comparison: traces as they are, networks run on the samples at hand."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Union

import numpy as np

from exchange import npz
from exchange.pieces import Pieces, in_pieces, open_pieces
from ir.check import FormatError, check_choice, require
from ir.encoder import body_of, encoder_of, spikes_of
from ir.mapped import MappedNetwork
from ir.network import Network
from ir.stimulus import Stimulus
from ir.trace import Trace
from ir.words import counted
from sim_reference.compare.in_pieces import InPieces, Whole
from unlayered.causes.pair import Side
from unlayered.causes.setup import setup_of
from unlayered.console import Tick
from unlayered.execute import EXECUTORS, Execute, RunOptions, run_safely
from unlayered.sources import (
    NETWORKS,
    AnyNetwork,
    Samples,
    check_width,
    open_network,
    plain_network,
    takes_stamps,
    whole_stimulus,
)

Value = Union[AnyNetwork, Trace]


@dataclass(frozen=True, eq=False)
class Named:
    """Something to compare: a network with the executor that shall run it, or a trace.

    Attributes:
        on: a name of ``unlayered.execute.EXECUTORS``; empty for a trace.
    """

    name: str
    value: Value
    on: str = ""


def open_side(path: Path) -> Value | Pieces:
    """A trace or network from a file, a trace in pieces, or the network of a train folder."""
    if in_pieces(path):
        return open_pieces(path)
    if path.suffix == ".npz" and path.is_file():
        return npz.load(path, (*NETWORKS, Trace))
    return open_network(path)


def sides_of(named: Sequence[tuple[str, Value]], on: Sequence[str]) -> list[Named]:
    """What is compared, in order: integers once for each executor asked for, floats once.

    Raises:
        ValueError: fewer than two.
    """
    for executor in on:
        check_choice("--on", executor, EXECUTORS)
    found: list[Named] = []
    for name, value in named:
        if isinstance(value, Trace):
            found.append(Named(name, value))
        elif isinstance(value, Network):
            found.append(Named(name, value, "trainer"))
        else:
            found += [Named(name, value, executor) for executor in on]
    if len(found) < 2:
        raise ValueError("one thing alone has no difference; give two networks or traces, or more executors with --on")
    return found


def stored_traces(opened: Sequence[tuple[str, Value | Pieces]]) -> Sequence[tuple[str, InPieces]] | None:
    """What is compared piece by piece: traces, of which one at least is in pieces; None = all is held in memory."""
    if len(opened) < 2 or not any(isinstance(value, Pieces) for _, value in opened):
        return None
    traces = [
        (name, Whole(value) if isinstance(value, Trace) else value)
        for name, value in opened
        if isinstance(value, (Trace, Pieces))
    ]
    return traces if len(traces) == len(opened) else None


def in_memory(opened: Sequence[tuple[str, Value | Pieces]]) -> list[tuple[str, Value]]:
    """The same with traces read whole.

    Raises:
        FormatError: one is too large for that.
    """
    return [(name, value.whole() if isinstance(value, Pieces) else value) for name, value in opened]


def check_data(named: Sequence[Named], data: str | None) -> None:
    """Raise where a network is to be run and there is nothing to run it on."""
    first = next((x.name for x in named if not isinstance(x.value, Trace)), None)
    if first is not None and data is None:
        raise ValueError(f"{first} is a network and needs samples to run on; give --data")


def take_stamps(named: Sequence[Named]) -> bool:
    """Whether any of the runs takes events in the order of their time stamps."""
    values = ((one.value if isinstance(one.value, Trace) else plain_network(one.value), one.on) for one in named)
    return any(takes_stamps(value.schedule, on) for value, on in values)


def samples_for(named: Sequence[Named], samples: Samples, data: str) -> Stimulus:
    """The samples that all sides share: those that the traces hold, in their order.

    Raises:
        FormatError: a trace holds a sample that the data lack.
    """
    stimulus = whole_stimulus(samples, data)
    for one in named:
        if not isinstance(one.value, Trace):
            check_width(stimulus, plain_network(one.value).n_data, data)
    trace = next((x for x in named if isinstance(x.value, Trace)), None)
    if trace is None:
        return stimulus
    assert isinstance(trace.value, Trace) and stimulus.sample_ids is not None
    place = {int(sample): i for i, sample in enumerate(stimulus.sample_ids)}
    missing = [int(x) for x in trace.value.sample_ids if int(x) not in place]
    if missing:
        raise FormatError(
            f"{trace.name} holds sample {missing[0]}, which {data} lacks ({counted(stimulus.n_samples, 'sample')}); "
            "give the data that it was run on"
        )
    return stimulus.select(np.array([place[int(x)] for x in trace.value.sample_ids], np.int64))


def bodies_on(named: Sequence[Named], samples: Samples, data: str) -> tuple[list[Named], Stimulus]:
    """What follows the encoders on the host, and the spikes that these make of the samples, which all sides share.

    Raises:
        FormatError: as :func:`samples_for`.
        ValueError: the encoders do not make the same spikes, or some networks have none.
    """
    stimulus = samples_for(named, samples, data)
    networks = [(x.name, x.value) for x in named if not isinstance(x.value, Trace)]
    without = [name for name, network in networks if encoder_of(network) is None]
    if len(without) == len(networks):
        return list(named), stimulus
    share = "compare networks that share one"
    require(not without, f"{''.join(without[:1])} has no encoder on the host, as others here have; {share}")
    (first, network), *others = networks
    spikes = spikes_of(network, stimulus)
    for name, other in others:
        same = np.array_equal(spikes_of(other, stimulus).frames, spikes.frames)
        require(same, f"the encoders of {first} and {name} make other spikes of the samples; {share}")
    return [x if isinstance(x.value, Trace) else replace(x, value=body_of(x.value)) for x in named], spikes


def run_side(one: Named, stimulus: Stimulus | None, tick: Tick, allow_unsafe: bool, by: Execute | None = None) -> Side:
    """Run a network, or take a trace as it is; ``by`` as for :func:`run_safely`."""
    if isinstance(one.value, Trace):
        return Side(f"{one.name} ({one.value.executor})", one.value, None)
    assert stimulus is not None
    schedule = plain_network(one.value).schedule
    ran = run_safely(one.value, stimulus, schedule, one.on, RunOptions(allow_unsafe=allow_unsafe), tick, by)
    value = ran.network if isinstance(ran.network, MappedNetwork) else one.value
    return Side(f"{one.name} ({ran.trace.executor})", _labelled(ran.trace, stimulus), setup_of(value))


def _labelled(trace: Trace, stimulus: Stimulus) -> Trace:
    return trace if trace.labels is not None else replace(trace, labels=stimulus.labels)
