"""Run a frozen network in the trainer's engine: E0 for floats, E1 for a chip's integers."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch

from ir.arithmetic import ARITHMETICS
from ir.network import Network
from ir.quantized import QuantizedNetwork
from ir.runnable import check_run
from ir.schedule import Schedule
from ir.stimulus import Stimulus
from ir.trace import Spikes, Trace
from trainer.engines import run as run_engine
from trainer.engines.call import Call
from trainer.engines.numbers import FixedNumbers, FloatNumbers
from trainer.engines.plan import fixed_params, float_params, plan_of
from trainer.engines.result import Recording, trace_of


def run(
    network: Network | QuantizedNetwork,
    stimulus: Stimulus,
    schedule: Schedule | None = None,
    core_of_neuron: np.ndarray | None = None,
    batch_size: int = 256,
    engine: str = "auto",
    progress: Callable[[int], None] | None = None,
    record_u: bool = False,
) -> Trace:
    """Run a batch of samples and record every spike.

    Args:
        network: floats (the trace is E0's) or integers (E1's).
        schedule: default the network's own.
        core_of_neuron: (N,), needed by ``scope = "core"``.
        progress: called with the number of samples done after each batch.
        record_u: whether the trace holds currents, (T, B, N). Under the asynchronous schedule u is 0 in populations
            without current memory.

    Returns:
        The trace; membranes and currents are float32 for E0 and register integers for E1, which also says how often
        each register limit was reached.

    Raises:
        ValueError: the network, the stimulus and the schedule do not go together, or a run on integers is not exact.
    """
    schedule = schedule or network.schedule
    fixed = isinstance(network, QuantizedNetwork)
    if isinstance(network, QuantizedNetwork):
        check_run(network, stimulus, schedule)
    plan = plan_of(network)
    params = fixed_params(network) if isinstance(network, QuantizedNetwork) else float_params(network)
    numbers = FixedNumbers(ARITHMETICS[network.arithmetic]) if isinstance(network, QuantizedNetwork) else FloatNumbers()
    parts = []
    for start in range(0, max(stimulus.n_samples, 1), batch_size):
        batch = stimulus.select(slice(start, start + batch_size))
        with torch.no_grad():
            frames, ids = torch.as_tensor(batch.frames.copy()), torch.as_tensor(np.array(batch.sample_ids))
            events = None if batch.events is None else np.array(batch.events)
            call = Call(
                plan,
                params,
                frames,
                ids,
                schedule,
                numbers=numbers,
                core_of_neuron=core_of_neuron,
                events=events,
                recording=Recording(with_u=record_u),
            )
            result = run_engine(call, engine)
        parts.append(
            trace_of(
                result,
                plan,
                schedule,
                "E1" if fixed else "E0",
                np.array(batch.sample_ids),
                batch.labels,
                core_of_neuron,
            )
        )
        if progress is not None:
            progress(start + batch.n_samples)
    return join(parts)


def join(parts: list[Trace]) -> Trace:
    """Traces of successive batches as one."""
    first = parts[0]
    if len(parts) == 1:
        return first
    spikes = [p.spikes for p in parts if p.spikes is not None]
    columns = {
        f: np.concatenate([getattr(s, f) for s in spikes]) for f in ("sample", "t", "k", "neuron", "m", "k_served")
    }
    labels = None if first.labels is None else np.concatenate([p.labels for p in parts if p.labels is not None])
    v, u = (
        None if getattr(first, name) is None else np.concatenate([getattr(p, name) for p in parts], axis=1)
        for name in ("v", "u")
    )
    limits = {name: sum(p.limits_reached[name] for p in parts) for name in first.limits_reached}
    return Trace(
        first.executor,
        Spikes(**columns),
        np.concatenate([p.counts for p in parts]),
        v,
        np.concatenate([p.forward_steps for p in parts], axis=1),
        np.concatenate([p.sample_ids for p in parts]),
        first.populations,
        first.output,
        first.schedule,
        labels,
        first.core_of_neuron,
        limits,
        u,
    )
