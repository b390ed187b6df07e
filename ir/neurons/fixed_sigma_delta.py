"""lava's ``SigmaDelta``, ``Delta`` and ``Sigma`` in integers: parameters, and what stages ask of them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ir.arithmetic import Arithmetic
from ir.arrays import Array, set_field, whole_array
from ir.check import INT32, check_range, check_type, require, whole
from ir.chip import Chip
from ir.formats import Excess, RegisterFormats
from ir.neurons.model import FixedNeuron
from ir.schedule import Schedule

ARITHMETICS = ("lava", "loihi2")
MAX_EXP = 15
"""Of either exponent."""

MICROCODE = "sums what arrives for ever and sends graded spikes, which only microcode can"
ASYNCHRONOUS = (
    "codes the change of its output once a time step, when all of the step has arrived, which the asynchronous "
    "schedule does not define; use the layered one"
)


@dataclass(frozen=True, eq=False)
class FixedSigmaDelta(FixedNeuron):
    """A sum of changes in, the changes of its rectified value out (lava-nc 0.10.0, ``lava.proc.sdn``), in int32.

    ``sigma <- sigma + a``, ``v = max(sigma + bias << shift, 0)`` with ``shift = spike_exp + state_exp``. What it has
    sent so far comes to ``e``: where ``|v - e| >= v_threshold << shift`` it sends ``out = (v - e) >> state_exp``
    (floor), and ``e <- v``; else ``out = 0``. A spike is an ``out`` other than 0, and carries it. Where it does not sum
    (``Delta``), ``v = a << shift``. All that leaves int32 wraps, as lava's does, and is counted.

    Weights add as they are: its states are in units of ``2^-shift`` of a bias, not shifted by ``weight_shift``.

    Attributes:
        v_threshold: mantissa, 0 or more; None = it never fires, and ``v`` is read out (``Sigma``).
        bias: mantissa, () or (n,); None = 0.
        sums: whether it sums what arrives (``SigmaDelta``, ``Sigma``), or takes it as its value (``Delta``).
        rectifies: whether v is at least 0.
    """

    MODEL = "sigma_delta"
    PER_NEURON = ("bias",)
    refractory = True

    v_threshold: int | None = 0
    bias: Array | int | None = None
    spike_exp: int = 6
    state_exp: int = 6
    sums: bool = True
    rectifies: bool = True

    def __post_init__(self) -> None:
        for name in ("spike_exp", "state_exp"):
            set_field(self, name, whole(f"sigma-delta {name}", getattr(self, name), 0, MAX_EXP))
        for name in ("sums", "rectifies"):
            check_type(f"sigma-delta {name}", getattr(self, name), bool, "true or false")
        most = INT32[1] >> self.shift
        if self.v_threshold is not None:
            set_field(self, "v_threshold", whole("sigma-delta v_threshold", self.v_threshold, 0, most))
        if self.bias is not None:
            require(self.sums, "a sigma-delta neuron that does not sum (Delta) has no bias; remove it")
            set_field(self, "bias", whole_array("sigma-delta bias", self.bias))
            check_range("sigma-delta bias", np.asarray(self.bias), -most, most)
        coder = ("e", "out") if self.fires else ()
        set_field(self, "STATES", ("v", *(("sigma",) if self.sums else ()), *coder))

    @property
    def shift(self) -> int:
        """Bits behind the point of its states, beside those of a bias."""
        return self.spike_exp + self.state_exp

    @property
    def register_bias(self) -> Array:
        """() or (n,) in units of the states."""
        return np.asarray(0 if self.bias is None else self.bias, np.int64) << self.shift

    @property
    def fires(self) -> bool:
        return self.v_threshold is not None

    @property
    def due(self) -> bool:
        return False

    @property
    def code(self) -> float | None:
        """Its receivers keep what it has told, undiminished."""
        return 0.0

    @property
    def carries(self) -> int:
        return 1 << 31 - self.state_exp

    @property
    def adds_changes(self) -> bool:
        return True

    def refusal(self, schedule: Schedule) -> str | None:
        return ASYNCHRONOUS if schedule.kind == "asynchronous" else None

    def drive_shift(self, arithmetic: Arithmetic) -> int:
        return 0

    def chip_refusal(self, chip: Chip) -> str | None:
        return None if chip.arithmetic in ARITHMETICS else f"{MICROCODE}, and {chip.title} has none; map to loihi2"

    def biased(self) -> Array:
        return np.asarray(self.register_bias != 0)

    def settings(self) -> tuple[Array | int, ...]:
        return self.spike_exp, self.state_exp, int(self.sums), int(self.rectifies)

    def threshold_setting(self) -> Array | int:
        return -1 if self.v_threshold is None else self.v_threshold

    def excesses(self, who: str, formats: RegisterFormats, arithmetic: str) -> list[Excess]:
        return [] if arithmetic in ARITHMETICS else [Excess(who, MICROCODE, len(self.STATES), "map to loihi2")]

    def worst_current(self, at_once: Array, in_all: Array, n_steps: float, arithmetic: Arithmetic) -> Array:
        """Nothing to compare: see ``adds_changes``."""
        return np.zeros_like(in_all)
