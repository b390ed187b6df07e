"""A cause that is planted is found, with both files and with one file and a trace; where none is, none is named."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from experiments.plantings import ask, draw_one, draw_two, trace_of
from experiments.plants import PLANTS
from ir.connection import Dense, Sparse, synapses
from unlayered.causes.pair import Side, diff_of
from unlayered.causes.setup import KINDS, setup_of


@pytest.mark.parametrize("with_file", [True, False], ids=["both files", "one file and a trace"])
@pytest.mark.parametrize("kind", PLANTS)
def test_a_planted_cause_is_found_with_its_population(busy, samples, kind: str, with_file: bool):
    rng = np.random.default_rng(1)
    planted = next(p for p in (draw_one(setup_of(busy), rng, samples, kind) for _ in range(200)) if p is not None)
    diff = ask(planted.before, planted.after, samples, with_file)
    assert [(c.kind, c.population) for c in diff.causes] == [(planted.kind, planted.population)]
    assert diff.causes[0].alone == 1.0 and diff.left == 0.0, "switched back, nothing is left"
    assert diff.differs and diff.first is not None and planted.kind in KINDS


@pytest.mark.parametrize("with_file", [True, False], ids=["both files", "one file and a trace"])
@pytest.mark.parametrize("seed", range(4))
def test_two_causes_are_both_found(busy, samples, seed: int, with_file: bool):
    rng = np.random.default_rng(seed)
    first, second = next(p for p in (draw_two(setup_of(busy), rng, samples) for _ in range(200)) if p is not None)
    diff = ask(first.before, second.after, samples, with_file)
    named = {(c.kind, c.population) for c in diff.causes}
    assert named == {(first.kind, first.population), (second.kind, second.population)} and diff.left == 0.0


@pytest.mark.parametrize("with_file", [True, False], ids=["both files", "one file and a trace"])
def test_where_nothing_differs_nothing_is_named(busy, samples, with_file: bool):
    setup = setup_of(busy)
    diff = ask(setup, setup, samples, with_file)
    assert not diff.differs and diff.causes == () and diff.tried == () and diff.left is None


def test_a_setting_that_changes_no_spike_is_no_cause(busy, samples):
    weight = np.array(busy.projections[0].connection.weight)
    silent = np.array(samples.frames)
    silent[:, :, 7] = 0
    still = replace(samples, frames=silent)
    weight[3, 7] += 2
    second = replace(busy.projections[3], connection=Dense(np.array(busy.projections[3].connection.weight) + 6))
    edges = (replace(busy.projections[0], connection=Dense(weight)), *busy.projections[1:3], second)
    diff = ask(setup_of(busy), setup_of(replace(busy, projections=edges)), still, with_file=True)
    quiet = next(x for x in diff.tried if x.population == "a")
    assert not quiet.acts and [c.population for c in diff.causes] == ["c"]


def test_the_same_synapses_in_another_form_are_no_difference(busy, samples):
    pre, post, weight = synapses(busy.projections[0].connection)
    indptr = np.concatenate([[0], np.cumsum(np.bincount(post, minlength=16))])
    listed = replace(busy.projections[0], connection=Sparse(indptr, pre.astype(np.int32), weight, 30))
    other = setup_of(replace(busy, projections=(listed, *busy.projections[1:])))
    assert ask(setup_of(busy), other, samples, with_file=True).causes == ()
    planted = draw_one(other, np.random.default_rng(3), samples, "threshold")
    assert planted is not None
    diff = ask(setup_of(busy), planted.after, samples, with_file=True)
    assert [(c.kind, c.population) for c in diff.causes] == [("threshold", planted.population)]


@pytest.mark.parametrize("arithmetic", ["loihi2", "seneca"])
def test_a_trace_without_membranes_still_tells_whose_threshold_it_is(busy, samples, arithmetic: str):
    rng, setup = np.random.default_rng(1), setup_of(replace(busy, arithmetic=arithmetic))
    planted = next(p for p in (draw_one(setup, rng, samples, "threshold") for _ in range(200)) if p is not None)
    a, b = trace_of(planted.before, samples), trace_of(planted.after, samples)
    sides = Side("a", a, planted.before), Side("b", replace(b, states={}), None)
    diff = diff_of(*sides, samples, lambda done, total: None)
    assert [(c.kind, c.population) for c in diff.causes] == [("threshold", planted.population)] and diff.left == 0.0


def test_what_no_single_change_explains_is_said_with_the_population(busy, samples):
    rng = np.random.default_rng(2)
    weight = rng.permutation(np.array(busy.projections[1].connection.weight), axis=0)
    edges = (busy.projections[0], replace(busy.projections[1], connection=Dense(weight)), *busy.projections[2:])
    diff = ask(setup_of(busy), setup_of(replace(busy, projections=edges)), samples.select(slice(8)), with_file=False)
    assert any(
        "stay unexplained by any single change that was tried, at 12 neurons of b" in note for note in diff.notes
    )
    assert not any("neurons of a" in note or "neurons of c" in note for note in diff.notes)
