"""Both simulators do what docs/semantics.md says, line by line; runs of nothing are empty, not errors."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from ir.connection import Dense
from ir.schedule import Schedule
from ir.stimulus import Stimulus
from ir.trace import Trace
from sim_reference import fast, simulate
from sim_reference.compare.divergence import first_divergence
from sim_reference.compare.statistics import statistics
from tests.contract_cases import CASES, FLAT, LAYERED, Case, network

RUNS = {"plain": simulate.run, "compiled": fast.run}
EMPTY_SCHEDULES = [LAYERED, Schedule(), Schedule(input="paced", R=2), Schedule(input="queued")]


@pytest.mark.parametrize("run", RUNS.values(), ids=RUNS)
@pytest.mark.parametrize("case", CASES, ids=lambda c: c.name)
def test_every_line_of_the_contract(case: Case, run: Callable[..., Trace]) -> None:
    case.check(run(case.mapped, case.stimulus, case.schedule, record=("v", "u")))


@pytest.mark.parametrize("run", RUNS.values(), ids=RUNS)
@pytest.mark.parametrize("schedule", EMPTY_SCHEDULES, ids=lambda s: f"{s.kind}-{s.input}")
@pytest.mark.parametrize("projections", [[("in", "out", [[11]])], []], ids=["connected", "unconnected"])
@pytest.mark.parametrize("shape", [(0, 2), (2, 0), (0, 0)], ids=str)
def test_no_time_steps_and_no_samples_are_an_empty_run(
    shape: tuple[int, int], projections: list[Any], schedule: Schedule, run: Callable[..., Trace]
) -> None:
    t, b = shape
    stimulus = Stimulus(np.zeros((t, b, 1), np.int32), labels=np.zeros(b, np.int64))
    trace = run(network({"in": 1}, {"out": (1, FLAT)}, projections), stimulus, schedule, record=("v", "u"))
    assert trace.forward_steps.shape == (t, b) and trace.v.shape == trace.u.shape == (t, b, 1)
    assert trace.counts.tolist() == [[0]] * b and len(trace.spikes) == 0
    assert first_divergence(trace, trace) is None
    for readout in (None, "count", "membrane"):
        numbers = statistics(trace, readout)
        assert numbers.density == 0 and numbers.spikes == 0
        assert numbers.accuracy == (0 if b else None) or (readout != "count" and t > 0)
        assert numbers.first_output.forward_steps.tolist() == [-1] * b


@pytest.mark.parametrize("run", RUNS.values(), ids=RUNS)
@pytest.mark.parametrize("schedule", [LAYERED, Schedule()], ids=lambda s: s.kind)
def test_sums_beyond_what_is_exact_are_refused_before_the_run(schedule: Schedule, run: Callable[..., Trace]) -> None:
    top = (1 << 31) - 1
    net = network({"in": 1}, {"out": (1, FLAT)}, [("in", "out", [[top]])])
    run(net, Stimulus(np.full((1, 1, 1), 1 << 22)), schedule)
    with pytest.raises(ValueError, match=r"projection in -> out: its sum could come to 2\^62.0 on this stimulus"):
        run(net, Stimulus(np.full((1, 1, 1), top)), schedule)


@pytest.mark.parametrize("weight", [(1 << 31) - 1, -(1 << 31) + 1, 1 << 18])
@pytest.mark.parametrize("count", [1, 3, 1 << 20, (1 << 22) - 1])
@pytest.mark.parametrize("weight_exp", [-31, -1, 0, 3])
def test_the_compiled_twin_is_exact_up_to_the_edge_of_the_bound(weight: int, count: int, weight_exp: int) -> None:
    lif = FLAT
    net = network({"in": 2}, {"a": (2, lif), "out": (1, lif)}, [
        ("in", "a", Dense(np.array([[weight, 0], [1, weight]])).weight, weight_exp),
        ("a", "out", [[weight, weight // 2]], weight_exp),
    ])  # fmt: skip
    stimulus = Stimulus(np.array([[[count, 1]], [[1, count]]]))
    for schedule in (LAYERED, Schedule(F=1)):
        try:
            slow = simulate.run(net, stimulus, schedule, record=("v", "u"))
        except ValueError as refused:
            with pytest.raises(ValueError) as again:
                fast.run(net, stimulus, schedule)
            assert str(again.value) == str(refused)
            continue
        quick = fast.run(net, stimulus, schedule, record=("v", "u"))
        assert first_divergence(slow, quick) is None and slow.limits_reached == quick.limits_reached
