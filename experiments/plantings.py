"""How often does `diff` find a planted cause? Draws causes, plants them in trained networks, and asks.

Each planting changes one thing in one place of a trained network's integers (or two things; or nothing). Asked twice:
with both files, and with the file before the change and a trace of the changed one that says nothing of its schedule.
Those that change no spike are discarded and counted. Run ``python -m experiments.plantings``.
"""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from exchange import npz
from exchange.chip_toml import find_chip
from experiments.plants import PLANTS, Planted
from experiments.recurrent import train_recurrent
from ir import Network, QuantizedNetwork, Stimulus, Trace
from mapper.quantize import quantize
from sim_reference.compare.difference import differing_spikes
from sim_reference.fast import run
from stimuli.data_sets import load
from trainer import preset, train
from unlayered.causes.pair import Side, diff_of, settings_of
from unlayered.causes.setup import Setup, setup_of
from unlayered.causes.value import Diff

MOST_DRAWS = 25
"""Draws of a kind on a network, before the next kind has its turn."""

NOT_TOGETHER = ("delay", "accumulator")
"""Those that bring a base of their own; they are planted alone."""


def trace_of(setup: Setup, stimulus: Stimulus) -> Trace:
    """The run of a set-up, membranes recorded as `unlayered run` does."""
    return run(setup.mapped(), stimulus, setup.schedule)


def draw_one(setup: Setup, rng: np.random.Generator, stimulus: Stimulus, kind: str) -> Planted | None:
    """A planting; None where it changes no spike."""
    planted = PLANTS[kind](setup, rng)
    a, b = trace_of(planted.before, stimulus), trace_of(planted.after, stimulus)
    return planted if differing_spikes(a, b, rounds=True) else None


def draw_two(setup: Setup, rng: np.random.Generator, stimulus: Stimulus) -> list[Planted] | None:
    """Two causes of different kinds or places, each of which changes a spike where the other is there already."""
    kinds = [k for k in PLANTS if k not in NOT_TOGETHER]
    first = PLANTS[str(rng.choice(kinds))](setup, rng)
    second = PLANTS[str(rng.choice(kinds))](first.after, rng)
    if (first.kind, first.population) == (second.kind, second.population):
        return None
    alone = second_alone(setup, first, second)
    runs = [trace_of(s, stimulus) for s in (setup, first.after, alone, second.after)]
    pairs = [(0, 1), (0, 2), (1, 3), (2, 3)]
    return [first, second] if all(differing_spikes(runs[i], runs[j], rounds=True) for i, j in pairs) else None


def second_alone(setup: Setup, first: Planted, second: Planted) -> Setup:
    """The second cause alone: what it changed of the first's set-up, laid over the one without any."""
    one, other, settings, _ = settings_of(first.before, second.after)
    for setting in settings:
        if (setting.kind, setting.population) == (second.kind, second.population):
            one = setting.switch(one, other)
    return one


def side(name: str, setup: Setup, stimulus: Stimulus) -> Side:
    """A set-up with its run."""
    return Side(name, trace_of(setup, stimulus), setup)


def ask(before: Setup, after: Setup, stimulus: Stimulus, with_file: bool) -> Diff:
    """What `diff` says, with both files or with one and a trace that does not tell how it was run."""
    a, b = side("a", before, stimulus), side("b", after, stimulus)
    if not with_file:
        b = Side("b", replace(b.trace, schedule=before.schedule), None)
    return diff_of(a, b, stimulus, lambda done, total: None)


@dataclass
class Score:
    """What was asked and how often the answer was right."""

    asked: int = 0
    kind: int = 0
    populations: int = 0
    population: int = 0
    removed: int = 0

    def add(self, planted: Planted, diff: Diff) -> bool:
        """Judge an answer to a single cause; whether kind and population are right."""
        first = diff.causes[0] if diff.causes else None
        right = first is not None and first.kind == planted.kind
        self.asked += 1
        self.kind += right
        self.removed += first is not None and first.alone is not None and first.alone > 0.999
        at_home = first is not None and first.population == planted.population
        if planted.population is not None:
            self.populations += 1
            self.population += at_home
        return bool(right and at_home)


def measure(
    networks: dict[str, QuantizedNetwork], stimulus: Stimulus, n: int, n_two: int, n_none: int, seed: int
) -> Any:
    """Plant, ask and count; plain values."""
    rng = np.random.default_rng(seed)
    setups = [setup_of(network) for network in networks.values()]
    names, kinds = list(networks), list(PLANTS)
    scores = {"both files": Score(), "one file and a trace": Score()}
    wrong: list[str] = []
    discarded = drawn = turn = 0
    while drawn < n:
        which, kind = turn % len(setups), kinds[(turn // len(setups)) % len(kinds)]
        turn += 1
        planted = None
        for _ in range(MOST_DRAWS):
            planted = draw_one(setups[which], rng, stimulus, kind)
            if planted is not None:
                break
            discarded += 1
        if planted is None:
            continue
        drawn += 1
        for (name, score), with_file in zip(scores.items(), (True, False)):
            diff = ask(planted.before, planted.after, stimulus, with_file)
            if not score.add(planted, diff):
                said = [(c.kind, c.population) for c in diff.causes[:2]]
                wrong.append(f"{names[which]}, {name}: {planted.kind} of {planted.population} ({planted.what}): {said}")
    two = _two(setups, stimulus, n_two, rng)
    none = sum(len(ask(s, s, stimulus, f).causes) for s in (setups * n_none)[:n_none] for f in (True, False))
    value = {name: vars(score) for name, score in scores.items()}
    return {**value, "two causes": two, "named without any": none, "discarded": discarded, "wrong": wrong}


def _two(setups: list[Setup], stimulus: Stimulus, n: int, rng: np.random.Generator) -> dict[str, int]:
    found = {"asked": 0, "both files": 0, "one file and a trace": 0}
    while found["asked"] < n:
        setup = setups[found["asked"] % len(setups)]
        pair = draw_two(setup, rng, stimulus)
        if pair is None:
            continue
        found["asked"] += 1
        truth = {(p.kind, p.population) for p in pair}
        for name, with_file in (("both files", True), ("one file and a trace", False)):
            diff = ask(setup, pair[1].after, stimulus, with_file)
            found[name] += {(c.kind, c.population) for c in diff.causes} == truth
    return found


def trained(folder: Path, epochs: int) -> dict[str, QuantizedNetwork]:
    """Three networks on digits, trained once and kept: dense, convolutional, recurrent; in Loihi 2's integers."""
    base = preset("digits", epochs=epochs, tau_mem_s=0.03)
    made: dict[str, Network] = {}
    for name, layers in {"dense": ("64", "64", "10"), "conv": ("conv 8 5 stride 3", "48", "10")}.items():
        made[name] = train(replace(base, layers=layers), folder / name, resume=True).export()
    made["recurrent"] = train_recurrent(folder / "recurrent.npz", epochs)
    return {name: quantize(network, find_chip("loihi2")) for name, network in made.items()}


def main() -> int:
    """Train, plant, ask, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("out/plantings"), help="keeps trained networks and the result")
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--samples", type=int, default=40)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--plantings", type=int, default=60)
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    networks = trained(options.out, options.epochs)
    stimulus = load("digits", None, "test", options.samples, store=npz)
    found = measure(networks, stimulus, options.plantings, options.plantings // 3, options.plantings // 3, options.seed)
    npz.write_atomically(options.out / "plantings.json", json.dumps(found, indent=1).encode())
    print(json.dumps(found, indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main())
