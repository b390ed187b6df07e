"""What does not fit is refused in one sentence: who, which limit, have and need, the smallest change."""

from __future__ import annotations

import re
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from exchange.chip_toml import find_chip, shipped_chips
from ir.check import CapacityError
from ir.chip import Chip, Mesh
from ir.connection import Conv2d, Dense
from ir.mapped import one_large_core
from ir.network import Input, Network, Population, Projection
from ir.neurons import LIF, FixedLIF
from ir.quantized import FixedPopulation, FixedProjection, QuantizedNetwork
from ir.schedule import Schedule
from mapper import map_network
from mapper.check.utilization import limits, utilization
from mapper.memory.settings import distinct_per_core, neuron_configs, neuron_thresholds, split_settings
from sim_reference import simulate
from sim_reference.compare.divergence import first_divergence
from tests.strategies import Draw, networks, seeds, stimuli

laws = settings(max_examples=40, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
LOIHI1, LOIHI2 = find_chip("loihi1"), find_chip("loihi2")


def layers(*sizes: int, lif: FixedLIF | None = None, delay: int = 0) -> QuantizedNetwork:
    """Dense layers of weights 254 and -256, which need 8 bits."""
    names = ["in", *(f"fc{i}" for i in range(len(sizes) - 1))]
    edges: list[FixedProjection] = []
    for i, (n, m) in enumerate(pairwise(sizes)):
        weight = np.where(np.arange(n * m).reshape(m, n) % 2, 254, -256).astype(np.int32)
        edges.append(FixedProjection(names[i], names[i + 1], Dense(weight), delay_steps=delay))
    blocks = [FixedPopulation(name, (n,), lif or FixedLIF()) for name, n in zip(names[1:], sizes[1:])]
    return QuantizedNetwork((Input("in", (sizes[0],)),), tuple(blocks), tuple(edges), names[-1])


def limited(chip: Chip, **changes: int) -> Chip:
    return replace(chip, limits=replace(chip.limits, **changes))


def refused(network: QuantizedNetwork, chip: Chip) -> str:
    """The sentence that says why."""
    with pytest.raises(CapacityError) as caught:
        map_network(network, chip, preset="fast", alternatives=shipped_chips())
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_a_layer_with_too_many_sources_is_named_with_the_chip_that_takes_it():
    conv = Conv2d(np.full((1, 1, 1, 1), 2, np.int32), (1, 72, 72))
    network = QuantizedNetwork(
        (Input("in", (1, 72, 72)),),
        (FixedPopulation("conv", (1, 72, 72)), FixedPopulation("fc", (10,))),
        (
            FixedProjection("in", "conv", conv),
            FixedProjection("conv", "fc", Dense(np.full((10, 5184), 2, np.int32))),
        ),
        "fc",
    )
    assert refused(network, LOIHI1) == (
        "population 'fc' does not fit Intel Loihi 1: a neuron has 5184 sources, a core takes 4096 input axons, and no "
        "neuron can be split exactly; drop 1088 of its sources (pool or narrow 'conv'), or map to loihi2"
    )
    assert len(map_network(network, LOIHI2, preset="fast").cores) > 1


def test_a_layer_with_too_many_synapses_is_named_with_the_share_to_drop():
    sentence = refused(layers(300, 3), limited(LOIHI2, max_synapse_words=200))
    assert sentence == (
        "population 'fc0' does not fit Intel Loihi 2: a neuron's synapses take 300 words, a core has 200, and no "
        "neuron can be split exactly; drop 34 % of its synapses, or map to loihi1"
    )


def test_no_chip_is_named_where_none_would_do():
    assert refused(layers(17000, 1), LOIHI2).endswith("drop 1000 of its sources (pool or narrow 'in')")


def test_a_board_that_is_too_small_is_named_with_the_board_that_would_do():
    chip = replace(limited(LOIHI2, max_neurons=2), mesh=Mesh(2, 2, 1, 4))
    assert refused(layers(3, 10), chip) == (
        "the network needs 5 cores (population 'fc0' 5 of them), Intel Loihi 2 has 4; neurons fill them to 100 %: use "
        "fewer, or a board of 2 chips (chips_x, chips_y under [mesh] in the chip's file)"
    )
    lif = FixedLIF(v_threshold=np.arange(40) + 50)
    crowded = replace(limited(LOIHI1, max_thresholds=1), mesh=Mesh(2, 2, 1, 4))
    assert "thresholds fill them to 100 %: use fewer" in refused(layers(3, 40, lif=lif), crowded)


def test_a_neuron_that_sends_to_too_many_cores_is_named():
    chip = limited(LOIHI2, max_neurons=4, max_output_axons=3)
    assert refused(layers(3, 5, 40), chip) == (
        "population 'fc0' does not fit Intel Loihi 2: a neuron alone on a core sends to 40 others, a core has 3 output "
        "axons; drop 37 of its targets"
    )


def test_a_delay_that_the_chip_cannot_hold_is_refused():
    assert refused(layers(3, 2, delay=63), LOIHI2) == (
        "projection in -> fc0 delays by 63 time steps, Intel Loihi 2 delays by at most 62; shorten the delay"
    )
    assert len(map_network(layers(3, 2, delay=62), LOIHI2).cores) == 1


def test_a_core_holds_no_more_thresholds_than_the_chip_allows():
    lif = FixedLIF(v_threshold=np.arange(20) % 10 + 50)
    mapped = map_network(layers(4, 20, lif=lif), LOIHI1)
    assert len(mapped.cores) == 2
    assert max(use.thresholds for use in utilization(mapped)) == LOIHI1.limits.max_thresholds == 8
    assert mapped.report["fullest_thresholds"] == 1.0
    assert len(map_network(layers(4, 20, lif=lif), LOIHI2).cores) == 1


def test_cores_that_send_along_too_many_axons_are_cut():
    network, chip = layers(4, 40, 40), limited(LOIHI2, max_neurons=10)
    free = utilization(map_network(network, chip))
    assert max(use.output_axons for use in free) == 40  # ten neurons, each to the four cores of the next layer
    bound = utilization(map_network(network, limited(chip, max_output_axons=25)))
    assert max(use.output_axons for use in bound) <= 25 and len(free) < len(bound) <= 12


@laws
@given(st.integers(1, 4), st.integers(1, 4), seeds)
def test_cores_are_cut_until_settings_fit(configs: int, thresholds: int, seed: int):
    rng = np.random.default_rng(seed)
    lif = FixedLIF(decay_v=rng.integers(0, 5, 30), v_threshold=rng.integers(0, 5, 30))
    network = layers(2, 30, lif=lif)
    chip = limited(LOIHI2, max_neuron_configs=configs, max_thresholds=thresholds)
    before = rng.integers(0, 3, 30)
    core = split_settings(network, chip, before)
    k = int(core.max()) + 1
    assert set(core.tolist()) == set(range(k))
    assert int(distinct_per_core(neuron_configs(network), core, k).max()) <= configs
    assert int(distinct_per_core(neuron_thresholds(network), core, k).max()) <= thresholds
    assert all(np.unique(before[core == c]).size == 1 for c in range(k))


@laws
@given(st.data())
def test_mapping_on_chips_as_they_are_keeps_every_limit_and_changes_no_spike(data: st.DataObject):
    network = data.draw(networks(Draw()))
    chip = data.draw(st.sampled_from([LOIHI1, LOIHI2]))
    chip = limited(
        replace(chip, mesh=Mesh(8, 8, 4, 256)),
        max_neurons=data.draw(st.integers(1, 8)),
        max_neuron_configs=data.draw(st.integers(1, 3)),
        max_thresholds=data.draw(st.integers(1, 3)),
    )
    mapped = map_network(network, chip, preset=data.draw(st.sampled_from(["fast", "default"])))
    most = limits(chip)
    for use in utilization(mapped):
        assert use.neurons <= most.neurons and use.synapse_words <= most.synapse_words
        assert use.configs <= most.configs and use.thresholds <= most.thresholds
        assert use.input_axons <= most.input_axons and use.output_axons <= most.output_axons
    stimulus = data.draw(stimuli(network))
    whole, parted = (simulate.run(m, stimulus) for m in (one_large_core(network), mapped))
    assert first_divergence(whole, parted) is None


BAD_WEIGHTS = [(np.nan, "nan"), (np.inf, "inf")]


@pytest.mark.parametrize("value, word", BAD_WEIGHTS)
def test_weights_that_are_no_numbers_never_reach_the_mapper(value: float, word: str):
    with pytest.raises(ValueError, match=re.escape(f"Dense weight holds {word} at (0, 1); every value must be finite")):
        Dense(np.array([[1.0, value]]))


@pytest.mark.parametrize("v_min", [np.nan, -np.inf, 0.1])
def test_a_lower_edge_must_be_a_number_below_the_reset(v_min: float):
    with pytest.raises(ValueError, match=r"^LIF v_min is (nan|-inf|0.1); give a number of at most 0"):
        LIF(v_min=v_min)


@pytest.mark.parametrize("dt_s", [np.nan, np.inf, 0.0, -1.0])
def test_a_time_step_must_last_some_time(dt_s: float):
    network = Network((Input("in", (1,)),), (Population("a", (1,)),), (), "a")
    for value in (network, layers(3, 2)):
        with pytest.raises(ValueError, match=r"^dt_s is .* more than 0 s and not for ever"):
            replace(value, dt_s=dt_s)


def test_a_lower_edge_beyond_every_register_is_no_edge():
    network = Network(
        (Input("in", (1,)),),
        (Population("a", (1,), LIF(v_threshold=0.5, v_min=-1e30)), Population("b", (1,), LIF(v_min=-0.5))),
        (Projection("in", "a", Dense(np.ones((1, 1)))), Projection("a", "b", Dense(np.ones((1, 1))))),
        "b",
        schedule=Schedule("layered"),
    )
    a, b = map_network(network, LOIHI2).network.populations
    assert a.neuron.v_min is None and b.neuron.v_min == -round(0.5 * b.scale * 64)


def test_an_empty_population_is_named():
    with pytest.raises(
        ValueError, match=r"^population 'hidden' is empty \(shape \(0,\)\); remove it or give it neurons$"
    ):
        FixedPopulation("hidden", (0,))


@pytest.mark.parametrize("rates", [[np.nan] * 5, [-1.0] * 5, [np.inf] * 5])
def test_rates_that_are_no_rates_are_refused(rates: list[float]):
    with pytest.raises(ValueError, match="rates must be finite and at least 0"):
        map_network(layers(3, 2), LOIHI2, rates=rates)
