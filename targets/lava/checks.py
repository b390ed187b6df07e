"""What Lava can run exactly; everything else is refused before a process starts."""

from __future__ import annotations

import numpy as np

from ir.arithmetic import ARITHMETICS
from ir.check import check_choice, require
from ir.graph import layered_order
from ir.quantized import QuantizedNetwork
from ir.runnable import check_run
from ir.schedule import Schedule
from ir.state import State, with_past
from ir.stimulus import Stimulus
from targets.lava.neurons import MODELS
from targets.lava.routes import plan_routes
from targets.lava.spike_queue import ORDERS


def check_lava(
    network: QuantizedNetwork,
    stimulus: Stimulus,
    schedule: Schedule,
    process_per_core: bool,
    state: State | None = None,
) -> State | None:
    """Raise where network, stimulus and schedule do not go together, or Lava would change a number.

    Returns:
        The state of the stimulus's samples, in their order.
    """
    state = check_run(network, stimulus, schedule, state)
    require(ARITHMETICS[network.arithmetic].weight_shift == 6, "Lava's registers hold weight << 6")
    for population in network.populations:
        check_choice(f"the neuron model of population {population.name!r} on Lava", population.neuron.MODEL, MODELS)
        carries = population.neuron.carries
        require(
            carries == 1 or MODELS[population.neuron.MODEL].graded,
            f"a spike of population {population.name!r} may carry {carries}; on Lava spikes carry 1, use the reference",
        )
    if schedule.kind == "asynchronous":
        check_choice("the order of Lava's spike queue", schedule.order, ORDERS)
        check_choice("the scope of Lava's spike queue", schedule.scope, ("network", "core"))
        return state
    require(not process_per_core, "the layered schedule has a process a population; leave process_per_core out")
    _check_one_tick_a_hop(network)
    plan_routes(network, stimulus.frames if state is None else with_past(stimulus, state).frames)
    for population in network.populations:
        refusal = MODELS[population.neuron.MODEL].stock_refusal
        reason = None if refusal is None else refusal(population)
        require(reason is None, str(reason))
    return state


def _check_one_tick_a_hop(network: QuantizedNetwork) -> None:
    """Raise where coded spikes would skip a layer: each must reach its layer in the tick after it was sent."""
    place = layered_order(network).place
    coded = {p.name for p in network.populations if p.neuron.FEED_FORWARD}
    for e in network.projections:
        ticks = place[e.post] - place[e.pre] + int(np.max(e.delay_steps)) if e.pre in coded else 1
        require(
            ticks == 1,
            f"projection {e.pre} -> {e.post} brings coded spikes {ticks} ticks late; on Lava their layers follow one "
            "another: remove the skip or its delay, or run on the reference",
        )
