"""Chips are data: shipped files load with a source for every number, broken ones are refused in a sentence."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from exchange.chip_toml import load_chip
from ir.check import FormatError

CHIPS = Path(__file__).parents[2] / "targets" / "chips"
SHIPPED = sorted(CHIPS.glob("*.toml"))


@pytest.mark.parametrize("path", SHIPPED, ids=lambda p: p.stem)
def test_every_number_of_a_shipped_chip_has_a_source(path: Path):
    chip = load_chip(path)
    numbers = re.findall(r"^(\w+) = \{", path.read_text(), re.M)
    named = {name: source for name, source in chip.sources.items() if not name.startswith("references.")}
    assert len(named) == len(numbers) and len(numbers) > 20
    assert all(source for source in named.values())
    assert chip.name == path.stem


@pytest.mark.parametrize("path", SHIPPED, ids=lambda p: p.stem)
def test_no_bare_number_hides_in_a_shipped_chip(path: Path):
    bare = re.findall(r"^\w+ = -?\d.*$", path.read_text(), re.M)
    assert bare == []


def test_loihi_weights_are_even_eight_bit_numbers():
    chip = load_chip(CHIPS / "loihi2.toml")
    assert (chip.weight.lo, chip.weight.hi, chip.weight.step) == (-256, 254, 2)


BROKEN = {
    "no toml": ("name = ", "cannot be read as TOML"),
    "empty": ("", "lacks arithmetic"),
}


@pytest.mark.parametrize("text, sentence", BROKEN.values(), ids=BROKEN)
def test_a_broken_file_is_refused_in_one_sentence(tmp_path: Path, text: str, sentence: str):
    path = tmp_path / "chip.toml"
    path.write_text(text)
    with pytest.raises(FormatError, match=sentence):
        load_chip(path)


CHANGES = {
    "negative": ("max_neurons = { value = 4096", "max_neurons = { value = -1", "max_neurons is -1"),
    "missing": ("max_neurons", "#", "it lacks limits.max_neurons;"),
    "misspelt": ("max_neurons", "max_neuron", "it lacks limits.max_neurons, and limits.max_neuron is no entry"),
    "unknown": ("max_neurons", "max_dendrites = 3\nmax_neurons", "limits.max_dendrites is no entry"),
    "unknown word": ('name = "loihi2"', 'name = "loihi2"\nturbo = true', "turbo is no entry"),
    "unknown table": ("[mesh]", "[extra]\na = 1\n[mesh]", "extra is no entry"),
    "unknown part": (
        "max_neurons = { value = 4096,",
        "max_neurons = { value = 4096, low = 3,",
        "max_neurons.low is no",
    ),
    "unknown exponent": ("bias_exp_max", "shift = 3\nbias_exp_max", "exponents.shift is no entry"),
    "number for a table": ("[exponents]", "[[exponents]]", "exponents is [{"),
    "number for a word": ('name = "loihi2"', "name = 2", "name is 2"),
    "empty word": ('title = "Intel Loihi 2"', 'title = " "', "title is ' '"),
    "without value": ("max_neurons = { value = 4096,", "max_neurons = {", "it lacks limits.max_neurons.value"),
    "huge": ("max_neurons = { value = 4096", "max_neurons = { value = 99999999999999999999", "it must lie in 1.."),
    "negative delay": ("max_delay_steps = { value = 62", "max_delay_steps = { value = -1", "it must lie in 0.."),
    "no weight 0": ("lo = { value = -256", "lo = { value = 2", "weight format 2..254 step 2 lacks 0"),
    "no weight 0 by its step": ("lo = { value = -256", "lo = { value = -255", "weight format -255..254 step 2 lacks 0"),
    "empty format": ("hi = { value = 131071", "hi = { value = -1", "threshold: integer format 0..-1"),
    "wide decay": ("hi = { value = 4096,", "hi = { value = 5000,", "decays lie in 0..4096"),
    "bias exponent": ("bias_exp_max = { value = 7", "bias_exp_max = { value = -7", "bias_exp_max is -7"),
    "falling exponents": ("weight_exp = { value = [-8, 7]", "weight_exp = { value = [7, -8]", "weight_exp is 7..-8"),
    "missing cost": ("barrier_ns", "# ", "it lacks costs barrier_ns; give all, or none"),
    "misspelt cost": ("barrier_ns", "barier_ns", "there is no cost 'barier_ns'"),
    "text": ("usable_cores = { value = 120", 'usable_cores = { value = "many"', "usable_cores is 'many'"),
    "boolean": ("asynchronous = true", "asynchronous = 1", "write true or false"),
    "too many cores": ("usable_cores = { value = 120", "usable_cores = { value = 999", "999 usable cores"),
    "empty range": (
        "barrier_ns = { value = 200, low = 100",
        "barrier_ns = { value = 200, low = 999",
        "costs.barrier_ns: range",
    ),
    "no number": ("barrier_ns = { value = 200", "barrier_ns = { value = nan", "does not hold"),
    "infinite": ("low = 100, high = 400", "low = 100, high = inf", "does not hold"),
    "negative cost": ("barrier_ns = { value = 200, low = 100", "barrier_ns = { value = 200, low = -1", "does not hold"),
    "cost without low": (
        "barrier_ns = { value = 200, low",
        "barrier_ns = { value = 200, lo",
        "lacks costs.barrier_ns.low",
    ),
    "list for a number": ("max_neurons = { value = 4096", "max_neurons = { value = [1, 2]", "max_neurons is [1, 2]"),
    "number for a list": ("weight_exp = { value = [-8, 7]", "weight_exp = { value = 8", "weight_exp is 8"),
    "three for a pair": ("weight_exp = { value = [-8, 7]", "weight_exp = { value = [-8, 0, 7]", "weight_exp is"),
    "fraction": ("max_neurons = { value = 4096", "max_neurons = { value = 4096.5", "max_neurons is 4096.5"),
    "negative bits": ("header_bits = { value = 10", "header_bits = { value = -1", "header_bits is -1"),
    "no list": ("list_length = { value = 64", "list_length = { value = 0", "list_length is 0"),
    "bits that fall": ("value = [1, 2, 3,", "value = [3, 2, 1,", "weight_bits is"),
    "no table": ("[mesh]", "[mash]", "lacks mesh"),
    "misspelt table entry": ("index_bits", "indx_bits", "synapse_format.indx_bits is no"),
    "arithmetic": ('arithmetic = "loihi2"', 'arithmetic = "abacus"', "abacus"),
}


@pytest.mark.parametrize("old, new, sentence", CHANGES.values(), ids=CHANGES)
def test_a_wrong_entry_is_named(tmp_path: Path, old: str, new: str, sentence: str):
    text = (CHIPS / "loihi2.toml").read_text()
    assert old in text
    path = tmp_path / "chip.toml"
    path.write_text(text.replace(old, new, 1))
    with pytest.raises(FormatError, match=re.escape(sentence)):
        load_chip(path)


def test_a_missing_file_is_named(tmp_path: Path):
    with pytest.raises(FormatError, match=r"gone\.toml does not exist"):
        load_chip(tmp_path / "gone.toml")
