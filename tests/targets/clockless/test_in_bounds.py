"""No kernel of the timed executor reads or writes outside of an array, or counts from an array's end."""

from __future__ import annotations

import os

import pytest
from hypothesis import HealthCheck, given, settings

from tests.in_python import run_by_python
from tests.strategies.clockless import TimedCase, timed_cases
from tests.targets.clockless.test_law import same, timed

DRAWS = int(os.environ.get("UNLAYERED_DRAWS", "25"))


@settings(max_examples=DRAWS, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(timed_cases())
def test_indices_of_drawn_networks_lie_inside(case: TimedCase) -> None:
    plain, _ = timed(case, plain=True)
    with pytest.MonkeyPatch.context() as patch:
        called = run_by_python(patch, "targets.clockless", ("run_timed",))
        twin, _ = timed(case, plain=False)
    assert called["run_timed"] or not case.stimulus.n_samples
    if isinstance(plain, str) or isinstance(twin, str):
        assert plain == twin
    else:
        same(plain, twin)
