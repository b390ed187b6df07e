"""Cases small enough to count by hand, those of the published tests: all weights are one, two samples."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import torch

from ir import LIF, Dense, Input, Network, Population, Projection, Schedule
from ir.trace import Trace
from trainer.engines import ENGINES
from trainer.engines.call import Call
from trainer.engines.options import EVALUATION, TrainingOptions
from trainer.engines.plan import Params, float_params, plan_of
from trainer.engines.result import Recording, Result, trace_of

snn: Any = pytest.importorskip("snntorch")
each_engine = pytest.mark.parametrize("engine", ["reference", "cpu"])


def chain(weights: list[np.ndarray], **neuron: Any) -> Network:
    """Layers one after the other, the same neuron everywhere; a time step of one second."""
    names = ["in", *(f"layer{i}" for i in range(len(weights)))]
    return Network(
        (Input("in", (weights[0].shape[1],)),),
        tuple(Population(name, (len(w),), LIF(**neuron)) for name, w in zip(names[1:], weights)),
        tuple(Projection(a, b, Dense(w)) for a, b, w in zip(names, names[1:], weights)),
        names[-1],
        dt_s=1.0,
    )


def ones(*sizes: int, **neuron: Any) -> Network:
    return chain([np.ones((b, a)) for a, b in pairwise(sizes)], **neuron)


def constant(x: list[list[float]], n_samples: int = 2) -> torch.Tensor:
    """Frames (T, B, n): the same for every sample."""
    return torch.tensor(x, dtype=torch.float64)[:, None].repeat(1, n_samples, 1)


def run(
    engine: str,
    network: Network,
    frames: torch.Tensor,
    schedule: Schedule,
    options: TrainingOptions = EVALUATION,
    params: Params | None = None,
) -> Result:
    params = params or float_params(network, torch.float64)
    ids = torch.arange(frames.shape[1])
    return ENGINES[engine](Call(plan_of(network), params, frames, ids, schedule, options, recording=Recording()))


def trace(engine: str, network: Network, frames: torch.Tensor, schedule: Schedule) -> Trace:
    result = run(engine, network, frames, schedule)
    return trace_of(result, plan_of(network), schedule, "E0", np.arange(frames.shape[1]))


def spikes(result: Result) -> list[int]:
    """Of all samples and neurons, for each time step."""
    return [int(x) for x in result.counts.detach().sum((1, 2))]


@each_engine
def test_ten_neurons_without_input_stay_silent_and_all_fire_above_the_threshold(engine: str) -> None:
    network = ones(1, 10, v_threshold=0.5)
    assert spikes(run(engine, network, constant([[0.0], [1.0]]), Schedule())) == [0, 20]


@each_engine
def test_a_refractory_neuron_fires_once_a_time_step_and_again_in_the_next(engine: str) -> None:
    network, twice = ones(1, 10, v_threshold=0.5), constant([[2.0], [1.0]])
    paced = Schedule(input="paced", R=1)
    assert spikes(run(engine, network, twice, paced)) == [20, 20]
    assert spikes(run(engine, ones(1, 10, v_threshold=0.5, refractory=False), twice, paced)) == [40, 20]


@each_engine
def test_a_membrane_just_below_the_threshold_decays_until_input_lifts_it(engine: str) -> None:
    network = ones(1, 10, v_threshold=1 + 1e-8, tau_mem_s=1.0)
    result = run(engine, network, constant([[1.0], [0.0], [0.0], [1.0]]), Schedule())
    assert spikes(result) == [0, 0, 0, 20]
    for v, expected in zip(result.v, [1.0, math.exp(-1), math.exp(-2), 0.0]):
        torch.testing.assert_close(v, torch.full_like(v, expected), rtol=1e-15, atol=0)


@each_engine
def test_two_inputs_reach_three_neurons_at_once(engine: str) -> None:
    result = run(engine, ones(2, 3, v_threshold=100.0), constant([[1.0, 1.0]]), Schedule(F=2, input="queued"))
    assert float(result.v.sum()) == 12
    assert result.forward_steps.tolist() == [[1, 1]]


@each_engine
def test_of_three_queued_inputs_two_are_served_and_one_is_left(engine: str) -> None:
    network, frames = ones(3, 3, v_threshold=100.0), constant([[1.0, 1.0, 1.0]])
    stopped = run(engine, network, frames, Schedule(F=2, input="queued", stop_after=1))
    assert float(stopped.v.sum()) == 12
    drained = run(engine, network, frames, Schedule(F=2, input="queued"))
    assert float(drained.v.sum()) == 18
    assert drained.forward_steps.tolist() == [[2, 2]]


def first_served(engine: str, x: list[float], order: str, n_samples: int) -> list[int]:
    """Inputs one to one onto neurons that fire above .2: whose spike leaves the queue first, for each sample."""
    network = chain([np.eye(len(x))], v_threshold=0.2)
    found = trace(engine, network, constant([x], n_samples), Schedule(F=1, order=order)).spikes  # type: ignore[arg-type]
    assert found is not None
    now = found.k_served == 0
    assert np.array_equal(np.sort(found.sample[now]), np.arange(n_samples))
    return [int(found.neuron[now & (found.sample == b)][0]) for b in range(n_samples)]


@each_engine
def test_random_order_serves_only_what_waits_and_each_of_it_sometimes(engine: str) -> None:
    assert first_served(engine, [1, 0, 0], "random", 20) == [0] * 20
    assert set(first_served(engine, [0, 1, 1], "random", 20)) == {1, 2}


@each_engine
@pytest.mark.parametrize(("membranes", "first"), [([0.5, 0.6], 1), ([0.1, 0.3], 1), ([0.9, 0.8], 0)])
def test_momentum_order_serves_the_largest_membrane_first(engine: str, membranes: list[float], first: int) -> None:
    assert first_served(engine, membranes, "momentum", 2) == [first] * 2


@each_engine
@pytest.mark.parametrize(
    ("threshold", "tau", "x", "expected"),
    [
        (1.0, 1.0, 1.0, [14, 14, 14, 14, 14]),
        (2.0, 1.0, 1.0, [0, 14, 0, 14, 0]),
        (2.0, 1e-8, 1.0, [0, 0, 0, 0, 0]),
        (1.0, 1.0, 0.0, [0, 0, 0, 0, 0]),
    ],
)
def test_a_network_of_two_layers_fires_as_counted(
    engine: str, threshold: float, tau: float, x: float, expected: list[int]
) -> None:
    network = ones(2, 3, 4, v_threshold=threshold, tau_mem_s=tau)
    assert spikes(run(engine, network, constant([[x, x]] * 5), Schedule(F=2))) == expected


@each_engine
@pytest.mark.parametrize("seed", range(3))
def test_enough_places_for_a_layer_give_snntorchs_layers_spike_for_spike(engine: str, seed: int) -> None:
    rng = np.random.default_rng(seed)
    weights = [rng.normal(size=(3, 3)), rng.normal(size=(2, 3))]
    ours = run(engine, chain(weights, v_threshold=1.0, tau_mem_s=1.0), constant([[1.0] * 3] * 1000), Schedule(F=3))
    neurons = [
        snn.Leaky(math.exp(-1), threshold=1.0, reset_mechanism="zero", reset_delay=False).double() for _ in weights
    ]
    membranes, theirs = [torch.zeros(2, len(w), dtype=torch.float64) for w in weights], []
    for _ in range(1000):
        s, now = torch.ones(2, 3, dtype=torch.float64), []
        for i, (w, neuron) in enumerate(zip(weights, neurons)):
            s, membranes[i] = neuron(s.double() @ torch.as_tensor(w).T, membranes[i])
            now.append(s)
        theirs.append(torch.cat(now, 1).double())
    assert torch.equal(ours.counts, torch.stack(theirs).detach())
    assert ours.counts.sum() > 0


@each_engine
def test_a_stop_after_two_forward_steps_is_lifted_by_new_input(engine: str) -> None:
    network = ones(1, 1, 1, 1, v_threshold=0.5)
    result = run(engine, network, constant([[1.0]] * 3), Schedule(stop_after=2))
    assert result.counts[:, 0].tolist() == [[1, 1, 0]] * 3
    assert result.forward_steps.tolist() == [[2, 2]] * 3


def synapses_that_learn(engine: str, group: int, escape: float = 0.0) -> int:
    """One input, three neurons, one output: how many of the three last synapses get a gradient."""
    network = ones(1, 3, 1, v_threshold=0.5)
    params = float_params(network, torch.float64)
    last = params.weights[1].requires_grad_()
    options = TrainingOptions(refractory_dropout=escape)
    run(engine, network, constant([[1.0]], 1), Schedule(F=group), options, params).counts[..., -1].sum().backward()
    assert last.grad is not None
    return int((last.grad != 0).sum())


def first_weights_learn(engine: str, others: int) -> int:
    """One input, hidden neurons just below their threshold and ``others`` above, an output that fires with the input.

    How many of the former get a gradient from the output's membrane: through a silent slot.
    """
    weights = torch.tensor([[0.4]] * 2 + [[1.0]] * others, dtype=torch.float64)
    n = len(weights)
    blocks = (Population("hidden", (n,), LIF(v_threshold=0.5)), Population("out", (1,), LIF(v_threshold=0.5)))
    ends = (("in", "hidden", weights.numpy()), ("in", "out", [[1.0]]), ("hidden", "out", [[0.01] * n]))
    edges = tuple(Projection(a, b, Dense(np.array(w))) for a, b, w in ends)
    network = Network((Input("in", (1,)),), blocks, edges, "out", dt_s=1.0)
    params = float_params(network, torch.float64)
    first = params.weights[0].requires_grad_()
    schedule, options = Schedule(F=None), TrainingOptions(refractory_dropout=1.0)
    run(engine, network, constant([[1.0]], 1), schedule, options, params).v[..., -1].sum().backward()
    assert first.grad is not None
    return int((first.grad[:2] != 0).sum())


@each_engine
def test_silent_slots_of_the_last_round_have_no_gradient(engine: str) -> None:
    """Only the output fires: nothing is on its way, so what fills the slots beside it would reach nobody."""
    assert first_weights_learn(engine, others=0) == 0
    assert first_weights_learn(engine, others=1) == 2


@each_engine
def test_the_surrogate_is_shut_before_k_is_depth_where_a_current_is_kept(engine: str) -> None:
    """Charge comes at k = 1 to a population of depth 2: it counts once, at k = 2, with the current."""
    names = ("a", "b", "late", "by itself")
    late = LIF(v_threshold=10.0, tau_syn_s=1.0)
    neurons = (LIF(v_threshold=0.5), LIF(v_threshold=0.5), late, LIF(v_threshold=0.5, bias=1.0))
    ends = (("in", "a"), ("a", "b"), ("b", "late"), ("by itself", "late"))
    network = Network(
        (Input("in", (1,)),),
        tuple(Population(name, (1,), neuron) for name, neuron in zip(names, neurons)),
        tuple(Projection(a, b, Dense(np.ones((1, 1)))) for a, b in ends),
        "late",
        dt_s=1.0,
    )
    params = float_params(network, torch.float64)
    weight = params.weights[3].requires_grad_()
    silent = TrainingOptions(silent_gradient="none")
    result = run(engine, network, constant([[0.0]], 1), Schedule(F=None), silent, params)
    (found,) = torch.autograd.grad(result.counts[..., 2].sum(), weight, retain_graph=True)
    assert float(result.v[0, 0, 2].detach()) == 1.0
    assert float(found) == pytest.approx(1 / (1 + (math.pi * (1.0 - 10.0)) ** 2), rel=1e-12)
    (of_v,) = torch.autograd.grad(result.v[0, 0, 2], weight)
    assert float(of_v) == pytest.approx(1 - float(found), rel=1e-12), "the reset takes its share"


@each_engine
def test_only_the_spike_that_fires_the_output_learns_unless_refractoriness_is_dropped(engine: str) -> None:
    assert synapses_that_learn(engine, group=1) == 1
    assert synapses_that_learn(engine, group=3) == 3
    assert synapses_that_learn(engine, group=1, escape=1.0) == 3
