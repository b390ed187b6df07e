"""The judge, the reference, its compiled twin and the trainer's engines: equal on whatever the contract allows.

300 networks a run of the suite; ``UNLAYERED_DRAWS=2000`` draws so many.
"""

from __future__ import annotations

import os
from collections import Counter
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from ir.connection import Dense
from ir.mapped import one_large_core
from ir.network import Input
from ir.neurons import FixedLIF
from ir.quantized import FixedPopulation, FixedProjection, QuantizedNetwork
from ir.schedule import Schedule
from ir.stimulus import Stimulus
from ir.trace import Trace
from sim_reference import fast, simulate
from sim_reference.compiled.known import reason_against
from tests.judge.compare import difference
from tests.judge.refusals import Refused
from tests.judge.simulator import Verdict
from tests.judge.simulator import run as judge
from tests.judge.tally import WORDS, Case, count, said
from tests.strategies import LATE, WIDE, Draw, at_receivers, cases, each
from trainer.execute import run as train_time

N_DRAWS = int(os.environ.get("UNLAYERED_DRAWS", "300"))
"""Networks drawn, half of them for each schedule."""

SEED = int(os.environ.get("UNLAYERED_SEED", "0"))


def executors(case: Case) -> dict[str, Any]:
    """The plain ones, and the compiled ones where they know all of the network."""
    plain = {
        "reference": lambda: simulate.run(*case, record=("v", "u")),
        "plain engine": lambda: train_time(*case, engine="reference"),
    }
    if reason_against(case[0].network, case[2]) is not None:
        return plain
    return {
        **plain,
        "compiled": lambda: fast.run(*case, record=("v", "u")),
        "compiled engine": lambda: train_time(*case, engine="cpu"),
    }


def refusals(case: Case) -> set[str | None]:
    """The sentences in which the executors refuse; None where one does not."""
    found: set[str | None] = set()
    for start in executors(case).values():
        try:
            start()
            found.add(None)
        except ValueError as error:
            found.add(str(error))
    return found


def check(case: Case) -> Verdict | str:
    """Hold all executors to the judge; returns its verdict, or the rule by which all refuse."""
    try:
        verdict = judge(*case)
    except Refused as refused:
        rule = str(refused)
        sentences = refusals(case)
        assert len(sentences) == 1 and WORDS[rule] in str(*sentences), f"{rule}: {sentences}"
        return rule
    for name, start in executors(case).items():
        found = difference(verdict, start(), case[0].network)
        assert found is None, f"{name}: {found}"
    return verdict


@pytest.mark.timeout(3600)
@pytest.mark.parametrize("layered", [False, True], ids=["asynchronous", "layered"])
@pytest.mark.parametrize("options", [WIDE, LATE], ids=["", "late resets"])
def test_all_executors_do_what_the_page_says(options: Draw, layered: bool, capsys: Any) -> None:
    seen: Counter[str] = Counter()
    drawn = cases(replace(options, asynchronous=not layered), layered=layered)
    for case, found in each(drawn, N_DRAWS // 2, SEED, lambda case: (case, check(case))):
        count(seen, case, found)
    with capsys.disabled():
        print(said(seen))
    refused = sum(n for name, n in seen.items() if name.startswith("refused"))
    assert refused <= 0.05 * seen["drawn"]
    assert seen["spike"] >= 0.6 * seen["drawn"]


@pytest.mark.timeout(3600)
def test_queues_at_receivers_do_what_the_page_says(capsys: Any) -> None:
    seen: Counter[str] = Counter()
    drawn = at_receivers(cases(replace(WIDE, asynchronous=True)))
    for case, found in each(drawn, N_DRAWS // 2, SEED, lambda case: (case, check(case))):
        count(seen, case, found)
    with capsys.disabled():
        print(said(seen))
    assert seen["spike"] >= 0.6 * seen["drawn"]


def one(lif: FixedLIF, weight: int, **edge: Any) -> QuantizedNetwork:
    """One input, one neuron that also sees itself."""
    populations = (FixedPopulation("a", (1,), lif),)
    loop = FixedProjection("a", "a", Dense(np.array([[1]])))
    edges = (FixedProjection("in", "a", Dense(np.array([[weight]])), **edge), loop)
    return QuantizedNetwork((Input("in", (1,)),), populations, edges, "a")


@pytest.mark.parametrize(
    ("network", "schedule", "largest", "rule"),
    [
        (one(FixedLIF(reset="subtract", refractory=False), 2), Schedule(), 1, "reset"),
        (one(FixedLIF(), 2, delay_steps=1), Schedule(), 1, "delay"),
        (one(FixedLIF(refractory=False), 2), Schedule(), 1, "endless"),
        (one(FixedLIF(), 2), Schedule(input="paced", R=1), -1, "negative counts"),
        (one(FixedLIF(), 2), Schedule(input="queued"), -1, "negative counts"),
        (one(FixedLIF(), 2), Schedule(input="paced", R=1), (1 << 24) + 1, "events"),
        (one(FixedLIF(), (1 << 31) - 1), Schedule(), (1 << 31) - 1, "inexact"),
        (one(FixedLIF(), 1 << 30, weight_exp=23), Schedule(), 2, "inexact"),
        (one(FixedLIF(), -(1 << 30), weight_exp=24), Schedule(kind="layered"), 1, "inexact"),
    ],
)
def test_what_has_no_meaning_is_refused_by_all_in_one_sentence(network, schedule, largest, rule):
    case = one_large_core(network), Stimulus(np.full((1, 1, 1), largest, np.int32)), schedule
    assert check(case) == rule


def test_a_bias_beyond_32_bits_is_no_neuron():
    for bias, bias_exp in ((1, 31), (2, 30), (-3, 30), ((1 << 31) - 1, 1)):
        with pytest.raises(ValueError, match="32 bits"):
            FixedLIF(bias=bias, bias_exp=bias_exp)
    assert FixedLIF(bias=-1, bias_exp=31).bias == -1


def test_the_judge_sees_a_wrong_number():
    net = one(FixedLIF(decay_v=100, v_threshold=1), 3)
    case = one_large_core(net), Stimulus(np.ones((2, 1, 1), np.int32)), Schedule()
    verdict, right = judge(*case), simulate.run(*case)
    assert difference(verdict, right, net) is None
    assert right.spikes is not None and right.v is not None
    wrong: list[Trace] = [
        replace(right, states={**right.states, "v": right.v + 1}),
        replace(right, forward_steps=right.forward_steps + 1),
        replace(right, limits_reached={"u": 1}),
        *(replace(right, spikes=replace(right.spikes, **{c: getattr(right.spikes, c) + 1})) for c in ("m", "k_served")),
    ]
    assert all(difference(verdict, trace, net) for trace in wrong)
