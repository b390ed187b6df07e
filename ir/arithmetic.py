"""How a chip's registers add, leak, wrap and clip: named arithmetic profiles."""

from __future__ import annotations

from dataclasses import dataclass

DECAY_BITS = 12
"""Decays are counted in 1/4096 (Davies et al., IEEE Micro 2018)."""

DECAY_ALL = 1 << DECAY_BITS
"""The decay that leaves nothing."""

LIMITS = ("int32", "accumulator", "u", "v")
"""The edges whose crossings every run on integers counts: those of a drive, of a current and of a membrane."""


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
            ``two_sided``: into [-2^u_bits, 2^u_bits).
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
    def v_max(self) -> int:
        return (1 << self.v_bits) - 1


ARITHMETICS = {
    "lava": Arithmetic("lava"),
    "loihi2": Arithmetic("loihi2"),
    "loihi1": Arithmetic("loihi1", accumulator_bits=21, u_wrap="two_sided", bias_in_u=True),
}
"""``lava``: lava-nc 0.10.0's fixed_pt models. ``loihi2``: no public source names other edges than Lava's.
``loihi1``: nengo-loihi 1.1.0's hardware-tested emulator (21-bit accumulator, two-sided 23-bit wrap)."""
