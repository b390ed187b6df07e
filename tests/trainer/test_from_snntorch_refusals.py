"""snnTorch modules that have no equal here are refused by name, in one sentence."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from trainer.from_snntorch import read

snn: Any = pytest.importorskip("snntorch")


@pytest.mark.parametrize(
    ("neuron", "words"),
    [
        (lambda: snn.Alpha(alpha=0.9, beta=0.8), "Alpha has no counterpart"),
        (lambda: snn.Leaky(beta=0.9, inhibition=True), "inhibition"),
        (lambda: snn.Leaky(beta=0.9, graded_spikes_factor=2.0), "graded"),
        (lambda: snn.Leaky(beta=0.9, reset_delay=False), "subtracts twice"),
        (lambda: snn.Synaptic(alpha=0.5, beta=0.9, reset_mechanism="zero"), "step after a spike"),
    ],
)
@pytest.mark.filterwarnings("ignore:Inhibition")
def test_what_has_no_counterpart_is_named(neuron: Callable[[], Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        read(nn.Sequential(nn.Linear(3, 4), neuron()), (3,))


class Inverted(snn.Leaky):
    def forward(self, x: torch.Tensor, mem: Any = None) -> Any:
        spikes, mem = super().forward(x, mem)
        return 1 - spikes, mem


class Named(snn.Leaky):
    pass


def changed(name: str, value: Any) -> Any:
    neuron = snn.Leaky(beta=0.9)
    setattr(neuron, name, value)
    return neuron


def loaded() -> Any:
    neuron = snn.Leaky(beta=0.9)
    neuron.load_state_dict(snn.Leaky(beta=0.9, reset_mechanism="zero").state_dict())
    return neuron


def hooked() -> Any:
    neuron = snn.Leaky(beta=0.9)
    neuron.register_forward_hook(lambda module, given, out: (1 - out[0], out[1]))
    return neuron


@pytest.mark.parametrize(
    ("neuron", "words"),
    [
        (lambda: Inverted(beta=0.9), "Inverted computes more than snnTorch's Leaky: its forward is its own"),
        (lambda: changed("forward", lambda x, mem=None: (x, mem)), "its forward is its own"),
        (lambda: changed("fire", lambda mem: mem), "its fire is its own"),
        (lambda: changed("state_function", lambda x: x), "otherwise than its reset_mechanism says"),
        (lambda: changed("reset_mechanism", "zero"), "otherwise than its reset_mechanism says"),
        (loaded, "otherwise than its reset_mechanism says"),
        (hooked, "Leaky carries forward hooks"),
        (lambda: snn.Leaky(beta=float("nan")), "beta of Leaky holds NaN"),
        (lambda: snn.Leaky(beta=0.5, threshold=torch.tensor([1.0, -1.0, 1.0, 1.0])), "threshold of Leaky is -1"),
        (lambda: snn.Leaky(beta=0.5, threshold=1e39), "threshold of Leaky is infinite, in float32"),
    ],
)
def test_a_neuron_that_computes_something_else_is_refused(neuron: Callable[[], Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        read(nn.Sequential(nn.Linear(3, 4), neuron()), (3,))


def test_a_neuron_that_derives_and_computes_the_same_is_read() -> None:
    assert read(nn.Sequential(nn.Linear(3, 4), Named(beta=0.9)), (3,)).output == "lif1"


@pytest.mark.parametrize("dt_s", [0, -1e-3, float("nan"), float("inf"), "1 ms"])
def test_a_time_step_lasts(dt_s: Any) -> None:
    with pytest.raises(ValueError, match=r"dt_s is .*; give the seconds of a time step"):
        read(nn.Sequential(nn.Linear(3, 4), snn.Leaky(beta=0.5)), (3,), dt_s)


def test_a_model_without_neurons_is_refused() -> None:
    with pytest.raises(ValueError, match="no snnTorch neurons"):
        read(nn.Sequential(nn.Linear(3, 4)), (3,))


def test_numbers_that_belong_to_no_layer_are_named() -> None:
    class Model(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.fc, self.scale, self.lif = nn.Linear(3, 4), nn.Parameter(torch.ones(1)), snn.Leaky(beta=0.5)

    with pytest.raises(ValueError, match="the model uses scale beside its layers"):
        read(Model(), (3,))


def test_one_neuron_module_used_twice_is_refused() -> None:
    lif = snn.Leaky(beta=0.5)
    with pytest.raises(ValueError, match="Leaky acts twice and would share its state"):
        read(nn.Sequential(nn.Linear(3, 4), lif, nn.Linear(4, 4), lif), (3,))


@pytest.mark.parametrize("shape", [784, (), (2, 0, 3), (2.5,)])
def test_a_frame_has_sides(shape: Any) -> None:
    with pytest.raises(ValueError, match="give the sides of one frame"):
        read(nn.Sequential(nn.Linear(3, 4), snn.Leaky(beta=0.5)), shape)


def test_layers_without_weights_yet_are_named() -> None:
    with pytest.raises(ValueError, match="LazyLinear has no weights before its first call"):
        read(nn.Sequential(nn.LazyLinear(4), snn.Leaky(beta=0.5)), (3,))


def test_a_block_that_runs_otherwise_is_no_chain() -> None:
    class Residual(nn.Sequential):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x + super().forward(x)

    model = nn.Sequential(Residual(nn.Linear(3, 3), nn.Linear(3, 3)), snn.Leaky(beta=0.5))
    with pytest.raises(ValueError, match="Residual has no asynchronous meaning"):
        read(model, (3,))


def test_a_module_with_two_names_leaves_the_order_open() -> None:
    class Model(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a, self.l1 = nn.Linear(4, 4), snn.Leaky(beta=0.5)
            self.b, self.l2 = self.a, snn.Leaky(beta=0.5)

    with pytest.raises(ValueError, match=r"Model names one Linear twice, 'a' and 'b'.* pass them with layers="):
        read(Model(), (4,))
    model = Model()
    network = read(model, (4,), layers=[model.a, model.l1, model.b, model.l2])
    ends = (("input", "lif1"), ("lif1", "lif2"))
    first, second = (e.connection.weight for e in network.projections if (e.pre, e.post) in ends)
    assert np.array_equal(first, second)


def test_a_buffer_that_belongs_to_no_layer_is_named() -> None:
    class Model(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.fc, self.lif = nn.Linear(3, 4), snn.Leaky(beta=0.5)
            self.register_buffer("mean", torch.ones(3))

    with pytest.raises(ValueError, match="the model uses mean beside its layers"):
        read(Model(), (3,))
