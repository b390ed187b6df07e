"""Training that no order changes: weights keep their sign, every class begins alive, every schedule fires alike."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from ir import Schedule, Stimulus
from ir.order_free import why_order_matters
from ir.trace import Trace
from sim_reference.fast import run
from stimuli.data_sets import load
from trainer import LIF, SpikingNetwork, TrainConfig, train
from trainer.config import from_dict
from trainer.initial import balance
from trainer.order_free import DENSITY, begin, following, weights_between
from trainer.trainable import TrainableNetwork
from unlayered import api

SMALL = TrainConfig(
    data="digits", layers=("32", "20", "10"), order_free=True, loss="count", schedule=Schedule("layered"), epochs=2,
    learning_rate=3e-3, limit=256,
)  # fmt: skip


@pytest.fixture(scope="module")
def trained(tmp_path_factory) -> SpikingNetwork:
    return train(SMALL, tmp_path_factory.mktemp("order-free"))


@pytest.fixture(scope="module")
def images() -> Stimulus:
    return load("digits", None, "test", 40)


def fired(trace: Trace) -> set[tuple[int, int, int]]:
    assert trace.spikes is not None
    return set(zip(trace.spikes.sample.tolist(), trace.spikes.t.tolist(), trace.spikes.neuron.tolist()))


def test_weights_between_populations_are_never_negative_and_those_from_the_inputs_are_of_both_signs(trained):
    between = weights_between(trained)
    assert len(between) == 2
    assert all(float(w.detach().min()) == 0 for w in between), "none reached 0: nothing was held"
    first = trained.export().projections[0].connection.weight
    assert first.min() < 0 < first.max()
    assert why_order_matters(trained.export()) == ""


@pytest.mark.parametrize("bits", [8, 4])
def test_integers_fire_alike_under_every_schedule(trained, images, bits):
    mapped = api.map(trained.export(), chip="loihi2", weight_bits=bits)
    assert why_order_matters(mapped) == ""
    layered = fired(run(mapped, images, Schedule("layered")))
    assert len(layered) > 1000
    for order in ("fifo", "random", "momentum"):
        for f in (1, 8, None):
            assert fired(run(mapped, images, Schedule(order=order, F=f))) == layered, (order, f)


def test_a_network_without_it_depends_on_the_order(tmp_path, images):
    other = train(replace(SMALL, order_free=False), tmp_path)
    why = why_order_matters(other.export())
    assert "negative" in why
    mapped = api.map(other.export(), chip="loihi2")
    assert fired(run(mapped, images, Schedule(F=1))) != fired(run(mapped, images, Schedule("layered")))


def test_weights_are_let_go_after_the_epochs_that_were_asked_for(tmp_path):
    held = replace(SMALL, order_free_epochs=2)
    assert why_order_matters(train(held, tmp_path / "held").export()) == ""
    let_go = train(replace(held, epochs=3), tmp_path / "let-go")
    assert "negative" in why_order_matters(let_go.export())


def test_training_goes_on_from_a_network_and_lifts_its_negative_weights(tmp_path):
    train(replace(SMALL, order_free=False, epochs=1), tmp_path / "before")
    own = {name: getattr(TrainConfig(), name) for name in ("layers", "tau_mem_s", "initial_density")}
    after = train(replace(SMALL, start=str(tmp_path / "before"), epochs=1, **own), tmp_path / "after")
    assert isinstance(after, TrainableNetwork)
    assert why_order_matters(after.export()) == ""
    assert len(weights_between(after)) == 2


def test_on_a_chips_grid_the_integers_are_free_too(tmp_path):
    network = train(replace(SMALL, weight_bits=4, epochs=1), tmp_path)
    assert network.quantization is not None
    assert why_order_matters(network.quantization.quantized(network.export())) == ""


def weights_into_first(network: SpikingNetwork) -> torch.Tensor:
    return next(network.layers[0].parameters())


def test_every_neuron_behind_the_inputs_begins_as_often_as_asked_one_of_negative_weights_too():
    torch.manual_seed(0)
    network = SpikingNetwork.sequential((1, 6, 6), nn.Conv2d(1, 5, 3, bias=False), LIF(1e-3, 0.3), nn.Flatten(),
                                        nn.Linear(80, 7, bias=False), LIF(1e-3, 0.3))  # fmt: skip
    with torch.no_grad():
        weights_into_first(network)[0].abs_().neg_()
    frames = (np.random.default_rng(0).random((6, 64, 36)) < 0.2).astype(np.int32)
    stimulus = Stimulus(frames, labels=np.zeros(64, np.int64))

    def of_each_channel() -> np.ndarray:
        with torch.no_grad():
            counts = network(torch.tensor(frames, dtype=torch.float32), Schedule("layered")).counts
        return counts[:, :, :80].mean((0, 1)).reshape(5, 16).mean(1).numpy()

    assert of_each_channel().min() == 0
    balance(network, stimulus, DENSITY)
    assert of_each_channel() == pytest.approx([DENSITY] * 5, abs=0.03)


def test_a_channel_follows_its_own_in_the_middle_of_a_kernel():
    weight = following((3, 2, 3, 3), torch.Generator().manual_seed(0))
    assert [tuple(map(int, at)) for at in np.argwhere(weight.numpy() == 1)] == [
        (0, 0, 1, 1), (1, 1, 1, 1), (2, 0, 1, 1),
    ]  # fmt: skip
    assert float(weight[weight != 1].max()) <= 0.01


@pytest.mark.parametrize("wide", [8, 64, 512, 4096])
def test_however_wide_the_layer_before_is_neurons_begin_neither_silent_nor_all_at_work(wide: int):
    network = SpikingNetwork.sequential((40,), nn.Linear(40, wide, bias=False), LIF(1e-3, 0.3),
                                        nn.Linear(wide, 10, bias=False), LIF(1e-3, 0.3))  # fmt: skip
    frames = (np.random.default_rng(0).random((6, 64, 40)) < 0.2).astype(np.int32)
    begin(network, Stimulus(frames, labels=np.zeros(64, np.int64)), DENSITY, 0.3, 0)
    with torch.no_grad():
        counts = network(torch.tensor(frames, dtype=torch.float32), Schedule("layered")).counts[:, :, wide:]
    assert 0.03 < float(counts.mean()) < 0.7


def test_a_row_is_turned_only_where_it_then_fires_more_and_grows_no_further_than_that_helps():
    """Frames empty but for one in twenty: no row can reach the density, whatever its sign."""
    torch.manual_seed(0)
    network = SpikingNetwork.sequential((20,), nn.Linear(20, 30, bias=False), LIF(1e-3, 0.3))
    rng = np.random.default_rng(0)
    frames = ((rng.random((10, 60, 20)) < 0.5) & (rng.random((10, 60, 1)) < 0.05)).astype(np.int32)

    def fired() -> torch.Tensor:
        with torch.no_grad():
            return network(torch.tensor(frames, dtype=torch.float32), Schedule("layered")).counts.mean((0, 1))

    weight = weights_into_first(network)
    before = weight.detach().clone()
    balance(network, Stimulus(frames, labels=np.zeros(60, np.int64)), DENSITY)
    as_found, sign = fired(), torch.sign(weight.detach() * before).mean(1)
    with torch.no_grad():
        weight.neg_()
    assert set(sign.tolist()) == {-1.0, 1.0}
    assert (as_found >= fired()).all() and float(as_found.max()) < DENSITY
    assert float((weight.detach().abs() / before.abs()).median()) < 32


def test_a_mean_over_a_window_follows_where_one_of_it_fires():
    network = SpikingNetwork.sequential((1, 4, 4), nn.Conv2d(1, 1, 1, bias=False), LIF(1e-3, 0.3), nn.AvgPool2d(2),
                                        nn.Conv2d(1, 1, 1, bias=False), LIF(1e-3, 0.3))  # fmt: skip
    frames = np.zeros((1, 1, 16), np.int32)
    frames[0, 0, 0] = 1
    begin(network, Stimulus(frames, labels=np.zeros(1, np.int64)), 0.05, 0.3, 0)
    with torch.no_grad():
        counts = network(torch.tensor(frames, dtype=torch.float32), Schedule("layered")).counts[0, 0]
    assert counts.tolist() == [1.0] + [0.0] * 15 + [1.0, 0.0, 0.0, 0.0]


@pytest.mark.parametrize(
    "changes, sentence",
    [
        ({"neuron": "spiking_gamma", "rule": "bptt"}, "neuron 'spiking_gamma' has no order_free; leave it out"),
        ({"order_free_epochs": -1}, "order_free_epochs is -1; at least 0"),
        (
            {"order_free": False, "order_free_epochs": 3},
            "order_free_epochs says how long order_free holds; set order_free",
        ),
        ({"order_free": "yes"}, "order_free is 'yes'; give true or false"),
        ({"schedule": {"input": "queued"}}, "order_free holds for whole frames without a forced stop: leave input"),
        ({"schedule": {"stop_after": 5}}, "order_free holds for whole frames without a forced stop: leave input"),
    ],
)
def test_what_cannot_hold_is_one_sentence(changes, sentence):
    with pytest.raises(ValueError, match=sentence):
        from_dict({"order_free": True, "schedule": {"kind": "layered"}, **changes})


def test_a_network_that_looks_back_is_refused_with_the_reason(tmp_path, trained):
    from exchange import npz
    from ir.connection import Dense
    from ir.network import Projection

    frozen = trained.export()
    loop = Projection("layer0", "layer0", Dense(np.ones((32, 32), np.float32)))
    npz.save(replace(frozen, projections=(*frozen.projections, loop)), tmp_path / "net.npz")
    own = {name: getattr(TrainConfig(), name) for name in ("layers", "tau_mem_s", "initial_density")}
    with pytest.raises(ValueError, match="order_free cannot hold in this network: projections look back"):
        train(replace(SMALL, start=str(tmp_path / "net.npz"), **own), tmp_path / "out")
