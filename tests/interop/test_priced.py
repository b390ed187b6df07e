"""Our price of a run on Loihi against SANA-FE's figures, which are written down; SANA-FE itself where it is there."""

from __future__ import annotations

import pytest

from tests.interop.compare import ROOT
from tests.interop.priced import (
    CASES,
    Ours,
    differences,
    has_sana_fe,
    ours,
    placement,
    recorded,
    side_by_side_ns,
    spikes_by_tick,
    theirs,
)
from tests.interop.priced_networks import made

TIMES = {"dense": 1.10, "conv": 1.27, "recurrent": 1.08}
"""Our time over SANA-FE's, which lets a core send and receive side by side: conv misses the goal of 1.25."""


@pytest.fixture(scope="module", params=list(CASES))
def name(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture(scope="module")
def run(name: str) -> Ours:
    return ours(made(name))


def test_spikes_are_those_of_sana_fe(name: str, run: Ours):
    case, table = made(name), recorded(name)
    assert table["seed"] == case.seed and table["placement"] == placement(case) and table["version"] == "2.2.9"
    assert spikes_by_tick(case, run.trace) == table["fired"]
    assert sum(len(row) for rows in table["fired"].values() for row in rows) > 2_000


def test_events_are_equal_but_for_two_that_are_explained(name: str, run: Ours):
    table = recorded(name)
    assert all(ours == theirs for ours, theirs in differences(run, table).values())
    assert table["input_hops"] == 0
    assert run.to_own_core == table["packets_to_own_core"]
    assert (run.to_own_core > 0) == (name == "recurrent")


def test_energy_is_sana_fes(name: str, run: Ours):
    total = recorded(name)["energy_pj"]["total"]
    assert run.with_differences_pj() == pytest.approx(total, rel=1e-6)
    without_copies = run.cost.energy_pj.value + 111.0 * run.to_own_core
    assert without_copies == pytest.approx(total, rel=0.02)


def test_time_is_near_that_of_sana_fes_detailed_model(name: str, run: Ours):
    theirs = recorded(name)["time_ns"]
    assert run.cost.time_ns.value / theirs == pytest.approx(TIMES[name], abs=0.005)
    assert 0.75 <= side_by_side_ns(made(name), run.events) / theirs <= 1.0


def test_sana_fe_still_says_what_is_written_down():
    if not has_sana_fe():
        pytest.skip(f"SANA-FE has no environment under {ROOT}; make one with tests/interop/environments.sh sanafe")
    assert theirs(list(CASES)) == {name: recorded(name) for name in CASES}
