"""What every engine refuses, before it runs: compiled code reads and writes where these numbers point."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch

from ir.check import check_choice, require
from ir.pooling import check_pooled
from ir.runnable import check_schedule
from ir.stimulus import check_events
from ir.words import counted
from trainer.engines.call import Call
from trainer.engines.live import LiveState
from trainer.engines.neurons import MODELS
from trainer.engines.numbers import FixedNumbers
from trainer.engines.plan import fitted
from trainer.engines.queue import ORDERS


def checked(call: Call) -> Call:
    """The call with its frames in the network's number type, and what is due read off its numbers.

    Raises:
        ValueError: frames, numbers, ids, cores or events do not fit the network, or the schedule has no meaning on it.
    """
    plan, frames = call.plan, call.frames
    require(
        frames.ndim == 3 and frames.shape[2] == plan.n_inputs,
        f"frames have shape {tuple(frames.shape)}; the network has {counted(plan.n_inputs, 'input')}, "
        f"give (T, B, {plan.n_inputs})",
    )
    plain = frames.layout == torch.strided and not frames.is_complex()
    require(plain, f"frames are {frames.layout}, {frames.dtype}; give a dense tensor of real numbers")
    check_numbers(call)
    check_addresses(call)
    check_schedule(plan.network, call.schedule)
    if call.schedule.kind == "asynchronous":
        check_choice("schedule order", call.schedule.order, ORDERS)
    check_frames(call)
    silent = call.options.silent_gradient
    known = call.schedule.scope != "receiver" or silent not in ("carried", "rest")
    require(known, f"silent_gradient {silent!r} needs one queue a neuron, scope 'network' or 'core'; use 'slots'")
    watched = call.monitor is None or call.schedule.kind == "asynchronous"
    require(watched, "monitors watch the spike queue, which the layered schedule has not; leave them out")
    if any(link.pools and link.from_input for link in plan.links):
        check_pooled(plan.network, frames.detach().cpu().numpy())
    if call.state is not None:
        call = replace(call, state=fitting(call, call.state))
    fixed = isinstance(call.numbers, FixedNumbers)
    fit, params = fitted(plan, call.params, fixed)
    numbers = call.numbers if call.recording is None else call.numbers.counting(call.recording.limits)
    return replace(call, plan=fit, params=params, numbers=numbers, frames=frames.to(params.like.dtype))


def fitting(call: Call, state: LiveState) -> LiveState:
    """The state in the number type of the network.

    Raises:
        ValueError: it is of other samples, or of another network's size.
    """
    n, n_inputs, b = call.plan.n_neurons, call.plan.n_inputs, call.frames.shape[1]
    size = state.fired.shape[1], state.inputs.shape[2]
    require(size == (n, n_inputs), f"the state is of {size[0]} neurons and {size[1]} inputs, not {n} and {n_inputs}")
    same = len(state.sample_ids) == b and bool((state.sample_ids.to(call.sample_ids.device) == call.sample_ids).all())
    require(same, "the state is of other samples than these frames; give frames and sample_ids in its order")
    return state.to(call.params.like)


def check_frames(call: Call) -> None:
    """Raise unless events can be served one by one where the schedule does so."""
    rule, frames = call.schedule.input, call.frames.detach()
    if call.schedule.kind == "layered" or rule == "first":
        return
    whole = not frames.is_floating_point() or bool(((frames == frames.floor()) & frames.isfinite()).all())
    require(
        whole and bool((frames >= 0).all()),
        f"{rule} input needs counts, whole and at least 0; use input 'first' for currents",
    )


def check_numbers(call: Call) -> None:
    """Raise unless parameters have the network's sizes, one type that engines compute in, and values models allow."""
    links, weights = call.plan.links, call.params.weights
    require(len(links) == len(weights), f"{len(weights)} weights for a network of {len(links)} projections")
    for link, weight in zip(links, weights):
        want = link.connection.weight.shape
        require(tuple(weight.shape) == want, f"a weight has shape {tuple(weight.shape)}, its projection {want}")
    groups, own = call.plan.groups(), call.params.neurons
    require(set(groups) == set(own), f"numbers of models {sorted(own)} for a network of models {sorted(groups)}")
    for model, parts in groups.items():
        n = sum(p.n for p in parts)
        whose = f"the network has {n} neurons{f' of model {model!r}' if len(groups) > 1 else ''}"
        for name, value in own[model].named().items():
            require(value.shape[:1] == (n,), f"{name} has shape {tuple(value.shape)}; {whose}")
    kinds = {x.dtype for x in call.params.tensors()}
    one = len(kinds) == 1 and kinds <= {torch.float32, torch.float64}
    names = ", ".join(sorted(str(kind) for kind in kinds))
    require(one, f"the network's numbers are {names}; engines compute in one of float32, float64: network.float()")
    exact = not isinstance(call.numbers, FixedNumbers) or kinds == {torch.float64}
    require(exact, "a chip's integers come in float32, which is not exact beyond 2^24; give them in float64")
    for model, params in own.items():
        MODELS[model].check(params)


def check_addresses(call: Call) -> None:
    """Raise unless ids, cores and events belong to this batch and this network."""
    n_samples, n = call.frames.shape[1], call.plan.n_neurons
    ids = call.sample_ids
    whole = not ids.is_floating_point() and not ids.is_complex()
    require(
        whole and tuple(ids.shape) == (n_samples,),
        f"sample_ids are {ids.dtype} of shape {tuple(ids.shape)}; give {n_samples} whole numbers, one a sample",
    )
    if call.schedule.scope != "network":
        cores = call.core_of_neuron
        require(
            cores is not None, f"scope {call.schedule.scope!r} needs a partition, core_of_neuron; map the network first"
        )
        given = np.asarray(cores)
        require(
            given.shape == (n,) and given.dtype.kind in "iu",
            f"core_of_neuron is {given.dtype} of shape {given.shape}; the network has {counted(n, 'neuron')}; give "
            "each its core: is the partition another network's?",
        )
    if call.schedule.input != "first" and call.events is not None:
        events = np.asarray(call.events)
        table = events.ndim == 2 and events.shape[1] == 4 and events.dtype.kind in "iu"
        require(table, f"events are {events.dtype} of shape {events.shape}; give whole numbers (n, 4), see ir.Stimulus")
        check_events(events.astype(np.int64), call.frames.detach().cpu().numpy())
