"""Leaky integrate and fire in a chip's integers: parameters, registers, and what stages ask of them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ir.arithmetic import DECAY_ALL, Arithmetic
from ir.arrays import Array, set_field, whole_array
from ir.check import INT32, check_choice, check_range, check_type, require, whole
from ir.chip import IntFormat
from ir.formats import Excess, RegisterFormats, off_step
from ir.neurons.model import FixedNeuron
from ir.neurons.reset import RESETS, ResetName, reset_refusal
from ir.schedule import Schedule

MAX_THRESHOLD = (1 << 63) - 1
"""Thresholds beyond every register are taken: no membrane reaches them."""

MAX_REGISTER = 1 << 31
"""No register is wider."""

MAX_BIAS_U = (1 << 25) - 1
"""The largest bias of a current whose register value fits int32."""

POOLS = (
    "a max pooling of spikes has threshold 0, no memory, no bias, reset 'zero' and refractory neurons; leave the other "
    "settings out, or pools"
)


@dataclass(frozen=True, eq=False)
class FixedLIF(FixedNeuron):
    """Integer LIF: ``leak(x) = sign(x) * ((|x| * (4096 - decay)) >> 12)``, spike where ``v > v_threshold << 6``.

    Every number is one for the population or one a neuron.

    Attributes:
        decay_v: lost each time step, in 1/4096, 0..4096.
        v_threshold: mantissa, register value ``v_threshold << weight_shift``; None = never fires.
        decay_u: the same for the current; 4096 = no current memory. Lava's ``du`` is ``decay_u - 1``.
        bias: mantissa, added once a time step as ``bias << bias_exp`` in register units
            (``>> -bias_exp``, floor, where negative), which must fit int32; None = none.
        bias_u: added to the current once a time step, in units of weights: ``bias_u << weight_shift`` in register
            units; None = none.
        reset: ``zero``, ``subtract``, one time step later ``zero_late``, ``subtract_late``, or ``none``; all but the
            first wait for k = depth before they fire, and keep what reaches them after their spike (docs/semantics.md).
        refractory: at most one spike a time step.
        reset_interval: u = v = 0 before the step at time steps t with
            ``(t + 1) % reset_interval == reset_offset % reset_interval``; 0 = never (Lava's ``LIFReset``).
        v_min: register value below which v is held; None = the arithmetic's own edge.
        pools: a max pooling of spikes (``ir.pooling``).
    """

    MODEL = "lif"
    STATES = ("v", "u", "late")
    FLAGS = ("late",)
    PER_NEURON = ("decay_v", "v_threshold", "decay_u", "bias", "bias_u")

    decay_v: Array | int = DECAY_ALL
    v_threshold: Array | int | None = 64
    decay_u: Array | int = DECAY_ALL
    bias: Array | int | None = None
    bias_exp: int = 0
    reset: ResetName = "zero"
    refractory: bool = True
    reset_interval: int = 0
    reset_offset: int = 0
    v_min: int | None = None
    pools: bool = False
    bias_u: Array | int | None = None

    def __post_init__(self) -> None:
        for name in self.PER_NEURON:
            value = getattr(self, name)
            if value is not None or name.startswith("decay"):
                set_field(self, name, whole_array(name, value))
        for name in ("decay_v", "decay_u"):
            check_range(name, np.asarray(getattr(self, name)), 0, DECAY_ALL)
        if self.v_threshold is not None:
            check_range("v_threshold", np.asarray(self.v_threshold), 0, MAX_THRESHOLD)
        if self.bias is not None:
            check_range("bias", np.asarray(self.bias), *INT32)
        if self.bias_u is not None:
            check_range("bias_u", np.asarray(self.bias_u), -MAX_BIAS_U, MAX_BIAS_U)
        set_field(self, "bias_exp", whole("bias_exp", self.bias_exp, -32, 31))
        self._check_bias()
        check_choice("reset", self.reset, tuple(RESETS))
        check_type("refractory", self.refractory, bool, "true or false")
        if self.v_min is not None:
            set_field(self, "v_min", whole("v_min", self.v_min, -MAX_REGISTER, 0))
        set_field(self, "reset_interval", whole("reset_interval, 0 = never,", self.reset_interval, 0, INT32[1]))
        set_field(self, "reset_offset", whole("reset_offset", self.reset_offset, *INT32))
        check_type("pools", self.pools, bool, "true or false")
        plain = self.reset == "zero" and self.refractory and not self.has_current and self.register_bias() is None
        plain = plain and self.current_bias(0) is None
        at_once = self.v_threshold is not None and not np.any(self.v_threshold) and self.v_min is None
        require(not self.pools or (plain and at_once), POOLS)  # whatever arrives leaves at once: no decay acts

    @property
    def has_current(self) -> bool:
        """Whether any neuron keeps synaptic current from one time step to the next."""
        return bool((np.asarray(self.decay_u) < DECAY_ALL).any())

    def _check_bias(self) -> None:
        """Raise where a bias leaves its register; in Python's integers, which do not."""
        bias = np.asarray(0 if self.bias is None else self.bias)
        for mantissa in (int(bias.min(initial=0)), int(bias.max(initial=0))):
            register = mantissa << self.bias_exp if self.bias_exp >= 0 else mantissa >> -self.bias_exp
            require(
                -(1 << 31) <= register < 1 << 31,
                f"bias {mantissa} with bias_exp {self.bias_exp} is {register} in the register, which holds 32 bits; "
                "use a smaller bias or bias_exp",
            )

    def register_bias(self) -> Array | None:
        """The bias in register units, () or (n,); None without one, and where all of it is 0 there."""
        if self.bias is None:
            return None
        mantissa = np.asarray(self.bias)
        register = mantissa << self.bias_exp if self.bias_exp >= 0 else mantissa >> -self.bias_exp
        return register if bool(np.any(register)) else None

    def current_bias(self, weight_shift: int) -> Array | None:
        """The bias of the current in register units, () or (n,); None without one, and where all of it is 0."""
        bias = np.asarray(0 if self.bias_u is None else self.bias_u, np.int64)
        return bias << weight_shift if bool(bias.any()) else None

    def registers(self, arithmetic: Arithmetic, never: int) -> dict[str, Array | int]:
        """The numbers of a population in register units, () or (n,) each, by the names that executors give them.

        Args:
            never: the highest threshold, which no membrane passes; that of neurons without one.
        """
        shift = arithmetic.weight_shift
        bias, bias_u, most = self.register_bias(), self.current_bias(shift), never >> shift
        threshold = np.minimum(most if self.v_threshold is None else self.v_threshold, most) << shift
        return {
            "decay_v": self.decay_v,
            "decay_u": self.decay_u,
            "threshold": threshold,
            "bias": 0 if bias is None else bias,
            "bias_u": 0 if bias_u is None else bias_u,
            "v_min": -arithmetic.v_max if self.v_min is None else max(self.v_min, -arithmetic.v_max),
        }

    @property
    def fires(self) -> bool:
        return self.v_threshold is not None

    @property
    def due(self) -> bool:
        biased = self.register_bias() is not None or self.current_bias(0) is not None
        return RESETS[self.reset].waits or self.has_current or biased

    def refusal(self, schedule: Schedule) -> str | None:
        return reset_refusal(self.reset, self.refractory, schedule)

    def biased(self) -> Array:
        biases = [x for x in (self.register_bias(), self.current_bias(0)) if x is not None]
        return sum((x != 0 for x in biases), np.zeros((), np.bool_))

    def settings(self) -> tuple[Array | int, ...]:
        offset = self.reset_offset % self.reset_interval if self.reset_interval else 0
        edge = 1 if self.v_min is None else self.v_min
        flags = tuple(RESETS).index(self.reset), int(self.refractory)
        return self.decay_v, self.decay_u, *flags, self.reset_interval, offset, edge

    def threshold_setting(self) -> Array | int:
        return -1 if self.v_threshold is None else self.v_threshold

    def excesses(self, who: str, formats: RegisterFormats, arithmetic: str) -> list[Excess]:
        decays = [] if arithmetic == "lava" else self._decay_excesses(who, formats.decay)
        biases = self._bias_excesses(who, formats) + self._current_bias_excesses(who, formats.bias)
        return self._threshold_excesses(who, formats.threshold) + biases + decays

    def _threshold_excesses(self, who: str, form: IntFormat) -> list[Excess]:
        if self.v_threshold is None:
            return []
        threshold = np.asarray(self.v_threshold)
        most, remedy = int(threshold.max()), "scale weights and threshold down"
        found = [Excess(who, f"threshold above {form.hi}", most, remedy)] if most > form.hi else []
        return found + off_step(who, "thresholds", threshold, form)

    def _bias_excesses(self, who: str, formats: RegisterFormats) -> list[Excess]:
        if self.register_bias() is None:
            return []
        bias, form, most = np.asarray(self.bias), formats.bias, formats.bias_exp_max
        found: list[Excess] = []
        if int(bias.max()) > form.hi or int(bias.min()) < form.lo:
            what = f"bias mantissa above {form.hi}" if form.lo == -form.hi else f"bias outside {form.lo}..{form.hi}"
            found.append(Excess(who, what, int(np.abs(bias).max()), "raise bias_exp instead"))
        found += off_step(who, "biases", bias, form)
        if not 0 <= self.bias_exp <= most:
            found.append(Excess(who, f"bias_exp outside 0..{most}", self.bias_exp, "scale the bias"))
        return found

    def _current_bias_excesses(self, who: str, form: IntFormat) -> list[Excess]:
        """Biases of the current beyond what the chip holds of a bias."""
        if self.current_bias(0) is None:
            return []
        bias = np.asarray(self.bias_u)
        if int(bias.max()) <= form.hi and int(bias.min()) >= form.lo:
            return off_step(who, "biases of the current", bias, form)
        remedy = "scale weights, thresholds and bias_u down"
        return [Excess(who, f"bias_u outside {form.lo}..{form.hi}", int(np.abs(bias).max()), remedy)]

    def _decay_excesses(self, who: str, form: IntFormat) -> list[Excess]:
        """Decays that the chip's registers do not hold; Lava's own processes hold all from 0 to 4096."""
        decay_v, decay_u, most = np.asarray(self.decay_v), np.asarray(self.decay_u), form.hi
        found: list[Excess] = []
        n = int((decay_v > most).sum())
        if n:
            found.append(Excess(who, f"decay_v above {most} does not fit the register", n, f"use {most}"))
        n = int((decay_u == 0).sum())
        if n:
            found.append(Excess(who, "decay_u of 0 does not exist on the chip, which adds 1", n, "use at least 1"))
        n = int(((decay_u > most + 1) & (decay_u < DECAY_ALL)).sum())  # all of it: no current memory, no register
        if n:
            found.append(Excess(who, f"decay_u above {most + 1} does not fit the register", n, f"use {most + 1}"))
        return found + off_step(who, "decay_v", decay_v, form)

    def worst_current(self, at_once: Array, in_all: Array, n_steps: float, arithmetic: Arithmetic) -> Array:
        bias_u = self.current_bias(arithmetic.weight_shift)
        if bias_u is not None:
            at_once, in_all = at_once + np.abs(bias_u), in_all + np.abs(bias_u)
        kept, bias = at_once, self.register_bias()
        if self.has_current:
            kept = in_all * np.minimum(DECAY_ALL / np.maximum(np.asarray(self.decay_u, np.float64), 0.5), n_steps)
        return kept if bias is None or not arithmetic.bias_in_u else kept + np.abs(bias)
