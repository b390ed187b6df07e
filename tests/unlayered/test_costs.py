"""Energy and time of a sample: ranges in readable units, for mapped networks, from real spikes."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from exchange import npz
from ir.chip import Range
from ir.mapped import MappedNetwork, one_large_core
from ir.schedule import Schedule
from ir.stimulus import Stimulus
from mapper.cost import count_events, delivered
from sim_reference.fast import run
from unlayered.cli import app
from unlayered.costs import cost_of_run, in_units, source_counts
from unlayered.execute import RunOptions, run_safely

ENERGY = (("pJ", 1.0), ("nJ", 1e3), ("uJ", 1e6))


@pytest.mark.parametrize(
    ("amount", "text"),
    [
        (Range(1500.0, 800.0, 2000.0), "1.50 nJ (0.80 to 2.00)"),
        (Range(0.5, 0.0, 1.0), "0.50 pJ (0.00 to 1.00)"),
        (Range(2e9, 1e9, 4e9), "2000.00 uJ (1000.00 to 4000.00)"),
    ],
)
def test_a_range_is_written_in_the_unit_of_its_value(amount: Range, text: str):
    assert in_units(amount, ENERGY) == text


def test_the_mean_sample_does_not_depend_on_how_many_there_are(mapped: MappedNetwork, stimulus: Stimulus):
    twice = Stimulus(np.concatenate([stimulus.frames, stimulus.frames], axis=1), np.arange(6))
    once, doubled = (cost_of_run(mapped, run(mapped, s), s) for s in (stimulus, twice))
    assert once is not None and doubled is not None
    assert doubled.energy_pj.value == pytest.approx(once.energy_pj.value)
    assert doubled.time_ns.value == pytest.approx(once.time_ns.value)
    assert once.energy_pj.low < once.energy_pj.value < once.energy_pj.high


def test_every_spike_and_every_input_counts(mapped: MappedNetwork, stimulus: Stimulus):
    trace = run(mapped, stimulus)
    counts = source_counts(trace, stimulus)
    assert counts[:12].sum() == len(trace.spikes or ()) and counts[12:].sum() == stimulus.frames.sum()


def test_a_tick_is_a_time_step_when_layered_and_a_forward_step_when_not(mapped: MappedNetwork, stimulus: Stimulus):
    layered, trace = Schedule("layered"), run(mapped, stimulus)
    barrier = mapped.chip.costs["barrier_ns"].value if mapped.chip else 0.0
    cost, slow = (cost_of_run(mapped, run(mapped, stimulus, s), stimulus) for s in (layered, Schedule(F=1)))
    assert cost is not None and slow is not None
    ticks = float(run(mapped, stimulus, Schedule(F=1)).forward_steps.sum()) / stimulus.n_samples
    assert trace.schedule.kind == "asynchronous"
    assert stimulus.n_steps * barrier < cost.time_ns.value < ticks * barrier < slow.time_ns.value


@pytest.mark.parametrize("stop", [{"stop_after": 1}, {"stop_after": 2}, {"stop_after_output": 0}], ids=str)
def test_what_a_forced_stop_left_in_the_queue_reaches_no_synapse(
    stop: dict[str, int], mapped: MappedNetwork, stimulus: Stimulus
):
    """Counted from the trace's rows: a spike of a hidden neuron that was served reaches 4 neurons, an input 8."""
    schedule = Schedule(F=1, **stop)
    trace = run(mapped, stimulus, schedule)
    assert trace.spikes is not None
    hidden = trace.spikes.neuron < 8
    served = hidden & (trace.spikes.k_served >= 0)
    assert served.sum() < hidden.sum()
    mine = stimulus.frames.sum() * 8 + served.sum() * 4
    whole = RunOptions()
    ran = run_safely(mapped, stimulus, schedule, "reference", whole, lambda done, total: None)
    for reached in (delivered(mapped.network, trace, stimulus), ran.delivered):
        events = count_events(mapped, source_counts(trace, stimulus), int(trace.forward_steps.sum()), reached)
        assert (events.synops_dense, events.spikes) == (mine, len(trace.spikes))
        assert events.packets == served.sum()


def test_a_count_alone_takes_every_spike_for_served(mapped: MappedNetwork, stimulus: Stimulus):
    trace = replace(run(mapped, stimulus, Schedule(F=1, stop_after=1)), spikes=None)
    assert delivered(mapped.network, trace, stimulus).served is None
    drained = run(mapped, stimulus, Schedule(F=1))
    for one in (drained, replace(drained, spikes=None)):
        assert np.array_equal(delivered(mapped.network, one, stimulus).served, one.counts.sum(0))


def test_only_a_chip_with_costs_has_a_cost(mapped: MappedNetwork, stimulus: Stimulus):
    trace = run(mapped, stimulus)
    assert mapped.chip is not None
    assert cost_of_run(one_large_core(mapped.network), trace, stimulus) is None
    assert cost_of_run(replace(mapped, chip=replace(mapped.chip, costs={})), trace, stimulus) is None


def test_a_run_tells_the_cost(tmp_path: Path, mapped: MappedNetwork, stimulus: Stimulus):
    npz.save(mapped, tmp_path / "mapped.npz")
    npz.save(stimulus, tmp_path / "data.npz")
    words = ["run", tmp_path / "mapped.npz", "--on", "reference", "--data", tmp_path / "data.npz"]
    words += ["--out", tmp_path / "a.npz"]

    def call(*more: str) -> Any:
        return CliRunner().invoke(app, [str(word) for word in (*words, *more)])

    assert "J (" in json.loads(call("--json").stdout)["cost"]["energy"]
    assert "costs on the chip" in call().stdout


def test_the_lowest_byte_is_counted_as_128_events(mapped: MappedNetwork):
    stimulus = Stimulus(np.full((2, 1, mapped.network.n_inputs), -128, np.int8))
    counts = source_counts(run(mapped, stimulus), stimulus)
    assert (counts[mapped.network.n_neurons :] == 256).all()
