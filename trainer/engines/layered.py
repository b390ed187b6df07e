"""The layered baseline in plain PyTorch: populations in topological order, each fires once a time step."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial

import numpy as np
import torch
from torch import Tensor

from ir.schedule import stream
from trainer.engines.call import Call
from trainer.engines.neurons import MODELS
from trainer.engines.neurons.model import Dynamics
from trainer.engines.options import SPIKE_DROP
from trainer.engines.parts import Link, Part, apply_link, stretches
from trainer.engines.result import Result
from trainer.engines.selection import chance
from trainer.engines.state import state_of


@dataclass
class Layer:
    """One population's neurons, its spikes (B, n) of every time step so far, and what of them arrives elsewhere."""

    neurons: Dynamics
    spikes: list[Tensor] = field(default_factory=list)
    sent: list[Tensor] = field(default_factory=list)


def run_layered(call: Call) -> Result:
    """All time steps of a batch under the layered schedule."""
    plan = call.plan
    n_steps, n_samples = call.frames.shape[:2]
    layers = fresh_layers(call)
    owner = {p.at.start: p.name for p in plan.parts}
    by_name = {p.name: p for p in plan.parts}
    from_frames = [whole_input(call, link, weight) for link, weight in zip(plan.links, call.params.weights)]
    counts, membranes = [], []
    for t in range(n_steps):
        for name in plan.order.order:
            drive = gather(call, by_name[name], layers, owner, from_frames, t)
            spikes, carried = fire(call, by_name[name], layers[name], drive, t)
            layers[name].spikes.append(spikes)
            layers[name].sent.append(arriving(call, by_name[name], carried, t))
        counts.append(torch.cat([layers[p.name].spikes[t] for p in plan.parts], 1))
        membranes.append(joined(layers, "v"))
        if call.recording is not None:
            call.recording.end(partial(joined, layers))
    steps = torch.full((n_steps, n_samples), plan.order.n_places, device=call.frames.device)
    if not counts:
        none = call.params.like.new_zeros(0, n_samples, plan.n_neurons)
        return Result(none, none, steps, call.recording)
    return Result(torch.stack(counts), torch.stack(membranes), steps, call.recording)


def fresh_layers(call: Call) -> dict[str, Layer]:
    """Populations by name, in declaration order, all states zero."""
    layers: dict[str, Layer] = {}
    for name, parts in call.plan.groups().items():
        for p, at in zip(parts, stretches(parts)):
            members = call.members((p,), call.params.neurons[name].of(at))
            layers[p.name] = Layer(MODELS[name].dynamics(members))
    return {p.name: layers[p.name] for p in call.plan.parts}


def joined(layers: dict[str, Layer], name: str) -> Tensor:
    """(B, N) of a state, in the order of the global index."""
    return torch.cat([state_of(layer.neurons, name) for layer in layers.values()], 1)


def whole_input(call: Call, link: Link, weight: Tensor) -> Tensor | None:
    """(T, B, n) what all frames bring over a link without delays, in one product; None for other links."""
    if not link.from_input or link.delay.any():
        return None
    return apply_link(link, weight, call.frames[:, :, link.pre].flatten(0, 1)).unflatten(0, call.frames.shape[:2])


def gather(
    call: Call, part: Part, layers: dict[str, Layer], owner: dict[int, str], from_frames: list[Tensor | None], t: int
) -> Tensor:
    """The summed drive of one population, (B, n), in weight units."""
    drive = None
    for link, weight, whole in zip(call.plan.links, call.params.weights, from_frames):
        if link.post != part.at:
            continue
        if whole is not None:
            brought = whole[t]
        else:
            source = list(call.frames[:, :, link.pre]) if link.from_input else layers[owner[link.pre.start]].sent
            s = delayed(link, source, t - int(link.recurrent))
            if s is None:
                continue
            brought = apply_link(link, weight, s)
        brought = call.numbers.shift(brought, link.weight_exp)
        drive = brought if drive is None else drive + brought
    return call.params.like.new_zeros(call.frames.shape[1], part.n) if drive is None else drive


def arriving(call: Call, part: Part, carried: Tensor, t: int) -> Tensor:
    """What spikes carry, (B, n), where they are not dropped on their way."""
    if call.options.spike_dropout == 0:
        return carried
    seed = stream(call.schedule.seed, SPIKE_DROP)
    drawn = chance(seed, call.sample_ids, t, part.place, call.neurons[part.at], torch.float64)
    return carried * (drawn >= call.options.spike_dropout)


def delayed(link: Link, source: list[Tensor], t: int) -> Tensor | None:
    """What left the sources ``delay`` time steps before t; None = nothing yet."""
    if link.delay.ndim == 0:
        return source[t - int(link.delay)] if t >= int(link.delay) else None
    if t < int(link.delay.min()):
        return None
    s = torch.zeros_like(source[0])
    for d in np.unique(link.delay):
        if t >= d:
            s = s + source[t - int(d)] * torch.as_tensor(link.delay == d, device=s.device)
    return s


def fire(call: Call, part: Part, layer: Layer, drive: Tensor, t: int) -> tuple[Tensor, Tensor]:
    """Leak, integrate, fire, reset; spikes and what they carry, (B, n) with gradient."""
    layer.neurons.begin(t)
    s, m, carried = layer.neurons.fire(call.numbers.drive(drive))
    if call.recording is not None:
        here = torch.zeros(s.shape[0], call.plan.n_neurons, dtype=torch.bool, device=s.device)
        before = torch.zeros(s.shape[0], call.plan.n_neurons, dtype=m.dtype, device=m.device)
        here[:, part.at], before[:, part.at] = s.detach() > 0, m.detach()
        call.recording.fire(here, before, t, part.place)
        call.recording.serve(here, t, part.place)
    return s, carried
