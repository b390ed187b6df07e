"""A neuron or a core is explained: where it lies, what reaches it, what a move would cost."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from ir.mapped import MappedNetwork
from ir.network import Network
from ir.stimulus import Stimulus
from tests.unlayered.verbs import call, made, map_refused, small_chip
from unlayered.explain import explain, move_costs, neighbours_of, neuron_of


def test_words_name_neurons(mapped: MappedNetwork):
    assert [neuron_of(mapped.network, w) for w in ("0", "hidden[3]", " out [2] ", "11")] == [0, 3, 10, 11]


@pytest.mark.parametrize(
    ("word", "says"),
    [
        ("12", "neurons 0 to 11"),
        ("hidden[8]", "outside population"),
        ("hidden[1,2]", "outside population"),
        ("deep[0]", "hidden, out"),
        ("core 9", "cores 0 to"),
        ("core", "'core 2'"),
        ("hidden[,]", "'core 2'"),
        ("hidden[1 2]", "'core 2'"),
    ],
)
def test_what_is_not_there_is_said_and_nothing_is_written(folder: Path, word: str, says: str):
    assert says in map_refused(folder, folder / "network.npz", "--chip", "loihi2", "--explain", word)


def test_a_move_costs_what_a_recount_says(network: Network, stimulus: Stimulus):
    found = made(network, stimulus, most=5)
    mapped, rates = found.mapped, found.rates
    assert rates is not None and len(mapped.cores) > 2
    for neuron in range(12):
        costs = move_costs(mapped, neuron, neighbours_of(mapped, neuron), rates)
        for core in range(len(mapped.cores)):
            moved = mapped.core_of_neuron.copy()
            moved[neuron] = core
            assert costs[core] == pytest.approx(
                packets(network, moved, rates) - packets(network, mapped.core_of_neuron, rates)
            )


def test_a_neuron_and_a_core_are_explained(folder: Path):
    words = ["map", folder / "network.npz", "--chip", small_chip(folder, max_neurons=1), "--out", folder / "m.npz"]
    done = call(*words, "--explain", "hidden[3]", "--explain", "core 0", "--calibrate", folder / "data.npz")
    assert done.exit_code == 0, done.output
    for words in ("12 from in", "4 to out", "Moving it alone", "What limits core", "It holds", "Links"):
        assert words in done.stdout


def test_a_finished_map_is_explained_too(folder: Path):
    done = call("inspect", folder / "mapped.npz", "--explain", "core 2", "--explain", "hidden[0]")
    assert done.exit_code == 0 and "Core 2" in done.stdout and "Neuron 0" in done.stdout
    assert call("inspect", folder / "network.npz", "--explain", "0").exit_code == 2


def test_one_core_needs_no_reason(network: Network):
    lines = explain(made(network, most=100), "0")
    assert any("fits one core" in line for line in lines if isinstance(line, str))


def packets(network: Network, core: np.ndarray, rates: np.ndarray) -> float:
    """Packets a time step of two dense layers, inputs included, counted the slow way."""
    hidden, out = core[:8], core[8:]
    total = sum(rates[12 + i] * len(set(hidden.tolist())) for i in range(12))
    return total + sum(rates[i] * len(set(out.tolist()) - {int(core[i])}) for i in range(8))
