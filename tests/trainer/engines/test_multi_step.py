"""Layered training, a population's time steps in one call: the plain engine's spikes and gradients."""

from __future__ import annotations

import os
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from ir import Schedule
from tests.in_python import run_by_python
from tests.strategies import Draw, cases
from tests.trainer.engines.agreement import Case, backward, dyadic, trained
from trainer import LIF, SpikingNetwork
from trainer.engines import choose, cpu, multi_step, reference
from trainer.engines.call import Call
from trainer.engines.numbers import FloatNumbers
from trainer.engines.options import TrainingOptions
from trainer.engines.plan import Params, plan_of
from trainer.engines.result import Result

DRAWS = int(os.environ.get("UNLAYERED_DRAWS", "100"))
LAYERED = Schedule("layered")
DRAWN = cases(Draw(asynchronous=False), layered=True) | cases(Draw(asynchronous=False, late=True), layered=True)


def call_of(case: Case, params: Params, input_dropout: float = 0.0) -> Call:
    mapped, stimulus, schedule = case
    frames, ids = torch.as_tensor(stimulus.frames.copy()), torch.as_tensor(np.array(stimulus.sample_ids))
    options = TrainingOptions(input_dropout=input_dropout)
    return Call(plan_of(mapped.network), params, frames, ids, schedule, options, FloatNumbers())


def known(case: Case) -> bool:
    return len(case[1].frames) > 0 and multi_step.unknown(call_of(case, dyadic(case[0]))) is None


def check_alike(slow: Result, fast: Result, params: Params) -> None:
    assert torch.equal(slow.counts, fast.counts) and torch.equal(slow.v, fast.v)
    assert torch.equal(slow.forward_steps, fast.forward_steps)
    for name, wanted in slow.state.states.items():
        assert torch.equal(wanted.expand_as(slow.v[0]), fast.state.states[name].expand_as(slow.v[0])), name
    for x in ("fired", "sent", "inputs"):
        assert torch.equal(getattr(slow.state, x), getattr(fast.state, x)), x
    for wanted, found in zip(backward(slow, params), backward(fast, params)):
        assert torch.allclose(
            wanted, found, rtol=0, atol=1e-9 * max(1.0, float(wanted.abs().amax()) if wanted.numel() else 0)
        )


@settings(max_examples=DRAWS, deadline=None)
@given(DRAWN.filter(known), st.sampled_from([0.0, 0.25]), st.integers(0, 3))
def test_drawn_networks_have_the_plain_engines_spikes_membranes_and_gradients(
    case: Case, dropped: float, cut: int
) -> None:
    """Sums of the drawn numbers are exact, so that their order does not matter; also of runs that go on."""
    params = trained(dyadic(case[0]))
    call = call_of(case, params, dropped)
    check_alike(reference.run(call), cpu.run(call), params)
    begun = reference.run(replace(call, frames=call.frames[:cut])).state.detach()
    rest = replace(call, frames=call.frames[cut:], state=begun)
    if len(rest.frames):
        check_alike(reference.run(rest), cpu.run(rest), params)


@settings(max_examples=max(DRAWS // 10, 5), deadline=None)
@given(DRAWN.filter(known))
def test_indices_of_drawn_networks_lie_inside(case: Case) -> None:
    params = trained(dyadic(case[0]))
    call = call_of(case, params)
    with pytest.MonkeyPatch.context() as patch:
        called = run_by_python(patch, "trainer.engines", ("run_through", "back_through_time"))
        slow, fast = reference.run(call), cpu.run(call)
        backward(fast, params)
    assert torch.equal(slow.counts, fast.counts) and called["run_through"] and called["back_through_time"]


def network(reset: str, recurrent: bool, tau_syn_s: float | None) -> SpikingNetwork:
    """5-9-4 in float64, every number of which learns."""
    torch.manual_seed(0)
    learns = {"train_tau": True, "per_neuron": True, "tau_syn_s": tau_syn_s}
    edges: list[tuple[str, str, nn.Module]] = [("in", "h", nn.Linear(5, 9)), ("h", "o", nn.Linear(9, 4, bias=False))]
    if recurrent:
        edges.insert(1, ("h", "h", nn.Linear(9, 9, bias=False)))
    hidden = LIF(0.02, 0.3, reset=reset, train_threshold=True, **learns)
    neurons = {"h": hidden, "o": LIF(0.05, None, **learns)}
    return SpikingNetwork({"in": (5,)}, neurons, edges, dt_s=0.01, schedule=LAYERED).double()


@pytest.mark.parametrize("reset", ["zero", "subtract", "none"])
@pytest.mark.parametrize("recurrent", [False, True])
@pytest.mark.parametrize("tau_syn_s", [None, 0.01])
@pytest.mark.parametrize("surrogate", ["arctan", "fast_sigmoid", "sigmoid", "triangular"])
def test_every_number_learns_as_on_the_plain_engine(reset: str, recurrent: bool, tau_syn_s: float, surrogate: str):
    """Also through the state of one call into the call before."""
    frames = (torch.rand(30, 4, 5, generator=torch.Generator().manual_seed(1)) < 0.4).double()
    options, found = TrainingOptions(surrogate=surrogate), []
    for engine in ("reference", "auto"):
        net = network(reset, recurrent, tau_syn_s)
        first = net(frames[:17], engine=engine, options=options)
        second = net(frames[17:], engine=engine, options=options, state=first.state)
        counts, v = (torch.cat([getattr(x, name) for x in (first, second)]) for name in ("counts", "v"))
        weights = torch.randn(counts.shape, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
        ((counts + v.flip(0)) * weights).sum().backward()
        found.append((counts.detach(), [p.grad for p in net.parameters() if p.grad is not None]))
    (slow, wanted), (fast, got) = found
    assert float(slow.sum()) > 50 and torch.equal(slow, fast) and len(wanted) == len(got) >= 5
    for a, b in zip(wanted, got):
        assert float((a - b).abs().max()) < 1e-12 * max(1.0, float(a.abs().max()))


def test_threads_change_no_spike_and_gradients_by_rounding_alone() -> None:
    before, found = torch.get_num_threads(), []
    frames = (torch.rand(20, 7, 5, generator=torch.Generator().manual_seed(1)) < 0.4).double()
    try:
        for threads in (1, 3, 16):
            torch.set_num_threads(threads)
            net = network("zero", True, 0.01)
            result = net(frames)
            (result.counts.sum() + result.v.sum()).backward()
            found.append([result.counts.detach(), *(p.grad for p in net.parameters() if p.grad is not None)])
    finally:
        torch.set_num_threads(before)
    for others in found[1:]:
        assert torch.equal(found[0][0], others[0])
        assert all(torch.allclose(a, b, rtol=1e-12, atol=1e-12) for a, b in zip(found[0], others))


def test_calls_that_the_kernels_do_not_know_stay_on_the_plain_engine() -> None:
    def chosen(hidden: LIF, engine: str = "auto", learn: bool = True, **changes: object) -> str:
        net = SpikingNetwork.sequential((3,), nn.Linear(3, 2), hidden, schedule=LAYERED).requires_grad_(learn)
        call = Call(net.plan(), net.params(), torch.ones(4, 1, 3), torch.zeros(1, dtype=torch.int64), LAYERED)
        return choose(engine, replace(call, **changes))

    assert chosen(LIF(0.02, 0.3)) == "cpu" == chosen(LIF(0.02, 0.3), "cpu")
    assert chosen(LIF(0.02, 0.3), "reference") == "reference" == chosen(LIF(0.02, 0.3), learn=False)
    assert chosen(LIF(0.02, 0.3), frames=torch.ones(0, 1, 3)) == "reference"
    assert chosen(LIF(0.02, 0.3), options=TrainingOptions(spike_dropout=0.5)) == "reference"
    assert chosen(LIF(0.02, 0.3), options=TrainingOptions(surrogate=torch.sigmoid)) == "reference"
    assert chosen(LIF(0.02, 0.3, reset="zero_late")) == "reference"


def test_numbers_that_changed_before_the_backward_pass_and_second_derivatives_are_refused() -> None:
    """As on the plain engine, which says so, too; a wrong gradient would be worse."""
    frames = (torch.rand(20, 4, 5, generator=torch.Generator().manual_seed(1)) < 0.4).double().requires_grad_()
    net = network("zero", True, None)
    result = net(frames)
    with torch.no_grad():
        net.layers[1].weight.mul_(5)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        result.counts.sum().backward()
    (gradient,) = torch.autograd.grad(network("zero", True, None)(frames).v.sum(), frames, create_graph=True)
    with pytest.raises(RuntimeError, match="once_differentiable"):
        gradient.square().sum().backward()


def test_a_state_holds_its_own_time_step_alone() -> None:
    frames = (torch.rand(20, 4, 5, generator=torch.Generator().manual_seed(1)) < 0.4).double()
    state = network("zero", True, 0.01)(frames).state.detach()
    for x in (*state.states.values(), state.sent):
        assert x.untyped_storage().nbytes() == x.numel() * x.element_size()
