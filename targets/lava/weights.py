"""Which weights Lava's connections hold as they are; everything else is refused, never rounded."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from ir.connection import Dense, Sparse, synapses
from ir.quantized import FixedProjection


@dataclass(frozen=True)
class WeightFormat:
    """How stock Dense and Sparse must be told to store a matrix so that nothing of it changes.

    lava-nc 0.10.0 (``lava/utils/weightutils.py``) clips to -256..255 (mixed), 0..255 or -255..0, then
    drops ``8 - bits + mixed`` low bits.

    Attributes:
        sign_mode: ``MIXED``, ``EXCITATORY`` or ``INHIBITORY``.
        bits: Lava's ``num_weight_bits``; 9 keeps odd weights of mixed sign.
    """

    sign_mode: str
    bits: int


def name_of(projection: FixedProjection) -> str:
    """How messages call a projection."""
    return f"projection {projection.pre} -> {projection.post}"


def without_parallels(projection: FixedProjection) -> FixedProjection:
    """Synapses of one source onto one target as a single one with their sum, as Lava's ``Sparse`` would hold them."""
    c = projection.connection
    if not isinstance(c, Sparse):
        return projection
    pre, post, weight = synapses(c)
    places, which = np.unique(post * c.n_pre + pre, return_inverse=True)
    if places.size == weight.size:
        return projection
    total = np.zeros(places.size, np.int64)
    np.add.at(total, which, weight)
    indptr = np.searchsorted(places, np.arange(c.n_post + 1) * c.n_pre)
    return replace(projection, connection=Sparse(indptr, (places % c.n_pre).astype(np.int32), total, c.n_pre))


def weight_format(projection: FixedProjection) -> WeightFormat:
    """The format that holds every weight of ``projection`` exactly.

    Raises:
        ValueError: a weight outside -256..255; names layer, ends and number.
    """
    weight = projection.connection.weight
    low, high = (int(weight.min()), int(weight.max())) if weight.size else (0, 0)
    if low < -256 or high > 255:
        at = int(np.argmax((weight < -256) | (weight > 255)))
        number = int(weight.reshape(-1)[at])
        raise ValueError(
            f"{name_of(projection)}: weight {number}{_ends(projection, at)} does not fit Lava's connections, which "
            "hold -256..255; quantize to 8 bits, or run on the reference"
        )
    if low >= 0:
        return WeightFormat("EXCITATORY", 8)
    if high <= 0 and low >= -255:
        return WeightFormat("INHIBITORY", 8)
    return WeightFormat("MIXED", 9 if bool((weight & 1).any()) else 8)


def _ends(projection: FixedProjection, at: int) -> str:
    if not isinstance(projection.connection, Dense):
        return ""
    post, pre = divmod(at, projection.connection.n_pre)
    return f" (neuron {pre} to neuron {post})"


def largest_sum(projection: FixedProjection, max_count: int) -> int:
    """The largest |sum| that can reach a target when every source sends at most ``max_count``."""
    _, post, weight = synapses(projection.connection)
    sums = np.bincount(post, np.abs(weight.astype(np.float64)), projection.connection.n_post)
    return int(sums.max()) * max_count


def is_lossless_shift(projection: FixedProjection) -> bool:
    """Whether a right shift by the weight exponent drops no bit of any sum."""
    shift = -projection.weight_exp
    return shift <= 0 or not bool((projection.connection.weight & ((1 << shift) - 1)).any())
