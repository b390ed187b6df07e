"""Chips without a barrier are data too: their tables, what nobody has published, and who needs it."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from exchange import npz
from exchange.chip_toml import CHIPS, find_chip, load_chip
from ir.check import FormatError
from ir.formats import Formats
from ir.mapped import Core, MappedNetwork, one_large_core
from mapper import map_network
from tests.targets.lava_cases import chain

SENECA = (CHIPS / "seneca.toml").read_text()


def loaded(tmp_path: Path, text: str):
    path = tmp_path / "mine.toml"
    path.write_text(text)
    return load_chip(path)


def test_senecas_group_queue_and_mesh_are_sensims():
    core = find_chip("seneca").clockless
    assert core is not None
    assert (core.group, core.npe, core.npe_ops, core.period_ps, core.queue_events) == (8, 4, 2, 5000, 6400)
    assert (core.flits(1), core.flits(2), core.flits(3), core.flits(16)) == (2, 2, 3, 9)
    assert core.packet_spikes == 16


def test_a_synaptic_operation_of_seneca_costs_what_its_two_sources_say():
    """A weight of 4 bits, an eighth of a 16-bit state read and written, 2 operations, half a step of the controller."""
    costs = find_chip("seneca").costs

    def of(end: str) -> float:
        at = {name: getattr(cost, end) for name, cost in costs.items()}
        memory = 4 * at["memory_read_pj_bit"] + 2 * (at["memory_read_pj_bit"] + at["memory_write_pj_bit"])
        return memory + 2 * at["npe_pj"] + 0.5 * at["controller_pj"]

    assert of("high") == pytest.approx(27.5)
    assert of("low") == pytest.approx(2.8, rel=1e-3)


CHANGES = {
    "kind": ('kind = "clockless"', 'kind = "clocked"', "kind is 'clocked'"),
    "no core": ("[core]", "[heart]", "it lacks core"),
    "no group": ("group =", "# ", "it lacks core.group"),
    "group of none": ("group = { value = 8", "group = { value = 0", "group is 0"),
    "misspelt": ("event_periods", "event_period", "lacks core.event_periods, and core.event_period is no entry"),
    "leak": ('leak = "sweep"', 'leak = "weekly"', "leak is 'weekly'"),
    "full": ('full = "block"', 'full = "explode"', "full is 'explode'"),
    "no choice": ('targetless = "host"', "# ", "it lacks behaviour.targetless"),
    "multicast": ("multicast = true", 'multicast = "yes"', "write true or false"),
    "only headers": ("max_flits = { value = 9", "max_flits = { value = 1", "leave room for spikes"),
    "long": ("flit_ps = { value = 5000", "flit_ps = { value = 9999999999", "flit_ps is 9999999999"),
    "cost of the other kind": ("controller_pj", "barrier_ns", "there is no cost 'barrier_ns'"),
    "missing cost": ("hop_pj_bit", "# ", "it lacks costs hop_pj_bit"),
    "unknown but valued": (
        "{ value = 8, source",
        "{ value = 8, unknown = true, source",
        "core.group.value is no entry",
    ),
    "unknown without source": ("group = { value = 8,", "group = { unknown = true }#", "lacks core.group.source"),
    "not unknown": ("group = { value = 8", "group = { unknown = false", "core.group.unknown is False; write true"),
}


@pytest.mark.parametrize("old, new, sentence", CHANGES.values(), ids=CHANGES)
def test_a_wrong_entry_of_a_clockless_chip_is_named(tmp_path: Path, old: str, new: str, sentence: str):
    assert old in SENECA
    with pytest.raises(FormatError, match=re.escape(sentence)) as caught:
        loaded(tmp_path, SENECA.replace(old, new, 1))
    assert "targets/chips/seneca.toml" in str(caught.value) or "kind" in sentence


def test_a_chip_without_a_kind_has_a_barrier_and_no_tables_of_a_core(tmp_path: Path):
    loihi = (CHIPS / "loihi2.toml").read_text()
    assert loaded(tmp_path, loihi).kind == "barrier"
    assert loaded(tmp_path, f'kind = "barrier"\n{loihi}') == loaded(tmp_path, loihi)
    with pytest.raises(FormatError, match="core is no entry of a chip"):
        loaded(tmp_path, f"{loihi}\n[core]\ngroup = 8\n")


def test_who_needs_an_unknown_number_refuses_and_names_it(tmp_path: Path):
    speck = find_chip("speck")
    assert "limits.max_input_axons" in speck.unknown and "npe_pj" not in speck.costs
    with pytest.raises(ValueError, match=r"a map needs limits\.max_input_axons and 2 more.*SynSense Speck"):
        map_network(chain(4, 3), speck)
    unknown = re.sub(r"(hi = )\{ value = 127, .*\}", r'\1{ unknown = true, source = "none" }', SENECA, count=1)
    with pytest.raises(ValueError, match=r"a network's rounding needs weight\.hi, which nobody has published"):
        Formats.of(loaded(tmp_path, unknown))


def test_an_unknown_number_of_a_barrier_chip_is_refused_alike(tmp_path: Path):
    text = (CHIPS / "loihi2.toml").read_text()
    unknown = re.sub(r"max_neurons = \{.*\}", 'max_neurons = { unknown = true, source = "a rumour" }', text)
    with pytest.raises(ValueError, match=r"a map needs limits\.max_neurons, .* \(a rumour\)"):
        map_network(chain(4, 3), loaded(tmp_path, unknown))


def test_a_mapped_network_keeps_its_chip_without_a_barrier(tmp_path: Path):
    network = chain(4, 3)
    mapped = MappedNetwork(network, find_chip("seneca"), np.zeros(3, np.int32), (Core(0),))
    npz.save(mapped, tmp_path / "mapped.npz")
    assert npz.load(tmp_path / "mapped.npz", MappedNetwork).chip == mapped.chip
    assert one_large_core(network).chip is None


def test_four_bits_and_eight_bits_are_the_weights_of_seneca():
    chip = find_chip("seneca")
    four, eight = Formats.of(chip, 4), Formats.of(chip, 8)
    assert (four.weight.n_values, eight.weight.n_values) == (16, 256)
    assert eight.weight_shift == 0 and eight.bias_unit == 1
