"""Rates of sources as the integers that the search and the traffic count with."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from ir.arrays import Ints, real_array
from ir.check import require
from ir.quantized import QuantizedNetwork

RATE_SCALE = 1000


def scaled(rates: ArrayLike | None, network: QuantizedNetwork) -> Ints:
    """Integer rates of at least 1: thousandths of a spike a time step, or all 1."""
    n = network.n_neurons + network.n_inputs
    if rates is None:
        return np.ones(n, np.int64)
    given = real_array("rates", rates)
    require(
        given.shape == (n,),
        f"rates have shape {given.shape}; the network has {n} neurons and inputs",
    )
    require(bool(np.isfinite(given).all() and (given >= 0).all()), "rates must be finite and at least 0")
    return np.maximum(np.rint(given * RATE_SCALE), 1).astype(np.int64)
