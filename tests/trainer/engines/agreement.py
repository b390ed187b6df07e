"""What tests run through two engines: drawn integers as floats whose sums are exact, options, and their gradients."""

from __future__ import annotations

import numpy as np
import torch
from hypothesis import strategies as st

from ir import MappedNetwork, Schedule, Stimulus
from tests.strategies import Draw
from trainer.engines import cpu, reference
from trainer.engines.call import Call
from trainer.engines.neurons.lif import LIFParams
from trainer.engines.numbers import FixedNumbers, FloatNumbers
from trainer.engines.options import TrainingOptions
from trainer.engines.plan import Params, fixed_params, plan_of
from trainer.engines.result import Recording, Result

Case = tuple[MappedNetwork, Stimulus, Schedule]


def dyadic(mapped: MappedNetwork) -> Params:
    """The drawn integers as floats whose sums are exact: weights and thresholds in 1/64, leaks in 1/4096."""
    fixed = fixed_params(mapped.network)
    p = fixed.lif
    exps = [e.weight_exp for e in mapped.network.projections]
    return Params(
        [w * 2.0**e / 64 for w, e in zip(fixed.weights, exps)],
        {
            "lif": LIFParams(
                1 - p.leak_v / 4096,
                p.threshold / 4096,
                None if p.leak_u is None else 1 - p.leak_u / 4096,
                None if p.bias is None else p.bias / 4096,
                bias_u=None if p.bias_u is None else p.bias_u / 4096,
            )
        },
    )


def learned(params: Params) -> list[torch.Tensor]:
    """All but the unit, which is no parameter."""
    return [x for x in params.tensors() if x is not params.lif.unit]


def trained(params: Params) -> Params:
    for x in learned(params):
        x.requires_grad_()
    return params


def backward(result: Result, params: Params, retain_graph: bool = False) -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    loss = sum((x * torch.randn(x.shape, generator=generator, dtype=x.dtype)).sum() for x in (result.counts, result.v))
    leaves = learned(params)
    found = torch.autograd.grad(loss, leaves, allow_unused=True, retain_graph=retain_graph)  # type: ignore[arg-type]
    return [torch.zeros_like(x) if g is None else g for x, g in zip(leaves, found)]


HARD = Draw(late=True)
"""With every reset, and biases of currents."""

OPTIONS = st.builds(
    TrainingOptions,
    refractory_dropout=st.sampled_from([0.0, 0.8]),
    momentum_noise=st.sampled_from([0.0, 0.125]),
    input_dropout=st.sampled_from([0.0, 0.25]),
    spike_dropout=st.sampled_from([0.0, 0.25]),
    silent_gradient=st.sampled_from(["slots", "carried", "rest", "all", "none"]),
)


def both(case: Case, options: TrainingOptions, params: Params, numbers: FloatNumbers | FixedNumbers) -> list[Result]:
    mapped, stimulus, schedule = case
    frames, ids = torch.as_tensor(stimulus.frames.copy()), torch.as_tensor(np.array(stimulus.sample_ids))
    events = None if stimulus.events is None else np.array(stimulus.events)
    plan, cores = plan_of(mapped.network), mapped.core_of_neuron
    return [
        engine.run(Call(plan, params, frames, ids, schedule, options, numbers, cores, events, Recording()))
        for engine in (reference, cpu)
    ]
