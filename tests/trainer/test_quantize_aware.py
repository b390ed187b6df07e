"""Training on a chip's grid: the integers that run decide, on every engine."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from ir import Schedule, Stimulus
from ir.quantized import QuantizedNetwork
from sim_reference.simulate import run as run_meaning
from tests.trainer.engines.test_small_cases import each_engine
from trainer import LIF, SpikingNetwork
from trainer.engines.numbers import straight_through
from trainer.quantize_aware import train_on_grid

SHORT, LONG = 1e-3, 20e-3
"""Time constants of the current whose decay on the grid, at 10 ms, is all of it; and not."""


def grid_network(*tau_syn_s: float | None, bias: bool = False, bits: int = 8) -> SpikingNetwork:
    """A chain, one population a time constant, on ``loihi2``."""
    torch.manual_seed(0)
    sizes = [6, *(8 for _ in tau_syn_s[1:]), 4]
    modules: list[nn.Module] = []
    for i, tau in enumerate(tau_syn_s):
        modules += [nn.Linear(sizes[i], sizes[i + 1], bias=bias), LIF(20e-3, 0.3, tau_syn_s=tau)]
        modules[-2].weight.data.abs_()  # type: ignore[operator, union-attr]
    net = SpikingNetwork.sequential((6,), *modules, dt_s=10e-3).train()
    train_on_grid(net, "loihi2", bits)
    return net


def on_grid(net: SpikingNetwork) -> QuantizedNetwork:
    assert net.quantization is not None
    return net.quantization.quantized(net.export())


def some_frames() -> torch.Tensor:
    return (torch.rand(4, 3, 6, generator=torch.Generator().manual_seed(1)) < 0.5).float()


@each_engine
@pytest.mark.parametrize("schedule", [Schedule(F=2), Schedule(F=None), Schedule(F=1, stop_after=2)], ids=str)
@pytest.mark.parametrize("tau", [(SHORT, SHORT), (SHORT, LONG), (LONG, SHORT), (None, SHORT), (LONG, None), (SHORT, 0)])
def test_whether_a_population_keeps_a_current_comes_from_the_integers_that_run(
    engine: str, tau: tuple[Any, ...], schedule: Schedule
) -> None:
    net, frames = grid_network(*tau), some_frames()
    result = net(frames, schedule, engine=engine)
    result.counts.sum().backward()
    meaning = run_meaning(on_grid(net), Stimulus(frames.int().numpy()), schedule)
    assert result.forward_steps.tolist() == meaning.forward_steps.tolist()
    assert np.array_equal(result.counts.detach().sum(0).numpy(), meaning.counts) and meaning.counts.sum() > 0
    assert meaning.v is not None and np.array_equal(result.v.detach().numpy(), meaning.v)
    keeps = [p.neuron.has_current for p in on_grid(net).populations]
    assert keeps == [t == LONG for t in tau]


def test_engines_learn_alike_where_the_grid_takes_a_current_away() -> None:
    found = []
    for engine in ("reference", "cpu"):
        net = grid_network(SHORT, LONG, SHORT, bias=True)
        net(some_frames(), Schedule(F=2), engine=engine).counts.sum().backward()
        found.append([p.grad for p in net.parameters()])
    for slow, fast in zip(*found):
        assert slow is not None and float(slow.abs().sum()) > 0
        torch.testing.assert_close(slow, fast, rtol=1e-5, atol=1e-6)


@each_engine
def test_a_current_too_short_for_floats_is_none_for_floats_too(engine: str) -> None:
    """``exp(-dt / tau)`` of nothing: no time step waits for it."""
    net = grid_network(1e-9, 1e-9)
    net.quantization = None
    assert net(torch.zeros(2, 1, 6), Schedule(F=2), engine=engine).forward_steps.tolist() == [[1], [1]]
    assert grid_network(LONG, LONG)(torch.zeros(2, 1, 6), engine=engine).forward_steps.tolist() == [[2], [2]]


@each_engine
def test_a_bias_that_begins_at_zero_learns_on_the_grid(engine: str) -> None:
    net = grid_network(None, None, bias=True)
    biases = [p for name, p in net.named_parameters() if name.endswith("bias")]
    for bias in biases:
        nn.init.zeros_(bias)
    assert all(p.neuron.bias is None for p in on_grid(net).populations)
    net(some_frames(), Schedule(F=2), engine=engine).counts.sum().backward()
    assert len(biases) == 2 and all(b.grad is not None and float(b.grad.abs().sum()) > 0 for b in biases)


@given(st.integers(-(1 << 31), 1 << 31), st.floats(-1e12, 1e12))
def test_values_on_the_grid_are_exact_whatever_the_floats_behind_them(exact: int, smooth: float) -> None:
    behind = torch.tensor(smooth, dtype=torch.float64, requires_grad=True)
    value = straight_through(torch.tensor(float(exact), dtype=torch.float64), behind)
    value.backward()
    assert value.item() == exact and behind.grad is not None and behind.grad.item() == 1
