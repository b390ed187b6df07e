"""What every engine refuses, before it runs."""

from __future__ import annotations

import numpy as np
from torch import Tensor

from ir.check import require
from ir.schedule import Schedule
from trainer.engines.plan import Params, Plan


def check_run(
    plan: Plan, params: Params, frames: Tensor, schedule: Schedule, core_of_neuron: np.ndarray | None
) -> None:
    """Raise where frames or numbers do not fit the network, or the schedule has no meaning on it.

    Raises:
        ValueError: who, what, and the way out.
    """
    fits = frames.ndim == 3 and frames.shape[2] == plan.n_inputs
    require(fits, f"frames have shape {tuple(frames.shape)}; the network has {plan.n_inputs} inputs")
    least = float(params.threshold.detach().amin())
    require(least >= 0, f"the lowest threshold is {least}; it must be at least 0, or a refractory neuron would fire")
    if schedule.kind == "layered":
        return
    recurrent = any(link.recurrent for link in plan.links)
    for p in plan.parts:
        who = f"population {p.name!r}"
        require(not p.subtract, f"{who} resets by subtraction; the asynchronous schedule needs reset 'zero'")
        endless = not p.refractory and schedule.stop_after is None and recurrent
        require(not endless, f"{who} is not refractory in a recurrent network; set stop_after, or it may never drain")
    for link in plan.links:
        require(not link.delay.any(), "a projection has a delay; the asynchronous schedule has none, use 'layered'")
    core = schedule.scope != "core" or core_of_neuron is not None
    require(core, "scope 'core' needs a partition, core_of_neuron; map the network first")
