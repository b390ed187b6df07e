"""SpikingGamma on Lava: the tables one tick later, drawn networks equal in all states, and what is refused."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from ir.arithmetic import ARITHMETICS
from ir.connection import Conv2d, Dense
from ir.network import Input
from ir.neurons import FixedSpikingGamma
from ir.quantized import FixedPopulation, FixedProjection, QuantizedNetwork
from ir.state import is_graded, state_names
from ir.stimulus import Stimulus
from ir.trace_parts import join_in_time
from sim_reference.compare.divergence import first_divergence
from sim_reference.simulate import run as run_reference
from targets.lava import Job, run_jobs
from targets.lava.checks import check_lava
from targets.lava.neurons.model import Members, Piece
from targets.lava.neurons.spiking_gamma import SpikingGammaDynamics
from targets.lava.routes import plan_routes
from tests.sim_reference.test_spiking_gamma import INPUT, LAYERED, TABLES, one_neuron, rows
from tests.strategies.spiking_gamma import CHAINS, gamma_cases
from tests.targets.lava_cases import N_NETWORKS, SEED, TIME_LIMIT_S, chain, drawn, needs_lava
from tests.targets.test_equal import is_accepted, limits

STOCK = replace(CHAINS, lava=True)


def on_lava(test):
    """A test that starts Lava."""
    for mark in needs_lava:
        test = mark(test)
    return test


@pytest.mark.timeout(TIME_LIMIT_S)
@on_lava
def test_tables_and_drawn_networks_are_those_of_the_reference_in_all_states():
    """One start of Lava for all of them: every state in every step, payloads, limits, what a run leaves."""
    tables = [(one_neuron(FixedSpikingGamma(decays, (4, 8))), INPUT, LAYERED) for decays in TABLES]
    cases = tables + drawn(gamma_cases(STOCK).filter(is_accepted), N_NETWORKS // 2, SEED + 40)
    networks = [case[0] if isinstance(case[0], QuantizedNetwork) else case[0].network for case in cases]
    names = [state_names(network) for network in networks]
    jobs = [Job(*case, record=some) for case, some in zip(cases, names)]
    lava = run_jobs(jobs, keep_state=True, time_limit_s=TIME_LIMIT_S)
    assert [rows(trace) for trace in lava[:2]] == list(TABLES.values())
    values = payloads = 0
    for number, (case, some, trace) in enumerate(zip(cases, names, lava)):
        ours = run_reference(*case, record=some, keep_state=True)
        assert first_divergence(ours, trace) is None, f"case {number}: {first_divergence(ours, trace)}"
        for name, expected in ours.states.items():
            assert (expected == trace.states[name]).all(), f"case {number}: {name}"
        for name in ("sent", "inputs", "fired"):
            assert (getattr(ours.state, name) == getattr(trace.state, name)).all(), f"case {number}: {name}"
        assert limits(ours) == limits(trace), f"case {number}"
        values += sum(x.size for x in ours.states.values()) + len(ours.spikes)
        assert (ours.spikes.payload is not None) == (trace.spikes.payload is not None) == is_graded(networks[number])
        if ours.spikes.payload is not None:
            assert (ours.spikes.payload == trace.spikes.payload).all(), f"case {number}: payloads"
            payloads += int((ours.spikes.payload > 1).sum())
    spiking = np.mean([len(trace.spikes) > 0 for trace in lava])
    print(f"{len(cases)} networks, {values} values and {payloads} payloads compared, 0 differ; {spiking:.0%} spike")
    assert spiking > 0.6 and (payloads > 0 or len(cases) < 10)  # few draws may hold no adaptive threshold


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


def adaptive(gamma: FixedSpikingGamma) -> FixedSpikingGamma:
    """The same with a threshold that moves."""
    return replace(gamma, adaptation=700, decay_threshold=1600)


@on_lava
def test_a_conv_of_lavas_own_brings_payloads_and_a_cut_run_goes_on_with_them():
    """Weights are multiples of 64, so that no bit is lost where Lava's Conv shifts them before it adds them up."""
    rng = np.random.default_rng(5)
    gamma = adaptive(FixedSpikingGamma((906, 390), (40, 80), np.full(32, 60), np.full(32, 120)))
    edges = (
        FixedProjection("in", "p", Dense(rng.integers(-20, 60, (32, 8)))),
        FixedProjection("p", "q", Conv2d(64 * rng.integers(-2, 4, (3, 2, 3, 3)), (2, 4, 4)), -6),
    )
    second = adaptive(FixedSpikingGamma((906,), (90,), 200, 400))
    populations = FixedPopulation("p", (2, 4, 4), gamma), FixedPopulation("q", (3, 2, 2), second)
    network = QuantizedNetwork((Input("in", (8,)),), populations, edges, "q", schedule=LAYERED)
    stimulus = Stimulus(rng.integers(0, 2, (12, 2, 8)).astype(np.int32))
    assert [route.kind for route in plan_routes(network, stimulus.frames)] == ["Dense", "Conv"]
    ours = run_reference(network, stimulus, record=state_names(network), keep_state=True)
    assert ours.spikes.payload.min() >= 64 and len(set(ours.spikes.payload)) > 10
    jobs = [Job(network, stimulus), Job(network, stimulus.steps(0, 5))]
    whole, first = run_jobs(jobs, record=state_names(network), keep_state=True)
    (rest,) = run_jobs([Job(network, stimulus.steps(5, 12), state=first.state)], record=state_names(network))
    for trace in (whole, join_in_time([first, rest])):
        assert first_divergence(ours, trace) is None
        assert (ours.spikes.payload == trace.spikes.payload).all()


def test_skips_are_refused_with_the_way_out():
    network = chain(3, 4, 5, 2)
    gamma = FixedSpikingGamma((906,), (8,))
    network = replace(network, populations=tuple(replace(p, neuron=gamma) for p in network.populations))
    stimulus = Stimulus(np.ones((2, 1, 3), np.int32))
    check_lava(network, stimulus, LAYERED, False)
    skip = replace(chain(4, 2).projections[0], pre="p0", post="p2")
    with pytest.raises(ValueError, match="projection p0 -> p2 brings coded spikes 2 ticks late"):
        check_lava(replace(network, projections=(*network.projections, skip)), stimulus, LAYERED, False)
