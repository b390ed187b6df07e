"""Max pooling behind neurons: one meaning in torch, in every engine, after rounding, and on the simulators."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from exchange import npz
from exchange.chip_toml import find_chip
from ir.connection import Conv2d, Dense
from ir.network import Input, Network, Population, Projection
from ir.neurons import LIF as NetworkLIF
from ir.neurons import FixedLIF
from ir.pooling import pooling
from ir.schedule import Schedule
from ir.stimulus import Stimulus
from mapper.quantize import quantize
from sim_reference import fast, simulate
from sim_reference.compare.divergence import first_divergence
from trainer import LIF, SpikingNetwork, TrainConfig
from trainer.build import build_network
from trainer.execute import run
from trainer.quantize_aware import train_on_grid

LAYERED = Schedule(kind="layered", F=None)
WHOLE = Schedule(F=None)


def network(seed: int = 0, kernel: int = 2, stride: int = 2, padding: int = 0) -> SpikingNetwork:
    """Convolution, neurons, pooling, classifier; dyadic weights, so that no order of additions matters."""
    torch.manual_seed(seed)
    pool = nn.MaxPool2d(kernel, stride, padding)
    net = SpikingNetwork.sequential(
        (1, 6, 6), nn.Conv2d(1, 3, 3, padding=1, bias=False), LIF(v_threshold=0.5), pool, nn.Flatten(),
        nn.Linear(3 * _side(kernel, stride, padding) ** 2, 4, bias=False), LIF(v_threshold=0.5),
    )  # fmt: skip
    with torch.no_grad():
        for p in net.parameters():
            p.copy_((p * 64).round() / 64)
    return net


def _side(kernel: int, stride: int, padding: int) -> int:
    return (6 + 2 * padding - kernel) // stride + 1


def frames(seed: int = 0, steps: int = 4, batch: int = 3) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return (torch.rand(steps, batch, 1, 6, 6, generator=generator) < 0.4).float()


def stimulus(seed: int = 0) -> Stimulus:
    return Stimulus(frames(seed).flatten(2).numpy().astype(np.int8))


@pytest.mark.parametrize("schedule", [LAYERED, WHOLE], ids=["layered", "all at once"])
@pytest.mark.parametrize(("kernel", "stride", "padding"), [(2, 2, 0), (3, 1, 1), (3, 2, 1)])
def test_it_fires_where_torch_finds_the_largest_spike(
    schedule: Schedule, kernel: int, stride: int, padding: int
) -> None:
    net = network(1, kernel, stride, padding)
    counts = net(frames(), schedule, engine="reference").counts
    conv, pooled, _ = (p.at for p in net.plan().parts)
    spikes = counts[:, :, conv].flatten(0, 1).reshape(-1, 3, 6, 6)
    want = nn.functional.max_pool2d(spikes, kernel, stride, padding)
    assert 0 < want.mean() < 1
    assert torch.equal(counts[:, :, pooled].flatten(0, 1), want.flatten(1))


def test_it_is_neurons_that_are_counted() -> None:
    exported = network().export()
    assert pooling(exported) == ("pool1",)
    assert [p.n for p in exported.populations] == [108, 27, 4]


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 999), st.sampled_from([None, 1, 3, 16]), st.sampled_from(["random", "momentum", "fifo"]),
       st.sampled_from(["first", "queued", "paced"]), st.sampled_from([8, 4, 2]))  # fmt: skip
def test_integers_of_all_widths_run_alike(seed: int, group: int | None, order: str, rule: str, bits: int) -> None:
    schedule = Schedule(F=group, order=order, input=rule, R=3 if rule == "paced" else None, seed=seed)
    fixed = quantize(network(seed, 3, 2, 1).export(), find_chip("loihi2"), bits)
    assert np.unique(fixed.projections[1].connection.weight).tolist() == [1]
    traces = [f(fixed, stimulus(seed), schedule) for f in (simulate.run, fast.run, run)]
    assert all(first_divergence(traces[0], other) is None for other in traces[1:])


def test_the_law_of_chains_holds() -> None:
    for seed in range(20):
        net = network(seed)
        a, b = (net(frames(seed), s, engine="reference") for s in (LAYERED, WHOLE))
        assert torch.equal(a.counts, b.counts)
        assert torch.equal(a.v, b.v)


def chain(frames_: list[list[float]], schedule: Schedule) -> torch.Tensor:
    """The gradient of a pooling's spikes by each of four inputs that its window sees."""
    x = torch.tensor(frames_, dtype=torch.float32).reshape(1, 1, 1, 2, 2).requires_grad_()
    net = SpikingNetwork.sequential((1, 2, 2), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(1, 1, bias=False), LIF())
    counts = net(x, schedule, engine="reference").counts
    counts[:, :, net.plan().parts[0].at].sum().backward()
    assert x.grad is not None
    return x.grad.flatten()


@pytest.mark.parametrize("schedule", [LAYERED, WHOLE])
def test_the_gradient_goes_to_the_first_of_a_window_ties_by_index(schedule: Schedule) -> None:
    assert chain([[0, 1], [1, 1]], schedule).tolist() == [0, 1, 0, 0]
    assert chain([[0, 0], [0, 0]], schedule).tolist() == [0, 0, 0, 0]


def two_in_a_window(*modules: nn.Module) -> SpikingNetwork:
    """Two neurons, one input each, both above their threshold, the second higher; one window sees both."""
    linear = nn.Linear(2, 2, bias=False)
    with torch.no_grad():
        linear.weight.copy_(torch.tensor([[1.0, 0.0], [0.0, 2.0]]))
    return SpikingNetwork.sequential((2,), linear, LIF(v_threshold=0.5), nn.Unflatten(1, (1, 2)), *modules)


@pytest.mark.parametrize(("schedule", "first"), [(Schedule(F=1, order="momentum"), 1), (Schedule(F=1, order="fifo"), 0),
                                                 (WHOLE, 0), (LAYERED, 0)])  # fmt: skip
def test_the_gradient_goes_to_the_spike_that_was_served_first(schedule: Schedule, first: int) -> None:
    net = two_in_a_window(nn.MaxPool1d(2), nn.Flatten(), nn.Linear(1, 1, bias=False), LIF())
    result = net(torch.ones(1, 1, 2), schedule, engine="reference")
    result.counts[:, :, net.plan().parts[1].at].sum().backward()
    weight = next(net.parameters())
    assert weight.grad is not None
    assert (weight.grad != 0).any(1).nonzero().tolist() == [[first]]


def test_the_gradient_passes_the_pooling_as_it_stands() -> None:
    """With one spike a window, a pooling changes no gradient of the layers before it."""
    grads = []
    for layers in ((nn.MaxPool1d(2), nn.Flatten()), (nn.Flatten(),)):
        net = two_in_a_window(*layers, nn.Linear(1 if len(layers) == 2 else 2, 1, bias=False), LIF(v_threshold=0.5))
        with torch.no_grad():
            net.layers[-1][-1].weight.fill_(0.75)  # type: ignore[index,operator,union-attr]
        counts = net(torch.tensor([[[1.0, 0.0]]]), LAYERED, engine="reference").counts
        counts[:, :, net.plan().output].sum().backward()
        grads.append(next(net.parameters()).grad)
    assert grads[0] is not None
    assert grads[0][0, 0] != 0
    assert torch.equal(grads[0][0], grads[1][0])


def test_training_on_the_grid_runs_the_integers_and_learns() -> None:
    net = network(3)
    train_on_grid(net, "loihi2", 8)
    net.train()
    result = net(frames(), Schedule(F=4), engine="reference")
    result.counts[:, :, net.plan().output].sum().backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in net.parameters())
    assert net.quantization is not None
    fixed = net.quantization.quantized(net.export())
    assert np.array_equal(simulate.run(fixed, stimulus(), Schedule(F=4)).counts, result.counts.sum(0).detach().numpy())


def test_the_words_of_a_configuration_make_it() -> None:
    net = build_network(TrainConfig(data="digits", layers=("conv 4 3 pad 1", "maxpool 2", "10")))
    assert list(net.neurons) == ["layer0", "pool1", "layer2"]
    with pytest.raises(ValueError, match=r"pools before its neurons.*'maxpool N' as the next layer"):
        build_network(TrainConfig(data="digits", layers=("conv 4 3 maxpool 2", "10")))
    with pytest.raises(ValueError, match="MaxPool2d has no asynchronous meaning on currents"):
        build_network(TrainConfig(data="digits", layers=("conv 4 3 pad 1", "avgpool 2", "maxpool 2", "10")[1:]))


@pytest.mark.parametrize("layers", [(nn.Conv2d(1, 3, 3),), (nn.AvgPool2d(2),), (nn.BatchNorm2d(1),)])
def test_before_the_neurons_it_is_refused(layers: tuple[nn.Module, ...]) -> None:
    with pytest.raises(
        ValueError, match=r"MaxPool2d has no asynchronous meaning on currents.*put it behind its neurons"
    ):
        SpikingNetwork.sequential((1, 6, 6), *layers, nn.MaxPool2d(2), LIF())


def test_what_is_no_pooling_is_refused_in_its_place() -> None:
    from trainer.neuron import MaxPooling

    averaged = nn.Sequential(nn.AvgPool2d(2), nn.MaxPool2d(1))
    for layers, words in ((nn.Linear(4, 1), "follows one MaxPool"), (averaged, "no asynchronous meaning on currents")):
        with pytest.raises(ValueError, match=words):
            SpikingNetwork({"x": (1, 2, 2)}, {"a": MaxPooling()}, [("x", "a", layers)])


@pytest.mark.parametrize("value", [2, -1])
def test_counts_above_one_are_refused_by_every_executor(value: int) -> None:
    net = SpikingNetwork.sequential((1, 2, 2), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(1, 1), LIF())
    trained = net.export()
    fixed = quantize(trained, find_chip("loihi2"))
    given = Stimulus(np.full((2, 1, 4), value))
    for call in (
        lambda: run(trained, given, WHOLE),
        lambda: run(trained, given, LAYERED),
        lambda: run(fixed, given, WHOLE),
        lambda: simulate.run(fixed, given, WHOLE),
        lambda: fast.run(fixed, given, LAYERED),
        lambda: net(torch.full((2, 1, 1, 2, 2), float(value)), engine="reference"),
    ):
        with pytest.raises(
            ValueError, match=r"input 'input' holds counts above 1.*leads into 'pool0'.*clip the counts"
        ):
            call()


def test_weights_and_neurons_of_a_pooling_are_checked() -> None:
    def made(weight: float, neuron: NetworkLIF) -> Network:
        connection = Conv2d(np.full((1, 1, 2, 2), weight), (1, 2, 2))
        return Network((Input("x", (1, 2, 2)),), (Population("a", (1, 1, 1), neuron),),
                       (Projection("x", "a", connection),), "a")  # fmt: skip

    good = NetworkLIF(0.0, 0.0, pools=True)
    assert pooling(made(1.0, good)) == ("a",)
    with pytest.raises(ValueError, match="x -> a leads into a max pooling with weights other than 0 and 1"):
        made(0.5, good)
    for change in ({"v_threshold": 1.0}, {"tau_mem_s": 1.0}, {"bias": 1.0}, {"reset": "subtract"}, {"v_min": -1.0}):
        with pytest.raises(ValueError, match="max pooling of spikes has threshold 0, no memory"):
            replace(good, **change)
    with pytest.raises(ValueError, match="max pooling of spikes has threshold 0"):
        FixedLIF(v_threshold=1, pools=True)
    several = NetworkLIF(np.inf, 1.0, reset="subtract", multi_spike=True)
    populations = Population("a", (2,), several), Population("b", (1,), good)
    projections = Projection("x", "a", Dense(np.eye(2))), Projection("a", "b", Dense(np.ones((1, 2))))
    with pytest.raises(ValueError, match="a -> b takes spikes of neurons that fire several times"):
        Network((Input("x", (2,)),), populations, projections, "b")


def test_files_keep_it(tmp_path) -> None:
    fixed = quantize(network().export(), find_chip("loihi1"), 4)
    npz.save(fixed, tmp_path / "a.npz")
    assert pooling(npz.load(tmp_path / "a.npz")) == ("pool1",)
