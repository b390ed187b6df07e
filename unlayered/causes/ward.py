"""What a remedy is looked for: a network, its integers, and three kinds of samples that do not meet."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from exchange.chip_toml import find_chip
from exchange.train_files import read_sealed
from ir.chip import Chip
from ir.mapped import MappedNetwork
from ir.network import Network
from ir.quantized import QuantizedNetwork
from ir.stimulus import Stimulus
from stimuli.own.folder import is_folder
from unlayered.sources import chip_names, open_stimulus, plain_network, takes_stamps, whole_stimulus

SAMPLES, RANKING = 256, 1000
"""Samples that guide a search of scales; the most that rank what was tried."""

MOST = 10_000
"""Of the training samples of a data set that are tuned with, where the network's own training says no other limit."""

SHARE = 0.2
"""Of those: neither tuned with nor searched with; what was tried is ranked by them."""

KEPT = ("loss", "batch_size", "options", "limit")
"""What tuning takes over from the training that the network came from."""


@dataclass(frozen=True, eq=False)
class Ward:
    """What a remedy is looked for.

    Attributes:
        floats: a, as trained, and the file it came from. b: its integers, mapped or not.
        data: as it is spelled on the command line; searches and tunings see its training part.
        held_out: samples of the test part, with labels: they alone tell what a remedy does.
        search: training samples that guide a search of scales.
        ranking: training samples that neither a search nor a tuning sees: they tell which remedy comes first.
        trained: how the network was trained, as its folder says; of the keys ``KEPT``.
    """

    floats: Network
    file: Path
    b: QuantizedNetwork | MappedNetwork
    data: str
    root: Path | None
    held_out: Stimulus
    search: Stimulus
    ranking: Stimulus
    trained: dict[str, Any]

    @property
    def integers(self) -> QuantizedNetwork:
        """b without addresses."""
        return self.b.network if isinstance(self.b, MappedNetwork) else self.b

    @property
    def chip(self) -> Chip | None:
        """Whose integers b has; None = no chip's that ships."""
        if isinstance(self.b, MappedNetwork) and self.b.chip is not None:
            return self.b.chip
        return find_chip(self.integers.arithmetic) if self.integers.arithmetic in chip_names() else None


def ward_of(
    floats: Network,
    file: Path,
    b: QuantizedNetwork | MappedNetwork,
    data: tuple[str, Path | None],
    held_out: Stimulus,
) -> Ward:
    """The ward with its training samples, read and parted.

    Args:
        data: a data set or ``folder:PATH``, and its root.
        held_out: of the test part.
    """
    trained = how_trained(file, data[0])
    if not trained.get("limit") and not is_folder(data[0]):
        trained["limit"] = MOST
    stamps = takes_stamps(plain_network(b).schedule)
    found = open_stimulus(*data, "train", trained.get("limit") or None, stamps=stamps)
    n_search, ranking = parted(found.n_samples)
    parts = (found.select(index) for index in (np.arange(n_search), ranking))
    search, ranking = (whole_stimulus(part, data[0]) for part in parts)
    return Ward(floats, file, b, *data, held_out, search, ranking, trained)


def parted(n: int) -> tuple[int, np.ndarray]:
    """Of n training samples: how many of the first guide a search, and which ones rank.

    Those that rank are of the share that tuning holds out (``trainer.batches.held_out``, seed 0), without the first.

    >>> n_search, ranking = parted(1347)
    >>> n_search, len(ranking), ranking.min() >= n_search
    (256, 220, True)
    """
    from trainer.batches import held_out

    n_search = min(SAMPLES, n // 2)
    held, _ = held_out(n, SHARE, 0)
    return n_search, held[held >= n_search][:RANKING]


def how_trained(file: Path, data: str) -> dict[str, Any]:
    """Of a train folder, or a network file in one: what its training on these data says of ``KEPT``; else nothing."""
    from trainer.config import from_dict

    where = (file if file.is_dir() else file.parent) / "config.json"
    if not where.is_file() or (file.is_file() and file.name != "network.npz"):
        return {}
    try:
        config = from_dict(read_sealed(where)[0], str(where)).to_dict()
    except (OSError, ValueError):  # of another version, or another program's
        return {}
    return {name: config[name] for name in KEPT} if config["data"] == data else {}
