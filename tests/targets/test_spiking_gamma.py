"""SpikingGamma on Lava: the tables one tick later, drawn networks equal in all states, and what is refused."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from ir.arithmetic import ARITHMETICS
from ir.neurons import FixedSpikingGamma
from ir.quantized import FixedPopulation
from ir.state import state_names
from ir.stimulus import Stimulus
from sim_reference.compare.divergence import first_divergence
from sim_reference.simulate import run as run_reference
from targets.lava import Job, run_jobs
from targets.lava.checks import check_lava
from targets.lava.neurons.model import Members, Piece
from targets.lava.neurons.spiking_gamma import SpikingGammaDynamics
from tests.sim_reference.test_spiking_gamma import INPUT, LAYERED, TABLES, one_neuron, rows
from tests.strategies.spiking_gamma import CHAINS, gamma_cases
from tests.targets.lava_cases import N_NETWORKS, SEED, chain, drawn, needs_lava
from tests.targets.test_equal import is_accepted, limits

STOCK = replace(CHAINS, lava=True)


def on_lava(test):
    """A test that starts Lava."""
    for mark in needs_lava:
        test = mark(test)
    return test


@pytest.mark.timeout(300 + 10 * N_NETWORKS)  # the usual limit, and more where many are asked for
@on_lava
def test_tables_and_drawn_networks_are_those_of_the_reference_in_all_states():
    """One start of Lava for all of them."""
    tables = [(one_neuron(FixedSpikingGamma(decays, (4, 8))), INPUT, LAYERED) for decays in TABLES]
    cases = tables + drawn(gamma_cases(STOCK, adapts=False).filter(is_accepted), N_NETWORKS // 2, SEED + 40)
    lava = run_jobs([Job(*case) for case in cases], record=("v",), keep_state=True)
    everything = run_jobs([Job(*tables[0])], record=state_names(tables[0][0]))
    assert rows(everything[0]) == TABLES[2048, 1024]
    values = 0
    for number, (case, trace) in enumerate(zip(cases, lava)):
        ours = run_reference(*case, keep_state=True)
        assert first_divergence(ours, trace) is None, f"case {number}"
        assert ours.state is not None and trace.state is not None
        for name, expected in ours.state.states.items():
            assert (expected == trace.state.states[name]).all(), f"case {number}: {name} at the end"
        assert limits(ours) == limits(trace), f"case {number}"
        values += 2 * ours.states["v"].size + 3 * len(ours.spikes)
    spiking = np.mean([len(trace.spikes) > 0 for trace in lava])
    print(f"{len(cases)} networks, {values} values compared, 0 differ; {spiking:.0%} spike")
    assert spiking > 0.6


def test_idle_ticks_change_no_state_before_the_first_frame():
    """Nothing is due, states begin at 0: a layer that waits for its first frame stays where it was."""
    neuron = FixedSpikingGamma((906, 390, 41), np.full((5, 3), 127), 1, 2, 0, strict=False)
    members = Members((Piece(neuron, 5, np.arange(5), 0),), layered=True)
    reached = dict.fromkeys((*neuron.STATES, "int32"), 0)
    dynamics = SpikingGammaDynamics(members, ARITHMETICS["lava"], reached)
    for t in range(3):
        dynamics.begin(t)
        fired, m = dynamics.step(0, np.zeros(5, np.int64), np.zeros(5, bool))
        assert not fired.any() and not m.any()
        assert not any(values.any() for values in dynamics.states.values())


def test_skips_and_payloads_are_refused_with_the_way_out():
    network = chain(3, 4, 5, 2)
    gamma = FixedSpikingGamma((906,), (8,))
    network = replace(network, populations=tuple(replace(p, neuron=gamma) for p in network.populations))
    stimulus = Stimulus(np.ones((2, 1, 3), np.int32))
    check_lava(network, stimulus, LAYERED, False)
    skip = replace(chain(4, 2).projections[0], pre="p0", post="p2")
    with pytest.raises(ValueError, match="projection p0 -> p2 brings coded spikes 2 ticks late"):
        check_lava(replace(network, projections=(*network.projections, skip)), stimulus, LAYERED, False)
    adaptive = FixedPopulation("p2", (2,), replace(gamma, adaptation=100))
    with pytest.raises(ValueError, match=r"may carry 6[0-9]; on Lava spikes carry 1, use the reference"):
        check_lava(replace(network, populations=(*network.populations[:2], adaptive)), stimulus, LAYERED, False)
