"""Every block of a page is run, read or compared, or is in the list of what only shows something."""

from __future__ import annotations

from pathlib import Path

import pytest

from exchange.toml import read_toml
from stimuli.own.options import options_of_folder
from tests.printed.lines import BLOCKS, Block, command
from trainer.config import read_toml as read_training

SHOWS = {
    "data.md": {"recordings/": "a folder, as tests/stimuli/own makes it"},
    "lava.md": {"input ──counts──▶": "a drawing"},
    "mapping.md": {"population 'fc' does not fit Intel Loihi 1": "a sentence; tests/mapper"},
    "tour.md": {"a.npz (E2) and b.npz (E3), 50 samples": "what `compare` prints; tests/unlayered/test_cli.py"},
    "scale.md": {
        "from exchange.pieces import open_pieces": "a trace in pieces; tests/exchange/test_pieces.py",
        "distributed:": "Dask's own settings; needs certificates of one's own",
        "#!/bin/bash": "a recipe for Slurm, which is not here; tests/unlayered/cluster starts the same",
        "apiVersion: apps/v1": "a recipe for Kubernetes, which is not here; likewise",
    },
    "semantics.md": {
        "x += 9E3779B97F4A7C15": "a formula; tests/test_documents.py computes the keys beside it",
        "leak(x, d) = ": "a formula of the contract; tests/judge",
        "u <- edge_u(u + x + bias_u) ": "a formula of the contract; tests/judge",
    },
    "spiking_gamma.md": {
        "x_0 <- a_0 x_0 + x ": "a formula; tests/sim_reference/test_spiking_gamma.py",
        "sigma <- sigma + a ": "a formula; tests/sim_reference/test_sigma_delta.py",
        "x_0 <- rtz(x_0 (4096 - D_0))": "a formula; tests/sim_reference/test_spiking_gamma.py",
    },
}
"""By page, how a block begins and what it is."""


def shown(block: Block) -> list[str]:
    """The entries that speak of a block."""
    return [begin for begin in SHOWS.get(block.where, {}) if block.first.startswith(begin)]


def of_commands(block: Block) -> bool:
    """Whether each line is a command, which tests/test_commands.py then knows."""
    return not block.kind and all(command(block.where, line) for line in block.text.strip().splitlines())


@pytest.mark.parametrize("block", BLOCKS, ids=lambda b: f"{b.where}: {b.first}")
def test_every_block_is_run_read_compared_or_known_to_show_something(block: Block):
    done = (
        block.kind == "python"  # tests/test_commands.py runs it
        or block.kind == "toml"  # read below
        or (block.kind == "py" and block.where == "extending.md")  # tests/test_extending.py finds it in what it runs
        or (block.kind == "text" and block.before.rstrip().endswith("```"))  # tests/test_commands.py compares it
        or of_commands(block)
    )
    assert done or shown(block), f"{block.where}: nothing runs the block that begins with {block.first!r}"


def test_the_list_holds_nothing_that_no_page_shows():
    used = {(block.where, begin) for block in BLOCKS for begin in shown(block)}
    assert used == {(page, begin) for page, begins in SHOWS.items() for begin in begins}


@pytest.mark.parametrize("block", [b for b in BLOCKS if b.kind == "toml"], ids=lambda b: f"{b.where}: {b.first}")
def test_every_toml_block_is_read_without_a_complaint(block: Block, tmp_path: Path):
    path = tmp_path / "data.toml"
    path.write_text(block.text)
    if "data" in read_toml(path):
        read_training(path)
    else:
        assert options_of_folder(tmp_path) is not None
