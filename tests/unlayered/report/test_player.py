"""What the player is given is the run: every spike on one clock, where it goes, how long it waits."""

from __future__ import annotations

import base64
import json
import re

import numpy as np
import pytest

from ir.mapped import MappedNetwork
from ir.trace import Trace
from unlayered.report.player import board, moves, packed, player, targets

KINDS = {"u1": "<u1", "u2": "<u2", "u4": "<u4", "i1": "<i1", "i2": "<i2", "i4": "<i4"}


def unpacked(value: dict[str, str]) -> np.ndarray:
    return np.frombuffer(base64.b64decode(value["data"]), KINDS[value["kind"]])


@pytest.mark.parametrize("values, kind", [([0, 255], "u1"), ([0, 256], "u2"), ([1 << 20], "u4"), ([-1, 5], "i1"),
                                          ([-1, 128], "i2"), ([-1, 1 << 20], "i4"), ([], "u1")])  # fmt: skip
def test_numbers_take_as_few_bytes_as_they_need(values: list[int], kind: str):
    value = packed(np.array(values, np.int64))
    assert value["kind"] == kind and unpacked(value).tolist() == values


def test_every_spike_is_on_the_clock_once(asynchronous: Trace):
    sample = int(asynchronous.sample_ids[1])
    found, s = moves(asynchronous, sample), asynchronous.spikes
    steps = asynchronous.forward_steps[:, 1]
    begin = np.cumsum(steps) - steps
    mine = s.sample == sample
    assert found.total == len(found.fired) == mine.sum() > 5
    assert sorted(zip(found.fired, found.neuron)) == sorted(zip(begin[s.t[mine]] + s.k[mine], s.neuron[mine]))
    assert found.per_step.sum() == found.total and len(found.per_step) == steps.sum()


def test_what_waits_is_what_fired_and_was_not_served(asynchronous: Trace):
    sample = int(asynchronous.sample_ids[0])
    found = moves(asynchronous, sample)
    for g in range(len(found.per_step)):
        fired = found.fired <= g
        t = int(np.searchsorted(np.cumsum(found.steps), g, side="right"))
        last = int(np.cumsum(found.steps)[t]) - 1
        gone = np.where(found.waited < 0, False, found.fired + found.waited <= g)
        before = found.fired < int(np.cumsum(found.steps)[t] - found.steps[t])  # dropped at its time step's end
        dropped = (found.waited < 0) & (before | (g == last))
        assert found.waiting[g] == (fired & ~gone & ~dropped).sum()
    assert found.waiting[-1] == 0 and (found.waiting >= 0).all()


def test_of_too_many_spikes_an_even_part_is_sent_and_numbers_count_all(asynchronous: Trace):
    sample = int(asynchronous.sample_ids[0])
    whole, part = moves(asynchronous, sample), moves(asynchronous, sample, most=6)
    assert len(part.fired) == 6 < part.total == whole.total
    assert part.fired[0] == whole.fired[0] and part.fired[-1] == whole.fired[-1]
    assert np.array_equal(part.per_step, whole.per_step) and np.array_equal(part.waiting, whole.waiting)


def test_spikes_go_to_the_cores_that_hold_a_target(mapped: MappedNetwork):
    of_neuron, sets = targets(mapped)
    core = mapped.core_of_neuron
    weight = mapped.network.projections[1].connection.weight
    for pre in range(8):
        reached = {int(core[8 + post]) for post in np.flatnonzero(weight[:, pre])} - {int(core[pre])}
        assert set(sets[of_neuron[pre]]) == reached
    assert all(sets[of_neuron[n]] == [] for n in range(8, 12))


def test_the_mesh_begins_at_the_first_tile_that_is_used(mapped: MappedNetwork):
    found = board(mapped)
    assert (found["columns"], found["rows"]) == (1, 1) and found["cores"] == [[0, 0, 0], [0, 0, 1], [0, 0, 2]]


def test_the_players_data_cannot_end_its_element(mapped: MappedNetwork, asynchronous: Trace):
    name = "</script><img src=x onerror=alert(1)>"
    text = player(mapped, {name: asynchronous}, int(asynchronous.sample_ids[0]))
    inside = re.search(r'class="moves">(.*?)</script>', text, re.S)
    assert inside is not None and "<" not in inside[1]
    assert json.loads(inside[1])["runs"][0]["name"] == name
    assert "onerror=alert" not in text.replace(inside[1], "")


def test_sampling_is_said(mapped: MappedNetwork, asynchronous: Trace):
    sample = int(asynchronous.sample_ids[0])
    assert 'class="sampled"' not in player(mapped, {"a": asynchronous}, sample)
    said = player(mapped, {"a": asynchronous}, sample, most=5)
    assert 'class="sampled"' in said and "5 of them, evenly spread over the sample, are drawn" in said
