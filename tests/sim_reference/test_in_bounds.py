"""No kernel of the compiled simulators reads or writes outside of an array, or counts from an array's end."""

from __future__ import annotations

import os
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sim_reference import fast, simulate
from sim_reference.compare.divergence import first_divergence
from tests.in_python import run_by_python
from tests.sim_reference.test_fast import drawn
from tests.strategies import WIDE, Draw, runs
from tests.strategies.spiking_gamma import gamma_cases

DRAWS = int(os.environ.get("UNLAYERED_DRAWS", "30"))
ENTRIES = "run_layered", "run_asynchronous", "run_sample"
SLOWLY = settings(max_examples=DRAWS, deadline=None, suppress_health_check=[HealthCheck.too_slow])
NETWORKS = st.one_of(
    *(drawn(x, layered) for x in (Draw(), Draw(extremes=True)) for layered in (False, True)),
    *(drawn(WIDE, layered).filter(runs) for layered in (False, True)),
    gamma_cases(),
)


@SLOWLY
@given(NETWORKS, st.booleans())
def test_indices_of_drawn_networks_lie_inside(case: Any, in_two: bool) -> None:
    """Whole runs, and ones that are cut and gone on with."""
    mapped, stimulus, schedule = case
    meaning = simulate.run(mapped, stimulus, schedule)
    with pytest.MonkeyPatch.context() as patch:
        called = run_by_python(patch, "sim_reference", ENTRIES)
        trace = fast.run(mapped, stimulus, schedule, n_threads=1)
        if in_two:
            half = stimulus.n_steps // 2
            first = fast.run(mapped, stimulus.steps(0, half), schedule, n_threads=1, keep_state=True)
            fast.run(mapped, stimulus.steps(half, stimulus.n_steps), schedule, n_threads=1, state=first.state)
    assert first_divergence(meaning, trace) is None
    assert sum(called.values()) or not stimulus.n_samples
