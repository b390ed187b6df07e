"""Gradients pass a neuron model that the trainer knows through its tables alone, in floats and on a chip's grid."""

from __future__ import annotations

from typing import Literal

import numpy as np
import pytest
import torch
from torch import nn

from ir import Dense, Input, Network, Population, Projection, Schedule, Stimulus
from ir import neurons as ir_neurons
from ir import schedule as ir_schedule
from ir.check import SlowerWarning
from ir.neurons import LIF
from tests.toys.lifo import LIFO
from tests.toys.lifo_trainer import LIFO_IN_TRAINING
from tests.toys.tired import TIRED, Tired
from tests.toys.tired_trainer import TiredModel, TiredModule
from trainer.engines import neurons as trainer_neurons
from trainer.engines import queue as trainer_queue
from trainer.engines import reference
from trainer.engines.call import Call
from trainer.engines.plan import float_params, plan_of
from trainer.execute import run
from trainer.network import SpikingNetwork
from trainer.neuron import LIF as TorchLIF
from trainer.quantize_aware import train_on_grid


@pytest.fixture(autouse=True)
def tables(monkeypatch: pytest.MonkeyPatch) -> None:
    """The toys, in the tables and nowhere else."""
    monkeypatch.setitem(ir_neurons.MODELS, "tired", TIRED)
    monkeypatch.setitem(trainer_neurons.MODELS, "tired", TiredModel())
    monkeypatch.setitem(ir_schedule.ORDERS, "lifo", LIFO)
    monkeypatch.setitem(trainer_queue.ORDERS, "lifo", LIFO_IN_TRAINING)


@pytest.mark.parametrize("kind", ["asynchronous", "layered"])
def test_gradients_pass_a_tired_population(kind: Literal["asynchronous", "layered"]) -> None:
    generator = torch.Generator().manual_seed(0)
    weights = [torch.rand(size, generator=generator).double() for size in ((6, 4), (5, 6), (3, 5))]
    neurons = [LIF(5.0, 1.0), Tired(1.0, 0.5), LIF(5.0, 1.0)]
    names = ["in", "a", "b", "c"]
    network = Network(
        (Input("in", (4,)),),
        tuple(Population(n, (len(w),), neuron) for n, w, neuron in zip(names[1:], weights, neurons)),
        tuple(Projection(a, b, Dense(w.numpy())) for a, b, w in zip(names, names[1:], weights)),
        "c",
    )
    params = float_params(network, torch.float64)
    learning = [x.requires_grad_() for x in (*params.weights, *params.neurons["tired"].named().values())]
    frames = (torch.rand(5, 2, 4, generator=generator) < 0.6).double()
    result = reference.run(Call(plan_of(network), params, frames, torch.arange(2), Schedule(kind, F=2, order="lifo")))
    assert result.counts.sum() > 20
    for x in torch.autograd.grad(result.counts[:, :, -3:].sum(), learning):
        assert bool(x.isfinite().all()) and float(x.abs().sum()) > 0


@pytest.mark.parametrize("weight_bits", [0, 8])
def test_tired_neurons_learn_between_torch_layers(weight_bits: int) -> None:
    torch.manual_seed(0)
    layers = [nn.Linear(4, 9, bias=False), nn.Linear(9, 7, bias=False), nn.Linear(7, 3, bias=False)]
    tired = TiredModule(0.4, 0.2)
    chained = [layers[0], TorchLIF(5e-3, 0.3), layers[1], tired, layers[2], TorchLIF(5e-3, 0.1)]
    net = SpikingNetwork.sequential((4,), *chained, dt_s=5e-3).train()
    for layer in layers:
        layer.weight.data.abs_()
    if weight_bits:
        train_on_grid(net, "loihi2", weight_bits)
    for live, frozen in zip(net.params().tensors(), float_params(net.export()).tensors()):
        torch.testing.assert_close(live.detach(), frozen)
    frames = (torch.rand(5, 2, 4, generator=torch.Generator().manual_seed(1)) < 0.6).float()
    with pytest.warns(SlowerWarning):
        result = net(frames, Schedule(F=2))
    assert net.quantization is not None or not weight_bits
    frozen = net.export() if net.quantization is None else net.quantization.quantized(net.export())
    trace = run(frozen, Stimulus(frames.int().numpy()), Schedule(F=2), engine="reference")
    assert np.array_equal(result.counts.detach().sum(0).numpy(), trace.counts) and trace.counts[:, 9:16].sum() > 0
    result.counts[:, :, -3:].sum().backward()
    learned = [layer.weight.grad for layer in layers] + ([] if weight_bits else [tired.v_threshold.grad])
    for gradient in learned:
        assert gradient is not None and bool(gradient.isfinite().all()) and float(gradient.abs().sum()) > 0
