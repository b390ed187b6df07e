"""Lava does what docs/semantics.md says, line by line; runs of nothing are empty and start no process."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from ir.connection import Dense
from ir.quantized import FixedProjection
from ir.schedule import Schedule
from ir.stimulus import Stimulus
from sim_reference import simulate
from sim_reference.compare.divergence import first_divergence
from targets.lava import Job, run, run_jobs
from targets.lava.checks import check_lava
from tests.contract_cases import CASES, FLAT, LAYERED, Case, network
from tests.targets.lava_cases import chain, counts, needs_lava


def is_stock(case: Case) -> bool:
    """Whether Lava's own processes hold the case's weights and biases."""
    try:
        check_lava(case.mapped.network, case.stimulus, case.schedule, False)
    except ValueError:
        return False
    return case.mapped.network.arithmetic == "lava"


RUNNABLE = [case for case in CASES if case.schedule.kind == "asynchronous" or is_stock(case)]


@needs_lava[0]
@needs_lava[1]
@pytest.mark.timeout(900)
@pytest.mark.parametrize("process_per_core", [False, True])
def test_every_line_of_the_contract(process_per_core: bool) -> None:
    chosen = [c for c in RUNNABLE if c.schedule.kind == "asynchronous" or not process_per_core]
    jobs = [Job(c.mapped, c.stimulus, c.schedule) for c in chosen]
    traces = run_jobs(jobs, record=("v", "u"), process_per_core=process_per_core)
    for case, trace in zip(chosen, traces):
        try:
            case.check(trace)
        except AssertionError as error:
            raise AssertionError(f"{case.name}: {error}") from error


@pytest.mark.parametrize("schedule", [LAYERED, Schedule(), Schedule(input="paced", R=2), Schedule(input="queued")])
@pytest.mark.parametrize("shape", [(0, 2), (2, 0), (0, 0)], ids=str)
def test_no_time_steps_and_no_samples_are_an_empty_run(
    shape: tuple[int, int], schedule: Schedule, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("UNLAYERED_LAVA_PYTHON", "/nowhere")
    stimulus = Stimulus(np.zeros((*shape, 4), np.int32), labels=np.zeros(shape[1], np.int64))
    told: list[tuple[int, int]] = []
    trace = run(chain(4, 3), stimulus, schedule, record=("v", "u"), progress=lambda *at: told.append(at))
    plain = simulate.run(chain(4, 3), stimulus, schedule, record=("v", "u"))
    assert first_divergence(plain, trace) is None and trace.executor == "E3"
    assert (trace.counts == plain.counts).all() and trace.core_of_neuron is None
    assert trace.limits_reached == plain.limits_reached == {"int32": 0, "accumulator": 0, "u": 0, "v": 0}
    assert told == ([(shape[1], shape[1])] if shape[1] else [])


@needs_lava[0]
@needs_lava[1]
def test_an_empty_job_between_others_changes_none_of_them() -> None:
    full, none = counts(3, 2, 4), counts(3, 0, 4)
    one, empty, two = run_jobs([Job(chain(4, 3), s, Schedule(F=1)) for s in (full, none, full)])
    assert first_divergence(one, two) is None and len(one.spikes) > 0
    assert empty.forward_steps.shape == (3, 0)


def test_sums_beyond_what_is_exact_are_refused_in_the_references_words() -> None:
    net = network({"in": 1}, {"out": (1, FLAT)}, [("in", "out", [[(1 << 31) - 1]])])
    for schedule in (LAYERED, Schedule()):
        many = Stimulus(np.full((1, 1, 1), (1 << 31) - 1))
        sentences = []
        for execute in (simulate.run, run):
            with pytest.raises(ValueError) as refused:
                execute(net, many, schedule)
            sentences.append(str(refused.value))
        assert sentences[0] == sentences[1]


def test_a_bias_that_shifts_to_nothing_needs_no_room() -> None:
    net = chain(4, 3, bias=40_000, bias_exp=-20)
    check_lava(net, counts(2, 1, 4), LAYERED, False)
    edge = FixedProjection("in", "p0", Dense(np.ones((3, 4), np.int64)))
    check_lava(replace(net, projections=(edge,)), counts(2, 1, 4), LAYERED, False)
