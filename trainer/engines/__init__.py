"""Engines: the same call, the same spikes, the same gradients."""

from __future__ import annotations

import numpy as np
from torch import Tensor

from ir.check import check_choice, require
from ir.schedule import Schedule
from trainer.engines import cpu, reference
from trainer.engines.gpu import run as gpu
from trainer.engines.options import EVALUATION, TrainingOptions
from trainer.engines.plan import Params, Plan
from trainer.engines.result import Result

ENGINES = {"reference": reference.run, "cpu": cpu.run, "gpu": gpu.run}


def choose(
    engine: str,
    plan: Plan,
    params: Params,
    frames: Tensor,
    schedule: Schedule,
    numbers: reference.Numbers | None = None,
    record: bool = False,
) -> str:
    """The engine behind ``auto``: by the device of the frames, the reference where no other runs the call.

    The layered schedule is a handful of matrix products a time step; plain PyTorch is its fast engine too.
    """
    check_choice("engine", engine, ("auto", *ENGINES))
    if schedule.kind == "layered":
        return "reference"
    device = frames.device.type
    there = {"cpu": device == "cpu", "gpu": device == "cuda" or gpu.interpreted()}
    require(there.get(engine, True), f"engine {engine!r} does not run tensors on {device!r}; move them, or use 'auto'")
    if engine != "auto":
        return engine
    if device == "cpu":
        return "cpu"
    runs = device == "cuda" and gpu.reason_against(plan, params, schedule, numbers, record) is None
    return "gpu" if runs else "reference"


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
    chosen = ENGINES[choose(engine, plan, params, frames, schedule, numbers, record)]
    return chosen(plan, params, frames, sample_ids, schedule, options, numbers, core_of_neuron, events, record)
