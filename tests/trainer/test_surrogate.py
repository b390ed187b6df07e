"""Surrogate gradients: each is its equation, every engine computes the same, and one's own runs on the plain engine."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from ir import Schedule
from ir.check import SlowerWarning
from trainer.config import TrainConfig, from_dict
from trainer.engines.options import TrainingOptions
from trainer.network import SpikingNetwork
from trainer.neuron import LIF
from trainer.surrogate import SURROGATES, Slope, spike

EQUATIONS: dict[str, Callable[[np.ndarray, float], np.ndarray]] = {
    "arctan": lambda x, a: a / 2 / (1 + (np.pi / 2 * a * x) ** 2),
    "fast_sigmoid": lambda x, a: 1 / (1 + a * np.abs(x)) ** 2,
    "sigmoid": lambda x, a: a * np.exp(-a * x) / (1 + np.exp(-a * x)) ** 2,
    "triangular": lambda x, a: np.maximum(0, 1 - a * np.abs(x)),
}
ALPHA = 3.0


def slope_of(name: str, x: Tensor, peak: float = 0.0) -> Tensor:
    """The gradient of spikes."""
    x = x.clone().requires_grad_()
    spike(x, torch.ones_like(x, dtype=torch.bool), Slope(name, ALPHA, peak)).sum().backward()
    assert x.grad is not None
    return x.grad


@pytest.mark.parametrize("name", SURROGATES)
def test_a_slope_is_its_equation(name: str) -> None:
    x = torch.linspace(-2, 2, 41, dtype=torch.float64)
    expected = EQUATIONS[name](x.numpy(), ALPHA)
    torch.testing.assert_close(slope_of(name, x), torch.from_numpy(expected), rtol=1e-14, atol=1e-15)
    scaled = torch.from_numpy(expected / expected.max() * 0.3)
    torch.testing.assert_close(slope_of(name, x, peak=0.3), scaled, rtol=1e-14, atol=1e-15)
    far = slope_of(name, torch.tensor([-float("inf"), -1e30, 1e30]))
    assert bool((far.abs() < 1e-20).all())


@pytest.mark.parametrize(
    ("name", "theirs"), [("arctan", "atan"), ("fast_sigmoid", "fast_sigmoid"), ("sigmoid", "sigmoid")]
)
def test_a_slope_is_snntorchs(name: str, theirs: str) -> None:
    surrogate = pytest.importorskip("snntorch.surrogate")
    x = torch.linspace(-2, 2, 41, dtype=torch.float64).requires_grad_()
    getattr(surrogate, theirs)(ALPHA)(x).sum().backward()
    assert x.grad is not None
    torch.testing.assert_close(slope_of(name, x.detach()), x.grad, rtol=1e-12, atol=1e-14)


def network() -> SpikingNetwork:
    """Two layers that fire, in double precision."""
    torch.manual_seed(2)
    made = SpikingNetwork.sequential(
        (6,), nn.Linear(6, 8), LIF(20e-3, 0.3, train_threshold=True), nn.Linear(8, 4), LIF(20e-3, 0.3)
    )
    return made.double()


def gradients(options: TrainingOptions, engine: str, schedule: Schedule) -> list[Tensor]:
    """Of every parameter, of a loss of output spikes."""
    net = network()
    frames = (torch.rand(5, 3, 6, generator=torch.Generator().manual_seed(1)) < 0.5).double()
    result = net(frames, schedule, options=options, engine=engine)
    (result.output * torch.tensor([1.0, -2.0, 3.0, 0.5])).sum().backward()
    return [p.grad for p in net.parameters() if p.grad is not None]


@pytest.mark.parametrize("schedule", [Schedule(F=2), Schedule(kind="layered", F=None)], ids=["queue", "layered"])
@pytest.mark.parametrize("name", SURROGATES)
def test_engines_agree_on_every_surrogate_and_peak(name: str, schedule: Schedule) -> None:
    for peak in (0.0, 0.4):
        options = TrainingOptions(surrogate=name, alpha=1.5, peak=peak)
        plain = gradients(options, "reference", schedule)
        for a, b in zip(plain, gradients(options, "auto", schedule)):
            torch.testing.assert_close(a, b, rtol=1e-9, atol=1e-12)
        assert any(bool((g != 0).any()) for g in plain)


def test_a_function_of_ones_own_runs_on_the_plain_engine_which_is_said() -> None:
    def own(x: Tensor) -> Tensor:
        return 1 / (1 + 1.5 * x.abs()) ** 2

    mine, named = TrainingOptions(surrogate=own), TrainingOptions(surrogate="fast_sigmoid", alpha=1.5)
    with pytest.warns(SlowerWarning, match="engine 'cpu' does not know a surrogate of your own; the plain engine runs"):
        found = gradients(mine, "auto", Schedule(F=2))
    for a, b in zip(found, gradients(named, "reference", Schedule(F=2))):
        torch.testing.assert_close(a, b, rtol=1e-12, atol=1e-14)
    with pytest.raises(ValueError, match="engine 'cpu' does not know a surrogate of your own; use engine 'reference'"):
        gradients(mine, "cpu", Schedule(F=2))


def test_without_a_gradient_a_function_of_ones_own_costs_nothing() -> None:
    net = network().eval()
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("error")
        net(torch.ones(2, 1, 6).double(), Schedule(F=2), options=TrainingOptions(surrogate=torch.exp))


def test_surrogates_are_named_in_a_configuration_and_wrong_ones_refused() -> None:
    config = from_dict({"options": {"surrogate": "triangular", "alpha": 1.0, "peak": 0.3}})
    assert config.options.slope.numbers() == (3, 1.0, 0.3)
    with pytest.raises(ValueError, match=r"surrogate is 'atan'.*use one of 'arctan', 'fast_sigmoid'"):
        from_dict({"options": {"surrogate": "atan"}})
    with pytest.raises(ValueError, match="peak is -1"):
        TrainingOptions(peak=-1)
    with pytest.raises(ValueError, match="a surrogate of your own has no name to be written down"):
        replace(TrainConfig(), options=TrainingOptions(surrogate=torch.exp))
