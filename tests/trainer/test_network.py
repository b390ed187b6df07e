"""A module of torch layers and its frozen export are the same network."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from ir import Schedule, Stimulus
from trainer import LIF, SpikingNetwork, run
from trainer.engines.options import TrainingOptions


def conv_network() -> SpikingNetwork:
    torch.manual_seed(1)
    return SpikingNetwork.sequential(
        (2, 8, 8),
        nn.Conv2d(2, 4, 3, padding=1),
        LIF(5e-3, 0.4),
        nn.AvgPool2d(2),
        nn.Flatten(),
        nn.Linear(64, 5),
        LIF(5e-3, 0.3),
    )


def frames(shape: tuple[int, ...], seed: int = 0) -> torch.Tensor:
    return (torch.rand(shape, generator=torch.Generator().manual_seed(seed)) < 0.3).float()


@pytest.mark.parametrize("kind", ["layered", "asynchronous"])
def test_the_export_spikes_as_the_module(kind: str) -> None:
    net = conv_network().eval()
    schedule = Schedule(kind, F=4, order="random", seed=3)
    x = frames((4, 3, 2, 8, 8))
    live = net(x, schedule)
    trace = run(net.export(), Stimulus(x.flatten(2).to(torch.int32).numpy()), schedule)
    assert live.counts.sum() > 0
    np.testing.assert_array_equal(live.counts.detach().sum(0).numpy(), trace.counts)
    np.testing.assert_array_equal(live.forward_steps.numpy(), trace.forward_steps)


def test_skip_and_recurrent_projections_and_two_inputs_run() -> None:
    torch.manual_seed(0)
    net = SpikingNetwork(
        {"a": (6,), "b": (4,)},
        {"hidden": LIF(5e-3, 0.2), "out": LIF(5e-3, 0.2)},
        [
            ("a", "hidden", nn.Linear(6, 8)),
            ("hidden", "hidden", nn.Linear(8, 8, bias=False)),
            ("hidden", "out", nn.Linear(8, 3, bias=False)),
            ("b", "out", nn.Linear(4, 3, bias=False)),
            ("a", "out", nn.Linear(6, 3, bias=False)),
        ],
    )
    for schedule in (Schedule(F=2), Schedule("layered")):
        result = net(frames((5, 4, 10)), schedule)
        result.counts[:, :, net.plan().output].sum().backward()
        assert result.counts.sum() > 0
    assert all(p.grad is not None for p in net.parameters() if p.ndim == 2)


def test_trained_thresholds_and_time_constants_get_gradients() -> None:
    torch.manual_seed(0)
    net = SpikingNetwork.sequential(
        (6,), nn.Linear(6, 8), LIF(5e-3, 0.2, train_threshold=True, train_tau=True), nn.Linear(8, 3), LIF(5e-3, 0.2)
    )
    net(frames((6, 4, 6)), Schedule(F=3)).counts.sum().backward()
    lif = net.neurons["layer0"]
    assert lif.v_threshold.grad is not None and lif.v_threshold.grad.abs() > 0
    assert lif.log_tau_mem.grad is not None and lif.log_tau_mem.grad.abs() > 0


def test_dropouts_are_off_in_eval() -> None:
    net, noisy = (
        conv_network(),
        TrainingOptions(refractory_dropout=0.8, input_dropout=0.5, spike_dropout=0.5, momentum_noise=0.1),
    )
    x, schedule = frames((3, 4, 2, 8, 8)), Schedule(F=4)
    quiet = net.eval()(x, schedule).counts
    assert torch.equal(net(x, schedule, options=noisy).counts, quiet)
    assert not torch.equal(net.train()(x, schedule, options=noisy).counts, quiet)


def test_two_neurons_without_a_layer_between_are_refused() -> None:
    with pytest.raises(ValueError, match="layer1 has no layer before it"):
        SpikingNetwork.sequential((4,), nn.Linear(4, 4), LIF(), LIF())


def test_a_population_that_nothing_reaches_is_refused() -> None:
    with pytest.raises(ValueError, match="not reached"):
        SpikingNetwork({"a": (2,)}, {"x": LIF(), "y": LIF()}, [("a", "x", nn.Linear(2, 2))])
