"""What a network can be run with: what has no meaning, or is not exact, every executor refuses in the same words."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, Union

import numpy as np
from numpy.typing import NDArray

from ir.check import check_type, require
from ir.exact import check_exact
from ir.graph import is_acyclic
from ir.network import Network
from ir.pooling import check_pooled
from ir.quantized import QuantizedNetwork
from ir.schedule import Schedule
from ir.state import State, check_state, with_past
from ir.stimulus import Stimulus
from ir.words import counted

FLOATS = (
    "stimulus holds floats; an integer network needs whole counts: round them, code them as spikes "
    "(stimuli.coding: rate, latency or delta), or let the first layers take them on the host (encoder)"
)

MAX_EVENTS = 1 << 24
"""Events of one sample in one time step that are served one by one."""


def check_run(
    network: QuantizedNetwork, stimulus: Stimulus, schedule: Schedule, state: State | None = None
) -> State | None:
    """Raise where an integer network, a stimulus and a schedule do not go together.

    Args:
        state: where the run goes on from; None = every sample begins.

    Returns:
        The state of the stimulus's samples, in their order.

    Raises:
        ValueError: what is wrong, and the way out.
    """
    frames = stimulus.frames
    require(
        frames.shape[2] == network.n_inputs,
        f"stimulus has {counted(frames.shape[2], 'input')}, the network {network.n_inputs}",
    )
    check_pooled(network, frames)
    require(frames.dtype.kind == "i", FLOATS)
    check_schedule(network, schedule)
    if schedule.kind == "asynchronous" and schedule.input != "first":
        _check_events(frames, schedule.input)
    state = None if state is None else check_state(network, state, stimulus.sample_ids)
    check_exact(network, stimulus if state is None else with_past(stimulus, state), schedule)
    return state


def check_record(network: Union[Network, QuantizedNetwork], record: Collection[str]) -> None:
    """Raise where a run shall record a state that no neuron of the network has.

    Raises:
        ValueError: the name, and those there are.
    """
    require(not isinstance(record, str), f"record is {record!r}; give names of states, e.g. ('v',)")
    known = dict.fromkeys(name for p in network.populations for name in p.neuron.STATES)
    for name in record:
        require(name in known, f"no neuron of the network has a state {name!r} to record; there are {', '.join(known)}")


def _check_events(frames: NDArray[Any], rule: str) -> None:
    """Raise unless counts can be taken apart into events."""
    require(
        bool((frames >= 0).all()),
        f"stimulus holds negative counts, which {rule!r} input cannot order; use input 'first'",
    )
    most = int(frames.sum(2, dtype=np.int64).max(initial=0))
    require(
        most <= MAX_EVENTS,
        f"stimulus holds {most} events in one time step, and {rule!r} input takes them one by one, at most "
        f"{MAX_EVENTS}; use smaller counts or input 'first'",
    )


def check_schedule(network: Union[Network, QuantizedNetwork], schedule: Schedule) -> None:
    """Raise where a network holds what ``schedule`` does not define.

    Raises:
        ValueError: the block, and the way out.
    """
    check_type("the schedule", schedule, Schedule, "a Schedule, e.g. Schedule(kind='layered')")
    for p in network.populations:
        reason = p.neuron.refusal(schedule)
        require(reason is None, f"population {p.name!r} {reason}")
        require(
            schedule.kind == "layered" or p.neuron.refractory or schedule.stop_after is not None or is_acyclic(network),
            f"population {p.name!r} has no refractoriness in a network with cycles; set stop_after",
        )
    for e in network.projections if schedule.kind == "asynchronous" else ():
        require(
            not bool(np.any(e.delay_steps)),
            f"projection {e.pre} -> {e.post} has delays, which the asynchronous schedule does not define; "
            "use the layered schedule",
        )
