"""What does not fit is one sentence on every engine; compiled code would read or write beyond its arrays."""

from __future__ import annotations

from copy import copy
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from ir import Schedule
from tests.trainer.engines.test_small_cases import each_engine, ones
from trainer import LIF, SpikingNetwork, SumPool2d
from trainer.engines import ENGINES
from trainer.engines.call import Call
from trainer.engines.checks import checked
from trainer.engines.compiled.guard import Outputs, check_forward
from trainer.engines.compiled.job import make_job
from trainer.engines.compiled.state import Numbers, fresh_state
from trainer.engines.options import TrainingOptions
from trainer.engines.plan import float_params, plan_of

PACED = Schedule(input="paced", R=1)


def good() -> Call:
    """Three inputs, four neurons, two samples of one time step."""
    network = ones(3, 4)
    return Call(plan_of(network), float_params(network), torch.ones(1, 2, 3), torch.arange(2), Schedule(F=2))


def weights(given: list[torch.Tensor]) -> dict[str, Any]:
    return {"params": replace(good().params, weights=given)}


def resized(name: str, n: int) -> dict[str, Any]:
    """A parameter of ``n`` numbers."""
    params = good().params
    return {"params": replace(params, neurons={"lif": replace(params.lif, **{name: torch.ones(n)})})}


def stamped(*rows: list[int]) -> dict[str, Any]:
    return {"schedule": PACED, "events": np.array(rows)}


@each_engine
@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"sample_ids": torch.arange(1)}, "give 2 whole numbers, one a sample"),
        ({"sample_ids": torch.ones(2)}, "give 2 whole numbers, one a sample"),
        ({"frames": torch.ones(2, 3)}, r"frames have shape \(2, 3\)"),
        ({"frames": torch.ones(1, 2, 3).to_sparse()}, "dense tensor of real numbers"),
        ({"frames": torch.ones(1, 2, 3, dtype=torch.complex64)}, "dense tensor of real numbers"),
        ({"schedule": Schedule(scope="core")}, "scope 'core' needs a partition"),
        ({"schedule": Schedule(scope="core"), "core_of_neuron": np.zeros(3, int)}, "the network has 4 neurons"),
        ({"schedule": Schedule(scope="core"), "core_of_neuron": np.zeros(4)}, "the network has 4 neurons"),
        ({"schedule": PACED, "frames": -torch.ones(1, 2, 3)}, "paced input needs counts, whole and at least 0"),
        ({"schedule": PACED, "frames": torch.full((1, 2, 3), float("inf"))}, "paced input needs counts"),
        (resized("leak_v", 3), r"leak_v has shape \(3,\); the network has 4 neurons"),
        (resized("threshold", 5), r"threshold has shape \(5,\); the network has 4 neurons"),
        (resized("leak_u", 1), r"leak_u has shape \(1,\); the network has 4 neurons"),
        (resized("bias", 3), r"bias has shape \(3,\); the network has 4 neurons"),
        (weights([]), "0 weights for a network of 1 projections"),
        (weights([torch.ones(4, 2)]), r"a weight has shape \(4, 2\), its projection \(4, 3\)"),
        (stamped([0, 0, 0, 99]), "an event lies outside the frames"),
        (stamped([0, 0, 0, -1]), "an event lies outside the frames"),
        (stamped([7, 0, 0, 1]), "an event lies outside the frames"),
        (stamped(*[[0, 0, 0, 1]] * 500), "each count needs one event"),
        (stamped(*[[b, 0, 0, 0] for b in (0, 0, 0, 1, 1, 1)]), "each count needs one event"),
        ({"schedule": PACED, "events": np.zeros((2, 4))}, "give whole numbers"),
    ],
)
def test_what_does_not_fit_is_one_sentence(engine: str, change: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        ENGINES[engine](replace(good(), **change))


def compiled_call(**change: Any) -> tuple[Any, ...]:
    """What ``run_samples`` is about to be called with, a part of it changed."""
    job = make_job(checked(good()))
    net, kind = job.flat.net, np.dtype(np.float32)
    n = job.plan.n_neurons
    given = Numbers(np.ones(12, kind), *(np.ones(size, kind) for size in (n, 1, n, 1, 1, n)))
    whole, none = np.zeros((1, 2, n), kind), np.zeros((1, 1, 1), kind)
    seen = Outputs(whole, whole, none, none)
    state = fresh_state(net, job.rules, kind, job.n_cores, job.most_events)
    parts = {"job": job, "given": given, "state": state, "seen": seen, "steps": np.zeros((1, 2), np.int64)}
    for name, fields in change.items():
        replaced = replace(job, **fields) if name == "job" else parts[name]._replace(**fields)
        parts[name] = replaced
    return parts["job"], parts["given"], parts["state"], np.ones((1, 2, 3), kind), parts["seen"], parts["steps"]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"given": {"weights": np.ones(11)}}, r"weights of shape \(11,\); it reads \(12,\)"),
        ({"given": {"leak_v": np.ones(3)}}, "leak_v of shape"),
        ({"state": {"v": np.ones(3)}}, "membranes of shape"),
        ({"seen": {"counts": np.ones((1, 1, 4))}}, "counts of shape"),
        ({"job": {"core_of_neuron": np.array([0, 0, 0, 1])}}, r"a core outside 0\.\.0"),
        ({"job": {"ids": np.zeros(3)}}, "sample ids of shape"),
        ({"job": {"cleared": np.zeros((0, 1))}}, "resets of shape"),
        ({"job": {"most_events": 2}}, "3 events in a time step, room for 2"),
    ],
)
def test_arrays_of_other_sizes_never_reach_compiled_code(change: dict[str, Any], words: str) -> None:
    check_forward(*compiled_call(), np.arange(2))
    with pytest.raises(ValueError, match=words):
        check_forward(*compiled_call(**change), np.arange(2))
    with pytest.raises(ValueError, match=r"a sample outside 0\.\.1"):
        check_forward(*compiled_call(), np.arange(3))


def test_a_current_that_the_populations_keep_and_the_numbers_do_not_never_reaches_compiled_code() -> None:
    job, *rest = compiled_call()
    flat = copy(job.flat)
    flat.net = flat.net._replace(has_current=np.ones(1, np.uint8))
    with pytest.raises(ValueError, match="disagree whether a current is kept"):
        check_forward(replace(job, flat=flat), *rest, np.arange(2))


@each_engine
@pytest.mark.parametrize("kind", [torch.float16, torch.bfloat16])
def test_half_precision_networks_are_refused(engine: str, kind: torch.dtype) -> None:
    net = SpikingNetwork.sequential((3,), nn.Linear(3, 4, bias=False), LIF()).to(kind)
    with pytest.raises(ValueError, match="one of float32, float64"):
        net(torch.ones(1, 2, 3), engine=engine)


def conv_net(bias: bool = True) -> SpikingNetwork:
    torch.manual_seed(0)
    pooled = nn.Conv2d(1, 2, 3, bias=bias), nn.AvgPool2d(2, padding=1), LIF(1e-3, 0.05)
    return SpikingNetwork.sequential((1, 8, 8), *pooled, SumPool2d(2), nn.Flatten(), nn.Linear(8, 3), LIF(1e-3, 0.05))


@each_engine
def test_pooled_networks_run_in_double_precision(engine: str) -> None:
    frames = torch.ones(2, 2, 1, 8, 8, dtype=torch.float64)
    counts = conv_net().double()(frames, engine=engine).counts.detach()
    assert counts.dtype == torch.float64 and float(counts.sum()) > 0


@each_engine
def test_autocast_changes_no_spike(engine: str) -> None:
    frames, net = torch.ones(2, 2, 1, 8, 8), conv_net()
    with torch.autocast("cpu", torch.bfloat16):
        within = net(frames, Schedule(F=4), engine=engine)
    assert torch.equal(within.v, net(frames, Schedule(F=4), engine=engine).v)


def gradient_of_frames(engine: str, schedule: Schedule, options: TrainingOptions) -> torch.Tensor | None:
    frames = (torch.rand(3, 2, 1, 8, 8, generator=torch.Generator().manual_seed(1)) < 0.5).double().requires_grad_()
    result = conv_net().double().train()(frames, schedule, options=options, engine=engine)
    (result.counts.sum() + result.v.sum()).backward()
    return frames.grad


def test_dropped_inputs_get_no_gradient() -> None:
    arguments = Schedule(F=4), TrainingOptions(input_dropout=0.5)
    slow, fast = (gradient_of_frames(engine, *arguments) for engine in ("reference", "cpu"))
    assert slow is not None and fast is not None
    assert 0.3 < float((fast == 0).double().mean()) < 0.8
    torch.testing.assert_close(slow, fast, rtol=1e-9, atol=1e-9)


@each_engine
@pytest.mark.parametrize("schedule", [Schedule(F=4, input="paced", R=3), Schedule(F=4, input="queued")])
def test_events_that_are_served_one_by_one_have_no_gradient(engine: str, schedule: Schedule) -> None:
    assert gradient_of_frames(engine, schedule, TrainingOptions()) is None


@each_engine
def test_a_bias_learnt_after_the_first_call_is_waited_for(engine: str) -> None:
    """A population behind a silent one: its bias arrives at k = 1, and the loop must not end before."""
    net = SpikingNetwork.sequential((3,), nn.Linear(3, 4, bias=False), LIF(), nn.Linear(4, 2), LIF(v_threshold=0.5))
    bias, frames = net.layers[1][0].bias, torch.zeros(2, 1, 3)  # type: ignore[union-attr, index]
    with torch.no_grad():
        bias.zero_()
        assert net(frames, engine=engine).forward_steps.tolist() == [[1], [1]]
        bias.fill_(1.0)
        assert net(frames, engine=engine).counts[:, 0, 4:].tolist() == [[1, 1], [1, 1]]
        bias.zero_()
        assert net(frames, engine=engine).forward_steps.tolist() == [[1], [1]]


@pytest.mark.parametrize("silent", ["carried", "rest"])
def test_a_silent_gradient_that_looks_at_the_whole_queue_needs_one_queue_a_neuron(silent: str) -> None:
    options = TrainingOptions(silent_gradient=silent)
    call = replace(good(), schedule=Schedule(scope="receiver"), core_of_neuron=np.zeros(4, int), options=options)
    with pytest.raises(ValueError, match=f"silent_gradient '{silent}' needs one queue a neuron"):
        ENGINES["reference"](call)
