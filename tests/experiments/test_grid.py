"""The grid of trainings and tests: what is measured of a run, which setting is chosen, and what is compared."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.figure import Figure

from exchange.toml import read_toml
from experiments import grid, grid_tables, grid_training, nmnist_like
from experiments.grid_choice import chosen, mean, setting
from experiments.grid_measures import (
    BUDGETS,
    KEPT,
    STEPS,
    curve,
    decisions,
    difference,
    packed,
    ratio,
    resampled,
)
from ir.check import TargetError
from ir.schedule import Schedule
from ir.stimulus import Stimulus
from ir.trace import Spikes, Trace
from sim_reference.compare.statistics import statistics
from trainer import preset
from unlayered.experiments.definition import Experiment, Row, jobs_of, load_experiment
from unlayered.experiments.lines import read_lines
from unlayered.experiments.page import told
from unlayered.experiments.running import rows_file

EXPERIMENTS = Path(nmnist_like.__file__).parent
SETTINGS = read_toml(EXPERIMENTS / "nmnist_like.toml", "settings ")
QUICK = SETTINGS.pop("quick")


def trace(rows: Sequence[tuple[int, ...]], labels: list[int], steps: int = 4) -> Trace:
    """Two hidden and three output neurons; rows of (sample, t, k, neuron), two time steps of ``steps`` rounds."""
    table = np.array(rows).reshape(-1, 4)
    counts = np.zeros((len(labels), 5), np.int32)
    np.add.at(counts, (table[:, 0], table[:, 3]), 1)
    served = np.full(len(table), -1)
    sample, t, k, neuron = table.T
    spikes = Spikes(sample, t, k, neuron, np.ones(len(table)), served)
    rounds = np.full((2, len(labels)), steps)
    ids, populations = np.arange(len(labels)), (("hidden", 2), ("out", 3))
    return Trace("E0", spikes, counts, {}, rounds, ids, populations, "out", labels=np.array(labels))


def test_decisions_by_the_first_output_spike_and_by_counts():
    found = decisions(
        trace(
            [
                *[(0, 0, 0, 0), (0, 0, 1, 4), (0, 0, 1, 3), (0, 1, 2, 4), (0, 1, 3, 4)],  # first 1 (tie: index), then 2
                *[(1, 0, 0, 1), (1, 1, 0, 0)],  # none: wrong, counted until drained
                *[(2, 1, 0, 2), (2, 1, 3, 1)],
            ],
            labels=[2, 0, 0],
        )
    )
    assert found.first_right.tolist() == [0, 0, 1] and found.right.tolist() == [1, 0, 1]
    assert found.first_steps.tolist() == [2, 8, 5] and found.first_spikes.tolist() == [3, 2, 1]
    assert found.stands_steps.tolist() == [7, 8, 5] and found.stands_spikes.tolist() == [4, 2, 1]
    assert found.drained_steps.tolist() == [8, 8, 8] and found.drained_spikes.tolist() == [5, 2, 2]


def test_decisions_say_of_drawn_runs_what_the_statistics_say():
    rng = np.random.default_rng(0)
    rows = sorted({(int(rng.integers(6)), *map(int, rng.integers([2, 4, 5]))) for _ in range(90)})
    found, numbers = decisions(trace(rows, [0, 1, 2, 0, 1, 2])), statistics(trace(rows, [0, 1, 2, 0, 1, 2]))
    assert numbers.first_output is not None and (numbers.first_output.forward_steps >= 0).all()
    assert found.first_steps.tolist() == numbers.first_output.forward_steps.tolist()
    assert found.first_spikes.tolist() == numbers.first_output.spikes.tolist()
    assert found.right.mean() == numbers.accuracy
    assert (found.stands_steps >= found.first_steps).all() and (found.stands_steps <= found.drained_steps).all()


def test_a_curve_stops_before_the_forward_step_that_spends_too_much():
    rows = [
        *[(0, 0, 0, 0), (0, 0, 1, 3), (0, 0, 1, 1), (0, 1, 0, 4), (0, 1, 2, 4)],  # class 1 after 3 spikes, 2 after 5
        *[(1, 1, 3, 2)],
    ]
    found = trace(rows, labels=[1, 0])
    assert curve(found, (0, 1, 2, 3, 4, 5)) == [0, 0.5, 0.5, 1, 1, 0.5]
    assert curve(trace(rows, labels=[2, 0]), (4, 5, 100)) == [0.5, 1, 1]


def test_a_curve_by_forward_steps_counts_those_of_empty_time_steps_too():
    rows = [
        (0, 0, 1, 3),
        (0, 1, 0, 4),
        (0, 1, 3, 4),
        (1, 1, 3, 2),
    ]  # class 1 in step 2, class 2 in 5 and 8; class 0 in 8
    assert curve(trace(rows, labels=[1, 0]), (1, 2, 4, 5, 7, 8), by_steps=True) == [0, 0.5, 0.5, 0.5, 0.5, 0.5]
    assert curve(trace(rows, labels=[2, 0]), (4, 5, 7, 8), by_steps=True) == [0, 0, 0, 1]


def test_means_of_cells_are_over_the_samples_that_every_cell_was_tested_on():
    one = row("momentum", 0.0, right=0.5)  # right on the first 25 of its 50 samples
    one["cell_samples"] = 25
    assert mean([one], one["own"], lambda c: c["right"]) == 1.0
    assert mean([one], one["own"], lambda c: c["right"], whole=True) == 0.5
    assert mean([one], one["own"], lambda c: c["right"], data="real test") == 0.5


@pytest.mark.parametrize(
    "chosen, said",
    [
        ({"layerd": [[3e-3, 0.1]]}, "chosen is 'layerd'"),
        ({"layered": [[9.0, 0.1]]}, "chosen of 'layered' is .*give pairs"),
        ({"layered": [0.1]}, "chosen of 'layered' is .*give pairs"),
    ],
)
def test_what_is_chosen_is_among_what_was_tried(chosen: Any, said: str):
    stage = {"samples": 4, "epochs": 1, "test_samples": 5, "real_samples": 0, "seeds": [0, 1], "cpu_s": 1.0}
    tried = {"tried": [[3e-3, 0.0], [3e-3, 0.1]], "kinds": ["layered", "random"]}
    with pytest.raises(ValueError, match=said):
        grid.jobs({**SETTINGS, "stages": {"toy": {**stage, **tried, "chosen": chosen}}})
    made = grid.jobs({**SETTINGS, "stages": {"toy": {**stage, **tried, "chosen": {"layered": [[3e-3, 0.1]]}}}})
    later = [(job.what["kind"], job.what["price"]) for job in made if job.what["seed"] == 1]
    assert later == [("layered", 0.1), ("random", 0.0), ("random", 0.1)] and len(made) == 4 + 3
    settled = {**stage, **tried, "chosen": {"layered": [[3e-3, 0.1]], "random": [[3e-3, 0.0]]}, "settled": "before"}
    two = {**SETTINGS, "stages": {"before": {**stage, **tried}, "toy": settled}}
    later = [(x.what["kind"], x.what["price"], x.what["seed"]) for x in grid.jobs(two) if x.what["stage"] == "toy"]
    assert later == [("layered", 0.1, 0), ("random", 0.0, 0), ("layered", 0.1, 1), ("random", 0.0, 1)]
    with pytest.raises(ValueError, match="settled is 'before'"):
        grid.jobs({**SETTINGS, "stages": {"toy": settled}})
    with pytest.raises(ValueError, match="chosen has no pair for random"):
        grid.jobs({**two, "stages": {**two["stages"], "toy": {**settled, "chosen": {"layered": [[3e-3, 0.1]]}}}})


def test_an_interval_is_of_the_paired_difference():
    """A network that is right where the other is, and on one sample in ten more, is better by that much for sure."""
    rng = np.random.default_rng(1)
    b = (rng.random((1, 400)) < 0.7).astype(float)
    a = b.copy()
    a[0, np.flatnonzero(b[0] == 0)[:40]] = 1
    places = resampled(400, 2000)
    mean, low, high = difference(a, b, places)
    assert mean == pytest.approx(0.1) and 0.06 < low < mean < high < 0.14
    unpaired = 2 * 1.96 * np.sqrt(a.var() / 400 + b.var() / 400)
    assert high - low < 0.6 * unpaired
    assert ratio(3 * b, b, places) == pytest.approx((3, 3, 3))


def row(kind: str, price: float, seed: int = 0, right: float = 0.9, spikes: int = 100, valid: float = 0.9) -> Any:
    """A row of the grid, alike under every schedule."""
    what = {**SETTINGS, "kind": kind, "learning_rate": 3e-3, "price": price, "seed": seed, "stage": "full"}
    what |= {"samples": 4, "epochs": 1, "test_samples": 50, "cell_samples": 0, "F": 8, "groups": QUICK["groups"]}
    bits = np.zeros(50, int)
    bits[: round(50 * right)] = 1
    kept = {"first_right": bits, "right": bits, "first_steps": bits + 4, "first_spikes": bits + spikes // 2}
    kept["drained_spikes"] = np.full(50, spikes)
    names = (*KEPT, "drained_steps", "stands_steps", "stands_spikes")
    means = {name: float(np.mean(kept.get(name, spikes))) for name in names} | {"density": spikes / 2020}
    samples = {name: packed(values) for name, values in kept.items()}
    early = {"curve": [right * min(1.0, b / spikes) for b in BUDGETS], "curve_steps": [right] * len(STEPS)}
    cells = {name: {**means, "samples": samples, **early} for name, _ in grid.schedules(what)}
    priced = {"value": 1.0, "low": 0.5, "high": 2.0}
    chip = {"accuracy": right, "spikes": spikes, "energy_pj": priced, "time_ns": priced, "cores": 7, "chip": "loihi2"}
    data = dict.fromkeys(("test", "real train", "real test"), cells)
    validation = {"accuracy": valid, "density": spikes / 2020}
    return {**what, **data, "own": grid.own_cell(what), "validation": validation, "mapped": {"8 bits": chip}}


def test_the_setting_is_chosen_by_the_validation_split_alone():
    rows = [
        row("momentum", 0.0, valid=0.92, spikes=300, right=0.9),
        row("momentum", 0.1, valid=0.916, spikes=200, right=0.5),  # near the best, fewest spikes
        row("momentum", 0.3, valid=0.9, spikes=100, right=0.95),  # the test set chooses nothing
    ]
    assert [r["price"] for r in chosen(rows)["momentum"]] == [0.1]


def test_every_training_has_the_same_samples_epochs_and_number_of_settings():
    made = nmnist_like.jobs(SETTINGS)
    full = [job for job in made if job.group == "full"]
    tried = {kind: {setting(j.what) for j in full if j.what["kind"] == kind} for kind in grid_training.KINDS}
    stage = SETTINGS["stages"]["full"]
    assert all(x == set(map(tuple, stage["tried"])) for x in tried.values())
    configs = {kind: grid_training.configured(next(j for j in full if j.what["kind"] == kind).what, "x" * (
        kind.startswith("per-core fifo"))) for kind in grid_training.KINDS}  # fmt: skip
    same = ("layers", "epochs", "limit", "batch_size", "learning_rate", "rate_schedule", "weight_decay", "seed", "keep")
    assert len({tuple(str(getattr(c, name)) for name in same) for c in configs.values()}) == 1
    assert configs["layered"].schedule == Schedule("layered", F=None) and configs["layered"].f_curriculum == ()
    assert {c.schedule.F for kind, c in configs.items() if not grid_training.KINDS[kind].layered} == {8}
    assert configs["order-free"].order_free and configs["order-free"].schedule == configs["layered"].schedule
    then = configs["order-free, then drawn"]
    assert [then.is_order_free(epoch) for epoch in (0, 4, 5, 9)] == [True, True, False, False]
    assert [then.f_at(epoch) for epoch in (0, 4, 5, 9)] == [None, None, 1, 1] and then.spike_penalty_after == 5
    assert None in configs["drawn F"].f_drawn and configs["drawn F"].f_at(99) == 1
    assert configs["drawn F"].order_drawn == ()
    assert (configs["per-core fifo"].loss, configs["per-core fifo, early"].loss) == ("count", "early")
    assert set(configs["drawn F and order"].order_drawn) == {"random", "momentum", "fifo"}


def rows_of(experiment: Experiment) -> list[Row]:
    """The rows of its jobs that are committed."""
    keys = {job.key for job in jobs_of(experiment)}
    return [told(x) for x in read_lines(rows_file(experiment, EXPERIMENTS / "rows")) if x["key"] in keys]


@pytest.mark.parametrize(
    ("name", "experiment", "kind"),
    [
        ("nmnist-sparse", "nmnist_like", "random"),
        ("nmnist-any-order", "nmnist_like", "order-free, then drawn"),
        ("motions", "gesture_like", "fifo"),
        ("shd", "shd_like", "fifo"),
    ],
)
def test_presets_are_what_the_grid_chose(name: str, experiment: str, kind: str):
    found = load_experiment(EXPERIMENTS / f"{experiment}.py")
    stage = found.settings["stages"]["full"].get("settled", "full")
    ((what, *_),) = chosen([row for row in rows_of(found) if (row["stage"], row["kind"]) == (stage, kind)]).values()
    same, own = grid_training.configured(what), preset(name)
    if not what["price"]:
        same = replace(same, spike_penalty_after=0)  # of no price
    assert same.data in (own.data, f"{own.data}-like") and own.layers[:-1] == same.layers[:-1] and own.limit == 0
    assert replace(own, data=same.data, layers=same.layers, limit=same.limit) == same


@pytest.mark.parametrize("experiment", ["shd_like", "shd_like_recurrent"])
def test_what_a_settled_stage_repeats_was_chosen_by_the_one_that_it_names(experiment: str):
    found = load_experiment(EXPERIMENTS / f"{experiment}.py")
    full = found.settings["stages"]["full"]
    best = chosen([row for row in rows_of(found) if row["stage"] == full["settled"]])
    assert {kind: tuple(full["chosen"][kind][0]) for kind in full["kinds"]} == {
        kind: setting(best[kind][0]) for kind in full["kinds"]
    }


def test_a_stage_that_goes_first_leaves_the_jobs_of_the_next_as_they_are():
    both = {job.name: job.key for job in nmnist_like.jobs(SETTINGS)}
    full = nmnist_like.jobs({**SETTINGS, "stages": {"full": SETTINGS["stages"]["full"]}})
    assert full and all(both[job.name] == job.key for job in full)


def test_what_lava_refuses_is_told_in_its_place(monkeypatch: pytest.MonkeyPatch):
    def refuse(*_: object, on: str = "reference") -> None:
        if on == "lava":
            raise TargetError("the registers reached a limit")

    monkeypatch.setattr(grid.api, "run", refuse)
    monkeypatch.setattr(grid, "mapped_of", lambda *_: None)
    found = grid.on_lava(None, Stimulus(np.zeros((1, 2, 3), np.int8)), 2, Schedule("layered"))  # type: ignore[arg-type]
    assert found == {"chip": "loihi1", "refused": "the registers reached a limit"}
    rows = [{**row("layered", 0.0), "lava": found}]
    assert grid_tables.parts({**SETTINGS, **QUICK}, rows)[-1].rows[0][3] == "the registers reached a limit"


def test_a_collapsed_network_does_not_squeeze_the_plot():
    part = grid_tables.parts({**SETTINGS, **QUICK}, [row("random", 0.0, right=0.9), row("fifo", 0.0, right=0.02)])[0]
    figure = Figure()
    assert part.paint is not None
    part.paint(figure)
    (axis,) = figure.axes
    assert axis.get_ylim()[0] > 75 and "lower edge" in axis.get_xlabel()
    drawn = np.concatenate([line.get_ydata() for line in axis.lines])
    assert drawn.tolist() == [90.0, 90.0 - grid_tables.LEAST_DRAWN]
