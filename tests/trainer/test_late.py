"""Neurons that reset one time step late, and biases of currents, in a network that is trained."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from ir.neurons import LIF as FrozenLIF
from ir.neurons import RESETS, FixedLIF
from ir.schedule import Schedule
from ir.stimulus import Stimulus
from sim_reference.simulate import run as run_meaning
from trainer import LIF, SpikingNetwork, TrainConfig
from trainer.build import build_network
from trainer.engines.options import TrainingOptions
from trainer.execute import run
from trainer.quantize_aware import train_on_grid

SCHEDULES = [Schedule(F=2), Schedule(F=None), Schedule("layered", None), Schedule(F=1, stop_after=2)]


def network(reset: str, tau_syn_s: float | None = 20e-3) -> SpikingNetwork:
    """Two layers with biases, whose currents take them."""
    torch.manual_seed(0)

    def lif() -> LIF:
        return LIF(20e-3, 0.3, tau_syn_s, reset, bias_in_current=True, train_threshold=True)

    layers: list[nn.Module] = [nn.Linear(6, 8), lif(), nn.Linear(8, 4), lif()]
    for layer in layers[::2]:
        layer.weight.data.abs_()  # type: ignore[operator, union-attr]
    return SpikingNetwork.sequential((6,), *layers, dt_s=10e-3).train()


def some_frames() -> torch.Tensor:
    return (torch.rand(6, 3, 6, generator=torch.Generator().manual_seed(1)) < 0.5).float()


@pytest.mark.parametrize("schedule", SCHEDULES, ids=str)
@pytest.mark.parametrize("reset", RESETS)
def test_what_is_trained_is_what_leaves_the_trainer(reset: str, schedule: Schedule) -> None:
    net, frames = network(reset), some_frames()
    live = net(frames, schedule, engine="reference")
    assert live.counts.detach().sum() > 0
    live.counts.sum().backward()
    frozen = net.export()
    neurons = [p.neuron for p in frozen.populations]
    assert all(isinstance(n, FrozenLIF) and n.reset == reset and n.bias is None for n in neurons)
    biases = [layer.bias.detach().numpy() for layer in net.modules() if isinstance(layer, nn.Linear)]
    assert all(np.allclose(n.bias_u, b) for n, b in zip(neurons, biases))  # type: ignore[attr-defined]
    assert all(layer.bias.grad.abs().sum() > 0 for layer in net.modules() if isinstance(layer, nn.Linear))  # type: ignore[union-attr]
    trace = run(frozen, Stimulus(frames.int().numpy()), schedule, engine="reference")
    assert np.array_equal(trace.counts, live.counts.detach().sum(0).numpy())
    assert trace.v is not None and np.allclose(trace.v, live.v.detach().numpy(), atol=1e-6)


@pytest.mark.parametrize("schedule", SCHEDULES, ids=str)
@pytest.mark.parametrize("reset", RESETS)
@pytest.mark.parametrize("tau_syn_s", [20e-3, 1e-3])
def test_on_a_chips_grid_it_runs_the_integers_that_are_mapped(tau_syn_s: float, reset: str, schedule: Schedule) -> None:
    net, frames = network(reset, tau_syn_s), some_frames()
    train_on_grid(net, "loihi2", 8)
    live = net(frames, schedule, engine="reference")
    live.counts.sum().backward()
    assert net.quantization is not None
    fixed = net.quantization.quantized(net.export())
    assert all(isinstance(p.neuron, FixedLIF) and p.neuron.current_bias(6) is not None for p in fixed.populations)
    meaning = run_meaning(fixed, Stimulus(frames.int().numpy()), schedule)
    assert meaning.counts.sum() > 0 and np.array_equal(live.counts.detach().sum(0).numpy(), meaning.counts)
    assert meaning.v is not None and np.array_equal(live.v.detach().numpy(), meaning.v)
    assert all(layer.bias.grad.abs().sum() > 0 for layer in net.modules() if isinstance(layer, nn.Linear))  # type: ignore[union-attr]


@pytest.mark.parametrize("reset", ["subtract_late", "zero_late", "none"])
def test_refractory_dropout_lets_no_neuron_fire_again_before_its_late_reset(reset: str) -> None:
    net, frames, options = network(reset), some_frames(), TrainingOptions(refractory_dropout=0.9)
    assert net(frames, Schedule(F=1), options=options, engine="reference").counts.max() == 1
    assert network("zero")(frames, Schedule(F=1), options=options, engine="reference").counts.max() > 1


def test_a_threshold_that_is_lost_late_has_the_gradient_of_what_it_takes() -> None:
    """One neuron that fires at t = 0: v(1) = leak v(0) - threshold, so dv(1)/dthreshold = -s + leak-free surrogate."""
    net = SpikingNetwork.sequential((1,), nn.Linear(1, 1, bias=False), LIF(20e-3, 0.5, None, "subtract_late"))
    net.neurons["layer0"].v_threshold = nn.Parameter(torch.tensor(0.5))
    net.layers[0][0].weight.data.fill_(4.0)  # type: ignore[index, union-attr]  (far above: a flat surrogate)
    frames = torch.tensor([1.0, 0.0]).reshape(2, 1, 1)
    result = net(frames, Schedule(F=None), engine="reference", options=TrainingOptions(alpha=1e4))
    result.v[1].sum().backward()
    assert result.counts.detach().flatten().tolist() == [1, 1]
    assert net.neurons["layer0"].v_threshold.grad.item() == pytest.approx(-1.0, abs=1e-3)  # type: ignore[union-attr]


def test_a_configuration_names_the_reset() -> None:
    made = build_network(TrainConfig(layers=("16", "10"), reset="subtract_late")).export()
    assert [getattr(p.neuron, "reset", None) for p in made.populations] == ["subtract_late", "subtract_late"]
    with pytest.raises(ValueError, match=r"reset is 'later'; use one of 'zero', .*, 'none'"):
        TrainConfig(reset="later")
    with pytest.raises(ValueError, match="start names a network, which brings its own reset"):
        build_network(TrainConfig(start="net.npz", reset="subtract"))
