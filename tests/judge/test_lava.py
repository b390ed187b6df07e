"""The judge and Lava: equal on whatever the contract allows and Lava's processes hold.

60 networks a run of the suite; ``UNLAYERED_LAVA_NETWORKS`` draws more.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest

from sim_reference import simulate
from targets.lava import Job, run_jobs
from targets.lava.checks import check_lava
from tests.judge.compare import difference
from tests.judge.refusals import Refused
from tests.judge.simulator import run as judge
from tests.judge.tally import WORDS, Case, count, said
from tests.strategies import WIDE, cases
from tests.strategies.options import SHIFTED
from tests.targets.lava_cases import N_NETWORKS, SEED, drawn, needs_lava

pytestmark = [*needs_lava, pytest.mark.timeout(900)]

ASYNCHRONOUS = replace(WIDE, arithmetics=SHIFTED)
LAYERED = replace(ASYNCHRONOUS, asynchronous=False)


def words(case: Case) -> tuple[str | None, str | None]:
    """In what words Lava and the reference refuse; None where they do not."""
    found: list[str | None] = []
    for start in (lambda: check_lava(case[0].network, *case[1:], False), lambda: simulate.run(*case)):
        try:
            start()
            found.append(None)
        except ValueError as error:
            found.append(str(error))
    return found[0], found[1]


def hold(drawn_cases: list[Case], seen: Counter[str]) -> None:
    """Run all on Lava; what the page refuses is refused in the reference's words."""
    ready = []
    for case in drawn_cases:
        try:
            ready.append((case, judge(*case)))
        except Refused as refused:
            sentence, reference = words(case)
            assert sentence is not None and sentence == reference and WORDS[str(refused)] in sentence
            count(seen, case, str(refused))
    for (case, verdict), trace in zip(ready, run_jobs([Job(*case) for case, _ in ready], record=("v", "u"))):
        found = difference(verdict, trace, case[0].network)
        assert found is None, found
        count(seen, case, verdict)


@pytest.mark.parametrize("scope", ["network", "core"])
def test_asynchronous_lava_does_what_the_page_says(scope, capsys):
    seen: Counter[str] = Counter()
    hold(drawn(cases(ASYNCHRONOUS).filter(lambda case: case[2].scope == scope), N_NETWORKS // 4, SEED + 11), seen)
    with capsys.disabled():
        print(said(seen))
    assert seen["spike"] >= 0.25 * seen["drawn"]  # of few networks


def stock_lava_holds(case: Case) -> bool:
    """Whether stock processes have no reason of their own to refuse; ``loihi1`` runs on them short of its edges."""
    try:
        verdict = judge(*case)
    except Refused:
        return True
    if words(case)[0] is not None:
        return False
    return case[0].network.arithmetic != "loihi1" or not any(verdict.limits.values())


def test_layered_lava_does_what_the_page_says(capsys):
    seen: Counter[str] = Counter()
    wide = cases(LAYERED, layered=True) | cases(replace(LAYERED, lava=True), layered=True)
    hold(drawn(wide.filter(stock_lava_holds), N_NETWORKS - N_NETWORKS // 4 * 2, SEED + 12), seen)
    with capsys.disabled():
        print(said(seen))
    assert seen["spike"] >= 0.25 * seen["drawn"]  # of few networks
