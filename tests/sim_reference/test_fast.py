"""The compiled twin leaves the same trace as the definition."""

from __future__ import annotations

from hypothesis import HealthCheck, given, settings

from sim_reference import fast, simulate
from sim_reference.compare import first_divergence
from tests.strategies import Draw, cases

twin_laws = settings(max_examples=150, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])


def assert_same(mapped, stimulus, schedule):
    slow = simulate.run(mapped, stimulus, schedule, record_u=True)
    quick = fast.run(mapped, stimulus, schedule, record_u=True)
    divergence = first_divergence(slow, quick)
    assert divergence is None, str(divergence)
    assert slow.limits_reached == quick.limits_reached
    assert (slow.counts == quick.counts).all()


@twin_laws
@given(cases(Draw()))
def test_asynchronous_runs_are_equal(case):
    assert_same(*case)


@twin_laws
@given(cases(Draw(extremes=True)))
def test_asynchronous_runs_are_equal_at_every_edge(case):
    assert_same(*case)


@twin_laws
@given(cases(Draw(asynchronous=False), layered=True))
def test_layered_runs_are_equal(case):
    assert_same(*case)


@twin_laws
@given(cases(Draw(asynchronous=False, extremes=True), layered=True))
def test_layered_runs_are_equal_at_every_edge(case):
    assert_same(*case)
