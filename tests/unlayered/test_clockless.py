"""``run --on clockless``: numbers, pictures, the replay, outcomes and refusals, each in a sentence."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from exchange import npz
from exchange.chip_toml import find_chip
from ir.mapped import MappedNetwork
from ir.stimulus import Stimulus
from ir.trace import Trace
from ir.trace_parts import join, select
from sim_reference.replay import LawError
from targets.clockless import run as timed
from targets.clockless.energy import CIRCUITS, STATIC, priced
from tests.targets.clockless.test_toy import circle, toy
from tests.unlayered.verbs import call
from unlayered.report.timeline import timeline


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    npz.save(toy(), tmp_path / "toy.npz")
    frames = np.array([[[1, 1], [1, 0]], [[0, 1], [1, 1]]], np.int32)
    npz.save(Stimulus(frames, labels=np.array([1, 0])), tmp_path / "data.npz")
    return tmp_path


def run(folder: Path, *more: str, network: str = "toy.npz"):
    words = ("run", str(folder / network), "--on", "clockless", "--data", str(folder / "data.npz"))
    return call(*words, "--out", str(folder / "t.npz"), *more)


def test_a_timed_run_tells_time_energy_and_traffic(folder: Path):
    done = run(folder, "--json", "--replay", "--timeline", str(folder / "cores.svg"))
    assert done.exit_code == 0, done.output
    value = json.loads(done.output)
    timing = value["timing"]
    assert value["executor"] == "E4" and value["schedule"] == "by time" and value["F"] is None
    assert timing["first_output_ps"] == (90_000 + 165_000) / 2 and timing["sample_ps"] > timing["to_quiescence_ps"] > 0
    assert timing["copies"]["sent"] == timing["copies"]["taken"] > 0 == timing["copies"]["dropped"]
    assert set(timing["energy_by_circuit_pj"]) == {*CIRCUITS, STATIC}
    assert timing["busiest_link"]["from"] == [1, 0] and timing["busiest_core"]["core"] == 2
    assert "ideal" in timing["kept"]["next frame"]
    assert (folder / "cores.svg").read_text().startswith("<svg")
    said = run(folder, "--replay").output
    for words in ("to the first output spike", "busiest core", "longest queue", "late events", "replayed without time"):
        assert words in said


def test_a_timed_trace_is_read_again_with_its_times(folder: Path):
    assert run(folder).exit_code == 0
    trace = npz.load(folder / "t.npz", Trace)
    assert trace.timing is not None and trace.spikes is not None and trace.spikes.ps is not None
    assert trace.spikes.ps[0] == 40_000
    halves = [select(trace, [0]), select(trace, [1])]
    again = join(halves)
    assert again.timing is not None and again.spikes is not None
    np.testing.assert_array_equal(again.spikes.ps, trace.spikes.ps)
    np.testing.assert_array_equal(again.timing.cores, trace.timing.cores)


def test_frames_on_a_period_meet_late_events(folder: Path):
    slow, fast = (
        json.loads(run(folder, "--json", "--clock", f"period_ps={ps}").output)["timing"] for ps in (10_000_000, 20_000)
    )
    assert slow["counts"]["late"] == 0 and slow["frames_cut_short"] == 0
    assert fast["counts"]["late"] > 0 and fast["frames_cut_short"] > 0
    assert fast["sample_ps"] < slow["sample_ps"]
    assert fast["energy_pj"]["value"] > 0


def test_a_deadlock_ends_with_1_and_a_sentence(folder: Path):
    npz.save(circle(queue_events=1), folder / "circle.npz")
    done = run(folder, network="circle.npz")
    assert done.exit_code == 1
    assert "sample 0: deadlock at 40.000 ns, time step 0: cores 0 > 1 > 0" in " ".join(done.stderr.split())
    assert not (folder / "t.npz").exists()


REFUSED = {
    "barrier": (["--chip", "loihi2"], "Intel Loihi 2 has a barrier", "plain.npz"),
    "unknown": (["--chip", "speck", "--allow-unsafe"], "a timed run needs core.npe", "plain.npz"),
    "key": (["--clock", "speed=3"], "the key of --clock is 'speed'", "toy.npz"),
    "no sign": (["--clock", "leak"], "has no =", "toy.npz"),
    "value": (["--clock", "leak=never"], "--clock leak is 'never'", "toy.npz"),
    "number": (["--clock", "period_ps=-1"], "give whole picoseconds", "toy.npz"),
    "superscript": (["--clock", "period_ps=²"], "give whole picoseconds", "toy.npz"),
    "zero": (["--clock", "period_ps=0"], "period_ps is 0", "toy.npz"),
    "twice": (["--clock", "leak=lazy", "--clock", "leak=lazy"], "twice", "toy.npz"),
    "no stamps": (["--clock", "stamp_ps=3"], "holds no time stamps", "toy.npz"),
}


@pytest.mark.parametrize("more, sentence, network", REFUSED.values(), ids=REFUSED)
def test_what_has_no_meaning_is_refused_in_a_sentence(folder: Path, more: list[str], sentence: str, network: str):
    npz.save(toy().network, folder / "plain.npz")
    done = run(folder, *more, network=network)
    assert done.exit_code == 2 and sentence in " ".join(done.stderr.split()), done.stderr
    assert not (folder / "t.npz").exists()


def test_flags_of_a_clockless_run_are_refused_elsewhere(folder: Path):
    words = ("run", str(folder / "toy.npz"), "--on", "reference", "--data", str(folder / "data.npz"), "--out", "x.npz")
    done = call(*words, "--replay")
    assert done.exit_code == 2 and "--replay is for --on clockless" in done.stderr


def test_a_network_without_an_address_runs_on_one_core_of_seneca(folder: Path):
    npz.save(toy().network, folder / "plain.npz")
    value = json.loads(run(folder, "--json", network="plain.npz").output)
    assert value["timing"]["counts"]["hops"] == 0 and value["spikes"] > 0


def test_a_chip_without_a_barrier_has_no_cost_by_counts(folder: Path):
    words = ("run", str(folder / "toy.npz"), "--on", "reference", "--data", str(folder / "data.npz"), "--json")
    assert json.loads(call(*words, "--out", str(folder / "r.npz")).output)["cost"] is None


def test_energy_is_a_range_that_grows_with_every_operation_and_with_time():
    mapped, chip = toy(), find_chip("seneca")
    trace = timed.run(mapped, Stimulus(np.array([[[1, 1]]])))
    assert trace.timing is not None
    price = priced(trace.timing, chip)
    assert price.energy_pj.low < price.energy_pj.value < price.energy_pj.high
    for column in range(trace.timing.operations.shape[1]):
        more = trace.timing.operations.copy()
        more[:, column] += 1000
        assert priced(replace(trace.timing, operations=more), chip).energy_pj.value > price.energy_pj.value
    later = replace(trace.timing, end_ps=trace.timing.end_ps * 1000)
    assert priced(later, chip).parts_pj[STATIC].high > price.parts_pj[STATIC].high


def test_a_log_that_is_none_is_named():
    mapped, stimulus, logs = toy(), Stimulus(np.array([[[1, 1]]])), []
    from sim_reference.replay import check_law

    trace = timed.run(mapped, stimulus, on_log=lambda _, log: logs.append(log))
    log = logs[0]
    twice = replace(log, entries=np.concatenate([log.entries, log.entries[-1:]]))
    early = replace(log, entries=log.entries[[*range(5), 7, 5, 6, 8]])
    silent = replace(log, entries=log.entries[:-1])
    for wrong, sentence in (
        (twice, "which it has not or has taken"),
        (early, "which it has not"),
        (silent, "differ in spikes"),
    ):
        with pytest.raises(LawError, match=sentence):
            check_law(mapped, stimulus, trace, 0, wrong)


def test_the_picture_shows_every_core_once():
    logs = []
    trace = timed.run(toy(), Stimulus(np.array([[[1, 1]]])), on_log=lambda _, log: logs.append(log))
    svg = timeline(trace, logs[0], 0)
    assert svg.startswith("<svg") and "currentColor" in svg and "service" in svg


def test_mapped_networks_hold_what_they_are_timed_by(folder: Path):
    mapped = npz.load(folder / "toy.npz", MappedNetwork)
    assert mapped.chip == find_chip("seneca")
