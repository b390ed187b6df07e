"""Run a frozen network in the trainer's engine: E0 for floats, E1 for a chip's integers."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, replace

import numpy as np
import torch

from ir.arithmetic import ARITHMETICS
from ir.arrays import Int32s
from ir.encoder import hosted
from ir.mapped import MappedNetwork
from ir.network import Network
from ir.quantized import QuantizedNetwork
from ir.runnable import check_record, check_run, check_schedule
from ir.schedule import Schedule
from ir.state import State, check_state
from ir.stimulus import Stimulus
from ir.trace import Trace
from ir.trace_parts import join
from trainer.engines import ENGINES, choose
from trainer.engines.call import Call
from trainer.engines.live import live
from trainer.engines.numbers import FixedNumbers, FloatNumbers, Numbers
from trainer.engines.plan import Params, Plan, fixed_params, float_params, plan_of
from trainer.engines.result import Recording, trace_of

Progress = Callable[[int, int], None]
"""Called with (samples done, samples in all)."""


@hosted
def run(
    network: Network | QuantizedNetwork | MappedNetwork,
    stimulus: Stimulus,
    schedule: Schedule | None = None,
    *,
    record: Collection[str] = ("v",),
    progress: Progress | None = None,
    core_of_neuron: Int32s | None = None,
    batch_size: int = 256,
    engine: str = "auto",
    state: State | None = None,
    keep_state: bool = False,
) -> Trace:
    """Run a batch of samples and record every spike.

    Args:
        network: floats (the trace is E0's) or integers (E1's), mapped or not.
        schedule: default the network's own.
        record: names of the neurons' states that the trace holds, (T, B, N): ``v``, ``u``. A state that a population's
            model lacks is 0 there, and under the asynchronous schedule u in those without current memory.
        progress: called after each batch.
        core_of_neuron: (N,) the partition of a network that is not mapped; ``scope = "core"`` needs one.
        engine: a name of ``trainer.engines``, or ``auto``.
        state: where the samples go on from: what a run of the time steps before has left; None = they begin.
        keep_state: leave ``trace.state``, for a run of the time steps that follow.

    Returns:
        The trace; states are float32 for E0 and register integers for E1, which also says how often
        each register limit was reached.

    Raises:
        ValueError: the network, the stimulus and the schedule do not go together, or a run on integers is not exact.
    """
    if isinstance(network, MappedNetwork):
        network, core_of_neuron = network.network, network.core_of_neuron
    schedule = network.schedule if schedule is None else schedule
    check_record(network, record)
    if isinstance(network, QuantizedNetwork):
        state = check_run(network, stimulus, schedule, state)
        params, numbers = fixed_params(network), FixedNumbers(ARITHMETICS[network.arithmetic])
    else:
        check_schedule(network, schedule)
        params, numbers = float_params(network), FloatNumbers()
        state = None if state is None else check_state(network, state, stimulus.sample_ids)
    ready = _Ready(
        network, plan_of(network), params, numbers, schedule, core_of_neuron, tuple(record), state, keep_state
    )
    parts, chosen = [], ""
    for start in range(0, max(stimulus.n_samples, 1), batch_size):
        batch = stimulus.select(slice(start, start + batch_size))
        call = _call(ready, batch)
        chosen = chosen or choose(engine, call)  # once: what it has to say is said once
        parts.append(_run_batch(ready, call, batch, chosen))
        if progress is not None:
            progress(start + batch.n_samples, stimulus.n_samples)
    return join(parts)


@dataclass(frozen=True, eq=False)
class _Ready:
    """What all batches of a run share; arguments as :func:`run`."""

    network: Network | QuantizedNetwork
    plan: Plan
    params: Params
    numbers: Numbers
    schedule: Schedule
    core_of_neuron: Int32s | None
    record: tuple[str, ...]
    state: State | None
    keep_state: bool


def _call(ready: _Ready, batch: Stimulus) -> Call:
    ids = np.array(batch.sample_ids)
    return Call(
        ready.plan,
        ready.params,
        torch.as_tensor(batch.frames.copy()),
        torch.as_tensor(ids),
        ready.schedule,
        numbers=ready.numbers,
        core_of_neuron=ready.core_of_neuron,
        events=None if batch.events is None else np.array(batch.events),
        recording=Recording(tuple(name for name in ready.record if name != "v")),
        state=None if ready.state is None else live(ready.state.of(ids), ready.params.like),
    )


def _run_batch(ready: _Ready, call: Call, batch: Stimulus, engine: str) -> Trace:
    with torch.no_grad():
        result = ENGINES[engine](call)
    ids = np.array(batch.sample_ids)
    executor = "E1" if isinstance(ready.network, QuantizedNetwork) else "E0"
    trace = trace_of(
        result, ready.plan, ready.schedule, executor, ids, batch.labels, ready.core_of_neuron, ready.record
    )
    return replace(trace, state=result.state.saved(ready.network)) if ready.keep_state else trace
