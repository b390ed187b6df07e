"""What may be drawn."""

from __future__ import annotations

from dataclasses import dataclass, replace

from hypothesis import strategies as st

from ir.arithmetic import ARITHMETICS
from ir.schedule import Schedule

seeds = st.integers(0, 2**32 - 1)
decays = st.sampled_from([0, 1, 200, 410, 2048, 4095, 4096])

SHIFTED = tuple(name for name, arithmetic in ARITHMETICS.items() if arithmetic.weight_shift == 6)
"""Those whose registers hold weights << 6, as Lava's do."""

LAYERED = Schedule(kind="layered", F=None)


@dataclass(frozen=True)
class Draw:
    """What may occur in a drawn network.

    Attributes:
        extremes: registers saturate and wrap, thresholds at their limits, inputs that only inhibit.
        asynchronous: only what the asynchronous schedule defines (no delays; with reset by subtraction, refractory).
        lava: only what lava-nc's stock processes hold (weights, thresholds and biases within the chip's formats).
        chain: every population sees the one before it and nothing else.
        current, bias, resets, conv, recurrent: whether those are drawn.
        subtract: neurons that reset by subtraction are drawn too.
        late: neurons that reset one time step late, or never, and biases of currents are drawn too.
        repeated: neurons without refractoriness, which fire several times in a time step, are drawn too.
        wide: everything that the contract allows, for executors. Several inputs, outputs anywhere, loose
            populations, cycles through several of them, parallel projections, any order of declaration; weights,
            thresholds, biases and exponents to their last value, a decay of the current each neuron; doubled and
            unsorted synapses, convolutions that differ by axis; few or no time steps and samples, any sample id,
            counts to 2^20 and of both signs. Each wide network draws the two below for itself.
        edges: most weights and biases near the last that registers hold, currents that keep them.
        early: populations that nothing reaches fire by their bias, mostly into the last one, before its depth.
    """

    extremes: bool = False
    asynchronous: bool = True
    lava: bool = False
    chain: bool = False
    current: bool = True
    bias: bool = True
    resets: bool = True
    conv: bool = True
    recurrent: bool = True
    subtract: bool = True
    late: bool = False
    repeated: bool = False
    wide: bool = False
    edges: bool = False
    early: bool = False
    arithmetics: tuple[str, ...] = SHIFTED
    max_populations: int = 4
    max_side: int = 12


ORDINARY = Draw()

WIDE = Draw(extremes=True, repeated=True, wide=True, max_populations=5, max_side=9, arithmetics=tuple(ARITHMETICS))
"""What executors are held equal on."""

LATE = replace(WIDE, late=True)
"""The same with resets one time step late and biases of currents."""
