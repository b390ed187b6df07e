"""The schedule inside the chip: one core, no travel, a frame at once equals ``fifo``, F = G, ``queued`` input.

300 networks a run of the suite; ``UNLAYERED_DRAWS=5000`` draws so many.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, replace

import numpy as np
import pytest
from hypothesis import strategies as st

from exchange.chip_toml import find_chip
from ir.arithmetic import ARITHMETICS
from ir.mapped import MappedNetwork, one_large_core
from ir.schedule import Schedule
from ir.stimulus import Stimulus
from sim_reference import simulate
from targets.clockless.run import run
from tests.strategies import Draw, each, networks, stamped, stimuli
from tests.strategies.clockless import ends

N_DRAWS = int(os.environ.get("UNLAYERED_DRAWS", "300"))
SEED = int(os.environ.get("UNLAYERED_SEED", "0"))

PLAIN = Draw(
    extremes=True,
    wide=True,
    current=False,
    bias=False,
    subtract=False,
    max_populations=5,
    max_side=9,
    arithmetics=tuple(ARITHMETICS),
)
"""Without what has no depth on a clockless chip; neurons are refractory."""


@dataclass(frozen=True)
class Case:
    mapped: MappedNetwork
    stimulus: Stimulus
    schedule: Schedule


@st.composite
def one_core(draw: st.DrawFn) -> Case:
    network = draw(networks(PLAIN).filter(lambda n: not any(p.neuron.due for p in n.populations)))
    stimulus = draw(stimuli(network, max_samples=2).filter(lambda x: ends(network, x)))
    if draw(st.booleans()):
        stimulus = draw(stamped(stimulus))
    group = draw(st.sampled_from([1, 1, 2, 3, 8, 1000]))
    chip = find_chip("seneca")
    assert chip.clockless is not None
    core = replace(
        chip.clockless,
        group=group,
        npe=draw(st.integers(1, 4)),
        period_ps=draw(st.sampled_from([0, 1, 5000])),
        queue_events=1 << 20,
        targetless="queued",
    )
    mapped = replace(one_large_core(network), chip=replace(chip, clockless=core))
    return Case(mapped, stimulus, Schedule(F=group, order="fifo", input="queued"))


def check(case: Case) -> tuple[int, int]:
    """Hold the timed run to the simulator; returns spikes and values compared."""
    timed = run(case.mapped, case.stimulus)
    served = simulate.run(case.mapped, case.stimulus, case.schedule)
    assert timed.spikes is not None and served.spikes is not None
    for name in ("sample", "t", "k", "neuron", "m"):
        np.testing.assert_array_equal(getattr(timed.spikes, name), getattr(served.spikes, name))
    assert timed.v is not None and served.v is not None
    np.testing.assert_array_equal(timed.v, served.v)
    assert timed.limits_reached == served.limits_reached
    return len(timed.spikes), timed.v.size


@pytest.mark.timeout(3600)
def test_one_core_without_travel_serves_as_the_fifo_schedule_does(capsys):
    found = np.array(each(one_core(), N_DRAWS, SEED, check))
    n_spiking = int((found[:, 0] > 0).sum())
    with capsys.disabled():
        spikes, membranes = found.sum(0)
        print(f"\n{len(found)} drawn, {n_spiking} spike, {spikes} spikes, {membranes} membranes; 0 differ")
    assert n_spiking > N_DRAWS / 3
