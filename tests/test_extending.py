"""docs/extending.md: its blocks are code that runs, and each kind of extension is added through tables alone."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from exchange import npz
from exchange import open as formats
from exchange.chip_toml import CHIPS, find_chip
from ir import neurons, schedule
from ir.mapped import MappedNetwork, one_large_core
from ir.network import Network
from ir.quantized import QuantizedNetwork
from ir.stimulus import Stimulus
from mapper import map_network
from mapper.memory.settings import distinct_per_core, neuron_configs
from sim_reference import neurons as simulator_neurons
from sim_reference import serve, simulate
from sim_reference.compare.divergence import first_divergence
from tests.strategies import networks, runs, stimuli
from tests.strategies.options import ORDINARY
from tests.toys.back_end import BOARD
from tests.toys.lifo import LIFO, in_simulator
from tests.toys.lifo_trainer import LIFO_IN_TRAINING
from tests.toys.mixed import mixed_cases, mixed_networks
from tests.toys.pruned import pruned
from tests.toys.text_format import read, write
from tests.toys.tired import TIRED, Tired
from tests.toys.tired_simulator import TiredDynamics
from tests.toys.tired_trainer import TiredModel
from tests.unlayered.verbs import call, refused
from trainer import run as run_trainer
from trainer.engines import neurons as trainer_neurons
from trainer.engines import queue
from unlayered import execute

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "extending.md"
BLOCK = re.compile(r"```py\n# (\S+)\n(.*?)```", re.S)


@pytest.fixture(scope="module")
def toys() -> Iterator[None]:
    """The toy neuron model and the toy order rule, in the tables of the plain executors."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(neurons.MODELS, "tired", TIRED)
        patch.setitem(simulator_neurons.MODELS, "tired", TiredDynamics)
        patch.setitem(trainer_neurons.MODELS, "tired", TiredModel())
        patch.setitem(schedule.ORDERS, "lifo", LIFO)
        patch.setitem(serve.ORDERS, "lifo", in_simulator)
        patch.setitem(queue.ORDERS, "lifo", LIFO_IN_TRAINING)
        yield


@pytest.mark.usefixtures("toys")
@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_the_toy_neuron_and_the_toy_order_run_alike_in_simulator_and_trainer(data: st.DataObject) -> None:
    """On Lava: tests/targets/test_toys.py."""
    mapped, stimulus, rules = data.draw(mixed_cases(order="lifo", layered=data.draw(st.booleans())))
    meaning = simulate.run(mapped, stimulus, rules, record=("v",))
    engine = run_trainer(mapped, stimulus, rules, engine="reference")
    assert first_divergence(meaning, engine) is None


@pytest.mark.usefixtures("toys")
@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_the_toy_neuron_gets_cores_beside_lif_shares_no_setting_with_it_and_fires_as_before(
    data: st.DataObject,
) -> None:
    network = data.draw(mixed_networks(ORDINARY))
    chip = find_chip("loihi2")
    few = replace(
        chip.limits, max_neurons=data.draw(st.integers(2, 8)), max_neuron_configs=data.draw(st.integers(1, 3))
    )
    mapped = map_network(network, replace(chip, limits=few), preset="fast")
    label, tired = (
        neuron_configs(network),
        np.repeat(*zip(*((p.neuron.MODEL == "tired", p.n) for p in network.populations))),
    )
    assert not set(label[tired]) & set(label[~tired])
    assert int(distinct_per_core(label, mapped.core_of_neuron, len(mapped.cores)).max()) <= few.max_neuron_configs
    whole = one_large_core(network)
    stimulus = data.draw(stimuli(network).filter(lambda drawn: runs((whole, drawn, network.schedule))))
    assert first_divergence(simulate.run(whole, stimulus), simulate.run(mapped, stimulus)) is None


@pytest.mark.usefixtures("toys")
@pytest.mark.parametrize("shape", [(0, 2), (3, 0)], ids=["no time steps", "no samples"])
@pytest.mark.parametrize("kind", ["asynchronous", "layered"])
def test_an_empty_run_of_the_toys_is_empty_alike_everywhere(
    shape: tuple[int, int], kind: str, network: Network
) -> None:
    toy = replace(network, populations=tuple(replace(p, neuron=Tired()) for p in network.populations))
    mapped, rules = map_network(toy, find_chip("loihi2")), schedule.Schedule("layered", None)
    rules = rules if kind == "layered" else schedule.Schedule(order="lifo")
    stimulus = Stimulus(np.zeros((*shape, network.n_inputs), np.int32))
    meaning = simulate.run(mapped, stimulus, rules, record=("v", "fatigue"))
    engine = run_trainer(mapped, stimulus, rules, record=("v", "fatigue"), engine="reference")
    assert first_divergence(meaning, engine) is None
    assert engine.limits_reached == meaning.limits_reached and set(meaning.limits_reached.values()) == {0}
    assert engine.states["fatigue"].shape == meaning.states["fatigue"].shape == (*shape, mapped.network.n_neurons)


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_the_toy_pass_changes_no_spike(data: st.DataObject) -> None:
    network: QuantizedNetwork = data.draw(networks(ORDINARY))
    stimulus: Stimulus = data.draw(stimuli(network))
    rules = schedule.Schedule("layered", None)
    before, after = (simulate.run(n, stimulus, rules) for n in (network, pruned(network)))
    assert first_divergence(before, after) is None


def test_the_toy_format_is_opened_and_exported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(formats.OPENERS, ".txt", read)
    monkeypatch.setitem(formats.WRITERS, "txt", write)
    first, second = tmp_path / "a.txt", tmp_path / "b.txt"
    first.write_text("2 3 0.5 0.25 -1 2 0 1\n1 2 1 -1\n")
    assert call("export", first, "--to", "txt", "--out", second).exit_code == 0
    network = formats.open_network(second)
    assert [p.n for p in network.populations] == [2, 1]
    np.testing.assert_array_equal(network.projections[0].connection.weight, [[0.5, 0.25, -1], [2, 0, 1]])
    first.write_text("2 3 0.5\n")
    with pytest.raises(ValueError, match=r"a\.txt: .*; a line is N_POST N_PRE"):
        formats.open_network(first)


def test_the_toy_back_end_is_run_by_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mapped: MappedNetwork
) -> None:
    monkeypatch.setitem(execute.EXECUTORS, "board", BOARD)
    net, frames = tmp_path / "net.npz", tmp_path / "frames.npy"
    npz.save(mapped, net)
    np.save(frames, np.ones((4, 2, mapped.network.n_inputs), np.int32))
    traces = [tmp_path / f"{on}.npz" for on in ("board", "reference")]
    for trace in traces:
        assert call("run", net, "--on", trace.stem, "--data", frames, "--out", trace).exit_code == 0
    assert call("compare", *traces).exit_code == 0
    assert "'board'" in refused(2, "run", net, "--on", "bord", "--data", frames, "--out", traces[0])


def test_a_chip_is_a_file(tmp_path: Path, network: Network) -> None:
    text = (CHIPS / "loihi2.toml").read_text()
    small = re.sub(r"max_neurons = \{ value = \d+", "max_neurons = { value = 2", text)
    (tmp_path / "toy.toml").write_text(small.replace('name = "loihi2"', 'name = "toy"'))
    chip = find_chip(str(tmp_path / "toy.toml"))
    mapped = map_network(network, chip)
    assert chip.name == "toy" and np.bincount(mapped.core_of_neuron).max() <= 2


def test_every_printed_block_stands_in_the_file_that_it_names() -> None:
    blocks = BLOCK.findall(PAGE.read_text())
    assert len(blocks) >= 8
    for name, block in blocks:
        assert block.strip("\n") in (ROOT / name).read_text(), f"{name} has no longer what the page prints:\n{block}"
