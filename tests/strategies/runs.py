"""Drawn stimuli, schedules and partitions, and whole cases."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from hypothesis import strategies as st

from ir.graph import is_acyclic
from ir.mapped import Core, MappedNetwork
from ir.quantized import QuantizedNetwork
from ir.runnable import check_run
from ir.schedule import INPUT_RULES, ORDERS, Schedule
from ir.stimulus import Stimulus
from tests.strategies.networks import networks
from tests.strategies.options import LAYERED, ORDINARY, Draw, seeds

ONE_BY_ONE = 8
"""The largest count that is drawn for input served event by event."""


@st.composite
def stimuli(
    draw: st.DrawFn,
    network: QuantizedNetwork,
    extremes: bool = False,
    counts: bool = True,
    max_samples: int = 3,
    wide: bool = False,
) -> Stimulus:
    """Frames of counts with any sample ids; with ``extremes`` some only inhibit."""
    rng = np.random.default_rng(draw(seeds))
    few = st.sampled_from([6, 5, 4, 3, 6, 5, 4, 3, 6, 5, 4, 3, 2, 1, 2, 1, 0])
    t = draw(few if wide else st.integers(3, 6))
    b = draw(st.integers(1, max_samples))
    if wide and draw(st.sampled_from([*range(20)])) == 19:
        b = 0
    rate = draw(st.sampled_from([0.9, 0.5, 0.2]))
    frames = (rng.random((t, b, network.n_inputs)) < rate).astype(np.int32)
    if counts:
        frames *= rng.integers(1, 4, frames.shape)
    if counts and wide:
        frames = draw(_wider(frames, rng))
    if extremes and draw(st.integers(0, 15)) == 15:
        frames = -frames
    ids = _ids(b, rng) if wide else rng.choice(100_000, b, replace=False)
    labels = rng.integers(0, dict((p.name, p.n) for p in network.populations)[network.output], b)
    return Stimulus(frames, ids, labels)


@st.composite
def _wider(draw: st.DrawFn, frames: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Some counts larger, some of them of both signs, in any type that holds them."""
    kind = draw(st.sampled_from(["as they are"] * 4 + ["larger", "large", "both signs"]))
    if kind == "larger":
        frames = np.where(rng.random(frames.shape) < 0.3, np.minimum(frames * 4, ONE_BY_ONE), frames)
    elif kind == "large":
        most = 1 << draw(st.integers(4, 20))
        frames = np.where(rng.random(frames.shape) < 0.3, frames * rng.integers(0, most, frames.shape), frames)
        frames = np.minimum(frames, 1 << 20)
    elif kind == "both signs":
        frames = frames * rng.choice([-1, 1, 1], frames.shape)
    top = int(np.abs(frames).max(initial=0))
    types = [np.dtype(np.int32)] + [t for t in (np.dtype(np.int8), np.dtype(np.int16)) if top <= np.iinfo(t).max]
    return frames.astype(draw(st.sampled_from(types)))


def _ids(n: int, rng: np.random.Generator) -> np.ndarray:
    """Sample ids that differ: any of 64 bits, the first and the last among them."""
    ends = [-(1 << 63), (1 << 63) - 1, -1, 0, 100_000]
    found = [int(rng.choice(ends)), *rng.integers(*ends[:2], n), *rng.integers(0, 1 << 20, n)]
    return rng.choice(np.array(sorted(set(found))), n, replace=False)


@st.composite
def stamped(draw: st.DrawFn, stimulus: Stimulus) -> Stimulus:
    """The same counts as events with drawn time stamps."""
    rng = np.random.default_rng(draw(seeds))
    t, b, i = (np.repeat(x, stimulus.frames[stimulus.frames > 0]) for x in np.nonzero(stimulus.frames > 0))
    events = np.stack([b, t, rng.integers(0, 1000, len(t)), i], 1)
    return Stimulus(stimulus.frames, stimulus.sample_ids, stimulus.labels, events)


@st.composite
def schedules(draw: st.DrawFn, first_only: bool = False, scope: str = "network", wide: bool = False) -> Schedule:
    """Asynchronous schedules: orders, group sizes, input rules, stop rules, seeds; wide ones wait more, stop less."""
    rule = draw(
        st.sampled_from(["first"] if first_only else [r for r in INPUT_RULES if scope == "network" or r != "queued"])
    )
    return Schedule(
        F=draw(st.sampled_from([1, 1, 1, 2, 2, 3, 8, 1000, None] if wide else [None, 1, 1, 2, 3, 8])),
        order=draw(st.sampled_from(sorted(ORDERS))),
        scope=scope,  # type: ignore[arg-type]
        input=rule,
        R=draw(st.integers(1, 6)) if rule == "paced" else None,
        stop_after=draw(st.sampled_from([None, None, *[None] * 5 * wide, 1, 2, 5])),
        stop_after_output=draw(st.sampled_from([None, None, *[None] * 5 * wide, 0, 1, 3])),
        seed=draw(st.integers(-(2**63), 2**64)),
    )


@st.composite
def partitions(draw: st.DrawFn, network: QuantizedNetwork) -> MappedNetwork:
    """Put the neurons on one to four cores, anyhow."""
    rng = np.random.default_rng(draw(seeds))
    n_cores = draw(st.integers(1, 4))
    cores = tuple(Core(i, x=i) for i in range(n_cores))
    return MappedNetwork(network, None, rng.integers(0, n_cores, network.n_neurons), cores)


@st.composite
def cases(draw: st.DrawFn, options: Draw = ORDINARY, layered: bool = False) -> tuple[MappedNetwork, Stimulus, Schedule]:
    """A mapped network with a stimulus and a schedule that go together."""
    network = draw(networks(options))
    mapped = draw(partitions(network))
    stimulus = draw(stimuli(network, options.extremes, wide=options.wide))
    if layered:
        return mapped, stimulus, draw(_layered_schedules()) if options.wide else LAYERED
    whole_frames = bool((stimulus.frames < 0).any()) or int(stimulus.frames.max(initial=0)) > ONE_BY_ONE
    scope = draw(st.sampled_from(["network", "network", "core"]))
    schedule = draw(schedules(first_only=whole_frames, scope=scope, wide=options.wide))
    again = options.repeated
    if options.wide:
        again = any(not p.neuron.refractory for p in network.populations) and (
            not is_acyclic(network) or draw(st.booleans())
        )
    if again and schedule.stop_after is None:
        schedule = replace(schedule, stop_after=draw(st.integers(3, 24 if options.wide else 9)))
    if schedule.input != "first" and draw(st.booleans()):
        stimulus = draw(stamped(stimulus))
    return mapped, stimulus, schedule


@st.composite
def at_receivers(
    draw: st.DrawFn, drawn: st.SearchStrategy[tuple[MappedNetwork, Stimulus, Schedule]]
) -> tuple[MappedNetwork, Stimulus, Schedule]:
    """The cases ``drawn`` with a queue at every core for what reaches it; now and then events wait in it, too."""
    mapped, stimulus, schedule = draw(drawn)
    schedule = replace(schedule, scope="receiver")
    if schedule.input == "paced" and draw(st.booleans()):
        schedule = replace(schedule, input="queued", R=None)
    return mapped, stimulus, schedule


def runs(case: tuple[MappedNetwork | QuantizedNetwork, Stimulus, Schedule]) -> bool:
    """Whether executors run a case: the few whose sums are not exact everywhere are refused by all."""
    try:
        check_run(case[0] if isinstance(case[0], QuantizedNetwork) else case[0].network, *case[1:])
    except ValueError:
        return False
    return True


@st.composite
def _layered_schedules(draw: st.DrawFn) -> Schedule:
    """Layered runs take no notice of anything else that a schedule says."""
    return replace(draw(schedules()), kind="layered") if draw(st.integers(0, 3)) == 3 else LAYERED
