"""A run that is cut in time and goes on from its state is the run that was never cut, on Lava too."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from ir.trace import Trace
from ir.trace_parts import join_in_time
from sim_reference.simulate import run as run_reference
from targets.lava import Job, run, run_jobs
from tests.strategies import Draw, cases
from tests.targets.lava_cases import N_NETWORKS, SEED, chain, counts, drawn, needs_lava
from tests.targets.test_equal import LAYERED, PLAIN_LAYERED, is_accepted
from tests.test_state import same_traces

pytestmark = [*needs_lava, pytest.mark.timeout(900)]

N = max(1, N_NETWORKS // 3)


def cut_runs(drawn_cases: list[Any], **options: Any) -> list[tuple[Trace, Trace]]:
    """Each case as it runs whole on the reference, and cut at a drawn time step on Lava."""
    rng = np.random.default_rng(SEED)
    at = [int(rng.integers(0, stimulus.n_steps + 1)) for _, stimulus, _ in drawn_cases]
    options = {"record": ("v", "u"), "keep_state": True, **options}
    first = run_jobs([Job(m, s.steps(0, t), how) for (m, s, how), t in zip(drawn_cases, at)], **options)
    rest = [Job(m, s.steps(t, s.n_steps), how, begin.state) for (m, s, how), t, begin in zip(drawn_cases, at, first)]
    joined = [join_in_time(parts) for parts in zip(first, run_jobs(rest, **options))]
    whole = [run_reference(*case, record=("v", "u"), keep_state=True) for case in drawn_cases]
    return [(replace(a, limits_reached=seen(a)), replace(b, limits_reached=seen(b))) for a, b in zip(whole, joined)]


def seen(trace: Trace) -> dict[str, int]:
    """Edges that stock processes show."""
    hidden = trace.schedule.kind == "layered"
    return {name: n for name, n in trace.limits_reached.items() if n and not (hidden and name == "int32")}


def hold(pairs: list[tuple[Trace, Trace]]) -> None:
    """All cut runs are the whole ones, and most of them spike."""
    for whole, cut in pairs:
        same_traces(whole, cut)
    assert np.mean([len(whole.spikes) > 0 for whole, _ in pairs]) > 0.7


def test_asynchronous_runs_can_be_cut():
    hold(cut_runs(drawn(cases(Draw(extremes=True)) | cases(Draw(extremes=True, late=True)), N, SEED + 21)))


def test_asynchronous_runs_with_a_process_for_each_core_can_be_cut():
    some = drawn(cases(Draw()), max(1, N // 3), SEED + 22)
    by_core = [(m, s, replace(schedule, scope="core")) for m, s, schedule in some if schedule.input != "queued"]
    hold(cut_runs(by_core, process_per_core=True))


def test_layered_runs_can_be_cut_with_spikes_on_their_way():
    both = cases(PLAIN_LAYERED, layered=True) | cases(replace(PLAIN_LAYERED, late=True), layered=True)
    hold(cut_runs(drawn(both.filter(is_accepted), N, SEED + 23)))


def test_a_state_of_another_network_is_refused_before_anything_starts():
    left = run_reference(chain(4, 3), counts(2, 1, 4), LAYERED, keep_state=True).state
    with pytest.raises(ValueError, match="the state is of network"):
        run(chain(4, 3, decay_v=7), counts(2, 1, 4), LAYERED, state=left)
