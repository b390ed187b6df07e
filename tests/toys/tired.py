"""A toy neuron model: what it says of itself. Every spike tires it, and a tired neuron has a higher threshold.

At the start of a time step ``fatigue`` is halved (``>> 1``, it is never negative) and ``v`` kept: nothing leaks. A
drive adds to ``v`` (in int32, wrapping), which then is clipped to the arithmetic's ``+-v_max`` (a crossing counts as
"v"). It fires where ``v > threshold + fatigue``, with ``threshold = v_threshold << weight_shift``; then ``v <- 0`` and
``fatigue <- fatigue + (tiring << weight_shift)``, clipped to ``v_max``, uncounted. It is refractory: at most one spike
a time step, and what reaches a resting neuron under the asynchronous schedule is lost, as with a LIF. Nothing is due.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ir.arithmetic import Arithmetic
from ir.arrays import Array, real_array, set_field, whole_array
from ir.check import check_finite, check_range
from ir.chip import IntFormat
from ir.formats import Excess, Formats, RegisterFormats, nearest
from ir.neurons import FixedNeuron, Model, Neuron
from ir.schedule import Schedule

MOST = 1 << 17


@dataclass(frozen=True, eq=False)
class Tired(Neuron):
    """The toy as trained.

    Attributes:
        v_threshold: at least 0.
        tiring: what a spike adds to the threshold, at least 0.
    """

    MODEL = "tired"
    STATES = ("v", "fatigue")
    PER_NEURON = ("v_threshold", "tiring")

    v_threshold: Array | float = 1.0
    tiring: Array | float = 0.5
    refractory: bool = True

    def __post_init__(self) -> None:
        for name in self.PER_NEURON:
            set_field(self, name, real_array(f"Tired {name}", getattr(self, name)))
            check_finite(f"Tired {name}", getattr(self, name))

    @property
    def fires(self) -> bool:
        return True

    def refusal(self, schedule: Schedule) -> str | None:
        return None

    def to_fixed(self, scale: float, dt_s: float, formats: Formats) -> FixedTired:
        threshold, tiring = (np.asarray(x) * scale for x in (self.v_threshold, self.tiring))
        return FixedTired(nearest(threshold, formats.threshold), nearest(tiring, formats.threshold))

    def scaled_numbers(self, formats: Formats) -> list[tuple[Array, IntFormat]]:
        return [(np.asarray(x), formats.threshold) for x in (self.v_threshold, self.tiring)]

    def decays(self, dt_s: float) -> list[Array]:
        return []

    def lost_in(self, fixed: FixedNeuron) -> list[str]:
        return []


@dataclass(frozen=True, eq=False)
class FixedTired(FixedNeuron):
    """The toy in integers; both numbers are mantissas, 0 to 2^17."""

    MODEL = "tired"
    STATES = ("v", "fatigue")
    PER_NEURON = ("v_threshold", "tiring")

    v_threshold: Array | int = 64
    tiring: Array | int = 32
    refractory: bool = True

    def __post_init__(self) -> None:
        for name in self.PER_NEURON:
            set_field(self, name, whole_array(name, getattr(self, name)))
            check_range(name, np.asarray(getattr(self, name)), 0, MOST)

    @property
    def fires(self) -> bool:
        return True

    @property
    def due(self) -> bool:
        return False

    def refusal(self, schedule: Schedule) -> str | None:
        return None

    def biased(self) -> Array:
        return np.zeros((), np.bool_)

    def settings(self) -> tuple[Array | int, ...]:
        return (self.tiring,)

    def threshold_setting(self) -> Array | int:
        return self.v_threshold

    def excesses(self, who: str, formats: RegisterFormats, arithmetic: str) -> list[Excess]:
        most = max(int(np.max(self.v_threshold)), int(np.max(self.tiring)))
        above = most > formats.threshold.hi
        return [Excess(who, f"threshold above {formats.threshold.hi}", most, "scale it down")] if above else []

    def worst_current(self, at_once: Array, in_all: Array, n_steps: float, arithmetic: Arithmetic) -> Array:
        return at_once


TIRED = Model(Tired, FixedTired)
