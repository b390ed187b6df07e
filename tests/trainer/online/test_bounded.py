"""Errors stop at a neuron that codes more than its spikes can tell; what it spikes is the same."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from ir.neurons import SpikingGamma as NetworkSpikingGamma
from ir.schedule import Schedule
from tests.trainer.online.test_credit import spikes_in
from trainer.engines.neurons.gamma_dynamics import gate
from trainer.losses import range_penalty
from trainer.network import SpikingNetwork
from trainer.online.gradients import gradients
from trainer.spiking_gamma import SpikingGamma

HEIGHT, KEEP = 0.05, 0.8
MOST = 2 * HEIGHT / (1 - KEEP)


def network(bounded: bool, ceiling: float | None = None) -> SpikingNetwork:
    """6-8-3 in float64, driven so hard that some neurons code more than a spike in every time step tells."""
    torch.manual_seed(3)
    hidden = SpikingGamma((KEEP, 0.7, 0.9), HEIGHT, spread=2.0, bounded=bounded, ceiling=ceiling)
    readout = SpikingGamma((KEEP, 0.9, 0.95), None, spread=2.0)
    layers = nn.Linear(6, 8, bias=False), hidden, nn.Linear(8, 3, bias=False), readout
    return SpikingNetwork.sequential((6,), *layers, schedule=Schedule("layered")).double()


FRAMES, LABELS = spikes_in(60, 4, 6), torch.arange(4) % 3


def test_it_changes_gradients_and_no_spike() -> None:
    plain, bounded = network(False), network(True)
    a, b = plain(FRAMES), bounded(FRAMES)
    assert torch.equal(a.counts, b.counts) and torch.equal(a.v, b.v)
    above = float((a.v[:, :, :8] > MOST).double().mean())
    assert 0.1 < above < 0.9
    name = "layers.0.0.weight"
    first, second = (gradients(net, FRAMES, LABELS, "bptt")[name] for net in (plain, bounded))
    assert float((first - second).abs().max()) > 0.1 * float(first.abs().max())


def test_a_ceiling_of_what_a_spike_in_every_time_step_tells_changes_nothing_and_a_lower_one_spikes() -> None:
    plain, same, low = network(True), network(False, MOST), network(False, MOST / 4)
    a, b, c = plain(FRAMES), same(FRAMES), low(FRAMES)
    assert torch.equal(a.counts, b.counts) and torch.equal(a.v, b.v)
    assert float(c.counts.sum().detach()) < 0.8 * float(a.counts.sum().detach())
    first, second = (gradients(net, FRAMES, LABELS, "bptt")["layers.0.0.weight"] for net in (plain, same))
    assert torch.equal(first, second)
    neuron = low.export().populations[0].neuron
    assert isinstance(neuron, NetworkSpikingGamma) and neuron.ceiling == pytest.approx(MOST / 4)


@pytest.mark.parametrize("price", [0.0, 2.0])
@pytest.mark.parametrize("last", [0, 5])
def test_rule_trace_is_backpropagation_through_time_here_too(price: float, last: int) -> None:
    exact, found, fast = (
        gradients(network(True), FRAMES, LABELS, rule, last, engine, price)
        for rule, engine in (("bptt", "cpu"), ("trace", "reference"), ("trace", "cpu"))
    )
    for name, wanted in exact.items():
        assert float((found[name] - wanted).abs().max()) < 1e-12, name
        assert float((fast[name] - wanted).abs().max()) < 1e-12, name


def test_a_price_of_what_cannot_be_told_is_that_of_its_definition() -> None:
    net = network(True)
    name = "layers.0.0.weight"
    with_price, without = (gradients(net, FRAMES, LABELS, "trace", 0, "cpu", price)[name] for price in (2.0, 0.0))
    v = net(FRAMES).v[:, :, :8]
    (2 * torch.relu(v / MOST - 1).mean()).backward()
    weight = net.layers[0][0].weight
    assert weight.grad is not None and float(weight.grad.abs().max()) > 0
    assert float((with_price - without - weight.grad).abs().max()) < 1e-12
    assert range_penalty(v, torch.full((8,), float("inf"))) == 0


@pytest.mark.parametrize("rule", ["bptt", "trace", "all-buckets"])
def test_training_with_a_price_keeps_what_is_coded_inside_the_range(rule: str) -> None:
    above = []
    for price in (0.0, 20.0):
        net = network(True)
        optimizer = torch.optim.Adam(net.parameters(), 0.03)
        for _ in range(20):
            found = gradients(net, FRAMES, LABELS, rule, 0, "cpu", price)
            for name, p in net.named_parameters():
                p.grad = found[name]
            optimizer.step()
        above.append(float(torch.relu(net(FRAMES).v[:, :, :8] / MOST - 1).mean().detach()))
    assert above[1] < 0.5 * above[0]


def loss_of(v: Tensor) -> Tensor:
    return nn.functional.cross_entropy(v[:, :, -3:].flatten(0, 1), LABELS.repeat(len(v)))


def test_a_neuron_that_always_codes_too_much_learns_nothing() -> None:
    net = network(True)
    weight, buckets = net.layers[0][0].weight, net.neurons["layer0"].bucket_weight
    with torch.no_grad():
        weight[2], buckets[2] = 50.0, 1.0
    frames = torch.ones_like(FRAMES)
    result = net(frames)
    assert bool((result.v[:, :, 2] > MOST).all()) and bool((result.counts[:, :, 2] == 1).all())
    loss_of(result.v).backward()
    assert weight.grad is not None and float(weight.grad[2].abs().max()) == 0
    assert float(weight.grad.abs().max()) > 0


def test_the_gate_is_open_between_nothing_and_the_most_that_can_be_told() -> None:
    v = torch.tensor([-1.0, 0.0, 0.1, MOST, 2 * MOST])
    assert gate(v, torch.full((5,), MOST)).tolist() == [0, 0, 1, 0, 0]
    assert network(True).neurons["layer0"].most() == pytest.approx(MOST)
    assert network(False).neurons["layer0"].most() == float("inf") == network(True).neurons["layer1"].most()
