"""What is drawn for a sample follows from its id, the seed and the time step, not from the batch it is in."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from ir.schedule import Schedule
from tests.trainer.test_fit import CONFIG
from trainer.batches import shifted
from trainer.engines.options import TrainingOptions
from trainer.network import SpikingNetwork
from trainer.neuron import LIF

OPTIONS = TrainingOptions(refractory_dropout=0.5, input_dropout=0.3, spike_dropout=0.3, momentum_noise=0.2)
SCHEDULES = [
    Schedule("layered"),
    Schedule(F=2),
    Schedule(F=3, order="momentum"),
    Schedule(F=2, order="fifo", input="queued"),
    Schedule(F=4, input="paced", R=2),
]
N_STEPS, N_SAMPLES, N_IN = 4, 7, 12


def network(encoder: int = 0) -> SpikingNetwork:
    """Dyadic weights: no order of additions matters."""
    torch.manual_seed(0)
    layers = [nn.Linear(a, b, bias=False) for a, b in ((N_IN, 10), (10, 8), (8, 4))]
    with torch.no_grad():
        for layer in layers:
            layer.weight.copy_((layer.weight * 160).round() / 64)
    parts = [part for layer in layers for part in (layer, LIF(10e-3, 0.3))]
    return SpikingNetwork.sequential((N_IN,), *parts, dt_s=10e-3, encoder=encoder).train()


def frames(seed: int = 1) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return (torch.rand(N_STEPS, N_SAMPLES, N_IN, generator=generator) < 0.4).float()


def same(a: Any, b: Any, rows: Tensor) -> bool:
    """Whether run ``b`` is run ``a``'s samples ``rows``."""
    pairs = [(a.counts[:, rows], b.counts), (a.v[:, rows], b.v), (a.forward_steps[:, rows], b.forward_steps)]
    return all(torch.equal(x, y) for x, y in pairs)


@pytest.mark.parametrize("engine", ["reference", "cpu"])
@pytest.mark.parametrize("schedule", SCHEDULES, ids=lambda s: f"{s.kind}-{s.order}-{s.input}")
@given(seed=st.integers(0, 2**63 - 1), order=st.permutations(range(N_SAMPLES)), n=st.integers(1, N_SAMPLES))
@settings(max_examples=8, deadline=None)
def test_dropouts_and_noise_of_a_sample_depend_on_no_other(
    engine: str, schedule: Schedule, seed: int, order: list[int], n: int
) -> None:
    net, x, ids = network(), frames(), 100 + 17 * torch.arange(N_SAMPLES)
    rows = torch.tensor(order[:n])
    how = Schedule(schedule.kind, schedule.F, schedule.order, input=schedule.input, R=schedule.R, seed=seed)
    whole = net(x, how, ids, OPTIONS, engine=engine)
    assert same(whole, net(x[:, rows], how, ids[rows], OPTIONS, engine=engine), rows)


@pytest.mark.parametrize("schedule", SCHEDULES, ids=lambda s: f"{s.kind}-{s.order}-{s.input}")
def test_what_is_drawn_changes_with_seed_and_sample_and_is_drawn_at_all(schedule: Schedule) -> None:
    net, x = network(), frames()[:, :1].expand(-1, N_SAMPLES, -1).contiguous()
    net = net.requires_grad_(False)
    found = net(x, schedule, options=OPTIONS)
    assert len({found.counts[:, b].numpy().tobytes() for b in range(N_SAMPLES)}) > 1, "each sample has its own draws"
    ids = torch.full((N_SAMPLES,), 5)
    assert len({row.numpy().tobytes() for row in net(x, schedule, ids, OPTIONS).counts.unbind(1)}) == 1
    assert not torch.equal(found.counts, net(x, Schedule(**{**vars(schedule), "seed": 1}), options=OPTIONS).counts)


@pytest.mark.parametrize("engine", ["reference", "cpu"])
@pytest.mark.parametrize("encoder", [0, 1])
@pytest.mark.parametrize("schedule", SCHEDULES[:3], ids=lambda s: f"{s.kind}-{s.order}")
@pytest.mark.parametrize("at", [1, 3])
def test_a_run_in_pieces_draws_what_the_whole_run_draws(schedule: Schedule, encoder: int, engine: str, at: int) -> None:
    net, x = network(encoder), frames()
    whole = net(x, schedule, options=OPTIONS, engine=engine)
    first = net(x[:at], schedule, options=OPTIONS, engine=engine)
    rest = net(x[at:], schedule, options=OPTIONS, engine=engine, state=first.state.detach())
    assert torch.equal(whole.counts, torch.cat([first.counts, rest.counts]))
    assert whole.counts.sum() > 0


@given(st.permutations(range(6)), st.integers(1, 6), st.integers(0, 50))
@settings(max_examples=30, deadline=None)
def test_a_sample_moves_as_its_id_and_the_epoch_say(order: list[int], n: int, epoch: int) -> None:
    config, shape = CONFIG.__class__(shift_px=2, seed=9), (1, 5, 5)
    x, ids = torch.rand(2, 6, 25, generator=torch.Generator().manual_seed(0)), torch.arange(6) * 11
    rows = torch.tensor(order[:n])
    moved = shifted(x, ids, shape, config, epoch)
    assert torch.equal(moved[:, rows], shifted(x[:, rows], ids[rows], shape, config, epoch))
    assert not np.array_equal(moved.numpy(), x.numpy())
