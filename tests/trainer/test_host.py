"""The encoder of a network that is trained: gradients, states, truncated backpropagation, a configuration."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

import unlayered as ul
from exchange import npz
from ir.state import State
from tests.test_encoder import currents, network
from tests.unlayered.verbs import call, refused
from trainer import LIF, SpikingNetwork, TrainConfig
from trainer.execute import run
from trainer.host import sent


@pytest.mark.parametrize("rule", [{}, {"input": "queued"}, {"input": "paced", "R": 4}])
@pytest.mark.filterwarnings("ignore:engine 'cpu' does not know the gradient of an encoder")
def test_a_gradient_reaches_the_encoder(rule: dict[str, object]) -> None:
    net = network(schedule=ul.Schedule(F=4, **rule))  # type: ignore[arg-type]
    frames = torch.as_tensor(currents().frames.copy()).reshape(5, 4, 1, 6, 6)
    result = net(frames)
    result.counts[:, :, net.plan().output].sum().backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in net.parameters())
    with torch.no_grad():
        again = net(frames)
    assert torch.equal(again.counts, result.counts.detach())


def test_the_loop_sends_what_executors_send() -> None:
    net, given_ = network().train(), currents()
    frames = torch.as_tensor(given_.frames.copy())
    assert net.encoder is not None
    found = sent(net.encoder, frames, torch.arange(4)).spikes.detach().numpy()
    host = run(net.export(), given_).host
    assert host is not None and np.array_equal(found, host)


def test_the_gradient_is_that_of_the_layered_engine() -> None:
    """Behind the same spikes a body that passes them on: the gradients of one layered network."""
    torch.manual_seed(1)
    linear = nn.Linear(6, 5)
    whole = SpikingNetwork.sequential((6,), linear, LIF(2e-3, 0.3), schedule=ul.Schedule("layered", None))
    frames = torch.rand(4, 3, 6)
    weights = torch.randn(4, 3, 5)
    (whole(frames).counts * weights).sum().backward()
    assert linear.weight.grad is not None
    want = linear.weight.grad.clone()
    linear.weight.grad = None
    (sent(whole, frames, torch.arange(3)).spikes * weights).sum().backward()
    assert torch.equal(linear.weight.grad, want)


@pytest.mark.parametrize("cut", [1, 3])
@pytest.mark.parametrize("schedule", [ul.Schedule(F=4), ul.Schedule("layered", None)], ids=["F = 4", "layered"])
def test_a_call_that_was_cut_goes_on_with_the_same_spikes_and_gradients(schedule: ul.Schedule, cut: int) -> None:
    net, frames = network().train(), torch.as_tensor(currents().frames.copy())

    def gradients(*results: Any) -> list[torch.Tensor]:
        net.zero_grad()
        torch.stack([(r.counts + 0.1 * r.v).sum() for r in results]).sum().backward()
        return [p.grad.clone() for p in net.parameters() if p.grad is not None]

    whole = net(frames, schedule, engine="reference")
    first = net(frames[:cut], schedule, engine="reference")
    second = net(frames[cut:], schedule, engine="reference", state=first.state)
    assert torch.equal(whole.counts, torch.cat([first.counts, second.counts])) and whole.counts.sum() > 10
    for a, b in zip(gradients(whole), gradients(first, second), strict=True):
        torch.testing.assert_close(a, b)


def test_a_state_goes_through_a_file_between_the_module_and_the_executors(tmp_path: Path) -> None:
    net, given_ = network().eval(), currents()
    frames = torch.as_tensor(given_.frames.copy())
    with torch.no_grad():
        whole, first = net(frames), net(frames[:2])
    ul.save(net.freeze(first.state), tmp_path / "state.npz")
    state = npz.load(tmp_path / "state.npz", State)
    with torch.no_grad():
        second = net(frames[2:], state=state)
    assert torch.equal(whole.counts[2:], second.counts)
    frozen, rest = net.export(), ul.Stimulus(given_.frames[2:])
    assert np.array_equal(run(frozen, rest, state=state).counts, second.counts.sum(0).numpy())
    with pytest.raises(ValueError, match="go on with the network that left it"):
        network(seed=1)(frames[2:], state=state)
    with pytest.raises(ValueError, match="the state is of a network without an encoder"):
        net(frames[2:], state=replace(state, host=None))


def test_a_configuration_trains_maps_and_runs_on_currents(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two kinds of images, told apart on the chip's grid; floats from a file on every executor."""
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    labels = np.arange(48) % 2
    images = [(0.2 * rng.random((4, 4)) + (np.eye(4) if y else np.eye(4)[::-1])).astype(np.float32) for y in labels]
    samples = list(zip(images, labels.tolist()))
    config = TrainConfig(
        data="own", layers=("24", "12", "2"), encoder=1, epochs=8, batch_size=8, learning_rate=2e-2, weight_bits=8,
        tau_mem_s=5e-3, initial_density=0.2, truncate=3,
        data_options={"images": "current", "n_steps": 5, "window_us": 1000},
    )  # fmt: skip
    ul.train(config, "net", data=samples)
    np.save("x.npy", np.stack([np.broadcast_to(x.reshape(-1), (5, 16)) for x in images], 1))
    result = call("map", "net", "--chip", "loihi2", "--calibrate", "x.npy", "--out", "m.npz", "--json")
    assert result.exit_code == 0, result.output
    for name, on in (("a", "reference"), ("b", "trainer")):
        assert call("run", "m.npz", "--on", on, "--data", "x.npy", "--out", f"{name}.npz").exit_code == 0
    assert call("compare", "a.npz", "b.npz").exit_code == 0
    trace = npz.load(tmp_path / "a.npz", ul.Trace)
    assert trace.host is not None and trace.host.any()
    at = trace.population_slice(trace.output)
    assert (trace.counts[:, at].argmax(1) == labels).mean() > 0.9
    words = call("inspect", "m.npz")
    assert words.exit_code == 0 and "Encoder on the host" in words.output
    assert "has 15 inputs a frame, the network has 16" in refused(
        2, "run", "m.npz", "--on", "reference", "--data", _narrow(tmp_path), "--out", "c.npz"
    )


def test_how_many_layers_is_checked() -> None:
    for n in (2, -1, True, 1.5):
        with pytest.raises(ValueError, match="encoder is"):
            SpikingNetwork.sequential((4,), nn.Linear(4, 3), LIF(), nn.Linear(3, 2), LIF(), encoder=n)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="encoder is -1; at least 0"):
        TrainConfig(encoder=-1)
    encoder = SpikingNetwork.sequential((4,), nn.Linear(4, 3), LIF())
    with pytest.raises(ValueError, match="ends in 3 neurons, the network behind it has 5 inputs"):
        SpikingNetwork({"x": (5,)}, {"a": LIF()}, [("x", "a", nn.Linear(5, 2))], encoder=encoder)


def _narrow(folder: Path) -> Path:
    np.save(folder / "y.npy", np.full((2, 3, 15), 0.5))
    return folder / "y.npy"
