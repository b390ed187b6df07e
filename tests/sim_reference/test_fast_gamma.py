"""The compiled SpikingGamma is the plain one: spikes, every state in every step, what is counted, runs that are cut."""

from __future__ import annotations

import warnings

import numpy as np

from ir.check import SlowerWarning
from ir.neurons import FixedSpikingGamma
from ir.state import state_names
from sim_reference import fast
from sim_reference.compare.divergence import first_divergence
from sim_reference.simulate import run
from tests.sim_reference.test_spiking_gamma import DRAWS, INPUT, LAYERED, TABLES, one_neuron, rows
from tests.strategies.independent import each
from tests.strategies.spiking_gamma import gamma_cases

N = max(DRAWS, 300)


def alone(case) -> bool:
    """Whether the kernels know the network: no other model beside."""
    return {p.neuron.MODEL for p in case[0].network.populations} == {"spiking_gamma"}


def test_the_table_appears_exactly():
    for decays, table in TABLES.items():
        network = one_neuron(FixedSpikingGamma(decays, (4, 8)))
        assert rows(fast.run(network, INPUT, record=state_names(network))) == table


def test_drawn_networks_are_equal_in_all_states_and_payloads():
    """Nothing is said to be slower: the kernels run."""
    values, payloads, spiking = 0, 0, 0
    for case in each(gamma_cases().filter(alone), N, 70, lambda case: case):
        names = state_names(case[0].network)
        plain = run(*case, record=names, keep_state=True)
        with warnings.catch_warnings():
            warnings.simplefilter("error", SlowerWarning)
            compiled = fast.run(*case, record=names, keep_state=True)
        assert first_divergence(plain, compiled) is None
        assert plain.limits_reached == compiled.limits_reached
        for name in names:
            assert (plain.states[name] == compiled.states[name]).all(), name
            assert (plain.state.states[name] == compiled.state.states[name]).all(), name
        for name in ("sent", "inputs", "fired"):
            assert (getattr(plain.state, name) == getattr(compiled.state, name)).all(), name
        for name in ("sample", "t", "k", "neuron", "m", "k_served"):
            assert (getattr(plain.spikes, name) == getattr(compiled.spikes, name)).all(), name
        assert np.array_equal(plain.spikes.payload, compiled.spikes.payload)
        values += sum(x.size for x in plain.states.values())
        payloads += 0 if plain.spikes.payload is None else int((plain.spikes.payload > 1).sum())
        spiking += len(plain.spikes) > 0
    print(f"{N} networks, {values} values compared, 0 differ; {spiking} spike, {payloads} spikes carry more than 1")
    assert spiking > 0.7 * N and payloads > 0


def test_a_cut_run_goes_on_as_if_it_had_never_been_cut():
    for mapped, stimulus, schedule in each(gamma_cases().filter(alone), 20, 71, lambda case: case):
        names, at = state_names(mapped.network), stimulus.n_steps // 2
        whole = run(mapped, stimulus, schedule, record=names)
        first = fast.run(mapped, stimulus.steps(0, at), schedule, keep_state=True)
        rest = fast.run(mapped, stimulus.steps(at, stimulus.n_steps), schedule, record=names, state=first.state)
        for name in names:
            assert (whole.states[name][at:] == rest.states[name]).all(), name


def test_counts_alone_are_those_of_the_spikes():
    network = one_neuron(FixedSpikingGamma((2048, 1024), (4, 8)))
    trace = fast.run(network, INPUT, LAYERED, record_spikes=False, record=())
    assert trace.spikes is None and np.array_equal(trace.counts, [[4]])
