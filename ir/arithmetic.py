"""How a chip's registers add, leak, wrap and clip: named arithmetic profiles."""

from __future__ import annotations

from dataclasses import dataclass

DECAY_BITS = 12
"""Decays are counted in 1/4096 (Davies et al., IEEE Micro 2018)."""

DECAY_ALL = 1 << DECAY_BITS
"""The decay that leaves nothing."""

LIMITS = ("int32", "accumulator", "u", "v")
"""The edges whose crossings every run on integers counts: those of a drive, of a current and of a membrane."""


U_WRAPS = ("lava", "two_sided", "saturate")
"""What a current's register does at its edge."""


@dataclass(frozen=True)
class Arithmetic:
    """Register widths and what happens at their edges.

    All served weights of a round are summed in int32, wrapping; then, in this order: ``accumulator``,
    shift by ``weight_shift`` into register units, ``u`` with its wrap, ``v`` with its clip.

    Attributes:
        weight_shift: a weight of 1 adds ``1 << weight_shift`` to a register.
        accumulator_bits: width without sign of the shifted sum, two-sided wrap; None = int32 only.
        u_bits: width of the current without sign.
        u_wrap: ``lava``: one subtraction where u > 2^u_bits, one addition where u <= -2^u_bits;
            ``two_sided``: into [-2^u_bits, 2^u_bits); ``saturate``: held at +-(2^u_bits - 1).
        bias_in_u: the bias is added to u and wrapped with it before it reaches v (nengo-loihi's
            emulator); else it is added at v.
        v_bits: v is clipped to +-(2^v_bits - 1).
    """

    name: str
    weight_shift: int = 6
    accumulator_bits: int | None = None
    u_bits: int = 23
    u_wrap: str = "lava"
    bias_in_u: bool = False
    v_bits: int = 23

    @property
    def u_edge(self) -> int:
        """The place of ``u_wrap`` in ``U_WRAPS``, for compiled code."""
        return U_WRAPS.index(self.u_wrap)

    @property
    def v_max(self) -> int:
        return (1 << self.v_bits) - 1


ARITHMETICS = {
    "lava": Arithmetic("lava"),
    "loihi2": Arithmetic("loihi2"),
    "loihi1": Arithmetic("loihi1", accumulator_bits=21, u_wrap="two_sided", bias_in_u=True),
    "seneca": Arithmetic("seneca", weight_shift=0, u_bits=15, u_wrap="saturate", v_bits=15),
}
"""``lava``: lava-nc 0.10.0's fixed_pt models. ``loihi2``: no public source names other edges than Lava's.
``loihi1``: nengo-loihi 1.1.0's hardware-tested emulator (21-bit accumulator, two-sided 23-bit wrap).
``seneca``: states of 16 bits (SENSIM's ``bitwidths``), which hold weights as they are; *ours*: that they saturate,
once for all that a service adds, and that decays count in 1/4096 as elsewhere."""
