"""A folder with files that verbs read."""

from __future__ import annotations

from pathlib import Path

import pytest

from exchange import npz
from ir.mapped import MappedNetwork
from ir.network import Network
from ir.stimulus import Stimulus


@pytest.fixture
def folder(tmp_path: Path, mapped: MappedNetwork, network: Network, stimulus: Stimulus) -> Path:
    """Holds mapped.npz, network.npz and data.npz."""
    npz.save(mapped, tmp_path / "mapped.npz")
    npz.save(network, tmp_path / "network.npz")
    npz.save(stimulus, tmp_path / "data.npz")
    return tmp_path
