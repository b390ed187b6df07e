"""SpikingGamma in training: the table with its gradient, layouts, rates at any time step, and every credit rule."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from ir.connection import Dense
from ir.network import Input, Network, Population, Projection
from ir.neurons import SpikingGamma as Neuron
from ir.schedule import Schedule
from ir.state import state_names
from ir.stimulus import Stimulus
from tests.trainer.online.layouts import Layer, layer_c, network_a
from trainer.execute import run
from trainer.network import SpikingNetwork
from trainer.online.credit import CREDITS
from trainer.online.gradients import cosines, gradients
from trainer.spiking_gamma import SpikingGamma

LAYERED = Schedule("layered")
FRAMES = np.array([[1, 0], [0, 1], [0, 0], [1, 0], [0, 0], [0, 1]])[:, None]
KEEP = (0.5, 0.75)
TABLE = [
    # X0, X1, y, p, s, E
    (3, 0, 1.5, 0, 1, 1),
    (0.5, 0.75, 1, 0.5, 0, 0.5),
    (0.25, 0.6875, 0.8125, 0.25, 1, 1.25),
    (3.125, 0.578125, 2.140625, 0.625, 1, 1.625),
    (1.5625, 1.21484375, 1.99609375, 0.8125, 1, 1.8125),
    (-0.21875, 1.3017578125, 1.1923828125, 0.90625, 0, 0.90625),
]


def one_neuron(strict: bool = True) -> Network:
    """The neuron of the table."""
    neuron = Neuron(KEEP, (0.5, 1.0), 0.5, strict=strict)
    edge = Projection("in", "p", Dense(np.array([[3.0, -1.0]])))
    return Network((Input("in", (2,)),), (Population("p", (1,), neuron),), (edge,), "p", schedule=LAYERED)


def test_the_table_of_floats_appears_exactly():
    network = one_neuron()
    trace = run(network, Stimulus(FRAMES.astype(np.int32)), record=state_names(network))
    x0, x1, v, e = (trace.states[name][:, 0, 0].astype(float) for name in ("x0", "x1", "v", "e"))
    s = np.isin(np.arange(6), trace.spikes.t)
    assert list(zip(x0, x1, np.maximum(v, 0), e - s, s, e)) == TABLE


def test_an_exact_tie_spikes_where_the_rule_is_not_strict():
    trace = run(one_neuron(strict=False), Stimulus(FRAMES.astype(np.int32)))
    assert trace.spikes.t.tolist()[:2] == [0, 1]


def test_the_gradient_of_the_table_appears_exactly():
    """Of (y(6) - 1)^2 / 2."""
    neuron = SpikingGamma(KEEP, 0.5, bucket_weight=[0.5, 1.0])
    layer = nn.Linear(2, 1, bias=False)
    network = SpikingNetwork.sequential((2,), layer, neuron, schedule=LAYERED).double()
    with torch.no_grad():
        layer.weight.copy_(torch.tensor([[3.0, -1.0]]))
    result = network(torch.as_tensor(FRAMES, dtype=torch.float64))
    ((torch.relu(result.v[5, 0, 0]) - 1) ** 2 / 2).backward()
    assert layer.weight.grad is not None and neuron.bucket_weight.grad is not None
    assert layer.weight.grad.tolist() == [[0.1268148422241211, 0.15105056762695312]]
    assert neuron.bucket_weight.grad.tolist() == [[-0.042083740234375, 0.25043582916259766]]


def chain(sizes: list[int], n_buckets: int = 4, seed: int = 0, th: float = 0.1) -> tuple[SpikingNetwork, list[Layer]]:
    """A chain in float64 that ends in a readout, and the same as tensors."""
    torch.manual_seed(seed)
    keep = [0.8, *np.linspace(0.7, 0.9, n_buckets - 1)]
    modules: list[nn.Module] = []
    for i, (a, b) in enumerate(pairwise(sizes)):
        threshold = th if i < len(sizes) - 2 else None
        modules += [nn.Linear(a, b, bias=False), SpikingGamma(keep, threshold)]
    network = SpikingNetwork.sequential((sizes[0],), *modules, schedule=LAYERED).double()
    layers = []
    for linear, neuron in zip(modules[::2], modules[1::2]):
        assert isinstance(linear, nn.Linear) and isinstance(neuron, SpikingGamma)
        layers.append(Layer(linear.weight, neuron.bucket_weight, torch.tensor(keep), neuron.v_threshold))
        layers[-1].a = layers[-1].a.double()
    return network, layers


def spikes_in(t: int, b: int, n: int, seed: int = 1) -> Tensor:
    return (torch.rand(t, b, n, generator=torch.Generator().manual_seed(seed)) < 0.4).double()


def label_loss(out: Tensor) -> Tensor:
    """Of a readout (T, B, n): the cross-entropy of all time steps, labels 0, 1, 2, 0, ..."""
    labels = torch.arange(out.shape[1]) % out.shape[2]
    return nn.functional.cross_entropy(out.flatten(0, 1), labels.repeat(len(out)))


def test_the_engine_and_layouts_a_and_c_are_equal():
    network, layers = chain([6, 8, 3])
    frames = spikes_in(50, 3, 6)
    result = network(frames)
    out, fired = network_a(layers, frames)
    assert (result.v[:, :, 8:] - out).abs().max() < 1e-12
    assert (result.counts[:, :, :8] - fired[0]).abs().max() < 1e-12 and fired[0].mean() > 0.05
    first = (result.v[:, :, :8] - layer_c(layers[0], frames)).abs().max()
    told = fired[0] * layers[0].factor * 0.1
    assert first < 1e-12 and (result.v[:, :, 8:] - layer_c(layers[1], told)).abs().max() < 1e-12


@pytest.mark.parametrize("sizes", [[6, 8, 3], [5, 7, 6, 3]], ids=["one hidden", "two hidden"])
def test_the_engine_s_gradient_is_that_of_layout_a_straight_through(sizes):
    network, layers = chain(sizes)
    frames = spikes_in(50, 2, sizes[0])
    label_loss(network(frames).v[:, :, -3:]).backward()
    ours = [p.grad.clone() for p in network.parameters() if p.grad is not None]
    network.zero_grad()
    label_loss(network_a(layers, frames)[0]).backward()
    theirs = [p.grad for p in network.parameters() if p.grad is not None]
    assert len(ours) == len(theirs) == 2 * len(layers)
    for a, b in zip(ours, theirs):
        assert float((a - b).abs().max()) < 1e-12 and float(b.abs().max()) > 1e-4


def test_rule_trace_is_backpropagation_through_time_straight_through():
    network, layers = chain([6, 8, 3])
    frames = spikes_in(50, 2, 6)
    found = gradients(network, frames, torch.arange(2) % 3, "trace")
    label_loss(network_a(layers, frames)[0]).backward()
    for name, p in network.named_parameters():
        assert p.grad is not None
        assert float((found[name] - p.grad).abs().max()) < 1e-12, name


def test_cosines_of_all_rules_to_backpropagation_through_time():
    network, _ = chain([6, 8, 3])
    rows = cosines(network, spikes_in(50, 2, 6), torch.arange(2) % 3)
    assert list(rows) == list(CREDITS)
    hidden = {rule: row["layers.0.0.weight"] for rule, row in rows.items()}
    assert hidden["trace"] == pytest.approx(1, abs=1e-12) and hidden["trace-by-layer"] == pytest.approx(1, abs=1e-12)
    assert 0.2 < hidden["all-buckets"] < 0.999 and 0.2 < hidden["bucket-0"] < 0.999
    for row in rows.values():  # what leads into the readout is exact under every rule
        assert row["layers.1.0.weight"] == pytest.approx(1, abs=1e-12)
        assert row["neurons.layer1.bucket_weight"] == pytest.approx(1, abs=1e-12)


def test_deeper_networks_and_convolutions_are_refused_with_the_memory_that_traces_would_take():
    deep, _ = chain([5, 7, 6, 3])
    need = (7 * 5 * (6 * 4) * 4 + 6 * 7 * 4) * 2 * 8
    with pytest.raises(
        ValueError, match=rf"one spiking hidden layer, this network has 2: .* {need / 1e3:.3g} kB for 2"
    ):
        gradients(deep, spikes_in(3, 2, 5), torch.zeros(2, dtype=torch.int64), "trace")
    conv = SpikingNetwork.sequential(
        (1, 4, 4), nn.Conv2d(1, 2, 3, bias=False), SpikingGamma((0.8, 0.9)), nn.Flatten(),
        nn.Linear(8, 3, bias=False), SpikingGamma((0.8, 0.9), None), schedule=LAYERED,
    )  # fmt: skip
    for rule in ("trace", "trace-by-layer"):
        with pytest.raises(
            ValueError, match=f"rule '{rule}' takes dense projections, .* would take 1.15 kB for 2 samples"
        ):
            gradients(conv, spikes_in(3, 2, 16).float(), torch.zeros(2, dtype=torch.int64), rule)
    gradients(conv, spikes_in(3, 2, 16).float(), torch.zeros(2, dtype=torch.int64), "all-buckets")
    gradients(deep, spikes_in(3, 2, 5), torch.zeros(2, dtype=torch.int64), "trace-by-layer")


def rate_hz(dt_s: float, y: float = 2.0, seconds: float = 1.0) -> float:
    """Spikes a second of a neuron that codes a constant y with a threshold of .25 and 20 ms."""
    keep = np.exp(-dt_s / 20e-3)
    neuron = Neuron((keep,), (1.0,), 0.25)
    edge = Projection("in", "p", Dense(np.array([[1.0]])))
    network = Network((Input("in", (1,)),), (Population("p", (1,), neuron),), (edge,), "p", dt_s, LAYERED)
    n = round(seconds / dt_s)
    drive = np.full((n, 1, 1), y * (1 - keep), np.float32)
    drive[0] = y
    return float(run(network, Stimulus(drive)).counts[0, 0]) / seconds


def test_the_rate_does_not_depend_on_the_time_step():
    """y / (2 th tau): 200 Hz; a step of 10 ms holds one spike at most, 100 Hz."""
    rates = {ms: rate_hz(ms * 1e-3) for ms in (5, 2, 1, 0.5, 0.1)}
    assert all(186 <= rate <= 214 for rate in rates.values()), rates
    assert rate_hz(10e-3) == pytest.approx(100, abs=1)


def test_buckets_lag_behind_the_first_by_what_the_formula_says():
    keep = (0.5, 0.8, 0.9, 0.95)
    neuron = Neuron(keep, np.ones(4), None)
    edge = Projection("in", "p", Dense(np.array([[1.0]])))
    network = Network((Input("in", (1,)),), (Population("p", (1,), neuron),), (edge,), "p", schedule=LAYERED)
    frames = np.zeros((1500, 1, 1), np.int32)
    frames[0] = 1
    trace = run(network, Stimulus(frames), record=("x0", "x1", "x2", "x3"))
    t = np.arange(1500)
    means = [float((t * trace.states[f"x{k}"][:, 0, 0]).sum() / trace.states[f"x{k}"].sum()) for k in range(4)]
    assert np.allclose(np.array(means) - means[0], neuron.lags, atol=1e-3) and np.allclose(neuron.lags, [0, 5, 15, 35])


def test_decays_but_the_first_learn_under_backpropagation_alone():
    network = SpikingNetwork.sequential(
        (4,), nn.Linear(4, 3, bias=False), SpikingGamma((0.8, 0.9), None, train_decays=True), schedule=LAYERED
    ).double()
    label_loss(network(spikes_in(20, 2, 4)).v).backward()
    neuron = network.neurons["layer0"]
    assert isinstance(neuron, SpikingGamma) and neuron.log_rate is not None and neuron.log_rate.grad is not None
    assert float(neuron.log_rate.grad.abs().max()) > 0
    assert network.export().populations[0].neuron.lags == pytest.approx([0, 10])
    with pytest.raises(ValueError, match="decays learn under rule 'bptt' alone"):
        gradients(network, spikes_in(3, 2, 4), torch.zeros(2, dtype=torch.int64), "all-buckets")


def test_a_run_in_pieces_is_the_run_in_one():
    network, _ = chain([6, 8, 3])
    frames = spikes_in(12, 2, 6)
    whole = network(frames)
    first = network(frames[:5])
    rest = network(frames[5:], state=first.state.detach())
    assert torch.equal(whole.v[5:], rest.v)
