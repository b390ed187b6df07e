"""What wide draws hold: every kind of network, stimulus and schedule that the contract allows, often enough."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest

from ir.connection import Conv2d, Sparse
from ir.mapped import MappedNetwork
from ir.quantized import FixedPopulation, FixedProjection, QuantizedNetwork
from ir.schedule import Schedule
from ir.stimulus import Stimulus
from tests.judge.graph import wiring
from tests.strategies import WIDE, cases, each

N_DRAWN = 150

EVERYWHERE = (
    "several inputs|output with targets|no projections|loose population|loose input|fewer than 3 time steps|"
    "no time step|no sample|id from 100,000|negative id|count above 3|count above 1000|mixed signs|"
    "negative bias_exp|bias shifts to nothing|bias near the edge of int32|weight_exp beyond -3..7|"
    "weight_exp beyond -12..12|threshold from 2^17|weight above 2^18|weight of 2^31 - 1|doubled synapse|"
    "unsorted synapses|parallel projections|mixed decay_u|padding differs by axis|stride differs by axis|"
    "dilation differs by axis|cycle of several|self-connection|sent back in declaration|fires again|reset_offset"
).split("|")
ASYNCHRONOUS = "F from N|fires again without stop_after|fires again with stop_after|loose input event by event".split(
    "|"
)
LAYERED = "delays|reset by subtraction|layered with other settings".split("|")


def of_projection(e: FixedProjection) -> Iterator[str]:
    c = e.connection
    if not -3 <= e.weight_exp <= 7:
        yield "weight_exp beyond -3..7"
    if not -12 <= e.weight_exp <= 12:
        yield "weight_exp beyond -12..12"
    if c.weight.max(initial=0) > 1 << 18:
        yield "weight above 2^18"
    if c.weight.max(initial=0) == (1 << 31) - 1:
        yield "weight of 2^31 - 1"
    if isinstance(c, Sparse):
        rows = [c.indices[a:b] for a, b in zip(c.indptr[:-1], c.indptr[1:])]
        if any(len(set(row.tolist())) < len(row) for row in rows):
            yield "doubled synapse"
        if any((np.diff(row) < 0).any() for row in rows):
            yield "unsorted synapses"
    if isinstance(c, Conv2d):
        for name in ("padding", "stride", "dilation"):
            if len(set(getattr(c, name))) > 1:
                yield f"{name} differs by axis"
    if np.asarray(e.delay_steps).any():
        yield "delays"


def of_population(p: FixedPopulation) -> Iterator[str]:
    lif = p.neuron
    register = lif.register_bias()
    if lif.bias is not None and lif.bias_exp < 0:
        yield "negative bias_exp"
        if register is None or not np.asarray(register).any():
            yield "bias shifts to nothing"
    if register is not None and np.abs(register).max() > (1 << 31) - (1 << 16):
        yield "bias near the edge of int32"
    if lif.v_threshold is not None and np.max(lif.v_threshold) >= 1 << 17:
        yield "threshold from 2^17"
    if len(set(np.atleast_1d(np.asarray(lif.decay_u)).tolist())) > 1:
        yield "mixed decay_u"
    if not lif.refractory:
        yield "fires again"
    if lif.reset_interval and not 0 <= lif.reset_offset < lif.reset_interval:
        yield "reset_offset"
    if lif.reset == "subtract":
        yield "reset by subtraction"


def of_network(network: QuantizedNetwork) -> Iterator[str]:
    ends = [(e.pre, e.post) for e in network.projections]
    fed, sends = {post for _, post in ends}, {pre for pre, _ in ends}
    wires = wiring(network)
    names = [p.name for p in network.populations]
    if len(network.inputs) > 1:
        yield "several inputs"
    if network.output in sends:
        yield "output with targets"
    if not ends:
        yield "no projections"
    elif not fed.issuperset(names):
        yield "loose population"
    if any(i.name not in sends for i in network.inputs):
        yield "loose input"
    if len(set(ends)) < len(ends):
        yield "parallel projections"
    if any(pre == post for pre, post in ends):
        yield "self-connection"
    if any(back and pre != post for (pre, post), back in zip(ends, wires.looks_back)):
        yield "cycle of several"
    ahead = [e for e, back in zip(ends, wires.looks_back) if not back and e[0] in names]
    if any(names.index(post) < names.index(pre) for pre, post in ahead):
        yield "sent back in declaration"
    for e in network.projections:
        yield from of_projection(e)
    for p in network.populations:
        yield from of_population(p)


def of_stimulus(stimulus: Stimulus) -> Iterator[str]:
    frames, ids = stimulus.frames, stimulus.sample_ids
    assert ids is not None
    top = int(np.abs(frames.astype(np.int64)).max(initial=0))
    found = {
        "fewer than 3 time steps": stimulus.n_steps < 3,
        "no time step": stimulus.n_steps == 0,
        "no sample": stimulus.n_samples == 0,
        "id from 100,000": (ids >= 100_000).any(),
        "negative id": (ids < 0).any(),
        "count above 3": top > 3,
        "count above 1000": top > 1000,
        "mixed signs": ((frames > 0).any(2) & (frames < 0).any(2)).any(),
    }
    yield from (name for name, there in found.items() if there)


def of_case(case: tuple[MappedNetwork, Stimulus, Schedule]) -> set[str]:
    mapped, stimulus, schedule = case
    found = {*of_network(mapped.network), *of_stimulus(stimulus)}
    if schedule.F is not None and schedule.F >= mapped.network.n_neurons:
        found.add("F from N")
    if "fires again" in found:
        found.add(f"fires again with{'out' * (schedule.stop_after is None)} stop_after")
    if "loose input" in found and schedule.input != "first" and schedule.kind == "asynchronous":
        found.add("loose input event by event")
    if schedule.kind == "layered" and schedule != Schedule(kind="layered", F=None):
        found.add("layered with other settings")
    return found


@pytest.mark.parametrize(
    ("layered", "kinds"),
    [(False, EVERYWHERE + ASYNCHRONOUS), (True, EVERYWHERE + LAYERED)],
    ids=["asynchronous", "layered"],
)
def test_every_kind_is_drawn(layered, kinds, capsys):
    seen: Counter[str] = Counter()
    for kinds_of_case in each(cases(replace(WIDE, asynchronous=not layered), layered=layered), N_DRAWN, 0, of_case):
        seen.update(kinds_of_case)
    with capsys.disabled():
        print("\n" + ", ".join(f"{name}: {seen[name]}" for name in kinds), "of", N_DRAWN)
    assert {name: seen[name] for name in kinds if seen[name] < 2} == {}
