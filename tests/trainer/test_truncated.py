"""Backpropagation through time that ends after some steps: states go on, gradients do not, memory stays."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from ir import Schedule, Stimulus
from ir.check import SlowerWarning
from ir.trace_parts import join_in_time
from stimuli.own.data import data_of
from tests.test_state import same_traces
from tests.trainer.test_fit import CONFIG, toy, weights
from trainer.build import build_network
from trainer.execute import run
from trainer.fit import evaluate, train
from trainer.network import SpikingNetwork
from trainer.neuron import LIF

SCHEDULES = [Schedule(kind="layered", F=None), Schedule(F=2, order="random"), Schedule(F=1, order="momentum")]


def network(current: bool = True) -> SpikingNetwork:
    """Recurrent, with currents and trained time constants, in double precision."""
    torch.manual_seed(0)
    lifs = [LIF(20e-3, 0.4, 10e-3 if current else None, train_tau=True) for _ in range(2)]
    layers = [nn.Linear(6, 5, bias=False), nn.Linear(5, 4), nn.Linear(4, 5, bias=False)]
    ends = [("in", "a", layers[0]), ("a", "b", layers[1]), ("b", "a", layers[2])]
    made = SpikingNetwork({"in": (6,)}, dict(zip("ab", lifs)), ends, "b").double()
    with torch.no_grad():
        layers[0].weight.abs_()
    return made


def frames(n_steps: int = 7) -> Tensor:
    """Counts of three samples."""
    return (torch.rand(n_steps, 3, 6, generator=torch.Generator().manual_seed(1)) < 0.5).double()


def gradients(net: SpikingNetwork, loss: Tensor) -> list[Tensor]:
    """Of every parameter."""
    net.zero_grad()
    loss.backward()
    return [p.grad.clone() for p in net.parameters() if p.grad is not None]


def scored(result: Any) -> Tensor:
    """A loss of spikes and membranes, a sum over time steps."""
    weight = torch.linspace(-1, 1, result.v.shape[2], dtype=result.v.dtype)
    return (result.counts * weight).sum() + (result.v**2).sum()


@pytest.mark.parametrize("schedule", SCHEDULES, ids=lambda s: f"{s.kind}-{s.order}")
@pytest.mark.parametrize("at", [0, 1, 4, 7])
def test_a_state_that_is_not_detached_carries_the_whole_gradient(schedule: Schedule, at: int) -> None:
    net, x, options = network(), frames(), {"engine": "reference"}
    whole = gradients(net, scored(net(x, schedule, **options)))
    first = net(x[:at], schedule, **options)
    second = net(x[at:], schedule, **options, state=first.state)
    cut = gradients(net, scored(first) + scored(second))
    assert len(whole) == len(cut) > 0 and any(bool((g != 0).any()) for g in whole)
    for a, b in zip(whole, cut):
        torch.testing.assert_close(a, b, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("schedule", SCHEDULES, ids=lambda s: f"{s.kind}-{s.order}")
def test_a_detached_state_ends_the_gradient(schedule: Schedule) -> None:
    net, x = network(), frames()
    first = net(x[:4], schedule, engine="reference")
    assert first.state.requires_grad and not first.state.detach().requires_grad
    ended = gradients(net, scored(net(x[4:], schedule, engine="reference", state=first.state.detach())))
    saved = net.freeze(net(x[:4], schedule, engine="reference").state)
    again = gradients(net, scored(net(x[4:], schedule, engine="reference", state=saved)))
    for a, b in zip(ended, again):
        torch.testing.assert_close(a, b, rtol=0, atol=0)
    whole = gradients(net, scored(first := net(x, schedule, engine="reference")))
    assert any(bool((a != b).any()) for a, b in zip(ended, whole)) and first.state.t == 7


@pytest.mark.parametrize("current", [True, False])
@pytest.mark.parametrize("schedule", SCHEDULES[1:], ids=lambda s: f"{s.kind}-{s.order}")
def test_the_compiled_engine_goes_on_with_the_same_gradients(schedule: Schedule, current: bool) -> None:
    """Leaks learn from the registers that were given, too."""
    net, x, found = network(current), frames(), []
    for engine in ("reference", "cpu"):
        state = net(x[:3], schedule, engine=engine).state.detach()
        result = net(x[3:], schedule, engine=engine, state=state)
        found.append((result, gradients(net, scored(result))))
    (plain, a), (compiled, b) = found
    assert torch.equal(plain.counts, compiled.counts) and torch.equal(plain.forward_steps, compiled.forward_steps)
    torch.testing.assert_close(plain.v, compiled.v)
    for name in ("v", "u"):
        torch.testing.assert_close(plain.state.states[name], compiled.state.states[name])
    assert len(a) == len(b) > 0
    for one, other in zip(a, b):
        torch.testing.assert_close(one, other, rtol=1e-9, atol=1e-10)


def test_a_compiled_engine_refuses_the_gradient_of_a_current_it_would_leave_out() -> None:
    net, x = network(), frames()
    state = net(x[:3], SCHEDULES[1], engine="cpu").state
    with pytest.raises(ValueError, match="engine 'cpu' does not know the gradient of a state into the call before"):
        net(x[3:], SCHEDULES[1], engine="cpu", state=state)
    with pytest.warns(SlowerWarning, match="the gradient of a state into the call before; the plain engine runs it"):
        result = net(x[3:], SCHEDULES[1], state=state)
    with pytest.raises(ValueError, match="a synaptic current carries no gradient from one call of a compiled engine"):
        scored(result).backward()


def test_membranes_carry_their_gradient_out_of_the_compiled_engine() -> None:
    net, x = network(current=False), frames()
    whole = gradients(net, scored(net(x, SCHEDULES[1], engine="reference")))
    first = net(x[:4], SCHEDULES[1], engine="cpu")
    second = net(x[4:], SCHEDULES[1], engine="reference", state=first.state)
    for a, b in zip(whole, gradients(net, scored(first) + scored(second))):
        torch.testing.assert_close(a, b, rtol=1e-9, atol=1e-10)


@pytest.mark.parametrize("engine", ["reference", "auto"])
@pytest.mark.parametrize("schedule", SCHEDULES, ids=lambda s: f"{s.kind}-{s.order}")
def test_a_cut_run_of_floats_is_the_whole_run_to_the_last_bit(schedule: Schedule, engine: str) -> None:
    """On dyadic weights, where no order of additions matters."""
    net, x = network(), frames()
    with torch.no_grad():
        for p in net.layers.parameters():
            p.copy_((p * 64).round() / 64)
    frozen, stimulus = net.export(), Stimulus(x.to(torch.int32).numpy())
    whole = run(frozen, stimulus, schedule, record=("v", "u"), engine=engine, keep_state=True)
    for at in (0, 1, 4, 7):
        begin = run(frozen, stimulus.steps(0, at), schedule, record=("v", "u"), engine=engine, keep_state=True)
        rest = stimulus.steps(at, 7)
        end = run(frozen, rest, schedule, record=("v", "u"), engine=engine, state=begin.state, keep_state=True)
        same_traces(whole, join_in_time([begin, end]))
    assert whole.counts.sum() > 0


def test_a_truncation_longer_than_the_samples_trains_the_same_bits(tmp_path: Path) -> None:
    train(CONFIG, tmp_path / "whole", stimulus=toy())
    train(replace(CONFIG, truncate=3), tmp_path / "same", stimulus=toy())
    train(replace(CONFIG, truncate=2), tmp_path / "cut", stimulus=toy())
    for a, b in zip(weights(tmp_path / "whole"), weights(tmp_path / "same")):
        np.testing.assert_array_equal(a, b)
    assert any((a != b).any() for a, b in zip(weights(tmp_path / "whole"), weights(tmp_path / "cut")))


@pytest.mark.parametrize("loss", ["rate", "membrane"])
def test_an_evaluation_in_pieces_is_that_of_the_whole(loss: str) -> None:
    net = build_network(replace(CONFIG, loss=loss))
    whole = evaluate(net, toy(), CONFIG.schedule, "reference")
    assert whole == evaluate(net, toy(), CONFIG.schedule, "reference", truncate=2)
    assert whole[1] > 0 or loss == "membrane"


def test_samples_that_are_streamed_train_the_same_bits(tmp_path: Path) -> None:
    """Mapped files, of which only the time steps at work are read."""
    stimulus = toy()
    shape = (2, 20, 20)
    for b in range(stimulus.n_samples):
        np.save(tmp_path / f"{b}.npy", stimulus.frames[:, b].reshape(-1, *shape))

    class Mapped:
        def __len__(self) -> int:
            return stimulus.n_samples

        def __getitem__(self, b: int) -> tuple[np.ndarray, int]:
            return np.load(tmp_path / f"{b}.npy", mmap_mode="r"), b % 10

    config = replace(CONFIG, truncate=2)
    for memory in (0, 1024):
        own = data_of(Mapped(), {"memory_mb": memory, "window_us": 10_000})
        assert own.fits == (memory > 0)
        train(config, tmp_path / str(memory), stimulus=own)
    for a, b in zip(weights(tmp_path / "0"), weights(tmp_path / "1024")):
        np.testing.assert_array_equal(a, b)


def test_some_time_steps_of_own_data_are_those_of_the_whole() -> None:
    rng = np.random.default_rng(0)
    column = np.zeros(200, [("x", "i2"), ("y", "i2"), ("t", "i8"), ("p", "?")])
    column["t"] = np.sort(rng.integers(0, 50_000, 200))
    column["x"], column["y"] = rng.integers(0, 6, 200), rng.integers(0, 5, 200)
    events = [(column, 0), (column[::2], 1)]
    images = [(rng.random((1, 4, 4)).astype(np.float32), i) for i in range(2)]
    pictures = [(rng.integers(0, 3, (5 + i, 4)), i) for i in range(2)]
    for items, options in (
        (events, {"window_us": 10_000}),
        (events, {"window_us": 10_000, "counts": True, "shrink": 2}),
        (images, {"images": "rate", "n_steps": 5}),
        (images, {"images": "current", "n_steps": 5}),
        (pictures, {"n_steps": 6}),
    ):
        own = data_of(items, {**options, "memory_mb": 0}).stamped()
        whole = own.stimulus()
        for a, b in ((0, 2), (2, 5), (4, own.n_steps)):
            some, same = own.read(np.arange(2), range(a, b)), whole.steps(a, b)
            np.testing.assert_array_equal(some.frames, same.frames)
            assert (some.events is None) == (same.events is None)
            if some.events is not None:
                np.testing.assert_array_equal(some.events, same.events)


@pytest.mark.parametrize("loss", ["first_spike", "early"])
def test_a_loss_over_whole_samples_is_refused(loss: str) -> None:
    with pytest.raises(ValueError, match=f"loss '{loss}' looks at whole samples; leave truncate and loss_steps out"):
        replace(CONFIG, loss=loss, truncate=2)
    with pytest.raises(ValueError, match="looks at whole samples"):
        replace(CONFIG, loss=loss, loss_steps=2)


def test_the_end_of_a_sample_is_not_that_of_every_piece() -> None:
    with pytest.raises(ValueError, match="truncate learns from every piece of a sample, loss_steps only from its end"):
        replace(CONFIG, truncate=2, loss_steps=2)


def test_states_of_other_samples_or_sizes_are_refused_in_one_sentence() -> None:
    net, x = network(), frames()
    state = net(x, SCHEDULES[1], engine="reference").state
    with pytest.raises(ValueError, match="the state is of other samples than these frames"):
        net(x, SCHEDULES[1], engine="reference", sample_ids=torch.tensor([5, 6, 7]), state=state)
    with pytest.raises(ValueError, match="the state is of other samples than these frames"):
        net(x[:, :2], SCHEDULES[1], engine="reference", sample_ids=torch.arange(2), state=state)
    other = SpikingNetwork.sequential((6,), nn.Linear(6, 2), LIF()).double()
    with pytest.raises(ValueError, match="the state is of 9 neurons and 6 inputs, not 2 and 6"):
        other(x, SCHEDULES[1], engine="reference", state=state)
    with pytest.raises(ValueError, match=r"the state is of network \w+, this one is \w+; go on with the network"):
        other(x, SCHEDULES[1], engine="reference", state=net.freeze(state))


def test_time_stamps_of_a_stimulus_follow_its_time_steps() -> None:
    stimulus = Stimulus(
        np.ones((3, 1, 2), np.int8), events=np.array([[0, t, 9 - i, i] for t in range(3) for i in (0, 1)])
    )
    assert stimulus.steps(1, 3).events.tolist() == [[0, 0, 8, 1], [0, 0, 9, 0], [0, 1, 8, 1], [0, 1, 9, 0]]
