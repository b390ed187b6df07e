"""Cores go to chips first: few packets change chip, no chip is overfull, and nothing is lost on the way."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import scipy.sparse
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from exchange.chip_toml import CHIPS, find_chip, load_chip
from ir.chip import Mesh, Range
from ir.mapped import MappedNetwork
from mapper import map_network
from mapper.board.chips import chips_of, cut
from mapper.board.place import place, symmetric
from mapper.board.route import route, route_chips
from mapper.board.traffic import traffic
from mapper.cost import count_events, estimate
from tests.mapper.nets import conv, ring

LOIHI2 = find_chip("loihi2")
laws = settings(max_examples=150, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])


def modules(n: int, size: int) -> scipy.sparse.csr_matrix:
    """Flow 1 a pair inside modules, .25 to two partners outside each, numbers shuffled."""
    rng = np.random.default_rng(0)
    module = np.arange(n) // size
    flow = (module[:, None] == module).astype(np.float64)
    for core in range(n):
        flow[core, rng.choice(np.flatnonzero(module != module[core]), 2, replace=False)] += 0.25
    np.fill_diagonal(flow, 0.0)
    names = rng.permutation(n)
    return scipy.sparse.csr_matrix(flow[names][:, names])


@laws
@given(st.data())
def test_no_chip_is_overfull_no_two_cores_share_a_site_and_no_packet_is_lost(data: st.DataObject):
    sizes = st.integers(1, 4)
    wide, high, deep, across, down = (data.draw(sizes) for _ in range(5))
    mesh = Mesh(wide, high, deep, data.draw(st.integers(1, wide * high * deep)), across, down)
    k = data.draw(st.integers(1, min(mesh.n_cores, 40)))
    rng = np.random.default_rng(data.draw(st.integers(0, 1 << 30)))
    flow = rng.integers(0, 9, (k, k)) * (rng.random((k, k)) < data.draw(st.sampled_from([0.0, 0.1, 0.5, 1.0])))
    np.fill_diagonal(flow, 0)
    cores = place(scipy.sparse.csr_matrix(flow), mesh, seed=data.draw(st.integers(0, 3)))
    chip = np.array([core.chip for core in cores])
    assert len({(core.chip, core.x, core.y, core.slot) for core in cores}) == k == len(cores)
    assert np.bincount(chip).max() <= mesh.usable_cores and chip.max() < across * down
    for core in cores:
        assert 0 <= core.slot < deep and 0 <= core.x < wide and 0 <= core.y < high
        assert (core.y * wide + core.x) * deep + core.slot < mesh.usable_cores
    sent = scipy.sparse.csr_matrix(flow)
    routes, chips = route(sent, cores, mesh), route_chips(sent, cores, mesh)
    apart = chip[:, None] != chip
    assert routes.packets == flow.sum() and chips.packets == flow[apart].sum()
    away = np.abs(chip[:, None] % across - chip % across) + np.abs(chip[:, None] // across - chip // across)
    assert chips.hops == (flow * away).sum()


@pytest.mark.parametrize("size", [8, 6])
def test_modules_stay_on_a_chip(size: int):
    """Sixty modules fill eight chips as full as the board of the order: of 960 cores, 16 a module."""
    mesh, flow = Mesh(4, 4, 4, 8 * size, 4, 2), modules(60 * size, size)
    cores = place(flow, mesh)
    chips = route_chips(flow, cores, mesh)
    inside, outside = float(size - 1), 0.5
    assert chips.packets / flow.sum() <= 1.02 * outside * 7 / 8 / (inside + outside)


@laws
@given(st.data())
def test_chips_are_never_dearer_than_a_start_that_fits(data: st.DataObject):
    capacity, n_chips = data.draw(st.integers(2, 6)), data.draw(st.integers(2, 5))
    k = data.draw(st.integers(3, capacity * n_chips))
    rng = np.random.default_rng(data.draw(st.integers(0, 1 << 30)))
    both = symmetric(scipy.sparse.csr_matrix(np.triu(rng.integers(0, 5, (k, k)), 1)))
    start = rng.permutation(np.repeat(np.arange(n_chips, dtype=np.int32), capacity))[:k]
    found = chips_of(both, capacity, n_chips, [start])
    assert np.bincount(found).max() <= capacity and cut(both, found) <= cut(both, start)


def across_two_chips() -> MappedNetwork:
    limits = replace(LOIHI2.limits, max_neurons=2)
    return map_network(ring(16), replace(LOIHI2, limits=limits, mesh=Mesh(2, 2, 1, 4, 2, 1)))


def test_a_board_of_one_chip_has_no_packets_between_chips():
    mapped = map_network(conv(8), replace(LOIHI2, limits=replace(LOIHI2.limits, max_neurons=40)))
    assert mapped.report["packets_between_chips"] == mapped.report["hottest_chip_link"] == 0


def test_a_ring_on_two_chips_crosses_twice_and_the_map_says_so():
    mapped = across_two_chips()
    assert len(mapped.cores) == 8 and mapped.report["packets_between_chips"] == 2
    assert mapped.report["hottest_chip_link"] == 1 == traffic(mapped).chips.hottest_link


def test_links_between_chips_are_priced_where_the_file_does_and_named_where_it_does_not():
    mapped = across_two_chips()
    counts = np.ones(16 + 1, np.int64)
    events = count_events(mapped, counts, 1)
    assert events.chip_links == 2 and mapped.chip is not None
    blind = estimate(events, mapped.chip)
    assert blind.left_out == "2 packets over links between chips, whose cost nobody has published"
    told = replace(mapped.chip, costs={**mapped.chip.costs, "chip_link_pj": Range(100.0, 50.0, 200.0)})
    seen = estimate(events, told)
    assert seen.left_out == "" and seen.energy_pj.value == pytest.approx(blind.energy_pj.value + 200)


def test_a_network_on_one_chip_leaves_nothing_out():
    mapped = map_network(ring(16), LOIHI2)
    assert mapped.chip is not None
    assert estimate(count_events(mapped, np.ones(17, np.int64), 1), mapped.chip).left_out == ""


def test_a_chip_file_may_leave_the_cost_of_its_links_out(tmp_path: Path):
    lines = (CHIPS / "loihi1.toml").read_text().splitlines()
    path = tmp_path / "own.toml"
    path.write_text("\n".join(line for line in lines if not line.startswith("chip_link")))
    assert load_chip(path).costs == find_chip("loihi1").costs
