"""``fit-schedule`` finds the schedule that a chip keeps, and judges it where it was not chosen."""

from __future__ import annotations

import itertools
import json
import shlex
from dataclasses import replace
from pathlib import Path

import numpy as np

from exchange import npz
from exchange.chip_toml import find_chip
from ir.connection import Dense
from ir.mapped import one_large_core
from ir.schedule import ORDERS, Schedule
from ir.stimulus import Stimulus
from targets.clockless.options import Timekeeping
from tests.targets.clockless.test_toy import toy
from tests.targets.lava_cases import chain, counts
from tests.unlayered.verbs import call
from trainer.config import TrainConfig
from trainer.said import said_to
from unlayered.fitting import GROUPS, a_core_a_population, candidates, fit, tuning


def test_on_one_core_the_chip_keeps_the_fifo_schedule_of_its_group():
    """docs/clockless.md, the schedule inside it: nothing is as close, and the distance is 0, held out too."""
    chip = find_chip("seneca")
    assert chip.clockless is not None
    chip = replace(chip, clockless=replace(chip.clockless, group=4, targetless="queued"))
    network = chain(12, 16, 12, 6, bias=None, decay_v=410)
    found = fit(one_large_core(network), chip, counts(4, 12, 12), Timekeeping(), lambda done, total: None)
    exact = {(f.schedule.F, f.schedule.order, f.schedule.input) for f in found.fits if f.distance == 0}
    assert (4, "fifo", "queued") in exact
    assert found.best.distance == found.held_out.distance == 0
    assert found.fits[-1].distance > 0.01
    assert found.elsewhere.distance > 0, "over several cores a queue is none"


def test_all_group_sizes_orders_and_scopes_are_tried_once():
    tried = list(candidates(3))
    assert len(set(tried)) == len(tried) == len(GROUPS) * len(ORDERS) * 3 + 1
    assert not any(s.scope == "core" for s in candidates(1))
    with_receivers = list(candidates(3, 8))
    assert with_receivers[-4:-1] == [Schedule(F=F, order="fifo", input="queued", scope="receiver") for F in (4, 8, 16)]
    assert set(with_receivers) - set(tried) == set(with_receivers[-4:-1])
    assert set(candidates(1, 8)) == set(candidates(1))


def test_over_several_cores_queues_at_receivers_come_closest():
    """Excitation and inhibition in balance, so that order matters; a population a core."""
    chip, rng, n = find_chip("seneca"), np.random.default_rng(3), 100
    drawn = chain(n, 32, 32, 10, bias=None, decay_v=410, v_threshold=200)
    mixed = tuple(
        replace(e, connection=Dense(rng.integers(-60, 72, e.connection.weight.shape))) for e in drawn.projections
    )
    mapped = a_core_a_population(replace(one_large_core(replace(drawn, projections=mixed)), chip=chip))
    stimulus = Stimulus((rng.random((4, 12, n)) < 0.3).astype(np.int32))
    found = fit(mapped, chip, stimulus, Timekeeping(), lambda done, total: None)
    assert (found.best.schedule.scope, found.best.schedule.F) == ("receiver", Timekeeping().core(chip).group)
    one = min(f.distance for f in found.fits if f.schedule.scope == "network")
    assert found.best.distance == found.held_out.distance == 0 < one
    without = fit(mapped, chip, stimulus, Timekeeping(), lambda done, total: None, receivers=False)
    assert not any(f.schedule.scope == "receiver" for f in without.fits)


def test_the_other_mapping_has_a_core_a_population():
    other = a_core_a_population(toy())
    assert other.core_of_neuron.tolist() == [0, 0, 1, 1, 2, 2]


def test_the_verb_tells_the_closest_and_how_it_is_judged(tmp_path: Path):
    npz.save(toy(), tmp_path / "toy.npz")
    frames = np.random.default_rng(0).integers(0, 2, (3, 6, 2))
    npz.save(Stimulus(frames, labels=np.zeros(6, int)), tmp_path / "data.npz")
    words = ("fit-schedule", str(tmp_path / "toy.npz"), "--data", str(tmp_path / "data.npz"))
    value = json.loads(call(*words, "--json").output)
    assert value["best"]["distance"] <= min(row["distance"] for row in value["all"])
    assert {"held_out", "other_mapping", "layered_held_out", "chip_accuracy"} <= set(value)
    assert value["flags"].startswith("--")
    said = call(*words).output
    assert "closest:" in said and "chip's accuracy" in " ".join(said.split())


def test_the_command_that_tunes_is_one_that_train_takes(tmp_path: Path):
    words = ("train", "--preset", "digits", "--limit", "60", "--epochs", "1", "--out", str(tmp_path / "net"))
    assert call(*words).exit_code == 0
    said = " ".join(call("fit-schedule", str(tmp_path / "net"), "--data", "digits", "--samples", "4").output.split())
    command = shlex.split(said.split("tune: ")[1])
    assert command[:4] == ["unlayered", "train", "--start", str(tmp_path / "net")]
    done = call(*command[1:-3], "1", "--limit", "40", "--out", str(tmp_path / "tuned"))
    assert done.exit_code == 0, done.stderr
    told = json.loads((tmp_path / "tuned" / "config.json").read_text())
    assert told["schedule"]["input"] == (command[command.index("--input") + 1] if "--input" in command else "first")
    assert told["schedule"]["order"] == command[command.index("--order") + 1]


def test_integers_are_tuned_as_the_network_that_they_were():
    one, many = Schedule(F=8, order="fifo", input="queued"), Schedule(F=4, scope="core")
    there = Schedule(F=8, order="fifo", input="queued", scope="receiver")
    said = tuning(one, Path("a b.npz"), True, "digits", Path("d"))
    start = (
        "unlayered train --start 'a b.npz' --data digits --root d --schedule asynchronous --F 8 --order fifo "
        "--input queued --set loss=count"
    )
    assert said.startswith(start)
    words = shlex.split(tuning(many, Path("m.npz"), False, "digits", None))
    assert words[words.index("--start") + 1] == "NET"
    made = said_to(TrainConfig(), [word for before, word in itertools.pairwise(words) if before == "--set"])
    assert (made.schedule.scope, made.partition, made.loss) == ("core", "m.npz", "count")
    words = tuning(there, Path("m.npz"), False, "digits", None)
    assert "--F 8 --order fifo --input queued --set schedule.scope=receiver" in words


def test_one_sample_and_a_chip_with_a_barrier_are_refused(tmp_path: Path):
    npz.save(toy(), tmp_path / "toy.npz")
    npz.save(Stimulus(np.ones((2, 1, 2), int)), tmp_path / "data.npz")
    words = ("fit-schedule", str(tmp_path / "toy.npz"), "--data", str(tmp_path / "data.npz"))
    done = call(*words)
    assert done.exit_code == 2 and "at least 2 samples" in done.stderr
    done = call(*words, "--chip", "loihi2")
    assert done.exit_code == 2 and "Intel Loihi 2 has a barrier" in done.stderr
