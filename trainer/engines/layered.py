"""The layered baseline in plain PyTorch: populations in topological order, each fires once a time step."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial

import numpy as np
import torch
from torch import Tensor

from ir.schedule import stream
from trainer.engines.call import Call
from trainer.engines.live import LiveState
from trainer.engines.neurons import MODELS
from trainer.engines.neurons.model import Dynamics
from trainer.engines.options import SPIKE_DROP
from trainer.engines.parts import Link, Part, apply_link, stretches
from trainer.engines.result import Result
from trainer.engines.selection import chance
from trainer.engines.state import state_of


@dataclass
class Layer:
    """One population's neurons, its spikes (B, n) of every time step so far, and what of them arrives elsewhere, that
    of the time steps before the run first."""

    neurons: Dynamics
    spikes: list[Tensor] = field(default_factory=list)
    sent: list[Tensor] = field(default_factory=list)


def run_layered(call: Call) -> Result:
    """All time steps of a batch under the layered schedule."""
    plan = call.plan
    n_steps, n_samples = call.frames.shape[:2]
    layers, frames = fresh_layers(call), call.frames
    if call.state is not None:
        frames = torch.cat([call.state.inputs, frames])
    owner = {p.at.start: p.name for p in plan.parts}
    by_name = {p.name: p for p in plan.parts}
    from_frames = [whole_input(call, link, weight) for link, weight in zip(plan.links, call.params.weights)]
    counts, membranes = [], []
    for t in range(n_steps):
        for name in plan.order.order:
            drive = gather(call, by_name[name], layers, owner, from_frames, frames, t)
            spikes, carried = fire(call, by_name[name], layers[name], drive, call.t0 + t)
            layers[name].spikes.append(spikes)
            layers[name].sent.append(arriving(call, by_name[name], carried, call.t0 + t))
        counts.append(torch.cat([layers[p.name].spikes[t] for p in plan.parts], 1))
        membranes.append(joined(layers, "v"))
        if call.recording is not None:
            call.recording.end(partial(joined, layers))
    steps = torch.full((n_steps, n_samples), plan.order.n_places, device=call.frames.device)
    none = call.params.like.new_zeros(0, n_samples, plan.n_neurons)
    rows = torch.stack(counts) if counts else none
    ended = partial(end, call, layers, rows)
    return Result(rows, torch.stack(membranes) if counts else none, steps, call.recording, ended)


def end(call: Call, layers: dict[str, Layer], counts: Tensor) -> LiveState:
    """Where the run ended."""
    names = dict.fromkeys(name for layer in layers.values() for name in layer.neurons.states())
    latest = [layer.sent[len(layer.sent) - min(len(counts), call.look_back) :] for layer in layers.values()]
    sent = [torch.cat(rows, 1) for rows in zip(*latest)]
    some = torch.stack(sent) if sent else counts[:0]
    return call.ended({name: joined(layers, name) for name in names}, counts, some)


def fresh_layers(call: Call) -> dict[str, Layer]:
    """Populations by name, in declaration order, all states zero, or as the run before has left them."""
    layers: dict[str, Layer] = {}
    for name, parts in call.plan.groups().items():
        for p, at in zip(parts, stretches(parts)):
            members = call.members((p,), call.params.neurons[name].of(at))
            layers[p.name] = Layer(MODELS[name].dynamics(members))
            if call.state is not None:
                before = {name: x[:, p.at] for name, x in call.state.states.items()}
                layers[p.name].neurons.resume(before, call.state.fired[:, p.at])
                layers[p.name].sent += call.state.sent[:, :, p.at].unbind()
    return {p.name: layers[p.name] for p in call.plan.parts}


def joined(layers: dict[str, Layer], name: str) -> Tensor:
    """(B, N) of a state, in the order of the global index."""
    return torch.cat([state_of(layer.neurons, name) for layer in layers.values()], 1)


def whole_input(call: Call, link: Link, weight: Tensor) -> Sequence[Tensor] | None:
    """(B, n) in each time step: what all frames bring over a link without delays, in one product; None for other links.

    Taken apart at once: a gradient for each time step taken alone would be as long as all of them.
    """
    if not link.from_input or link.delay.any():
        return None
    return (
        apply_link(link, weight, call.frames[:, :, link.pre].flatten(0, 1)).unflatten(0, call.frames.shape[:2]).unbind()
    )


def gather(
    call: Call,
    part: Part,
    layers: dict[str, Layer],
    owner: dict[int, str],
    from_frames: list[Sequence[Tensor] | None],
    frames: Tensor,
    t: int,
) -> Tensor:
    """The summed drive of one population, (B, n), in weight units.

    Args:
        from_frames: of each link what its whole input brings, where that is known.
        frames: those of the run, and before them those of the time steps before.
        t: of the run.
    """
    drive, past = None, len(frames) - len(call.frames)
    for link, weight, whole in zip(call.plan.links, call.params.weights, from_frames):
        if link.post != part.at:
            continue
        if whole is not None:
            brought = whole[t]
        else:
            source = frames[:, :, link.pre] if link.from_input else layers[owner[link.pre.start]].sent
            s = delayed(link, source, past + t - int(link.recurrent))
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


def delayed(link: Link, source: list[Tensor] | Tensor, t: int) -> Tensor | None:
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
        before, payload = (torch.zeros(here.shape, dtype=m.dtype, device=m.device) for _ in range(2))
        here[:, part.at], before[:, part.at], payload[:, part.at] = s.detach() > 0, m.detach(), carried.detach()
        call.recording.fire(here, before, payload, t - call.t0, part.place)
        call.recording.serve(here, t - call.t0, part.place)
    return s, carried
