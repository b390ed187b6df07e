"""Run a frozen network in the trainer's engine: E0 for floats, E1 for a chip's integers."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch

from ir.arithmetic import ARITHMETICS
from ir.check import require
from ir.network import Network
from ir.quantized import QuantizedNetwork
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
) -> Trace:
    """Run a batch of samples and record every spike.

    Args:
        network: floats (the trace is E0's) or integers (E1's).
        schedule: default the network's own.
        core_of_neuron: (N,), needed by ``scope = "core"``.
        progress: called with the number of samples done after each batch.

    Returns:
        The trace; membranes are float32 for E0 and register integers for E1.
    """
    schedule = schedule or network.schedule
    fixed = isinstance(network, QuantizedNetwork)
    require(stimulus.n_samples > 0, "the stimulus has no sample; give at least one")
    whole = stimulus.frames.dtype.kind == "i"
    require(whole or not fixed, "stimulus holds floats; an integer network needs whole counts, round them")
    plan = plan_of(network)
    params = fixed_params(network) if isinstance(network, QuantizedNetwork) else float_params(network)
    numbers = FixedNumbers(ARITHMETICS[network.arithmetic]) if isinstance(network, QuantizedNetwork) else FloatNumbers()
    parts = []
    for start in range(0, stimulus.n_samples, batch_size):
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
                recording=Recording(),
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
    v = None if first.v is None else np.concatenate([p.v for p in parts if p.v is not None], axis=1)
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
    )
