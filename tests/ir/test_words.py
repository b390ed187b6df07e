"""Counts are said with the right noun, and a misspelt name is answered with the one that was meant."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from exchange.chip_toml import CHIPS, find_chip, load_chip
from exchange.open import open_network
from ir.check import FormatError, check_choice, within
from ir.schedule import Schedule
from ir.words import counted, meant

ROOT = Path(__file__).parents[2]
ROOMS = ("ir", "trainer", "mapper", "sim_reference", "targets", "unlayered")


@pytest.mark.parametrize(
    ("n", "words", "said"),
    [
        (0, ("core",), "0 cores"),
        (1, ("core",), "1 core"),
        (2, ("core",), "2 cores"),
        (1, ("entry", "entries"), "1 entry"),
        (12345, ("entry", "entries"), "12,345 entries"),
    ],
)
def test_one_is_one_and_all_else_is_many(n: int, words: tuple[str, ...], said: str):
    assert counted(n, *words) == said


def test_no_sentence_hedges_between_one_and_many():
    for path in (path for room in ROOMS for path in (ROOT / room).rglob("*.py")):
        assert not re.search(r"(core|neuron|sample|spike|step|time|epoch|GPU)\(s\)", path.read_text()), path


@pytest.mark.parametrize(
    ("word", "near"),
    [("digitz", "digits"), ("DIGITS", "digits"), ("nmist", "nmnist"), ("xyz", ""), ("", ""), (7, "")],
)
def test_the_nearest_name_is_meant(word: object, near: str):
    assert meant(word, ["digits", "nmnist", "shd"]) == (f" (did you mean {near}?)" if near else "")


def test_choices_chips_formats_and_orders_are_answered_with_what_was_meant(tmp_path: Path):
    with pytest.raises(ValueError, match=r"schedule order is 'momentm' \(did you mean momentum\?\); use one of"):
        Schedule(order="momentm")  # pyright: ignore[reportArgumentType]
    with pytest.raises(ValueError, match=r"--on is 'referenc' \(did you mean reference\?\)"):
        check_choice("--on", "referenc", ("reference", "lava"))
    with pytest.raises(FormatError, match=r"chip 'lohii2' is unknown \(did you mean loihi2\?\)"):
        find_chip("lohii2")
    with pytest.raises(FormatError, match=r"--as nors is unknown \(did you mean norse\?\)"):
        (tmp_path / "a.nir").write_text("")
        open_network(tmp_path / "a.nir", "nors")


@pytest.mark.parametrize(("right", "wrong"), [("max_neurons", "max_neuros"), ("[mesh]", "[mash]")])
def test_a_misspelt_entry_of_a_chip_is_answered_with_what_was_meant(tmp_path: Path, right: str, wrong: str):
    (tmp_path / "mine.toml").write_text((CHIPS / "loihi2.toml").read_text().replace(right, wrong))
    with pytest.raises(FormatError, match=r"did you mean .*" + re.escape(right.strip("[]"))):
        load_chip(tmp_path / "mine.toml")


def test_what_is_wrong_begins_with_whom_it_belongs_to():
    for kind in (ValueError, FormatError):
        with pytest.raises(kind, match=r"^projection a -> b: it is bad$"), within("projection a -> b"):
            raise kind("it is bad")
