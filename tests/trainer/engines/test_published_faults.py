"""What the published code gets wrong, one test a fault: here it must not happen."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from ir import Schedule
from tests.trainer.engines.test_small_cases import chain, constant, each_engine, ones, run
from trainer import LIF, SpikingNetwork
from trainer.engines.options import TrainingOptions


@each_engine
def test_a_last_wave_that_only_inhibits_is_delivered(engine: str) -> None:
    network = chain([np.ones((1, 1)), -np.ones((2, 1))], v_threshold=0.5)
    result = run(engine, network, constant([[1.0]]), Schedule(F=1))
    assert result.v[0].tolist() == [[0, -1, -1]] * 2
    assert result.forward_steps.tolist() == [[2, 2]]


@each_engine
def test_input_dropout_drops_inputs(engine: str) -> None:
    network, frames = ones(1000, 1, v_threshold=None), constant([[1.0] * 1000], 20)
    for probability in (0.0, 0.25, 1.0):
        v = run(engine, network, frames, Schedule(), TrainingOptions(input_dropout=probability)).v[0, :, 0]
        share = v.numpy() / 1000
        assert abs(share.mean() - (1 - probability)) < 0.01
        assert (len(set(share)) > 1) == (0 < probability < 1), "each sample has its own draws"


@each_engine
def test_dropouts_act_in_training_and_not_in_evaluation(engine: str) -> None:
    torch.manual_seed(0)
    layers = nn.Linear(50, 20, bias=False), LIF(1.0, 0.05), nn.Linear(20, 20, bias=False), LIF(1.0, 0.05)
    network = SpikingNetwork.sequential((50,), *layers)
    frames = torch.ones(3, 4, 50)
    quiet = network.eval()(frames, Schedule(F=4), engine=engine)
    for name in ("input_dropout", "spike_dropout", "refractory_dropout"):
        options = TrainingOptions(**{name: 0.5})
        noisy = network.eval()(frames, Schedule(F=4), options=options, engine=engine)
        assert torch.equal(noisy.v, quiet.v)
        assert not torch.equal(network.train()(frames, Schedule(F=4), options=options, engine=engine).v, quiet.v), name


@each_engine
@pytest.mark.parametrize("order", ["random", "momentum", "fifo"])
def test_queued_input_runs_under_every_order_and_through_convolutions(engine: str, order: str) -> None:
    layers = nn.Conv2d(1, 2, 3, bias=False), nn.Linear(8, 3, bias=False)
    for layer in layers:
        nn.init.ones_(layer.weight)
    network = SpikingNetwork.sequential((1, 4, 4), layers[0], LIF(1.0, 1.5), nn.Flatten(), layers[1], LIF(1.0, 1.5))
    result = network(torch.ones(2, 3, 1, 4, 4), Schedule(F=2, order=order, input="queued"), engine=engine)  # type: ignore[arg-type]
    assert result.counts.sum((0, 2)).tolist() == [2 * (8 + 3)] * 3, "every neuron once in each time step"
    assert int(result.forward_steps.min()) >= 16 / 2, "sixteen events go two at a time"


@each_engine
def test_the_queue_of_a_stopped_time_step_is_gone_in_the_next(engine: str) -> None:
    network = ones(1, 3, 1, v_threshold=0.5)
    result = run(engine, network, constant([[1.0], [0.0]]), Schedule(F=1, stop_after=1))
    assert result.counts.sum(2).tolist() == [[3, 3], [0, 0]]
    assert result.v.abs().sum() == 0


@each_engine
def test_a_bias_arrives_once_a_time_step_whatever_the_batch_does(engine: str) -> None:
    network = ones(3, 3, 2, v_threshold=100.0, bias=0.25)
    frames = torch.zeros(2, 2, 3, dtype=torch.float64)
    frames[:, 1] = 100.0
    idle_beside_busy = run(engine, network, frames, Schedule(F=1))
    assert int(idle_beside_busy.forward_steps[0, 1]) > 2, "the other sample is busy for some rounds"
    assert idle_beside_busy.v[:, 0].tolist() == [[0.25] * 5, [0.5] * 5]
    alone = run(engine, network, frames[:, :1], Schedule(F=1))
    assert torch.equal(alone.v[:, 0], idle_beside_busy.v[:, 0])


@each_engine
def test_each_sample_ends_by_itself_and_has_its_own_latency(engine: str) -> None:
    network = chain([np.eye(5), np.zeros((1, 5))], v_threshold=0.5)
    frames = torch.tensor([[[0.0] * 5, [1, 0, 0, 0, 0], [1, 1, 1, 0, 0], [1] * 5]], dtype=torch.float64)
    result = run(engine, network, frames, Schedule(F=1))
    assert result.forward_steps.tolist() == [[1, 2, 4, 6]]
