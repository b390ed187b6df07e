"""Convolutions in the compiled engine: neurons that stand place by place inside are those of outside, and only the
places that a round reaches are updated."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from ir import Schedule
from ir.connection import Conv2d
from sim_reference.compare.divergence import first_divergence
from tests.strategies import cases
from tests.trainer.engines.agreement import HARD, OPTIONS, Case, backward, both, dyadic, trained
from tests.trainer.engines.test_in_bounds import kernels_by_python
from trainer import LIF, SpikingNetwork
from trainer.engines.compiled import flat, geometry
from trainer.engines.compiled.flat import FlatPlan
from trainer.engines.numbers import FloatNumbers
from trainer.engines.options import TrainingOptions
from trainer.engines.plan import plan_of
from trainer.engines.result import trace_of

SCHEDULES = [
    Schedule(F=1),
    Schedule(F=4),
    Schedule(F=None),
    Schedule(F=3, order="momentum"),
    Schedule(F=3, order="fifo"),
]


def network(divisor: float = 16.0) -> SpikingNetwork:
    """Two convolutions, one of them in groups, and a dense layer; weights whose sums are exact with the divisor 16."""
    torch.manual_seed(0)
    layers: list[nn.Module] = []
    for block in (nn.Conv2d(2, 6, 3, 2, bias=False), nn.Conv2d(6, 9, 3, 1, 1, groups=3, bias=False)):
        layers += [block, LIF(1e-3, 0.75)]
    layers += [nn.Flatten(), nn.Linear(9 * 16, 5, bias=False), LIF(1e-3, 0.75)]
    found = SpikingNetwork.sequential((2, 9, 9), *layers).train()
    for x in found.parameters():
        x.data = torch.randint(-6, 13, x.shape).float() / divisor
    return found


def frames(batch: int = 3) -> Tensor:
    return (torch.rand(3, batch, 2, 9, 9, generator=torch.Generator().manual_seed(1)) < 0.2).float()


@settings(max_examples=30, deadline=None)
@given(
    cases(HARD).filter(lambda case: any(isinstance(e.connection, Conv2d) for e in case[0].network.projections)), OPTIONS
)
def test_engines_agree_where_every_place_is_updated_for_itself(case: Case, options: TrainingOptions) -> None:
    params = trained(dyadic(case[0]))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(geometry, "SITE", 1)
        slow, fast = both(case, options, params, FloatNumbers())
        plan, ids = plan_of(case[0].network), np.array(case[1].sample_ids)
        assert first_divergence(*(trace_of(r, plan, case[2], "E0", ids) for r in (slow, fast))) is None
        for a, b in zip(backward(slow, params), backward(fast, params)):
            torch.testing.assert_close(a, b, rtol=1e-9, atol=1e-9 * (1 + float(a.abs().sum())))


@pytest.mark.parametrize(("site", "wide"), [(1, False), (16, False), (16, True)])
@pytest.mark.parametrize("schedule", SCHEDULES)
def test_a_convolutional_network_is_the_references(site: int, schedule: Schedule, wide: bool) -> None:
    net, options, found = network(), TrainingOptions(refractory_dropout=0.5), []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(geometry, "SITE", site)
        if wide:
            patch.setattr(flat, "WIDE_FROM", 1)
            patch.setattr(flat, "WIDE_ROW", 1)
        for engine in ("reference", "cpu"):
            result = net(frames(), schedule, options=options, engine=engine)
            loss = (result.counts * result.v.detach()).sum() + result.v.square().sum()
            found.append((result, torch.autograd.grad(loss, list(net.parameters()))))
    (slow, g_slow), (fast, g_fast) = found
    assert torch.equal(slow.counts, fast.counts) and torch.equal(slow.v, fast.v)
    assert slow.counts[:, :, : 6 * 16].sum() > 0 and slow.counts[:, :, 6 * 16 : -5].sum() > 0
    for a, b in zip(g_slow, g_fast):
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-4 * float(a.abs().max()))


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_a_sample_of_a_convolutional_network_does_not_depend_on_its_batch(schedule: Schedule) -> None:
    net, x, ids = network(divisor=17.0), frames(4), torch.arange(4)
    with torch.no_grad():
        together = net(x, schedule, ids, engine="cpu")
        for b in range(4):
            alone = net(x[:, b : b + 1], schedule, ids[b : b + 1], engine="cpu")
            assert torch.equal(alone.counts[:, 0], together.counts[:, b])
            assert torch.equal(alone.v[:, 0], together.v[:, b])


def test_indices_of_places_lie_inside() -> None:
    """With as many channels as are added at once, and one more."""
    torch.manual_seed(0)
    layers = nn.Conv2d(1, 9, 3, bias=False), LIF(1e-3, 0.1), nn.Conv2d(9, 8, 2, 2, bias=False), LIF(1e-3, 0.1)
    net = SpikingNetwork.sequential((1, 6, 6), *layers, nn.Flatten(), nn.Linear(32, 3), LIF(1e-3, 0.1)).train()
    x, found = (torch.rand(2, 1, 36) < 0.3).float(), []
    with pytest.MonkeyPatch.context() as patch:
        called = kernels_by_python(patch)
        for engine in ("reference", "cpu"):
            result = net(x, Schedule(F=3), engine=engine)
            result.counts.sum().backward()
            found.append(result.counts.detach())
    assert torch.equal(*found) and found[0][:, :, 9 * 16 :].sum() > 0 and called["back_through_samples"]


def test_neurons_of_a_convolutions_target_stand_place_by_place() -> None:
    found = FlatPlan(network().plan(), separate_sums=False)
    names = found.net.name.reshape(-1)[: 6 * 16].reshape(16, 6)
    assert (names == np.arange(6 * 16).reshape(6, 16).T).all()
    assert (found.outward(found.inward(np.arange(found.net.name.size))) == np.arange(found.net.name.size)).all()
    assert (np.diff(found.net.word_at) > 0).tolist() == [True, True, False]


@given(st.integers(1, 9), st.integers(1, 40))
def test_a_site_has_whole_places_and_at_least_as_many_neurons_as_are_compared_at_once(
    channels: int, places: int
) -> None:
    conv = Conv2d(np.ones((channels, 1, 1, 1)), (1, 1, places), (1, 1), (0, 0), (1, 1), 1)
    grid = geometry.grid_of([conv.out_shape], [])
    assert grid is not None and grid.site % channels == 0 and geometry.SITE <= grid.site < geometry.SITE + channels
    assert geometry.n_sites(grid) * grid.site >= channels * places > (geometry.n_sites(grid) - 1) * grid.site


def test_zeros_are_ones_own_while_another_thread_asks_for_others() -> None:
    held = FlatPlan(network().plan(), separate_sums=False)

    class Interrupted(SimpleNamespace):
        """Between two looks at it another thread asks for another shape."""

        @property
        def dtype(self) -> np.dtype:
            held.nothing(np.zeros((2, 3)))
            return np.dtype(np.float64)

    held.nothing(np.zeros((4, 5)))
    assert held.nothing(Interrupted(shape=(4, 5))).shape == (4, 5)
