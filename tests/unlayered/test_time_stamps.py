"""Runs take the events of a frame in the order of their time stamps, as training does, where that order matters."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import unlayered as ul
from exchange import npz
from exchange.chip_toml import find_chip
from ir.mapped import MappedNetwork, one_large_core
from ir.schedule import Schedule
from ir.trace import Trace
from sim_reference.simulate import run as run_reference
from targets.clockless.run import run as run_timed
from tests.targets.lava_cases import chain
from tests.unlayered.verbs import call
from unlayered.sources import takes_stamps

QUEUED = Schedule(F=8, order="fifo", input="queued")


def network() -> MappedNetwork:
    small = chain(800, 16, 6, bias=None, decay_v=410)
    easy = [replace(p, neuron=replace(p.neuron, v_threshold=20)) for p in small.populations]
    small = replace(small, populations=tuple(easy))
    return replace(one_large_core(replace(small, arithmetic="seneca")), chip=find_chip("seneca"))


def fired(trace: Trace) -> list[tuple[int, ...]]:
    assert trace.spikes is not None
    s = trace.spikes
    return sorted(zip(s.sample.tolist(), s.t.tolist(), s.k.tolist(), s.neuron.tolist()))


@pytest.mark.parametrize("on", ["clockless", "reference"])
def test_the_order_of_events_is_that_of_their_stamps(on: str, tmp_path: Path):
    npz.save(network(), tmp_path / "net.npz")
    words = ["run", tmp_path / "net.npz", "--on", on, "--data", "digits", "--samples", 3, "--out", tmp_path / "t.npz"]
    words += [] if on == "clockless" else ["--F", 8, "--order", "fifo", "--input", "queued"]
    done = call(*words)
    assert done.exit_code == 0, done.stderr
    stamped, plain = (ul.data("digits", samples=3, stamps=stamps) for stamps in (True, False))
    if on == "clockless":
        expected, other = (run_timed(network(), x) for x in (stamped, plain))
    else:
        expected, other = (run_reference(network(), x, QUEUED) for x in (stamped, plain))
    found = npz.load(tmp_path / "t.npz", Trace)
    assert fired(found) == fired(expected) != fired(other)


def test_who_takes_stamps():
    assert takes_stamps(QUEUED) and takes_stamps(Schedule(input="paced", R=4)) and takes_stamps(Schedule(), "clockless")
    assert not takes_stamps(Schedule()) and not takes_stamps(Schedule("layered", F=None))


def test_a_sweep_sees_the_same_order_as_a_run(tmp_path: Path):
    npz.save(replace(network(), network=replace(network().network, schedule=QUEUED)), tmp_path / "net.npz")
    words = ("sweep", tmp_path / "net.npz", "--data", "digits", "--samples", 3, "--F", "8", "--order", "fifo")
    done = call(*words, "--out", tmp_path / "s.json", "--json")
    assert done.exit_code == 0, done.stderr
    stamped = ul.data("digits", samples=3, stamps=True)
    assert isinstance(stamped, ul.Stimulus) and stamped.events is not None and np.diff(stamped.events[:, 0]).min() >= 0
    [row] = [row for row in json.loads(done.output)["rows"] if row["schedule"] == "asynchronous"]
    assert row["spikes"] == pytest.approx(len(fired(run_reference(network(), stamped, QUEUED))) / 3)
