"""Neurons with many states: what room they take on a core, and what their updates cost."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from exchange.chip_toml import find_chip
from ir.check import CapacityError
from ir.connection import Dense
from ir.network import Input
from ir.neurons import FixedLIF, FixedNeuron, FixedSigmaDelta, FixedSpikingGamma
from ir.quantized import FixedPopulation, FixedProjection, QuantizedNetwork
from ir.schedule import Schedule
from mapper import map_network
from mapper.cost.estimate import estimate
from mapper.cost.events import count_events

LOIHI2 = find_chip("loihi2")


def gamma(n_buckets: int, **changes: int) -> FixedSpikingGamma:
    return FixedSpikingGamma((906,) * n_buckets, (8,) * n_buckets, 4000, 8000, **changes)


def network(n: int, neuron: FixedNeuron) -> QuantizedNetwork:
    """``n`` neurons behind one input."""
    edge = FixedProjection("in", "p", Dense(np.full((n, 1), 2, np.int32)))
    return QuantizedNetwork(
        (Input("in", (1,)),), (FixedPopulation("p", (n,), neuron),), (edge,), "p", schedule=Schedule("layered")
    )


@pytest.mark.parametrize(
    ("neuron", "places", "updates"),
    [
        (FixedLIF(), 1, 1),
        (FixedSigmaDelta(), 1, 1),
        (gamma(1), 1, 2),
        (gamma(4), 2, 5),  # 4 * 24 + 24 + 16 + 4 * 8 bits are 21 bytes
        (gamma(8), 3, 9),  # 37 bytes
        (gamma(16), 5, 17),  # 69 bytes
    ],
    ids=lambda x: getattr(x, "MODEL", x),
)
def test_room_and_operations_grow_with_the_states(neuron, places, updates):
    assert (neuron.places, neuron.updates) == (places, updates)


def test_a_core_holds_fewer_of_them_and_no_more():
    neuron, most = gamma(8), LOIHI2.limits.max_neurons // 3
    one, two = (map_network(network(n, neuron), LOIHI2, preset="fast") for n in (most, most + 1))
    assert len(one.cores) == 1 and len(two.cores) == 2
    assert np.bincount(two.core_of_neuron).max() <= most
    assert one.report["fullest_neurons"] == pytest.approx(1, abs=1e-3)
    assert len(map_network(network(most + 1, FixedLIF()), LOIHI2, preset="fast").cores) == 1


def test_a_silent_neuron_is_updated_in_full_in_every_time_step_bucket_by_bucket():
    silent = np.zeros(11, np.int64)
    events = [count_events(map_network(network(10, n), LOIHI2), silent, 7) for n in (FixedLIF(), gamma(8))]
    assert (events[0].updates, events[0].active) == (70, 0)
    assert (events[1].updates, events[1].active) == (9 * 70, 9 * 70)
    costs = [estimate(e, LOIHI2) for e in events]
    assert costs[1].parts_pj["neuron_active"].value == pytest.approx(630 * LOIHI2.costs["neuron_active_pj"].value)
    assert costs[1].time_ns.value > costs[0].time_ns.value


def test_a_neuron_that_no_core_has_room_for_is_one_sentence():
    small = replace(LOIHI2, limits=replace(LOIHI2.limits, max_neurons=2))
    said = (
        "population 'p' does not fit Intel Loihi 2: a neuron takes the room of 3, a core has that of 2 neurons; "
        "use fewer buckets"
    )
    with pytest.raises(CapacityError, match=f"^{said}$"):
        map_network(network(5, gamma(8)), small)
