"""Lava, the reference and its compiled twin are equal: spikes, membranes, currents, serving rounds."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from ir.connection import Dense, Sparse
from ir.network import Input
from ir.neurons import FixedLIF
from ir.quantized import FixedPopulation, FixedProjection, QuantizedNetwork
from ir.schedule import Schedule
from ir.stimulus import Stimulus
from ir.trace import Trace
from sim_reference import fast
from sim_reference.compare.divergence import first_divergence
from sim_reference.simulate import run as run_reference
from targets.lava import Job, run, run_jobs
from targets.lava.checks import check_lava
from tests.strategies import Draw, cases
from tests.targets.lava_cases import N_NETWORKS, SEED, chain, counts, drawn, needs_lava

pytestmark = [*needs_lava, pytest.mark.timeout(900)]

LAYERED = Schedule(kind="layered", F=None)
PLAIN_LAYERED = Draw(asynchronous=False)
EXTREME_LAYERED = Draw(asynchronous=False, lava=True, extremes=True)


def equal_on_all(drawn_cases, **options) -> list[Trace]:
    """Run all cases on the reference, its compiled twin and Lava; returns Lava's traces."""
    reference = [run_reference(*case, record=("v", "u")) for case in drawn_cases]
    compiled = [fast.run(*case, record=("v", "u")) for case in drawn_cases]
    lava = run_jobs([Job(*case) for case in drawn_cases], record=("v", "u"), **options)
    for number, (a, b, c) in enumerate(zip(reference, lava, compiled)):
        assert first_divergence(a, b) is None, f"case {number}: {first_divergence(a, b)}"
        assert first_divergence(a, c) is None, f"case {number}, compiled: {first_divergence(a, c)}"
        assert limits(a) == limits(b) == limits(c), f"case {number}"
        assert set(a.limits_reached) == set(b.limits_reached) == set(c.limits_reached)
    return lava


def limits(trace: Trace) -> dict[str, int]:
    """Which edges were reached and how often; stock processes do not show where 32 bits wrap."""
    unseen = ("int32",) if trace.schedule.kind == "layered" else ()
    return {name: n for name, n in trace.limits_reached.items() if n and name not in unseen}


def report(name: str, traces: list[Trace]) -> float:
    """Print how much was compared; returns the share of networks that spike."""
    values = sum(2 * t.v.size + 3 * len(t.spikes) for t in traces)
    share = float(np.mean([len(t.spikes) > 0 for t in traces]))
    limited = np.mean([any(t.limits_reached.values()) for t in traces])
    queued = np.mean([bool((t.spikes.k_served > t.spikes.k).any()) for t in traces])
    print(
        f"{name}: {len(traces)} networks, {values} values and {sum(len(t.spikes) for t in traces)} spikes compared, "
        f"0 differ; {share:.0%} spike, {limited:.0%} reach a limit, {queued:.0%} wait in a queue longer than F"
    )
    return share


def is_accepted(case) -> bool:
    """Whether stock Lava can run the case as it is, all the way."""
    mapped, stimulus, schedule = case
    try:
        check_lava(mapped.network, stimulus, schedule, False)
    except ValueError:
        return False
    other_edges = mapped.network.arithmetic == "loihi1"
    return not (other_edges and any(run_reference(*case).limits_reached.values()))


def test_asynchronous_networks_run_equal():
    half = N_NETWORKS // 2
    plain = drawn(cases(Draw()), N_NETWORKS - half, SEED)
    extreme = drawn(cases(Draw(extremes=True)), half, SEED + 1)
    assert report("asynchronous", equal_on_all(plain + extreme)) >= 0.8


def test_layered_networks_run_equal_on_stock_processes():
    half = N_NETWORKS // 2
    plain = drawn(cases(PLAIN_LAYERED, layered=True).filter(is_accepted), N_NETWORKS - half, SEED + 2)
    extreme = drawn(cases(EXTREME_LAYERED, layered=True).filter(is_accepted), half, SEED + 3)
    assert report("layered", equal_on_all(plain + extreme)) >= 0.8


def test_a_process_for_each_core_changes_no_spike():
    drawn_cases = drawn(cases(Draw()), N_NETWORKS // 6, SEED + 7)
    by_core = [(m, s, replace(schedule, scope="core")) for m, s, schedule in drawn_cases if schedule.input != "queued"]
    report("a process a core", equal_on_all(drawn_cases + by_core, process_per_core=True))


def unusual() -> list[tuple[QuantizedNetwork, Stimulus]]:
    """Not drawn: odd weights of both signs, loose parts, two inputs, counts below 0, parallel synapses, a low v_min."""
    rng = np.random.default_rng(3)
    odd = replace(chain(6, 5, 4), projections=tuple(odd_edges(rng)))
    alone = FixedPopulation("alone", (3,), FixedLIF(decay_v=100, v_threshold=9, bias=2, bias_exp=7))
    loose = replace(odd, populations=(*odd.populations, alone))
    second = FixedProjection("ear", "p1", Dense(rng.integers(-9, 90, (4, 2))), delay_steps=np.array([0, 0]))
    two_inputs = replace(
        odd, inputs=(*odd.inputs, Input("ear", (2,))), projections=(*odd.projections, second), output="p0"
    )
    loop = replace(
        odd, projections=(*odd.projections, FixedProjection("p0", "p0", Dense(rng.integers(-90, 9, (5, 5)))))
    )
    below = Stimulus(rng.integers(-2, 4, (6, 3, 6)))
    parallels = Sparse(np.array([0, 4, 5, 8, 8, 9]), np.array([3, 3, 5, 3, 0, 1, 4, 1, 2]), np.arange(19, 28) * 3, 6)
    twice = replace(odd, projections=(FixedProjection("in", "p0", parallels), odd.projections[1]))
    deep = FixedLIF(decay_v=0, v_threshold=None, v_min=-(1 << 24))
    sinking = chain(6, 3)
    sinking = replace(
        sinking,
        populations=(replace(sinking.populations[0], neuron=deep),),
        projections=(FixedProjection("in", "p0", Dense(np.full((3, 6), -250))),),
    )
    return [
        (odd, below),
        (sinking, Stimulus(counts(6, 3, 6).frames * 50)),
        (sinking, Stimulus(counts(6, 3, 6).frames * 44_700)),
        (loose, counts(6, 3, 6)),
        (two_inputs, counts(6, 3, 8)),
        (loop, counts(6, 3, 6)),
        (twice, below),
    ]


def test_parts_that_share_an_input_at_different_delays_all_run():
    rng = np.random.default_rng(4)
    lif = FixedLIF(decay_v=400, v_threshold=60)
    parts = [FixedPopulation(f"p{i}", (4,), lif) for i in range(3)]
    ends = [FixedProjection("in", f"p{i}", Dense(rng.integers(-20, 64, (4, 6))), delay_steps=i) for i in range(3)]
    network = QuantizedNetwork((Input("in", (6,)),), tuple(parts), tuple(ends), "p0")
    (trace,) = equal_on_all([(network, counts(6, 3, 6), LAYERED)])
    assert set(trace.spikes.neuron // 4) == {0, 1, 2}


def odd_edges(rng: np.random.Generator):
    for pre, post, shape in (("in", "p0", (5, 6)), ("p0", "p1", (4, 5))):
        yield FixedProjection(pre, post, Dense(rng.integers(-30, 50, shape) * 2 + 1))


@pytest.mark.parametrize("schedule", [LAYERED, Schedule(F=1, order="fifo")], ids=["layered", "asynchronous"])
def test_unusual_networks_run_equal(schedule: Schedule):
    report("unusual", equal_on_all([(network, stimulus, schedule) for network, stimulus in unusual()]))


@pytest.mark.parametrize("schedule", [LAYERED, Schedule(F=2)], ids=["layered", "asynchronous"])
def test_many_samples_on_one_graph_do_not_see_each_other(schedule: Schedule):
    network = chain(10, 8, 6, decay_u=1000, decay_v=50, bias=3, bias_exp=6)
    many = counts(5, 30, 10)
    done: list[tuple[int, int]] = []
    trace = run(network, many, schedule, record=("v", "u"), progress=lambda *at: done.append(at))
    assert first_divergence(run_reference(network, many, schedule, record=("v", "u")), trace) is None
    assert len(trace.spikes) > 0 and done[-1] == (30, 30) and done == sorted(set(done))


def test_membranes_are_left_out_on_request():
    trace = run(chain(4, 3), counts(2, 1, 4), Schedule(F=2), record=())
    assert trace.v is None and trace.u is None and trace.executor == "E3" and trace.core_of_neuron is None


def test_a_register_that_reaches_an_edge_where_profiles_differ_is_an_error():
    network = replace(chain(40, 3, decay_v=0, v_threshold=None, decay_u=0), arithmetic="loihi1")
    frames = counts(40, 1, 40).frames * 300
    with pytest.raises(ValueError, match=r"reached the limit '\w+' \d+ times, where Lava's LIF differs from 'loihi1'"):
        run(network, replace(counts(40, 1, 40), frames=frames), LAYERED)
