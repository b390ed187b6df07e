"""A schedule written as flags is read back as the same schedule, by every verb."""

from __future__ import annotations

import shlex
from dataclasses import replace
from itertools import pairwise
from typing import Any

import typer
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from ir.schedule import Schedule
from tests.strategies.runs import schedules
from trainer.config import TrainConfig
from trainer.said import said_to
from unlayered.commands import flags_of, train_flags_of
from unlayered.options import (
    F,
    InputRule,
    Kind,
    Order,
    R,
    ScheduleFlags,
    Scope,
    Seed,
    StopAfter,
    StopAfterOutput,
)

read: list[ScheduleFlags] = []
app = typer.Typer()


@app.command()
def take(
    schedule: Kind = None,
    f: F = None,
    order: Order = None,
    scope: Scope = None,
    input_rule: InputRule = None,
    r: R = None,
    stop_after: StopAfter = None,
    stop_after_output: StopAfterOutput = None,
    seed: Seed = None,
    set_: Any = None,
) -> None:
    """The flags as `unlayered run` has them."""
    read.append(ScheduleFlags(schedule, f, order, scope, input_rule, r, stop_after, stop_after_output, seed))


def taken(words: list[str]) -> ScheduleFlags:
    """What a command line says of the schedule."""
    done = CliRunner().invoke(app, words)
    assert done.exit_code == 0, done.output
    return read.pop()


ANY = st.one_of(schedules(), schedules(scope="core"), schedules(scope="receiver"))


@given(ANY)
def test_flags_of_a_run_say_the_whole_schedule(schedule: Schedule):
    assert taken(flags_of(schedule).split()).on(Schedule()) == schedule
    other = Schedule(order="fifo", scope="receiver", input="queued", seed=5)
    said = taken(flags_of(schedule, always=("scope", "input", "seed")).split()).on(other)
    assert said == schedule


@given(ANY)
def test_flags_of_a_training_say_the_whole_schedule(schedule: Schedule):
    words = shlex.split(train_flags_of(schedule))
    sets = [b for a, b in pairwise(words) if a == "--set"]
    flags = words[: words.index("--set")] if sets else words
    config = TrainConfig(schedule=taken(flags).on(Schedule()))
    assert {word.split("=")[0] for word in sets}.isdisjoint({"schedule.kind", "schedule.F", "schedule.order"})
    sets += ['partition="b.npz"'] * (schedule.scope != "network")
    assert said_to(config, sets).schedule == schedule


def test_a_layered_schedule_is_one_word():
    for layered in (Schedule("layered"), replace(Schedule("layered"), F=3, seed=4)):
        assert flags_of(layered) == train_flags_of(layered) == "--schedule layered"
