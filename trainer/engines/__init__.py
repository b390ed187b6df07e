"""Engines: the same call, the same spikes, the same gradients."""

from __future__ import annotations

from ir.check import check_choice, require
from trainer.engines import cpu, reference
from trainer.engines.call import Call
from trainer.engines.gpu import run as gpu
from trainer.engines.result import Result

ENGINES = {"reference": reference.run, "cpu": cpu.run, "gpu": gpu.run}


def choose(engine: str, call: Call) -> str:
    """The engine behind ``auto``: by the device of the frames, the reference where no other runs the call.

    The layered schedule is a handful of matrix products a time step; plain PyTorch is its fast engine too.
    """
    check_choice("engine", engine, ("auto", *ENGINES))
    if call.schedule.kind == "layered":
        return "reference"
    device = call.frames.device.type
    there = {"cpu": device == "cpu", "gpu": device == "cuda" or gpu.interpreted()}
    require(there.get(engine, True), f"engine {engine!r} does not run tensors on {device!r}; move them, or use 'auto'")
    if engine != "auto":
        return engine
    if device == "cpu":
        return "cpu"
    return "gpu" if device == "cuda" and gpu.reason_against(call) is None else "reference"


def run(call: Call, engine: str = "auto") -> Result:
    """Run a batch on the engine named."""
    return ENGINES[choose(engine, call)](call)
