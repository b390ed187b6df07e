"""Engines: the same call, the same spikes, the same gradients."""

from __future__ import annotations

import numpy as np
from torch import Tensor

from ir.check import check_choice
from ir.schedule import Schedule
from trainer.engines import cpu, reference
from trainer.engines.options import EVALUATION, TrainingOptions
from trainer.engines.plan import Params, Plan
from trainer.engines.result import Result

ENGINES = {"reference": reference.run, "cpu": cpu.run}


def choose(engine: str, schedule: Schedule, frames: Tensor) -> str:
    """The engine behind ``auto``: the compiled one for asynchronous schedules on the CPU, else the reference.

    The layered schedule is a handful of matrix products a time step; plain PyTorch is its fast engine too.
    """
    check_choice("engine", engine, ("auto", *ENGINES))
    if schedule.kind == "layered" or frames.device.type != "cpu":
        return "reference"
    return "cpu" if engine == "auto" else engine


def run(
    plan: Plan,
    params: Params,
    frames: Tensor,
    sample_ids: Tensor,
    schedule: Schedule,
    options: TrainingOptions = EVALUATION,
    numbers: reference.Numbers | None = None,
    core_of_neuron: np.ndarray | None = None,
    events: np.ndarray | None = None,
    record: bool = False,
    engine: str = "auto",
) -> Result:
    """Run a batch on the engine named; arguments as ``trainer.engines.reference.run``."""
    chosen = ENGINES[choose(engine, schedule, frames)]
    return chosen(plan, params, frames, sample_ids, schedule, options, numbers, core_of_neuron, events, record)
