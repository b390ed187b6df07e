"""Time decides the order and nothing else: plain, compiled and replayed runs of drawn networks, chips and mappings.

300 cases a run of the suite; ``UNLAYERED_DRAWS=5000`` draws so many.
"""

from __future__ import annotations

import os
from collections import Counter
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from ir.check import DeadlockError
from ir.timing import EffectLog
from ir.trace import Trace
from sim_reference.replay import check_law
from targets.clockless.run import run
from tests.strategies import each
from tests.strategies.clockless import TimedCase, timed_cases

N_DRAWS = int(os.environ.get("UNLAYERED_DRAWS", "150"))
"""Cases drawn."""

SEED = int(os.environ.get("UNLAYERED_SEED", "0"))


def timed(case: TimedCase, plain: bool, **changes: Any) -> tuple[Trace | str, list[EffectLog]]:
    """A run and its logs; the sentence of a deadlock."""
    logs: list[EffectLog] = []
    time = replace(case.time, **changes)
    try:
        trace = run(
            case.mapped,
            case.stimulus,
            time=time,
            record=("v", "u", "late"),
            plain=plain,
            on_log=lambda b, log: logs.append(log),
        )
    except DeadlockError as error:
        return str(error), logs
    return trace, logs


def same(a: Trace, b: Trace) -> int:
    """Assert that two runs agree in every number, and return how many those are."""
    n = 0
    assert a.spikes is not None and b.spikes is not None and a.timing is not None and b.timing is not None
    pairs = [(getattr(a.spikes, x), getattr(b.spikes, x)) for x in ("sample", "t", "k", "neuron", "m", "ps")]
    pairs += [(a.states[name], b.states[name]) for name in a.states]
    pairs += [(getattr(a.timing, name), getattr(b.timing, name)) for name in vars(a.timing) if name != "said"]
    pairs += [(np.array(list(a.limits_reached.values())), np.array(list(b.limits_reached.values())))]
    for x, y in pairs:
        np.testing.assert_array_equal(x, y)
        n += x.size
    return n


def check(case: TimedCase) -> Counter[str]:
    """Hold plain, compiled and replay together."""
    trace, logs = timed(case, plain=True)
    twin, twin_logs = timed(case, plain=False)
    for log, other in zip(logs, twin_logs):
        for name in ("entries", "events", "holds"):
            np.testing.assert_array_equal(getattr(log, name), getattr(other, name))
    if isinstance(trace, str) or isinstance(twin, str):
        assert trace == twin and "deadlock at" in str(trace)
        return Counter({"deadlocks": 1})
    assert len(logs) == len(twin_logs) == case.stimulus.n_samples
    assert trace.timing is not None and trace.spikes is not None
    seen = Counter(values=same(trace, twin), spikes=len(trace.spikes))
    for b, log in enumerate(logs):
        law = check_law(case.mapped, case.stimulus, trace, b, log)
        seen.update(entries=law.entries, replayed=law.values)
    dropped, held = (int(trace.timing.of_cores(name).sum()) for name in ("dropped", "held_ps"))
    late, missed = (int(trace.timing.counted(name).sum()) for name in ("late", "missed_bias"))
    many = len(case.mapped.cores) > 1
    seen.update({"that drop": dropped > 0, "that hold": held > 0, "late": late > 0, "miss a bias": missed > 0})
    seen.update({"over cores": many, "that spike": len(trace.spikes) > 0})
    return seen


@pytest.mark.timeout(3600)
def test_a_run_is_its_log_replayed_and_the_compiled_twin_is_equal(capsys):
    seen: Counter[str] = Counter()
    for found in each(timed_cases(), N_DRAWS, SEED, check):
        seen.update(found)
    with capsys.disabled():
        print(f"\n{N_DRAWS} drawn, " + ", ".join(f"{n} {name}" for name, n in seen.items()) + "; 0 differ")
    often = {"that spike": 0.5, "over cores": 0.5, "that hold": 0.01}
    often.update(dict.fromkeys(("that drop", "late", "miss a bias", "deadlocks"), 0.05))
    assert all(seen[name] >= share * N_DRAWS for name, share in often.items() if N_DRAWS >= 100), seen


@pytest.mark.timeout(3600)
def test_both_leaks_give_the_same_integers(capsys):
    """Without time between them: a service is as long whichever the leak, so that the order is the same."""
    n = 0
    for found in each(timed_cases(roomy=True), N_DRAWS, SEED + N_DRAWS, check_leaks):
        n += found
    with capsys.disabled():
        print(f"\n{N_DRAWS} drawn, {n} values, 0 differ")
    assert n > 100 * N_DRAWS


def check_leaks(case: TimedCase) -> int:
    chip = case.mapped.chip
    assert chip is not None and chip.clockless is not None
    timeless = replace(chip, clockless=replace(chip.clockless, period_ps=0))
    case = replace(case, mapped=replace(case.mapped, chip=timeless))
    sweep, lazy = (timed(case, plain=True, leak=leak)[0] for leak in ("sweep", "lazy"))
    assert isinstance(sweep, Trace) and isinstance(lazy, Trace)
    assert sweep.spikes is not None and lazy.spikes is not None
    n = 0
    pairs = [(getattr(sweep.spikes, x), getattr(lazy.spikes, x)) for x in ("t", "neuron", "k", "m", "ps")]
    for x, y in [*pairs, *((sweep.states[name], lazy.states[name]) for name in sweep.states)]:
        np.testing.assert_array_equal(x, y)
        n += x.size
    return n
