"""The layered baseline in plain PyTorch: populations in topological order, each fires once a time step."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from ir.schedule import stream
from trainer.engines.call import Call
from trainer.engines.options import SPIKE_DROP
from trainer.engines.plan import Link, Part, apply_link
from trainer.engines.result import Result
from trainer.engines.selection import chance
from trainer.surrogate import spike


@dataclass
class Layer:
    """One population's registers, (B, n), its spikes of every time step so far, and those not dropped on their way."""

    v: Tensor
    u: Tensor
    spikes: list[Tensor] = field(default_factory=list)
    sent: list[Tensor] = field(default_factory=list)


def run_layered(call: Call) -> Result:
    """All time steps of a batch under the layered schedule."""
    plan = call.plan
    n_steps, n_samples = call.frames.shape[:2]
    zero = call.params.leak_v.new_zeros
    registers = {p.name: zero(n_samples, p.at.stop - p.at.start) for p in plan.parts}
    layers = {name: Layer(v=zeros, u=zeros) for name, zeros in registers.items()}
    owner = {p.at.start: p.name for p in plan.parts}
    by_name = {p.name: p for p in plan.parts}
    from_frames = [whole_input(call, link, weight) for link, weight in zip(plan.links, call.params.weights)]
    counts, membranes = [], []
    for t in range(n_steps):
        for name in plan.order.order:
            drive = gather(call, by_name[name], layers, owner, from_frames, t)
            spikes = fire(call, by_name[name], layers[name], drive, t)
            layers[name].spikes.append(spikes)
            layers[name].sent.append(arriving(call, by_name[name], spikes, t))
        counts.append(torch.cat([layers[p.name].spikes[t] for p in plan.parts], 1))
        membranes.append(torch.cat([layers[p.name].v for p in plan.parts], 1))
        if call.recording is not None:
            call.recording.end(torch.cat([layers[p.name].u for p in plan.parts], 1))
    steps = torch.full((n_steps, n_samples), plan.order.n_places, device=call.frames.device)
    if not counts:
        none = zero(0, n_samples, plan.n_neurons)
        return Result(none, none, steps, call.recording)
    return Result(torch.stack(counts), torch.stack(membranes), steps, call.recording)


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
    return torch.zeros_like(layers[part.name].v) if drive is None else drive


def arriving(call: Call, part: Part, spikes: Tensor, t: int) -> Tensor:
    """The spikes (B, n) that are not dropped on their way."""
    if call.options.spike_dropout == 0:
        return spikes
    seed = stream(call.schedule.seed, SPIKE_DROP)
    drawn = chance(seed, call.sample_ids, t, part.place, call.neurons[part.at], torch.float64)
    return spikes * (drawn >= call.options.spike_dropout)


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


def fire(call: Call, part: Part, layer: Layer, drive: Tensor, t: int) -> Tensor:
    """Leak, integrate, fire, reset; (B, n) spikes with gradient."""
    numbers, params, at = call.numbers, call.params, part.at
    if part.reset_interval and (t + 1) % part.reset_interval == part.reset_offset % part.reset_interval:
        layer.v, layer.u = torch.zeros_like(layer.v), torch.zeros_like(layer.u)
    held = layer.v
    if layer.spikes and not part.subtract:
        held = torch.where(layer.spikes[-1].detach() > 0, held.detach(), held)
    x = numbers.drive(drive)
    if params.leak_u is None:
        layer.u = numbers.pass_current(x)
    else:
        layer.u = numbers.add_to_current(numbers.leak(layer.u, params.leak_u[at]), x)
    bias = 0.0 if params.bias is None else params.bias[at]
    v_min = None if part.v_min is None else torch.full_like(x, part.v_min)
    v = numbers.add_to_membrane(numbers.leak(held, params.leak_v[at]), layer.u, bias, v_min)
    gate = layer.u != 0 if params.bias is None else (layer.u != 0) | (bias != 0)
    above = v - params.threshold[at]
    s = spike(above if params.unit is None else above / params.unit[at], gate, call.options.alpha)
    if part.multi_spike:
        s = s + (torch.floor(v / params.threshold[at]).clamp(min=0) - s).detach()
    layer.v = v - torch.nan_to_num(params.threshold[at], posinf=0.0) * s if part.subtract else v * (1 - s)
    if call.recording is not None:
        here = torch.zeros(v.shape[0], call.plan.n_neurons, dtype=torch.bool, device=v.device)
        m = torch.zeros(v.shape[0], call.plan.n_neurons, dtype=v.dtype, device=v.device)
        here[:, at], m[:, at] = s.detach() > 0, v.detach()
        call.recording.fire(here, m, t, part.place)
        call.recording.serve(here, t, part.place)
    return s
