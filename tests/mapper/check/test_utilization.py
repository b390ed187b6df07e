"""The utilization table counts what a core holds, synapse by synapse."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from exchange.chip_toml import find_chip
from ir.connection import Connection, Conv2d, Dense, Sparse, synapses
from ir.graph import slices
from ir.mapped import Core, MappedNetwork, one_large_core
from ir.network import Input
from ir.neurons import FixedLIF
from ir.quantized import FixedPopulation, FixedProjection, QuantizedNetwork
from mapper.check.utilization import limits, utilization
from mapper.edges import network_edges
from mapper.memory.layout import layout, list_words
from mapper.memory.words import synapse_words
from tests.strategies import Draw, networks, seeds

laws = settings(max_examples=60, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])


def spread(network: QuantizedNetwork, seed: int, k: int = 3, chip: str = "loihi2") -> MappedNetwork:
    """Neurons anywhere on up to ``k`` cores."""
    core = np.random.default_rng(seed).integers(0, k, network.n_neurons)
    core = np.unique(core, return_inverse=True)[1].reshape(-1)
    return MappedNetwork(network, find_chip(chip), core, tuple(Core(i, x=i) for i in range(int(core.max()) + 1)))


@laws
@given(st.data())
def test_axons_packets_and_synapses_are_those_of_plain_counting(data: st.DataObject):
    network = data.draw(networks(Draw()))
    mapped = spread(network, data.draw(seeds))
    counts = np.random.default_rng(1).integers(0, 9, network.n_neurons + network.n_inputs)
    at, inputs = slices(network.populations), slices(network.inputs)
    held, pairs = [0] * len(mapped.cores), set()
    for e in network.projections:
        low = network.n_neurons + inputs[e.pre].start if e.pre in inputs else at[e.pre].start
        for a, b in zip(*synapses(e.connection)[:2]):
            core = int(mapped.core_of_neuron[at[e.post].start + b])
            held[core] += 1
            pairs.add((low + int(a), core))
    home = [*mapped.core_of_neuron.tolist(), *[-1] * network.n_inputs]
    for use in utilization(mapped, counts):
        assert use.synapses == held[use.core]
        assert use.neurons == home.count(use.core)
        assert use.input_axons == sum(core == use.core for _, core in pairs)
        assert use.output_axons == sum(home[a] == use.core != core for a, core in pairs)
        assert use.packets_in == sum(counts[a] for a, core in pairs if core == use.core != home[a])


@laws
@given(st.data())
def test_words_are_those_of_plain_lists_of_synapses(data: st.DataObject):
    network = data.draw(networks(Draw()))
    mapped = spread(network, data.draw(seeds), chip=data.draw(st.sampled_from(["loihi1", "loihi2"])))
    assert mapped.chip is not None
    form, at = list_words(mapped.chip), slices(network.populations)
    words = [0] * len(mapped.cores)
    for e in network.projections:
        way = layout(e, mapped.chip)
        core = mapped.core_of_neuron[at[e.post]]
        lists: dict[tuple[int, tuple[int, ...]], set[int]] = {}
        for pre, post, channel, weight in labelled(e.connection):
            if way.kernel:
                lists.setdefault((int(core[post]), weight), set()).add(channel)
            elif way.zeros or e.connection.weight.reshape(-1)[weight[0]] != 0:
                lists.setdefault((int(core[post]), (pre,)), set()).add(post)
        for (where, _), members in lists.items():
            words[where] += int(form.of_list(len(members), way.bits))
    assert synapse_words(network, mapped.chip, mapped.core_of_neuron).tolist() == words


def labelled(c: Connection) -> list[tuple[int, int, int, tuple[int, ...]]]:
    """(source, target, output channel, (group, tap) or index of the weight) of every synapse."""
    if not isinstance(c, Conv2d):
        pre, post, _ = synapses(c)
        return [(int(a), int(b), 0, (i,)) for i, (a, b) in enumerate(zip(pre, post))]
    numbers = np.arange(c.weight.size, dtype=np.int64).reshape(c.weight.shape)
    pre, post, which = synapses(replace(c, weight=numbers))
    channel, rest = np.divmod(which, c.weight[0].size)
    group = channel // (c.weight.shape[0] // c.groups)
    return [(int(a), int(b), int(o), (int(g), int(t))) for a, b, o, g, t in zip(pre, post, channel, group, rest)]


def test_settings_and_thresholds_are_counted_a_core():
    lif = FixedLIF(decay_v=np.arange(6), v_threshold=np.array([5, 5, 5, 6, 6, 7]))
    network = QuantizedNetwork(
        (Input("in", (2,)),),
        (FixedPopulation("a", (6,), lif),),
        (FixedProjection("in", "a", Dense(np.ones((6, 2), np.int32))),),
        "a",
    )
    mapped = MappedNetwork(network, find_chip("loihi2"), np.array([0, 0, 0, 1, 1, 1]), (Core(0), Core(1, x=1)))
    assert [(u.configs, u.thresholds) for u in utilization(mapped)] == [(3, 1), (3, 2)]


def test_limits_have_the_same_fields():
    full = limits(find_chip("loihi1"))
    assert (full.neurons, full.synapse_words, full.synapses, full.thresholds) == (1024, 16384, 131072, 8)


def test_an_unmapped_network_has_no_table():
    network = QuantizedNetwork(
        (Input("in", (2,)),),
        (FixedPopulation("a", (6,)),),
        (FixedProjection("in", "a", Dense(np.ones((6, 2), np.int32))),),
        "a",
    )
    with pytest.raises(ValueError, match="map it first"):
        utilization(one_large_core(network))


def test_long_lists_are_recounted_in_pieces(monkeypatch: pytest.MonkeyPatch):
    rng = np.random.default_rng(0)
    indptr = np.concatenate([[0], np.cumsum(rng.integers(0, 6, 50))])
    n = int(indptr[-1])
    sparse = Sparse(indptr, rng.integers(0, 20, n).astype(np.int32), rng.integers(-3, 3, n), 20)
    network = QuantizedNetwork(
        (Input("in", (20,)),), (FixedPopulation("a", (50,)),), (FixedProjection("in", "a", sparse),), "a"
    )
    mapped = spread(network, 1)
    whole = utilization(mapped), np.stack([np.concatenate(x) for x in zip(*network_edges(network))])
    monkeypatch.setattr("mapper.edges.PIECE", 7)
    assert sum(1 for _ in network_edges(network)) > 10
    parted = utilization(mapped), np.stack([np.concatenate(x) for x in zip(*network_edges(network))])
    assert whole[0] == parted[0] and (whole[1] == parted[1]).all()
