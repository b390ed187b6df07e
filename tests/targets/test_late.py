"""Resets one time step late and biases of currents: the judge, the reference, the trainer's engine and Lava are equal.

``UNLAYERED_LAVA_NETWORKS`` draws more; both executors that are compiled leave such networks to the plain ones.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from sim_reference import simulate
from sim_reference.compare.divergence import first_divergence
from targets.lava import Job, run_jobs
from targets.lava.checks import check_lava
from tests.judge.compare import difference
from tests.judge.refusals import Refused
from tests.judge.simulator import run as judge
from tests.judge.tally import Case, count, said
from tests.strategies import LATE, LAYERED, Draw, cases
from tests.targets.lava_cases import N_NETWORKS, SEED, chain, counts, drawn, needs_lava
from trainer.execute import run as train_time

pytestmark = [*needs_lava, pytest.mark.timeout(900)]

STATES = ("v", "u", "late")
ORDINARY = Draw(late=True, extremes=True)


def runs_on_lava(case: Case) -> bool:
    """Whether the page lets the case run and Lava's own processes, where any is needed, hold it."""
    try:
        check_lava(case[0].network, *case[1:], False)
        verdict = judge(*case)
    except (Refused, ValueError):
        return False
    layered_loihi1 = case[2].kind == "layered" and case[0].network.arithmetic == "loihi1"
    return not (layered_loihi1 and any(verdict.limits.values()))


@pytest.mark.parametrize("kind", ["asynchronous", "layered"])
def test_late_resets_are_the_same_in_every_executor(kind: str, capsys: Any) -> None:
    layered = kind == "layered"
    options = [replace(x, asynchronous=not layered) for x in (LATE, ORDINARY)]
    both = cases(options[0], layered=layered) | cases(options[1], layered=layered)
    found = drawn(both.filter(runs_on_lava), N_NETWORKS // 2, SEED + 21 + layered)
    seen: Counter[str] = Counter()
    for case, lava in zip(found, run_jobs([Job(*case) for case in found], record=STATES)):
        verdict = judge(*case)
        reference = simulate.run(*case, record=STATES)
        trained = train_time(*case, record=STATES, engine="reference")
        for trace in (lava, reference, trained):
            difference_found = difference(verdict, trace, case[0].network)
            assert difference_found is None, (trace.executor, difference_found)
            assert first_divergence(reference, trace) is None
            assert np.array_equal(reference.states["late"], trace.states["late"]), trace.executor
        count(seen, case, verdict)
        seen["hold a reset back"] += bool(reference.states["late"].any())
    with capsys.disabled():
        print(said(seen))
    assert seen["hold a reset back"] >= 0.25 * seen["drawn"]


def test_a_population_that_lava_has_not_runs_in_a_process_of_ours_beside_lavas_own() -> None:
    network = chain(6, 5, 4, 3)
    a, b, c = network.populations
    mixed = replace(
        network,
        populations=(
            a,
            replace(b, neuron=replace(b.neuron, reset="subtract_late")),
            replace(c, neuron=replace(c.neuron, decay_u=900, bias_u=np.array([3, -4, 9]))),
        ),
    )
    stimulus = counts(8, 3, 6)
    (lava,) = run_jobs([Job(mixed, stimulus, LAYERED)], record=STATES)
    reference = simulate.run(mixed, stimulus, LAYERED, record=STATES)
    assert first_divergence(reference, lava) is None and reference.states["late"].any()
    assert all(np.array_equal(reference.states[name], lava.states[name]) for name in STATES)
