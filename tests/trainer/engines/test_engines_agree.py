"""All engines: the same spikes, the same gradients, whatever the batch."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from types import ModuleType

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ir import ARITHMETICS, Schedule, Stimulus
from ir.connection import Dense
from ir.network import Input
from ir.neurons import FixedLIF
from ir.quantized import FixedPopulation, FixedProjection, QuantizedNetwork
from sim_reference.compare.divergence import first_divergence
from sim_reference.simulate import run as run_meaning
from tests.strategies import WIDE, Draw, cases, runs
from tests.trainer.engines.agreement import HARD, OPTIONS, Case, backward, both, dyadic, trained
from tests.trainer.engines.test_small_cases import chain, constant, ones
from trainer import run as run_network
from trainer.engines import cpu, reference
from trainer.engines.call import Call
from trainer.engines.compiled import flat
from trainer.engines.numbers import FixedNumbers, FloatNumbers
from trainer.engines.options import TrainingOptions
from trainer.engines.plan import fixed_params, float_params, plan_of
from trainer.engines.result import trace_of

EXAMPLES = settings(max_examples=40, deadline=None)
WIDE_LAYERED = cases(replace(WIDE, asynchronous=False), layered=True).filter(runs)


@EXAMPLES
@given(cases() | cases(Draw(extremes=True)) | cases(WIDE).filter(runs))
def test_training_time_integers_are_the_meaning(case: Case) -> None:
    mapped, stimulus, schedule = case
    meaning = run_meaning(mapped, stimulus, schedule)
    for engine in ("reference", "cpu"):
        ours = run_network(mapped, stimulus, schedule, engine=engine)
        assert first_divergence(ours, meaning) is None, engine


@EXAMPLES
@given(cases(layered=True) | cases(Draw(asynchronous=False, extremes=True), layered=True) | WIDE_LAYERED)
def test_layered_training_time_integers_are_the_meaning(case: Case) -> None:
    mapped, stimulus, schedule = case
    ours = run_network(mapped, stimulus, schedule)
    assert first_divergence(ours, run_meaning(mapped, stimulus, schedule)) is None


@pytest.mark.parametrize("schedule", [Schedule(kind="layered", F=None), Schedule(F=1, stop_after=9)])
@pytest.mark.parametrize("v_min", [None, -(1 << 24)])
def test_a_membrane_is_held_at_the_registers_lower_edge(schedule: Schedule, v_min: int | None) -> None:
    deep = FixedLIF(decay_v=0, v_threshold=None, v_min=v_min)
    weights = FixedProjection("in", "p", Dense(np.full((2, 3), -255)), weight_exp=6)
    network = QuantizedNetwork((Input("in", (3,)),), (FixedPopulation("p", (2,), deep),), (weights,), "p")
    stimulus = Stimulus(np.ones((9, 1, 3), np.int32))
    meaning = run_meaning(network, stimulus, schedule)
    assert meaning.v is not None and meaning.v.min() == -(1 << 23) + 1
    for engine in ("reference", "cpu"):
        assert first_divergence(run_network(network, stimulus, schedule, engine=engine), meaning) is None


@pytest.mark.parametrize("decay_u", [2047, 4096])
def test_what_arrives_late_at_a_kept_current_reaches_the_membrane_as_it_is(decay_u: int) -> None:
    lif = FixedLIF(decay_v=100, v_threshold=100_000, decay_u=decay_u)
    weights = FixedProjection("in", "p", Dense(np.array([[200_000, -90_000, 140_000]])))
    network = QuantizedNetwork((Input("in", (3,)),), (FixedPopulation("p", (1,), lif),), (weights,), "p")
    stimulus, schedule = Stimulus(np.ones((4, 1, 3), np.int32)), Schedule(input="paced", R=1)
    meaning = run_meaning(network, stimulus, schedule)
    assert meaning.limits_reached["u"] > 0
    for engine in ("reference", "cpu"):
        assert first_divergence(run_network(network, stimulus, schedule, engine=engine), meaning) is None


def test_a_current_far_outside_its_register_is_wrapped_again_in_every_round() -> None:
    far = FixedLIF(decay_v=100, v_threshold=100_000, decay_u=2)
    busy = FixedLIF(decay_v=100, v_threshold=10, decay_u=4096)
    edges = (
        FixedProjection("in", "far", Dense(np.array([[900_000]]))),
        FixedProjection("in", "busy", Dense(np.full((4, 1), 20))),
        FixedProjection("busy", "busy", Dense(np.zeros((4, 4), int))),
    )
    populations = (FixedPopulation("far", (1,), far), FixedPopulation("busy", (4,), busy))
    network = QuantizedNetwork((Input("in", (1,)),), populations, edges, "busy")
    stimulus, schedule = Stimulus(np.array([1, 0, 1], np.int32).reshape(3, 1, 1)), Schedule(F=1)
    meaning = run_meaning(network, stimulus, schedule)
    assert meaning.limits_reached["u"] > 2
    for engine in ("reference", "cpu"):
        assert first_divergence(run_network(network, stimulus, schedule, engine=engine), meaning) is None


def test_a_recurrent_edge_may_have_a_delay_a_source() -> None:
    lif = FixedLIF(decay_v=400, v_threshold=60)
    edges = (
        FixedProjection("in", "p", Dense(np.array([[90, 10, 30], [20, 80, 70]]))),
        FixedProjection("p", "p", Dense(np.array([[40, -50], [60, -30]])), delay_steps=np.array([1, 3])),
    )
    network = QuantizedNetwork((Input("in", (3,)),), (FixedPopulation("p", (2,), lif),), edges, "p")
    stimulus = Stimulus(np.random.default_rng(0).integers(0, 2, (9, 2, 3)))
    schedule = Schedule(kind="layered", F=None)
    ours = run_network(network, stimulus, schedule)
    assert first_divergence(ours, run_meaning(network, stimulus, schedule)) is None and ours.counts.sum() > 0


@EXAMPLES
@given(cases(HARD), OPTIONS)
def test_float_engines_spike_alike_and_their_gradients_agree(case: Case, options: TrainingOptions) -> None:
    params = trained(dyadic(case[0]))
    slow, fast = both(case, options, params, FloatNumbers())
    schedule, ids = case[2], np.array(case[1].sample_ids)
    traces = [trace_of(r, plan_of(case[0].network), schedule, "E0", ids) for r in (slow, fast)]
    assert first_divergence(*traces) is None
    for a, b in zip(backward(slow, params), backward(fast, params)):
        torch.testing.assert_close(a, b, rtol=1e-9, atol=1e-9 * (1 + float(a.abs().sum())))


@EXAMPLES
@given(cases(HARD), OPTIONS)
def test_integer_engines_have_the_same_straight_through_gradients(case: Case, options: TrainingOptions) -> None:
    params = trained(fixed_params(case[0].network))
    slow, fast = both(case, options, params, FixedNumbers(ARITHMETICS[case[0].network.arithmetic]))
    assert torch.equal(slow.counts, fast.counts) and torch.equal(slow.v, fast.v)
    for a, b in zip(backward(slow, params), backward(fast, params)):
        torch.testing.assert_close(a, b, rtol=1e-9, atol=1e-9 * (1 + float(a.abs().sum())))


@EXAMPLES
@given(cases(HARD), OPTIONS, st.sampled_from([1, 3]), st.sampled_from([1, 2]))
def test_gradients_agree_where_all_links_are_wide(
    case: Case, options: TrainingOptions, strip: int, threads: int
) -> None:
    params, before = trained(dyadic(case[0])), torch.get_num_threads()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(flat, "WIDE_FROM", 1)
        patch.setattr(flat, "WIDE_ROW", strip)
        torch.set_num_threads(threads)
        slow, fast = both(case, options, params, FloatNumbers())
        found = [backward(fast, params, retain_graph=True), backward(fast, params)]  # the first writes over the tape
        torch.set_num_threads(before)
    for a, b, again in zip(backward(slow, params), *found):
        torch.testing.assert_close(a, b, rtol=1e-9, atol=1e-9 * (1 + float(a.abs().sum())))
        assert torch.equal(b, again)


@EXAMPLES
@given(cases(HARD), OPTIONS, st.sampled_from([{"stop_after": 2}, {"stop_after_output": 0}, {"stop_after_output": 1}]))
def test_gradients_agree_under_forced_stops(case: Case, options: TrainingOptions, stop: dict[str, int]) -> None:
    mapped, stimulus, schedule = case
    params = trained(dyadic(mapped))
    slow, fast = both((mapped, stimulus, replace(schedule, **stop)), options, params, FloatNumbers())
    assert torch.equal(slow.counts, fast.counts) and torch.equal(slow.v, fast.v)
    for a, b in zip(backward(slow, params), backward(fast, params)):
        torch.testing.assert_close(a, b, rtol=1e-9, atol=1e-9 * (1 + float(a.abs().sum())))


@EXAMPLES
@given(cases(), OPTIONS)
def test_a_sample_does_not_depend_on_its_batch(case: Case, options: TrainingOptions) -> None:
    mapped, stimulus, schedule = case
    params = dyadic(mapped)
    _, together = both(case, options, params, FloatNumbers())
    for b in range(stimulus.n_samples):
        _, alone = both((mapped, stimulus.select([b]), schedule), options, params, FloatNumbers())
        assert torch.equal(alone.counts[:, 0], together.counts[:, b])
        assert torch.equal(alone.v[:, 0], together.v[:, b])
        assert torch.equal(alone.forward_steps[:, 0], together.forward_steps[:, b])


@EXAMPLES
@given(cases(), OPTIONS)
def test_a_sample_of_weights_that_round_does_not_depend_on_its_batch(case: Case, options: TrainingOptions) -> None:
    """Thirds round in every sum: another order of additions would show in the last bit of a membrane."""
    mapped, stimulus, schedule = case
    params = dyadic(mapped)
    params = replace(params, weights=[w / 3 for w in params.weights])
    _, together = both(case, options, params, FloatNumbers())
    for b in range(stimulus.n_samples):
        _, alone = both((mapped, stimulus.select([b]), schedule), options, params, FloatNumbers())
        assert torch.equal(alone.counts[:, 0], together.counts[:, b])
        assert torch.equal(alone.v[:, 0], together.v[:, b])


def test_a_tape_that_is_still_needed_is_not_written_over() -> None:
    """Three passes, then their gradients in another order, against each with its gradient at once."""
    torch.manual_seed(0)
    from torch import nn

    from trainer import LIF, SpikingNetwork

    net = SpikingNetwork.sequential((30,), nn.Linear(30, 40), LIF(1e-3, 0.3), nn.Linear(40, 5), LIF(1e-3, 0.3)).train()
    frames = [(torch.rand(4, 6, 30) < share).float() for share in (0.2, 0.4, 0.6, 0.3)]
    weight = next(net.parameters())

    def gradient(counts: torch.Tensor) -> torch.Tensor:
        return torch.autograd.grad(counts.sum(), weight)[0]

    at_once = [gradient(net(x, Schedule(F=3), engine="cpu").counts) for x in frames]
    passes = [net(x, Schedule(F=3), engine="cpu").counts for x in frames]
    later = [gradient(passes[i]) for i in (2, 0, 3, 1)]
    assert all(torch.equal(at_once[i], g) for i, g in zip((2, 0, 3, 1), later))
    assert all(g.abs().sum() > 0 for g in at_once)


@pytest.mark.parametrize("engine", ["reference", "cpu"])
def test_a_single_sample_longer_than_the_first_tape_is_run(engine: str) -> None:
    """The tape grows where one sample alone does not fit."""
    torch.manual_seed(0)
    from torch import nn

    from trainer import LIF, SpikingNetwork

    net = SpikingNetwork.sequential(
        (30,), nn.Linear(30, 200, bias=False), LIF(1e-3, 0.01), nn.Linear(200, 5, bias=False), LIF(1e-3, 0.01)
    )
    frames = torch.ones(2, 2, 30)
    result = net.train()(frames, Schedule(F=1), options=TrainingOptions(refractory_dropout=0.9), engine=engine)
    result.counts.sum().backward()
    assert int(result.forward_steps.max()) >= 50


def test_threads_change_no_bit() -> None:
    torch.manual_seed(0)
    from torch import nn

    from trainer import LIF, SpikingNetwork

    net = SpikingNetwork.sequential(
        (30,), nn.Linear(30, 40, bias=False), LIF(1e-3, 0.3), nn.Linear(40, 5, bias=False), LIF(1e-3, 0.3)
    )
    frames = (torch.rand(4, 16, 30) < 0.3).float()
    before, spikes = torch.get_num_threads(), []
    try:
        for n in (1, 2):
            torch.set_num_threads(n)
            spikes.append(net(frames, replace(Schedule(F=4), seed=3), engine="cpu").counts.detach())
    finally:
        torch.set_num_threads(before)
    assert torch.equal(*spikes)


@pytest.mark.parametrize("order", ["random", "momentum", "fifo"])
@pytest.mark.parametrize("group", [3, 64, None])
def test_engines_agree_on_a_network_wider_than_drawn_ones(order: str, group: int | None) -> None:
    """Two hundred neurons in a chain: more spikes wait, and more silent neurons compete, than places are free."""
    generator = torch.Generator().manual_seed(0)
    sizes = (60, 90, 80, 30)
    weights = [torch.randint(-8, 13, (b, a), generator=generator).double() / 16 for a, b in pairwise(sizes)]
    network = chain([w.numpy() for w in weights], v_threshold=0.75, tau_mem_s=1.0)
    frames = (torch.rand(3, 4, sizes[0], generator=generator) < 0.2).double()
    options, found = TrainingOptions(refractory_dropout=0.5), []
    for engine in (reference, cpu):
        params = trained(float_params(network, torch.float64))
        params.lif.leak_v = torch.full_like(params.lif.leak_v, 0.25).requires_grad_()
        schedule = Schedule(F=group, order=order)  # type: ignore[arg-type]
        result = engine.run(Call(plan_of(network), params, frames, torch.arange(4), schedule, options))
        found.append((result, backward(result, params)))
    (slow, g_slow), (fast, g_fast) = found
    assert torch.equal(slow.counts, fast.counts) and torch.equal(slow.forward_steps, fast.forward_steps)
    assert int(slow.counts[0, 0].sum()) > 64, "more spikes than the largest group"
    for a, b in zip(g_slow, g_fast):
        torch.testing.assert_close(a, b, rtol=1e-9, atol=1e-9 * (1 + float(a.abs().sum())))


def test_engines_agree_on_a_leak_that_turns_the_sign() -> None:
    network, results = ones(2, 6, 4, v_threshold=1.5), []
    for engine in (reference, cpu):
        params = float_params(network, torch.float64)
        params.lif.leak_v = torch.full_like(params.lif.leak_v, -0.5).requires_grad_()
        result = engine.run(Call(plan_of(network), params, constant([[1.0, 0.0]] * 5), torch.arange(2), Schedule(F=2)))
        results.append((result.v.detach(), *torch.autograd.grad(result.v.sum(), params.lif.leak_v)))
    assert torch.equal(results[0][0], results[1][0]) and float(results[0][0].abs().sum()) > 0
    torch.testing.assert_close(results[0][1], results[1][1], rtol=1e-12, atol=0)


@pytest.mark.parametrize("engine", [reference, cpu])
@pytest.mark.parametrize("value", [-0.5, float("nan")])
def test_a_threshold_below_zero_is_refused(engine: ModuleType, value: float) -> None:
    network = ones(2, 3)
    params = float_params(network)
    params.lif.threshold[1] = value
    with pytest.raises(ValueError, match="must be at least 0"):
        engine.run(Call(plan_of(network), params, torch.ones(1, 1, 2), torch.arange(1), Schedule()))
