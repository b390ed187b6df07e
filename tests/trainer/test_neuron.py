"""The neuron's numbers are looked at where they are given."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from ir import Schedule
from trainer import LIF, SpikingNetwork


@pytest.mark.parametrize("name", ["v_threshold", "tau_mem_s", "tau_syn_s"])
@pytest.mark.parametrize("value", [-1, float("nan"), "1", True, torch.ones(2, 2), [], [0.1, -1.0], ["a"], 10**400])
def test_a_value_is_a_number_of_at_least_0(name: str, value: Any) -> None:
    with pytest.raises(ValueError, match=f"LIF {name} is .*must be one number, at least 0"):
        LIF(**{name: value})


@pytest.mark.parametrize("value", [1e39, 10**400, float("inf")])
def test_a_threshold_beyond_float32_is_refused(value: Any) -> None:
    with pytest.raises(ValueError, match=r"LIF v_threshold is .* at most 3.403e.38"):
        LIF(v_threshold=value)
    assert float(LIF(v_threshold=3.4e38).threshold()) == pytest.approx(3.4e38)


@pytest.mark.parametrize("name", ["refractory", "train_threshold", "train_tau", "train_tau_syn", "per_neuron"])
def test_a_flag_is_true_or_false(name: str) -> None:
    with pytest.raises(ValueError, match=f"LIF {name} is 'no'; give True or False"):
        LIF(1e-3, **{name: "no"})


def apart(**numbers: Any) -> SpikingNetwork:
    """Three neurons with numbers of their own."""
    torch.manual_seed(0)
    lif = LIF(**{"tau_mem_s": 20e-3, "v_threshold": 0.4, "tau_syn_s": 10e-3, **numbers})
    return SpikingNetwork.sequential((4,), nn.Linear(4, 3), lif).double()


def test_numbers_one_a_neuron_run_and_leave_as_they_were_given() -> None:
    heights, mem, syn = [0.2, 0.5, 3.0], np.array([5e-3, np.inf, 0.0]), torch.tensor([10e-3, 0.0, 2e-3])
    net = apart(v_threshold=heights, tau_mem_s=mem, tau_syn_s=syn)
    neuron: Any = net.export().populations[0].neuron
    np.testing.assert_allclose(neuron.v_threshold, heights, rtol=1e-6)
    np.testing.assert_allclose(neuron.tau_mem_s, mem, rtol=1e-12)
    np.testing.assert_allclose(neuron.tau_syn_s, syn.numpy(), rtol=1e-6)
    assert not list(p for p in net.parameters() if p.shape == (3,) and p is not net.layers[0][0].bias)


@pytest.mark.parametrize("schedule", [Schedule(kind="layered", F=None), Schedule(F=1)], ids=["layered", "queue"])
def test_every_number_of_a_neuron_learns_by_itself(schedule: Schedule) -> None:
    net = apart(train_threshold=True, train_tau=True, train_tau_syn=True, per_neuron=True)
    lif: Any = net.neurons["layer0"]
    held = [lif.v_threshold, lif.log_tau_mem, lif.log_tau_syn]
    assert all(isinstance(p, nn.Parameter) and p.shape == (3,) for p in held)
    frames = (torch.rand(8, 5, 4, generator=torch.Generator().manual_seed(1)) < 0.6).double()
    result = net(frames, schedule, engine="reference")
    (result.v[:, :, 1] ** 2).sum().backward()
    for p in held:
        assert p.grad is not None and p.grad[1] != 0 and p.grad[0] == p.grad[2] == 0
    by_hand = finite_difference(net, lif.log_tau_syn, frames, schedule)
    assert by_hand == pytest.approx(float(lif.log_tau_syn.grad[1]), rel=1e-4)


def finite_difference(net: SpikingNetwork, p: Any, frames: Any, schedule: Schedule) -> float:
    """The derivative of membranes that never come near a threshold."""
    with torch.no_grad():
        net.neurons["layer0"].v_threshold.fill_(1e6)  # type: ignore[operator]
        found = []
        for step in (1e-6, -2e-6):
            p[1] += step
            found.append(float((net(frames, schedule, engine="reference").v[:, :, 1] ** 2).sum()))
        p[1] += 1e-6
    net.zero_grad()
    (net(frames, schedule, engine="reference").v[:, :, 1] ** 2).sum().backward()
    return (found[0] - found[1]) / 2e-6


def test_a_population_of_another_size_is_refused() -> None:
    with pytest.raises(ValueError, match="population 'layer0': LIF has v_threshold of 2 neurons, its population has 3"):
        apart(v_threshold=[0.1, 0.2])
    with pytest.raises(ValueError, match="population 'layer0': LIF has tau_syn of 4 neurons, its population has 3"):
        apart(tau_syn_s=[0.1] * 4)


@pytest.mark.parametrize(("flag", "tau"), [("train_tau", "tau_mem_s"), ("train_tau_syn", "tau_syn_s")])
def test_a_time_constant_that_learns_begins_above_0(flag: str, tau: str) -> None:
    for value in (0.0, [1e-3, 0.0, 1e-3]):
        with pytest.raises(ValueError, match=f"LIF {flag} needs a {tau} above 0 and finite to start from"):
            apart(**{flag: True, tau: value})
