"""What decides is the output's neurons, not whether they happened to spike: every executor says which it is."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import unlayered as ul
from exchange import npz
from ir.connection import Dense
from ir.mapped import MappedNetwork
from ir.network import Input, Network, Population, Projection
from ir.neurons import LIF
from ir.stimulus import Stimulus
from ir.trace import Trace
from ir.trace_parts import join, join_in_time, select
from sim_reference import fast, simulate
from sim_reference.compare.difference import decided
from sim_reference.compare.gathered import numbers_of, statistics_of
from sim_reference.compare.statistics import statistics
from tests.targets.lava_cases import needs_lava

STIMULUS = Stimulus(np.array([[[1, 0], [0, 0]], [[0, 0], [0, 1]]]), labels=np.array([0, 1]))
"""Two time steps, two samples: each drives its own output neuron, below a threshold of 10."""


def network(v_threshold: float | None) -> Network:
    """Two inputs onto two outputs, 0.5 each."""
    output = Population("out", (2,), LIF(tau_mem_s=20e-3, v_threshold=v_threshold))
    return Network((Input("in", (2,)),), (output,), (Projection("in", "out", Dense(0.5 * np.eye(2))),), "out")


def trace_on(on: str, v_threshold: float | None) -> Trace:
    """Membranes recorded."""
    floats = network(v_threshold)
    if on == "floats":
        return ul.run(floats, STIMULUS)
    if on == "compiled":
        return fast.run(integers(floats), STIMULUS, record=("v",))
    if on == "plain":
        return simulate.run(integers(floats), STIMULUS, record=("v",))
    return ul.run(integers(floats, "seneca" if on == "clockless" else "loihi2"), STIMULUS, on=on)


def integers(floats: Network, chip: str = "loihi2") -> MappedNetwork:
    return ul.map(floats, chip)


ON = ["floats", "trainer", "plain", "compiled", "clockless", pytest.param("lava", marks=needs_lava)]


@pytest.mark.parametrize("on", ON)
def test_an_output_that_fires_is_read_by_its_spikes_even_when_there_are_none(on: str) -> None:
    trace = trace_on(on, 10.0)
    assert trace.v is not None and not trace.counts.any()
    numbers = statistics(trace)
    assert (numbers.readout, numbers.decision.tolist(), numbers.accuracy) == ("count", [-1, -1], 0.0)
    assert decided(trace).tolist() == [-1, -1]


@pytest.mark.parametrize("on", ON)
def test_an_output_that_never_fires_is_read_by_its_membranes(on: str) -> None:
    numbers = statistics(trace_on(on, None))
    assert (numbers.readout, numbers.decision.tolist(), numbers.accuracy) == ("membrane", [0, 1], 1.0)


@pytest.mark.parametrize("v_threshold", [None, 10.0, 0.4])
def test_no_decision_depends_on_the_other_samples(v_threshold: float | None) -> None:
    whole = trace_on("compiled", v_threshold)
    parts = [select(whole, slice(i, i + 1)) for i in range(2)]
    assert [int(statistics(part).decision[0]) for part in parts] == statistics(whole).decision.tolist()
    _, gathered = statistics_of([numbers_of(part) for part in parts])
    assert gathered.decision.tolist() == statistics(whole).decision.tolist()
    assert gathered.readout == statistics(join(parts)).readout == statistics(whole).readout


def test_a_file_keeps_it_and_one_of_before_is_read_by_what_it_holds(tmp_path: Path) -> None:
    trace = trace_on("compiled", 10.0)
    npz.save(trace, tmp_path / "new.npz")
    assert npz.load(tmp_path / "new.npz", Trace).output_fires is True
    npz.save(replace(trace, output_fires=None), tmp_path / "old.npz")
    old = npz.load(tmp_path / "old.npz", Trace)
    assert old.output_fires is None and statistics(old).readout == "membrane"
    assert join([select(trace, slice(0, 1)), select(old, slice(1, 2))]).output_fires is None
    assert join_in_time([trace, trace]).output_fires is True
