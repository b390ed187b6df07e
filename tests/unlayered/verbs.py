"""How tests call the command line."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from typer.testing import CliRunner

from exchange.chip_toml import CHIPS, find_chip
from ir.network import Network
from ir.quantized import QuantizedNetwork
from ir.stimulus import Stimulus
from unlayered.cli import app
from unlayered.console import Stages
from unlayered.mapping import MapOptions, Mapping, map_whole


def call(*words: object) -> Any:
    """Run a verb in this process."""
    return CliRunner().invoke(app, [str(word) for word in words])


def refused(code: int, *words: object) -> str:
    """Call a verb that must fail; returns its one sentence."""
    done = call(*words)
    assert done.exit_code == code, done.output
    assert done.stdout == "" and "Traceback" not in done.output
    assert done.stderr.startswith("unlayered: ") and done.stderr.count("\n") == 1
    return done.stderr


def map_refused(folder: Path, *words: object) -> str:
    """Call map, which must fail with one sentence and leave nothing."""
    before = sorted(folder.iterdir())
    sentence = refused(2, "map", *words, "--out", folder / "out.npz")
    assert sorted(folder.iterdir()) == before
    return sentence


def small_chip(folder: Path, **limits: int) -> Path:
    """Loihi 2 with smaller limits."""
    text = (CHIPS / "loihi2.toml").read_text()
    for name, value in limits.items():
        before, _, after = text.partition(f"\n{name} = ")
        text = f"{before}\n{name} = {value}\n{after.partition(chr(10))[2]}"
    (folder / "small.toml").write_text(text)
    return folder / "small.toml"


def made(network: Network | QuantizedNetwork, stimulus: Stimulus | None = None, most: int = 4) -> Mapping:
    """The network on cores of few neurons."""
    chip = find_chip("loihi2")
    chip = replace(chip, limits=replace(chip.limits, max_neurons=most))
    with Stages("test", ("quantize", "partition", "place", "check"), quiet=True) as stages:
        return map_whole(network, chip, MapOptions(), stimulus, stages)
