"""snnTorch modules as our networks: the same spikes, resets one step late included."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from tests.interop.layered import run
from trainer.from_snntorch import read

snn: Any = pytest.importorskip("snntorch")

STEPS = 60


def theirs(layers: list[nn.Module], frames: torch.Tensor) -> np.ndarray:
    """The last layer's spikes, (T, n), state kept by hand; modules keep what they ended with, so they begin anew."""
    for layer in layers:
        if type(layer).__module__.startswith("snntorch"):
            layer.reset_mem()
    state: dict[int, Any] = {}
    out = []
    with torch.no_grad():
        for x in frames:
            for i, layer in enumerate(layers):
                if type(layer).__module__.startswith("snntorch"):
                    x, *kept = layer(x, *state.get(i, ()))
                    state[i] = ([x] if type(layer).__name__.startswith("R") else []) + kept
                else:
                    x = layer(x)
            out.append(x.numpy().reshape(-1))
    return np.stack(out)


def recurrent(neuron: Any) -> Any:
    """Smaller recurrent weights, so that it neither dies nor saturates."""
    neuron.recurrent.weight.data *= 0.7
    return neuron


NEURONS: dict[str, Callable[[int], Any]] = {
    "Leaky": lambda n: snn.Leaky(beta=0.8),
    "Leaky, one beta and threshold a neuron": lambda n: snn.Leaky(
        beta=torch.rand(n), threshold=0.5 + torch.rand(n), learn_beta=True, learn_threshold=True
    ),
    "Leaky, zero": lambda n: snn.Leaky(beta=0.9, reset_mechanism="zero"),
    "Leaky, zero at once": lambda n: snn.Leaky(beta=0.9, reset_mechanism="zero", reset_delay=False),
    "Leaky, none": lambda n: snn.Leaky(beta=0.7, reset_mechanism="none"),
    "Leaky without leak": lambda n: snn.Leaky(beta=1.0),
    "Leaky without memory": lambda n: snn.Leaky(beta=0.0),
    "Synaptic": lambda n: snn.Synaptic(alpha=0.6, beta=0.8),
    "Synaptic, one alpha a neuron": lambda n: snn.Synaptic(alpha=torch.rand(n), beta=torch.rand(n), learn_alpha=True),
    "Synaptic, zero at once": lambda n: snn.Synaptic(alpha=0.6, beta=0.8, reset_mechanism="zero", reset_delay=False),
    "Synaptic, none": lambda n: snn.Synaptic(alpha=0.5, beta=0.5, reset_mechanism="none"),
    "RLeaky": lambda n: recurrent(snn.RLeaky(beta=0.8, linear_features=n)),
    "RLeaky, one to one": lambda n: snn.RLeaky(beta=0.8, all_to_all=False, V=torch.randn(n) / 2),
    "RLeaky, zero at once": lambda n: recurrent(
        snn.RLeaky(beta=0.8, linear_features=n, reset_mechanism="zero", reset_delay=False)
    ),
    "RSynaptic": lambda n: recurrent(snn.RSynaptic(alpha=0.5, beta=0.7, linear_features=n)),
}


@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.parametrize("name", NEURONS)
def test_two_layers_have_snntorchs_spikes(name: str, seed: int) -> None:
    torch.manual_seed(seed)
    make = NEURONS[name]
    layers = [nn.Linear(9, 8), make(8), nn.Linear(8, 5), make(5)]
    layers[0].weight.data *= 3
    layers[2].weight.data *= 4
    frames = (torch.rand(STEPS, 1, 9) < 0.4).float()
    expected = theirs(layers, frames)
    network = read(nn.Sequential(*layers), (9,))
    assert np.array_equal(run(network, frames.numpy())[network.output][:, 0], expected)
    assert expected.sum() > 3


def test_a_convolutional_model_is_read_in_the_order_of_assignment() -> None:
    class Model(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv, self.lif1, self.pool = nn.Conv2d(1, 3, 3), snn.Leaky(beta=0.9), nn.AvgPool2d(2)
            self.flat, self.fc, self.lif2 = nn.Flatten(), nn.Linear(27, 4), snn.Leaky(beta=0.5)

    torch.manual_seed(2)
    model = Model()
    frames = (torch.rand(STEPS, 1, 1, 8, 8) < 0.5).float()
    model.conv.weight.data = model.conv.weight.data.abs() * 3
    model.fc.weight.data = model.fc.weight.data.abs() * 4
    expected = theirs(list(model.children()), frames)
    network = read(model, (1, 8, 8))
    assert [p.shape for p in network.populations] == [(3, 6, 6), (4,)]
    assert np.array_equal(run(network, frames.numpy().reshape(STEPS, 1, -1))["lif2"][:, 0], expected)
    assert expected.sum() > 0


def test_a_linear_end_becomes_a_readout() -> None:
    network = read(nn.Sequential(nn.Linear(3, 4), snn.Leaky(beta=0.5), nn.Linear(4, 2)), (3,))
    assert network.output == "readout" and network.populations[-1].neuron.v_threshold is None


def mixed_model() -> nn.Sequential:
    """Each submodule in a mode of its own."""
    torch.manual_seed(3)
    model = nn.Sequential(
        nn.Sequential(nn.Conv2d(4, 4, 2, 2, groups=4, bias=False), nn.BatchNorm2d(4), nn.Dropout2d(0.2)),
        nn.Conv2d(4, 3, 3),
        snn.Leaky(beta=0.9),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(3, 5),
        snn.Leaky(beta=0.5),
    )
    for i, module in enumerate(model.modules()):
        module.training = i % 3 != 1
    return model


@pytest.mark.parametrize("wrong", [False, True])
def test_the_model_stays_in_the_modes_it_was_found_in(wrong: bool) -> None:
    model = mixed_model()
    if wrong:
        model.append(nn.Softmax())
    modes = [m.training for m in model.modules()]
    state = {name: value.clone() for name, value in model.state_dict().items()}
    if wrong:
        with pytest.raises(ValueError, match="Softmax has no asynchronous meaning"):
            read(model, (4, 8, 8))
    else:
        read(model, (4, 8, 8))
    assert [m.training for m in model.modules()] == modes
    assert all(torch.equal(value, state[name]) for name, value in model.state_dict().items())
    assert all(p.grad is None and p.requires_grad for p in model.parameters())


@pytest.mark.parametrize("frozen", [True, False])
def test_a_frozen_model_with_a_grouped_convolution_has_snntorchs_spikes(frozen: bool) -> None:
    model = mixed_model().requires_grad_(not frozen)
    model[0][1].running_mean.normal_()
    for layer in (model[0][0], model[1], model[5]):
        layer.weight.data *= 4
    frames = (torch.rand(STEPS, 1, 4, 8, 8) < 0.5).float()
    network = read(model, (4, 8, 8))
    expected = theirs(list(model.eval()), frames)
    assert np.array_equal(run(network, frames.numpy().reshape(STEPS, 1, -1))[network.output][:, 0], expected)
    assert expected.sum() > 3


LAYERS: dict[str, tuple[tuple[int, ...], Callable[[], list[nn.Module]]]] = {
    "Conv1d": (
        (2, 9),
        lambda: [nn.Conv1d(2, 3, 2, padding="same"), snn.Leaky(beta=0.8), nn.Flatten(), nn.Linear(27, 4)],
    ),
    "same, even kernel": ((1, 6, 6), lambda: [nn.Conv2d(1, 3, 4, padding="same"), nn.Flatten(), nn.Linear(108, 4)]),
    "flattened normalization": (
        (1, 5, 5),
        lambda: [nn.Conv2d(1, 2, 3), nn.Flatten(), nn.BatchNorm1d(18), nn.Linear(18, 4)],
    ),
    "normalization first": (
        (2, 5, 5),
        lambda: [nn.BatchNorm2d(2), nn.Conv2d(2, 1, 3, padding=1), nn.Flatten(), nn.Linear(25, 4)],
    ),
    "adaptive": ((2, 6, 4), lambda: [nn.Conv2d(2, 4, 1), nn.AdaptiveAvgPool2d((2, 1)), nn.Flatten(), nn.Linear(8, 4)]),
    "dropouts": ((3, 4, 4), lambda: [nn.Dropout2d(), nn.AlphaDropout(), nn.Identity(), nn.Flatten(), nn.Linear(48, 4)]),
    "spectral normalization": (
        (5,),
        lambda: [nn.utils.parametrizations.spectral_norm(nn.Linear(5, 6)), nn.Linear(6, 4)],
    ),
}


@pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel lengths")
@pytest.mark.parametrize("name", LAYERS)
def test_layers_that_fold_have_snntorchs_spikes(name: str) -> None:
    torch.manual_seed(5)
    shape, make = LAYERS[name]
    model = nn.Sequential(*make(), snn.Leaky(beta=0.8))
    for module in model.modules():
        if isinstance(module, (nn.BatchNorm1d, nn.BatchNorm2d)):
            module.running_mean.normal_()
            module.running_var.uniform_(0.5, 2)
    with torch.no_grad():
        model[-2].weight *= 5
    state = {key: value.clone() for key, value in model.state_dict().items()}
    network = read(model, shape)
    assert all(torch.equal(value, state[key]) for key, value in model.state_dict().items())
    frames = (torch.rand(STEPS, 1, *shape) < 0.5).float()
    expected = theirs(list(model.eval()), frames)
    assert np.array_equal(run(network, frames.numpy().reshape(STEPS, 1, -1))[network.output][:, 0], expected)
    assert expected.sum() > 3


def test_neurons_may_follow_the_input_at_once() -> None:
    model = nn.Sequential(snn.Leaky(beta=0.5), nn.Linear(6, 4), snn.Leaky(beta=0.5))
    frames = (torch.rand(STEPS, 1, 6) < 0.5).float()
    network = read(model, (6,))
    assert np.array_equal(run(network, frames.numpy())["lif2"][:, 0], theirs(list(model), frames))
