"""One local cluster of two workers for all tests that do no harm to it; samples enough for many shards."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from ir.stimulus import Stimulus
from unlayered.cluster.place import Place
from unlayered.cluster.pool import Pool, pool_at

pytest.importorskip("distributed", reason="Dask distributed is not installed; pip install 'unlayered[cluster]'")


@pytest.fixture(scope="package")
def pool() -> Iterator[Pool]:
    with pool_at(Place(2)) as made:
        yield made


@pytest.fixture
def many() -> Stimulus:
    """500 samples of five time steps, ids out of order."""
    rng = np.random.default_rng(3)
    return Stimulus(rng.integers(0, 2, (5, 500, 12)), rng.permutation(500), rng.integers(0, 4, 500))
