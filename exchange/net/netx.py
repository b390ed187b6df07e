"""What lava-dl's own reader (``lava.lib.dl.netx.hdf5.Network`` of 0.6.0) runs of a ``.net`` file just as it is written.

It clips, shifts and drops silently. Each rule here was tried against it: ``python -m tests.interop.netx``.
"""

from __future__ import annotations

import numpy as np

from ir.arrays import Array
from ir.check import require
from ir.connection import Conv2d

INT8 = 127
"""Most of a convolution's geometry: lava-nc's ``Conv`` keeps it in int8."""

INT16 = 1 << 15
"""lava-nc's ``LIF`` keeps biases in int16."""

CONV_SUM = 1 << 23
"""Sums of a ``Conv`` wrap from here on."""


def check_dense(who: str, *matrices: Array) -> None:
    """Refuse weights that netx changes: those of a layer, and of its self-connection, which it scales together.

    netx shifts all weights left until the largest fills a byte; of a byte with sign it keeps one bit less. lava-nc's
    ``Dense`` looks at each matrix alone: one without weights above 0 it clips to -255..0, and one of a single sign
    among mixed ones it shifts by -1, to 0, where nothing is to be cut.
    """
    lo, hi = (int(f(m for x in matrices for m in (x.min(), x.max()))) for f in (min, max))
    require(lo < 0 or hi > 0, f"all weights into {who} are 0; lava-dl cannot scale them: leave the layer out")
    most = 254 if lo < 0 else 255
    require(
        lo >= -256 and hi <= most,
        f"weights into {who} reach {lo}..{hi}, lava-dl clips them to -256..{most}; quantize for loihi2 (8 bits)",
    )
    shift = 0
    while (hi << shift + 1) <= most and (-lo << shift + 1) <= 256:
        shift += 1
    odd = shift == 0 and any(bool((m & 1).any()) for m in matrices)
    for m in matrices:
        low, high = int(m.min()), int(m.max())
        single = low >= 0 or high <= 0
        lost = (low < 0 and high <= 0 and -low << shift == 256) or (single and lo < 0 <= hi and odd and (low or high))
        require(
            not lost,
            f"weights into {who} of a single sign ({low}..{high}) would be run as others by lava-dl; "
            "give one of them the other sign, or even numbers below 128",
        )


def check_conv(who: str, c: Conv2d) -> None:
    """Refuse a convolution whose geometry or sums lava-nc's ``Conv`` cannot hold."""
    sides = max(*c.stride, *c.padding, *c.dilation, *c.weight.shape[2:], c.groups)
    require(sides <= INT8, f"the convolution into {who} has a side or groups of {sides}; lava-dl holds {INT8}")
    top = int(np.abs(c.weight.astype(np.int64)).reshape(len(c.weight), -1).sum(1).max())
    require(top < CONV_SUM, f"sums of the convolution into {who} may reach {top}; lava-dl wraps them at {CONV_SUM}")


def check_bias(who: str, mantissa: Array) -> None:
    """Refuse biases that lava-nc's ``LIF`` would wrap."""
    low, high = int(mantissa.min()), int(mantissa.max())
    require(
        -INT16 <= low and high < INT16,
        f"biases of {who} reach {low}..{high} (times 64); lava-dl holds {-INT16}..{INT16 - 1}",
    )
