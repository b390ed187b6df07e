"""What Lava can run exactly; everything else is refused before a process starts."""

from __future__ import annotations

import numpy as np

from ir.arithmetic import ARITHMETICS
from ir.check import require
from ir.neurons import as_lif
from ir.quantized import FixedPopulation, QuantizedNetwork
from ir.runnable import check_run
from ir.schedule import Schedule
from ir.stimulus import Stimulus
from targets.lava.routes import plan_routes

INT16 = 1 << 15
"""Lava keeps bias mantissas in 16 bits."""


def check_lava(network: QuantizedNetwork, stimulus: Stimulus, schedule: Schedule, process_per_core: bool) -> None:
    """Raise where network, stimulus and schedule do not go together, or Lava would change a number."""
    check_run(network, stimulus, schedule)
    require(ARITHMETICS[network.arithmetic].weight_shift == 6, "Lava's registers hold weight << 6")
    if schedule.kind == "layered":
        require(not process_per_core, "the layered schedule has a process a population; leave process_per_core out")
        plan_routes(network, stimulus.frames)
        for population in network.populations:
            _check_bias(population)


def _check_bias(population: FixedPopulation) -> None:
    neuron = as_lif(population.name, population.neuron, "the layered schedule on Lava")
    if neuron.register_bias() is None:
        return
    most = int(np.abs(np.asarray(neuron.bias)).max())
    require(
        most < INT16,
        f"bias {most} << {neuron.bias_exp} of population {population.name!r} does not fit Lava's 16-bit mantissa; use "
        "a smaller mantissa and a larger exponent",
    )
