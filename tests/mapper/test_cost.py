"""The cost model counts events exactly and reports what the chip's constants leave open."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from ir.connection import Conv2d, Dense, synapses
from ir.formats.chip_toml import find_chip
from ir.network import Input
from ir.quantized import FixedPopulation, FixedProjection, QuantizedNetwork
from mapper import map_network
from mapper.cost import Events, count_events, estimate


def small_network() -> QuantizedNetwork:
    """A convolution and a dense layer."""
    conv = Conv2d(np.ones((4, 2, 3, 3), np.int32), (2, 6, 6), (1, 1), (1, 1))
    return QuantizedNetwork(
        (Input("input", (2, 6, 6)),),
        (FixedPopulation("conv", (4, 6, 6)), FixedPopulation("out", (10,))),
        (
            FixedProjection("input", "conv", conv),
            FixedProjection("conv", "out", Dense(np.ones((10, 144), np.int32))),
        ),
        "out",
    )


def test_synaptic_operations_are_spikes_times_fan_out():
    network = small_network()
    mapped = map_network(network, find_chip("loihi2"))
    counts = np.random.default_rng(0).integers(0, 5, network.n_neurons + network.n_inputs)
    events = count_events(mapped, counts, 7)
    pre, _, _ = synapses(network.projections[0].connection)
    assert events.synops_conv == counts[network.n_neurons :][pre].sum()
    assert events.synops_dense == 10 * counts[:144].sum()
    assert events.updates == 7 * network.n_neurons
    assert events.packets == 0


def test_packets_are_spikes_times_remote_cores():
    network = small_network()
    chip = find_chip("loihi2")
    mapped = map_network(network, replace(chip, limits=replace(chip.limits, max_neurons=80)))
    assert len(mapped.cores) > 1
    counts = np.random.default_rng(1).integers(0, 5, network.n_neurons + network.n_inputs)
    home, out = mapped.core_of_neuron[:144], np.unique(mapped.core_of_neuron[144:])
    expected = sum(counts[i] * (out != home[i]).sum() for i in range(144))
    assert count_events(mapped, counts, 1).packets == expected


def test_the_range_holds_the_value_and_grows_with_every_event():
    chip = find_chip("loihi2")
    events = Events(10, 1000, 50, 100, 20, 30, 40, 60, 70, 80, 300, 25)
    cost = estimate(events, chip)
    assert cost.energy_pj.low <= cost.energy_pj.value <= cost.energy_pj.high
    assert cost.energy_pj.value == pytest.approx(sum(p.value for p in cost.parts_pj.values()))
    more = estimate(replace(events, synops_dense=101), chip)
    assert more.energy_pj.low > cost.energy_pj.low


def test_a_chip_without_a_constant_is_refused_by_name():
    chip = replace(find_chip("loihi1"), costs={})
    with pytest.raises(ValueError, match="synop_dense_pj"):
        estimate(Events(1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1), chip)
