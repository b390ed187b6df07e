"""Engines: the same call, the same spikes, the same gradients."""

from __future__ import annotations

import warnings

from ir.check import SlowerWarning, check_choice, require
from trainer.engines import cpu, multi_step, reference, subset
from trainer.engines.call import Call
from trainer.engines.gpu import run as gpu
from trainer.engines.result import Result

ENGINES = {"reference": reference.run, "cpu": cpu.run, "gpu": gpu.run}
FAST = {"cpu": cpu, "gpu": gpu}
"""The compiled engines; each knows its own part of the neuron models and order rules, see its ``unknown``."""


def choose(engine: str, call: Call) -> str:
    """The engine behind ``auto``: by the device of the frames, the reference where no other runs the call.

    Where the compiled engine does not know a neuron model or an order rule, a ``SlowerWarning`` says so. Of the layered
    schedule, a handful of matrix products a time step, training alone is compiled, where the kernels know the network.

    Raises:
        ValueError: no such engine, or the one asked for does not run this call.
    """
    check_choice("engine", engine, ("auto", *ENGINES))
    if call.schedule.kind == "layered":
        compiled = engine in ("auto", "cpu") and call.frames.device.type == "cpu" and subset.learns(call)
        return "cpu" if compiled and multi_step.unknown(call) is None else "reference"
    device = call.frames.device.type
    there = {"cpu": device == "cpu", "gpu": device == "cuda" or gpu.interpreted()}
    require(there.get(engine, True), f"engine {engine!r} does not run tensors on {device!r}; move them, or use 'auto'")
    if engine != "auto":
        against = None if engine == "reference" else FAST[engine].reason_against(call)
        require(against is None, str(against))
        return engine
    fast = {"cpu": "cpu", "cuda": "gpu"}.get(device)
    what = None if fast is None else FAST[fast].unknown(call)
    if what is not None:
        sentence = f"engine {fast!r} does not know {what}; the plain engine runs it, slower"
        warnings.warn(sentence, SlowerWarning, stacklevel=2)
        return "reference"
    if device == "cpu":
        return "cpu"
    return "gpu" if device == "cuda" and gpu.reason_against(call) is None else "reference"


def run(call: Call, engine: str = "auto") -> Result:
    """Run a batch on the engine named."""
    result = ENGINES[choose(engine, call)](call)
    result.plan = call.plan
    return result
