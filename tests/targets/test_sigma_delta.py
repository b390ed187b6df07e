"""Sigma-delta neurons on Lava's own SigmaDelta, Delta and Sigma: equal to the reference in all states."""

from __future__ import annotations

import numpy as np
import pytest

from exchange import net
from ir.connection import Dense
from ir.mapped import one_large_core
from ir.network import Input
from ir.neurons import FixedSigmaDelta
from ir.quantized import FixedPopulation, FixedProjection, QuantizedNetwork
from ir.state import state_names
from ir.stimulus import Stimulus
from sim_reference.compare.divergence import first_divergence
from sim_reference.simulate import run as run_reference
from targets.lava import Job, run_jobs
from targets.lava.checks import check_lava
from tests.exchange.drawn import example
from tests.strategies.sigma_delta import LAYERED, sigma_delta_cases
from tests.targets.lava_cases import N_NETWORKS, SEED, TIME_LIMIT_S, drawn, needs_lava
from tests.targets.test_equal import is_accepted, limits

NAMES = ("v", "sigma", "e", "out")


def on_lava(test):
    """A test that starts Lava."""
    for mark in needs_lava:
        test = mark(test)
    return test


def compared(trace, ours) -> int:
    """Values that were compared: every state in every time step, and what spikes say of themselves."""
    assert first_divergence(ours, trace) is None
    for name, values in ours.states.items():
        assert (values == trace.states[name]).all(), name
    assert limits(ours) == limits(trace)
    return sum(x.size for x in ours.states.values()) + 4 * len(ours.spikes)


@pytest.mark.timeout(TIME_LIMIT_S)
@on_lava
def test_drawn_networks_are_those_of_the_reference_in_all_states():
    """One start of Lava for all of them; each half of a case that is cut goes on from what the other has left."""
    cases = drawn(
        sigma_delta_cases().filter(lambda case: set(state_names(case[0].network)) == set(NAMES)).filter(is_accepted),
        N_NETWORKS // 2,
        SEED + 50,
    )
    values, sent = 0, []
    jobs = [Job(*case) for case in cases]
    for trace, case in zip(run_jobs(jobs, record=NAMES, time_limit_s=TIME_LIMIT_S), cases):
        ours = run_reference(*case, record=NAMES)
        values += compared(trace, ours)
        sent.append(len(ours.spikes) > 0)
    print(f"{len(cases)} networks, {values} values compared, 0 differ; {np.mean(sent):.0%} send")
    assert np.mean(sent) > 0.6


@on_lava
def test_a_run_goes_on_with_what_graded_spikes_have_told():
    cases = drawn(sigma_delta_cases().filter(is_accepted), 4, SEED + 51)
    halves = [(n, s.steps(0, s.n_steps // 2), s.steps(s.n_steps // 2, s.n_steps), x) for n, s, x in cases]
    first = run_jobs([Job(n, a, x) for n, a, _, x in halves], keep_state=True)
    rest = run_jobs([Job(n, b, x, before.state) for (n, _, b, x), before in zip(halves, first)], keep_state=True)
    for case, trace in zip(cases, rest):
        ours = run_reference(*case, keep_state=True)
        for name, expected in ours.state.states.items():
            assert (expected == trace.state.states[name]).all(), name


@on_lava
@pytest.mark.parametrize("input_neurons", [True, False], ids=["its Delta too", "what its Delta sends"])
def test_pilotnet_on_drawn_frames(input_neurons):
    """Twenty frames, one after the other."""
    path = example("models", "lava_dl", "pilotnet_sdnn_square.net")
    network = net.read(path, input_neurons)
    frames = np.random.default_rng(16).integers(-64, 65, (20, 1, network.n_inputs)).astype(np.int32)
    case = one_large_core(network), Stimulus(frames if input_neurons else frames << 6), LAYERED
    ours = run_reference(*case, record=NAMES)
    (trace,) = run_jobs([Job(*case)], record=NAMES)
    values = compared(trace, ours)
    print(f"{path.name}: 20 frames, {len(ours.spikes)} graded spikes, {values} values compared, 0 differ")
    assert len(ours.spikes) > 10_000
    assert ours.limits_reached["int32"] == 0


def test_what_no_process_of_lavas_does_is_refused_with_the_way_out():
    def network(neuron: FixedSigmaDelta, delay: int = 0, exponent: int = 0) -> QuantizedNetwork:
        one = Dense(np.ones((1, 1), np.int32))
        return QuantizedNetwork(
            (Input("in", (1,)),),
            (FixedPopulation("p", (1,), neuron), FixedPopulation("q", (1,), FixedSigmaDelta())),
            (FixedProjection("in", "p", one), FixedProjection("p", "q", one, exponent, delay)),
            "q",
            schedule=LAYERED,
        )

    stimulus = Stimulus(np.ones((1, 1, 1), np.int32))
    check_lava(network(FixedSigmaDelta()), stimulus, LAYERED, False)
    for bad, said in (
        (network(FixedSigmaDelta(None)), "Lava's Sigma is a bare sum"),
        (network(FixedSigmaDelta(sums=False)), "Lava's Delta does not"),
        (network(FixedSigmaDelta(), delay=2), "brings graded spikes 2 ticks late"),
        (network(FixedSigmaDelta(state_exp=0), exponent=-1), "its sum can pass 32 bits before the shift"),
    ):
        with pytest.raises(ValueError, match=said):
            check_lava(bad, stimulus, LAYERED, False)
