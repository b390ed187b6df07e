"""What the page says of a grid, held to its bars: beside the layered training, early decisions, mapping in the loop."""

from __future__ import annotations

import pytest

from experiments import grid_tables
from experiments.grid_measures import BUDGETS
from tests.experiments.test_grid import QUICK, SETTINGS, row


def test_a_settled_stage_says_who_chose_and_chooses_nothing_itself():
    """The layered row at a price stands there to be compared with, however few its spikes are."""
    stages = {
        "before": {"speakers": [5]},
        "full": {"settled": "before", "chosen": {"layered": [[3e-3, 0.0], [3e-3, 0.1]]}},
    }
    rows = [row("layered", 0.0, spikes=300), row("layered", 0.1, spikes=50)]
    part = grid_tables.parts({**SETTINGS, **QUICK, "stages": stages}, rows)[0]
    assert [x[3] for x in part.rows] == ["yes", ""]
    assert "chosen in stage before" in part.text and "speaker 5 was left out" in part.text
    assert "Every training had" not in part.text and "Not all settings" not in part.text


def test_the_page_names_what_is_met():
    rows = [row("layered", 0.0, right=0.92, spikes=300), row("momentum", 0.0, right=0.92, spikes=120)]
    found = {part.title: part for part in grid_tables.parts({**SETTINGS, **QUICK}, rows)}
    beside = found["full: beside the layered training"].rows
    assert len(beside) == 2 and {x[-1] for x in beside} == {"counts, spikes"}
    assert {x[4] for x in beside} == {"0.40 [0.40, 0.40]"} and {x[3] for x in beside} == {"+0.0 [+0.0, +0.0]"}
    assert [x[-1] for x in found["full: one network for every schedule"].rows] == ["yes", "yes"]
    assert len(found["full: spikes a sample until drained"].rows) == 10
    early = found["full: early decision, accuracy % at a share of the layered network's spikes"].rows
    assert [x[-1] for x in early] == ["0 of 1", "1 of 1"] and early[1][1:4] == ("57.5", "92.0", "92.0")


def test_the_layered_training_with_a_price_stands_beside_the_one_without_whichever_is_chosen():
    rows = [row("layered", 0.0, valid=0.92, spikes=300), row("layered", 0.1, valid=0.9, spikes=200)]
    rows += [row("layered", 0.3, valid=0.898, spikes=150), row("layered", 1.0, valid=0.8, spikes=50)]
    rows += [row("momentum", 0.0, spikes=60)]
    beside = next(p for p in grid_tables.parts({**SETTINGS, **QUICK}, rows) if p.title.endswith("the layered training"))
    assert [(x[1], x[4][:4]) for x in beside.rows] == [
        ("layered, run momentum, F = 8", "0.20"),
        ("layered at a price of 0.3, run momentum, F = 8", "0.40"),
        ("layered, run layered", "0.20"),
    ]


@pytest.mark.parametrize(
    ("right", "spikes", "said"),
    [(0.92, 100, "yes"), (0.9, 85, "yes"), (0.9, 86, "no"), (0.92, 101, "no"), (0.88, 50, "no")],
)
def test_the_mapping_in_the_loop_pays_by_accuracy_or_by_spikes(right: float, spikes: int, said: str):
    rows = [row("random", 0.0, right=0.9, spikes=100), row("per-core fifo", 0.0, right=right, spikes=spikes)]
    parts = {part.title: part for part in grid_tables.parts({**SETTINGS, **QUICK}, rows)}
    assert [x[-1] for x in parts["full: trained with the mapping in the loop"].rows] == [said, said]


def test_a_mapping_in_the_loop_is_held_to_its_bar_at_chosen_and_at_the_same_settings():
    looped = [row("per-core fifo", 0.0, right=0.96, spikes=200), row("per-core fifo", 0.1, spikes=90, valid=0.8)]
    other = [row("random", 0.0, spikes=150, valid=0.8), row("random", 0.1, right=0.9, spikes=120)]
    (part,) = (
        x
        for x in grid_tables.parts({**SETTINGS, **QUICK}, [*looped, *other, row("random", 0.3, valid=0.5)])
        if x.title == "full: trained with the mapping in the loop"
    )
    said = {x[0]: x[-3:] for x in part.rows}
    assert {x[1] for x in part.rows} == {1}
    assert said == {
        "chosen by validation": ("+6.0", "1.67", "no"),  # more accurate, but at more spikes
        "chosen by validation, the mapping's among those that fire no more there": ("+0.0", "0.75", "yes"),
        "both at rate 0.003, price 0": ("+6.0", "1.33", "no"),
        "both at rate 0.003, price 0.1": ("+0.0", "0.75", "yes"),
    }


def test_the_mapping_in_the_loop_is_compared_on_tests_that_both_have():
    looped = [row("per-core fifo", 0.0, seed=seed, right=0.9 + seed / 50) for seed in (0, 1)]
    parts = grid_tables.parts({**SETTINGS, **QUICK}, [*looped, row("random", 0.0, right=0.9)])
    (part,) = (x for x in parts if x.title == "full: trained with the mapping in the loop")
    assert [(x[1], x[-3]) for x in part.rows] == [(1, "+0.0"), (1, "+0.0")]


def test_where_every_layered_training_has_a_price_networks_stand_beside_that_one():
    rows = [row("layered", 0.3, right=0.9, spikes=100), row("random", 0.3, right=0.9, spikes=50)]
    parts = {part.title: part for part in grid_tables.parts({**SETTINGS, **QUICK}, rows)}
    beside = parts["full: beside the layered training"].rows
    assert [x[1] for x in beside] == [
        "layered at a price of 0.3, run random, F = 8",
        "layered at a price of 0.3, run layered",
    ]
    early = parts["full: early decision, accuracy % at a share of the layered network's spikes"].rows
    assert [x[0] for x in early] == ["layered at a price of 0.3, run layered", "random"]


def test_a_share_beyond_the_budgets_that_were_tried_has_no_accuracy():
    rows = [row("layered", 0.0, spikes=BUDGETS[-1] * 3 // 2), row("random", 0.0, spikes=100)]
    parts = {part.title: part for part in grid_tables.parts({**SETTINGS, **QUICK}, rows)}
    early = parts["full: early decision, accuracy % at a share of the layered network's spikes"].rows
    assert [[value == "beyond the budgets" for value in x[1:4]] for x in early] == [[False, False, True]] * 2


def test_curves_of_earlier_rows_that_end_sooner_are_compared_as_far_as_both_go():
    rows = [row("layered", 0.0, spikes=2000), row("random", 0.0, spikes=100)]
    del rows[1]["test"]["random, F = 8"]["curve"][BUDGETS.index(1000) + 1 :]
    parts = {part.title: part for part in grid_tables.parts({**SETTINGS, **QUICK}, rows)}
    early = parts["full: early decision, accuracy % at a share of the layered network's spikes"].rows
    assert [[value == "beyond the budgets" for value in x[1:4]] for x in early] == [[False, False, True]] * 2
