"""SpikingGamma in the plain simulator, against tables worked out by hand, and equal to the trainer's integers."""

from __future__ import annotations

import os
from dataclasses import replace

import numpy as np
import pytest

from exchange import npz, parquet
from ir.connection import Dense
from ir.network import Input
from ir.neurons import FixedSpikingGamma
from ir.quantized import FixedPopulation, FixedProjection, QuantizedNetwork
from ir.schedule import Schedule
from ir.state import state_names
from ir.stimulus import Stimulus
from ir.trace import Trace
from sim_reference.compare.divergence import first_divergence
from sim_reference.compare.equality import equality
from sim_reference.simulate import run
from tests.strategies.independent import each
from tests.strategies.spiking_gamma import gamma_cases
from trainer.execute import run as run_trainer

LAYERED = Schedule("layered")
DRAWS = int(os.environ.get("UNLAYERED_DRAWS", "100"))
INPUT = Stimulus(np.array([[1, 0], [0, 1], [0, 0], [1, 0], [0, 0], [0, 1]], np.int32)[:, None])
"""The two inputs of the table: 1 0 0 1 0 0 and 0 1 0 0 0 1."""

TABLES = {
    (2048, 1024): [
        (192, 0, 96, 0, 1, 64),
        (32, 48, 64, 32, 0, 32),
        (16, 44, 52, 16, 1, 80),
        (200, 37, 137, 40, 1, 104),
        (100, 77, 127, 52, 1, 116),
        (-14, 82, 75, 58, 0, 58),
    ],
    (906, 390): [
        (192, 0, 96, 0, 1, 64),
        (85, 18, 60, 49, 0, 49),
        (66, 24, 57, 38, 0, 38),
        (243, 27, 148, 29, 1, 93),
        (189, 47, 141, 72, 1, 136),
        (83, 60, 101, 105, 0, 105),
    ],
}
"""By decays: (X0, X1, y, p, s, E) of each time step."""


def one_neuron(neuron: FixedSpikingGamma) -> QuantizedNetwork:
    """The table's neuron: weights 3 and -1."""
    edge = FixedProjection("in", "p", Dense(np.array([[3, -1]], np.int32)))
    return QuantizedNetwork((Input("in", (2,)),), (FixedPopulation("p", (1,), neuron),), (edge,), "p", schedule=LAYERED)


def rows(trace: Trace, quantum: int = 64) -> list[tuple[int, ...]]:
    """The columns of the table."""
    x0, x1, y, e = (trace.states[name][:, 0, 0] for name in ("x0", "x1", "v", "e"))
    s = np.isin(np.arange(len(y)), trace.spikes.t).astype(int)
    found = zip(x0, x1, np.maximum(y, 0), e - quantum * s, s, e)
    return [tuple(map(int, row)) for row in found]


@pytest.mark.parametrize("decays", TABLES, ids=str)
def test_the_integer_table_appears_exactly(decays):
    network = one_neuron(FixedSpikingGamma(decays, (4, 8)))
    trace = run(network, INPUT, record=state_names(network))
    assert rows(trace) == TABLES[decays]
    assert trace.spikes.m.tolist() == [row[2] for row in TABLES[decays] if row[4]]


def test_an_error_as_large_as_the_threshold_spikes_unless_the_rule_is_strict():
    spikes = [
        run(one_neuron(FixedSpikingGamma((2048, 1024), (4, 8), strict=strict)), INPUT).spikes.t
        for strict in (True, False)
    ]
    assert spikes[0].tolist() == [0, 2, 3, 4] and spikes[1].tolist()[:2] == [0, 1]


def test_a_neuron_codes_no_more_than_its_ceiling():
    plain, low = (FixedSpikingGamma((906, 390), (4, 8), ceiling=c) for c in (None, 90))
    traces = [run(one_neuron(x), INPUT, record=state_names(one_neuron(x))) for x in (plain, low)]
    assert (traces[0].states["v"] == traces[1].states["v"]).all()
    told = 0
    for t, v in enumerate(traces[1].states["v"][:, 0, 0].tolist()):
        left = told * (4096 - 906) >> 12
        told = left + (64 if min(max(v, 0), 90) - left > 32 else 0)
        assert traces[1].states["e"][t, 0, 0] == told
    assert traces[0].spikes.t.tolist() == [0, 3, 4] and traces[1].spikes.t.tolist() == [0, 3, 5]


def test_a_spike_carries_its_threshold_where_that_adapts():
    """It fires in every step: A <- A // 2 + th // 4, P = 64 th // 32, and its target takes half of P."""
    neuron = FixedSpikingGamma((4095,), (8,), 32, 64, adaptation=1024, decay_threshold=2048)
    network = one_neuron(neuron)
    network = QuantizedNetwork(
        network.inputs,
        (network.populations[0], FixedPopulation("q", (1,), FixedSpikingGamma((4095,), (8,), None))),
        (network.projections[0], FixedProjection("p", "q", Dense(np.array([[32]], np.int32)), -6)),
        "q",
        schedule=LAYERED,
    )
    trace = run(network, Stimulus(np.tile([[[1, 0]]], (4, 1, 1)).astype(np.int32)), record=state_names(network))
    above, payloads = 0, []
    for step in range(4):
        payloads.append((32 + above) * 64 // 32)
        above = above // 2 + (32 + above) // 4
        assert trace.states["th"][step, 0, 0] == above
    assert trace.states["e"][:, 0, 0].tolist() == payloads  # a quantum of 64: q = P
    assert trace.spikes.payload.tolist() == payloads
    assert trace.states["x0"][:, 0, 1].tolist() == [p // 2 << 6 for p in payloads]


def test_a_payload_that_differs_is_the_first_divergence_and_files_hold_payloads(tmp_path):
    network = one_neuron(FixedSpikingGamma((906, 390), (4, 8), adaptation=300, decay_threshold=500))
    trace = run(network, INPUT)
    payload = np.array(trace.spikes.payload)
    payload[1] += 1
    other = replace(trace, spikes=replace(trace.spikes, payload=payload))
    said = f"spikes with payloads {payload[1] - 1} and {payload[1]}"
    assert said in str(first_divergence(trace, other)) and equality(trace, other).differing == 1
    assert first_divergence(trace, replace(other, spikes=replace(trace.spikes, payload=None))) is None
    npz.save(other, tmp_path / "it.npz")
    for again in (npz.load(tmp_path / "it.npz").spikes, parquet.spikes_of(bytes(parquet.parquet_of(other.spikes)))):
        assert (again.payload == payload).all()
    plain = run(one_neuron(FixedSpikingGamma((906, 390), (4, 8))), INPUT).spikes
    assert plain.payload is None and parquet.spikes_of(bytes(parquet.parquet_of(plain))).payload is None


def test_a_cut_run_goes_on_as_if_it_had_never_been_cut():
    network = one_neuron(FixedSpikingGamma((906, 390), (4, 8), adaptation=300, decay_threshold=500))
    whole = run(network, INPUT, record=state_names(network))
    first = run(network, Stimulus(INPUT.frames[:3]), keep_state=True)
    rest = run(network, Stimulus(INPUT.frames[3:]), record=state_names(network), state=first.state)
    for name, values in whole.states.items():
        assert (values[3:] == rest.states[name]).all(), name


def test_plain_integers_of_simulator_and_trainer_are_equal_in_all_states():
    spiking, values = 0, 0
    for mapped, stimulus, schedule in each(gamma_cases(), DRAWS, 0, lambda case: case):
        names = state_names(mapped.network)
        ours, theirs = (f(mapped, stimulus, schedule, record=names) for f in (run, run_trainer))
        assert first_divergence(ours, theirs) is None
        for name in names:
            assert (ours.states[name] == theirs.states[name]).all(), name
        assert ours.limits_reached == theirs.limits_reached
        assert np.array_equal(ours.spikes.payload, theirs.spikes.payload)
        spiking += len(ours.spikes) > 0
        values += sum(x.size for x in ours.states.values())
    print(f"{DRAWS} networks, {values} values compared, 0 differ; {spiking} spike")
    assert spiking > 0.7 * DRAWS
