"""A module of torch layers and its frozen export are the same network."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import nn

from ir import Schedule, Stimulus
from trainer import LIF, SpikingNetwork, SumPool2d, run
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


def test_nested_sequences_are_read_as_their_layers() -> None:
    torch.manual_seed(1)
    block = nn.Sequential(nn.Conv2d(2, 4, 3, padding=1), LIF(5e-3, 0.4))
    tail = nn.Sequential(nn.Sequential(nn.AvgPool2d(2), nn.Flatten()), nn.Linear(64, 5))
    x = frames((4, 3, 2, 8, 8))
    nested = SpikingNetwork.sequential((2, 8, 8), block, tail, LIF(5e-3, 0.3))
    assert torch.equal(nested(x).counts, conv_network()(x).counts)


def test_a_compiled_module_is_the_module() -> None:
    net, x = conv_network(), frames((2, 2, 2, 8, 8))
    compiled = torch.compile(net)
    result = compiled(x, Schedule(F=4))
    result.counts.sum().backward()
    assert torch.equal(result.counts, net(x, Schedule(F=4)).counts)


def test_dropped_spikes_are_dropped_under_the_layered_schedule_too() -> None:
    net, x = conv_network().train(), frames((4, 3, 2, 8, 8))
    first, counts = slice(0, 256), []
    for probability in (0.0, 0.5, 1.0):
        result = net(x, Schedule("layered"), options=TrainingOptions(spike_dropout=probability))
        counts.append(result.counts.detach())
    whole, half, none = counts
    assert torch.equal(whole[..., first], half[..., first]), "the first layer hears inputs alone"
    assert 0 < float(half[..., 256:].sum()) != float(whole[..., 256:].sum()) and not torch.equal(half, none)
    assert torch.equal(net.eval()(x, Schedule("layered"), options=TrainingOptions(spike_dropout=1.0)).counts, whole)


def linear() -> nn.Linear:
    return nn.Linear(4, 3, bias=False)


@pytest.mark.parametrize(
    ("build", "words"),
    [
        (lambda: SpikingNetwork.sequential(4, linear(), LIF()), r"shape 4; give a tuple"),  # type: ignore[arg-type]
        (lambda: SpikingNetwork({"in": (4,)}, {}, []), "at least one population"),
        (lambda: SpikingNetwork({"in": (4,)}, {"a": nn.ReLU()}, [("in", "a", linear())]), "'a' is ReLU; make it a LIF"),  # type: ignore[dict-item]
        (lambda: SpikingNetwork({"in": (4,)}, {"a.b": LIF()}, [("in", "a.b", linear())]), "choose another name"),
        (lambda: SpikingNetwork({"in": (4,)}, {"keys": LIF()}, [("in", "keys", linear())]), "choose another name"),
        (lambda: SpikingNetwork.sequential((4,), linear(), nn.BatchNorm1d(5), LIF()), "5 channels, it gets 3"),
        (
            lambda: SpikingNetwork.sequential((4,), linear(), nn.BatchNorm1d(3, track_running_stats=False), LIF()),
            "without running statistics",
        ),
        (lambda: SumPool2d(0), "kernel_size is 0; at least 1"),
        (lambda: LIF(tau_syn_s=-1.0), "tau_syn_s is -1.0; it must be one number, at least 0"),
        (lambda: LIF(tau_mem_s=float("nan")), "tau_mem_s is nan; it must be one number, at least 0"),
        (lambda: LIF(v_threshold=float("inf")), "or None: never fires"),
    ],
)
def test_what_makes_no_network_is_one_sentence(build: Callable[[], nn.Module], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        build()


def test_a_network_without_weights_knows_where_it_is():
    assert SpikingNetwork.sequential((1, 4, 4), torch.nn.AvgPool2d(2), LIF()).device.type == "cpu"
