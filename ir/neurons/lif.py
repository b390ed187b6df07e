"""Leaky integrate and fire as trained: floats, seconds."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from ir.arithmetic import DECAY_ALL
from ir.arrays import Array, real_array, set_field
from ir.check import check_choice, check_finite, check_type, real, require
from ir.chip import IntFormat
from ir.formats import Formats, nearest
from ir.neurons.fixed_lif import POOLS, FixedLIF
from ir.neurons.model import FixedNeuron, Neuron
from ir.neurons.reset import RESETS, ResetName, reset_refusal
from ir.schedule import Schedule


def leak(tau_s: Array, dt_s: float, discretization: str) -> Array:
    """Share of a state left after ``dt_s``: ``exp(-dt/tau)`` or ``1 - dt/tau``; tau = 0 leaves nothing."""
    with np.errstate(divide="ignore"):
        ratio = np.where(tau_s > 0, dt_s / np.maximum(tau_s, 1e-300), np.inf)
    return np.exp(-ratio) if discretization == "exponential" else np.maximum(1.0 - ratio, 0.0)


def _or_none(bias: Array | float | None) -> Array | None:
    """A bias that is 0 everywhere is none."""
    return np.asarray(bias) if bias is not None and np.any(bias) else None


def _edge(v_min: float) -> int | None:
    """The lower edge as a register value; None where no register reaches so far."""
    return int(np.rint(v_min)) if v_min > -(1 << 31) else None


@dataclass(frozen=True, eq=False)
class LIF(Neuron):
    """Leaky integrate and fire: ``v <- leak(v) + drive``; spike where ``v > v_threshold``.

    With ``tau_syn_s`` the drive first enters a synaptic current, ``u <- leak(u) + drive``, ``v <- leak(v) + u``.
    The leak of one time step is ``exp(-dt / tau)`` (``exponential``) or ``1 - dt / tau`` (``euler``).
    Every number is one for the population or one a neuron.

    Attributes:
        tau_mem_s: membrane time constant, seconds; infinite = no leak (IF); 0 = no memory.
        v_threshold: compared strictly; at least 0; None = never fires (membrane readout).
        tau_syn_s: synaptic time constant, seconds; None = no current memory.
        bias: added to the membrane once a time step; None = none.
        bias_u: added to the synaptic current once a time step, as a torch layer before snnTorch's ``Synaptic`` does;
            None = none.
        reset: ``zero`` (hard: the part above the threshold is lost) or ``subtract``; ``zero_late`` and
            ``subtract_late`` one time step later, as snnTorch does by default: the membrane stays above the threshold
            until then; ``none`` never.
        refractory: at most one spike a time step; charge that arrives later in the step is lost.
        discretization: how a time constant becomes the leak of one step.
        v_min: the membrane never falls below, at most 0; None = unbounded (sinabs' ``min_v_mem``).
        multi_spike: fires ``floor(v / v_threshold)`` times in one time step, each spike subtracts the
            threshold (sinabs' ``MultiSpike``, rockpool's ``StepPWL``); layered floats only, no chip of ours has it.
        pools: a max pooling of spikes: it fires at the first that reaches it. Threshold 0, no memory, weights of 1 that
            are not rounded (``ir.pooling``).
    """

    MODEL = "lif"
    STATES = ("v", "u", "late")
    FLAGS = ("late",)
    PER_NEURON = ("tau_mem_s", "v_threshold", "tau_syn_s", "bias", "bias_u")

    tau_mem_s: Array | float = np.inf
    v_threshold: Array | float | None = 1.0
    tau_syn_s: Array | float | None = None
    bias: Array | float | None = None
    reset: ResetName = "zero"
    refractory: bool = True
    discretization: Literal["exponential", "euler"] = "exponential"
    v_min: float | None = None
    multi_spike: bool = False
    pools: bool = False
    bias_u: Array | float | None = None

    def __post_init__(self) -> None:
        for name in self.PER_NEURON:
            value = getattr(self, name)
            if value is not None or name == "tau_mem_s":
                set_field(self, name, real_array(f"LIF {name}", value))
        check_choice("LIF reset", self.reset, tuple(RESETS))
        check_choice("LIF discretization", self.discretization, ("exponential", "euler"))
        for name in ("tau_mem_s", "tau_syn_s"):
            value = getattr(self, name)
            require(value is None or bool((value >= 0).all()), f"LIF {name} must be at least 0 and not NaN")
        for name in ("v_threshold", "bias", "bias_u"):
            if getattr(self, name) is not None:
                check_finite(f"LIF {name}", getattr(self, name))
        require(
            self.v_threshold is None or bool((np.asarray(self.v_threshold) >= 0).all()),
            "LIF v_threshold must be at least 0",
        )
        for name in ("refractory", "multi_spike", "pools"):
            check_type(f"LIF {name}", getattr(self, name), bool, "true or false")
        if self.v_min is not None:
            low = "give a number of at most 0, the reset value, or None for no bound"
            set_field(self, "v_min", real("LIF v_min", self.v_min, -np.inf, 0.0, low))
        require(
            not self.multi_spike
            or (
                self.reset == "subtract"
                and self.v_threshold is not None
                and bool((np.asarray(self.v_threshold) > 0).all())
            ),
            "LIF multi_spike needs reset 'subtract' and a positive v_threshold",
        )
        plain = self.reset == "zero" and self.refractory and self.tau_syn_s is None and self.bias is None
        plain = plain and self.bias_u is None
        forgets = not np.any(self.tau_mem_s) and self.v_threshold is not None and not np.any(self.v_threshold)
        require(not self.pools or (plain and forgets and self.v_min is None), POOLS)

    def leak_v(self, dt_s: float) -> Array:
        """Membrane left after one time step, as a share; () or (n,)."""
        return leak(np.asarray(self.tau_mem_s), dt_s, self.discretization)

    def leak_u(self, dt_s: float) -> Array | None:
        """Synaptic current left after one time step, as a share; None without one."""
        return None if self.tau_syn_s is None else leak(np.asarray(self.tau_syn_s), dt_s, self.discretization)

    @property
    def fires(self) -> bool:
        return self.v_threshold is not None

    def refusal(self, schedule: Schedule) -> str | None:
        if self.multi_spike and schedule.kind == "asynchronous":
            what = "fires several times in one time step, which the asynchronous schedule does not define"
            return f"{what}; use the layered one"
        return reset_refusal(self.reset, self.refractory, schedule)

    def to_fixed(self, scale: Array | float, dt_s: float, formats: Formats) -> FixedLIF:
        require(
            not self.multi_spike,
            "fires several times in one time step (sinabs' and rockpool's neurons do), which no chip here can; train "
            "it with one spike a time step, or read the file with --as norse, where it then fires once and the network "
            "computes something else",
        )
        leak_u, bias, bias_u = self.leak_u(dt_s), _or_none(self.bias), _or_none(self.bias_u)
        return FixedLIF(
            decay_v=nearest(DECAY_ALL * (1 - self.leak_v(dt_s)), formats.decay),
            v_threshold=None
            if self.v_threshold is None
            else nearest(np.asarray(self.v_threshold) * scale, formats.threshold),
            decay_u=DECAY_ALL if leak_u is None else nearest(DECAY_ALL * (1 - leak_u), formats.decay, offset=1),
            bias=None if bias is None else nearest(bias * scale * formats.bias_unit, formats.bias),
            bias_exp=formats.bias_exp,
            reset=self.reset,
            refractory=self.refractory,
            v_min=None
            if self.v_min is None
            else _edge(self.v_min * float(np.max(scale)) * (1 << formats.weight_shift)),
            pools=self.pools,
            bias_u=None if bias_u is None else nearest(bias_u * scale, formats.bias),
        )

    def scaled_numbers(self, formats: Formats) -> list[tuple[Array, IntFormat]]:
        threshold = [] if self.v_threshold is None else [(np.asarray(self.v_threshold), formats.threshold)]
        bias = [] if self.bias is None else [(np.asarray(self.bias) * formats.bias_unit, formats.bias)]
        bias_u = [] if self.bias_u is None else [(np.asarray(self.bias_u), formats.bias)]
        return threshold + bias + bias_u

    def decays(self, dt_s: float) -> list[Array]:
        leak_u = self.leak_u(dt_s)
        return [1 - self.leak_v(dt_s), *([] if leak_u is None else [1 - leak_u])]

    def lost_in(self, fixed: FixedNeuron) -> list[str]:
        before, after = self.v_threshold, fixed.v_threshold if isinstance(fixed, FixedLIF) else None
        if before is None or after is None or not bool(((np.asarray(before) > 0) & (np.asarray(after) == 0)).any()):
            return []
        return [
            "threshold rounds to 0: it is too small beside the weights; retrain with a larger one or smaller weights"
        ]

    def with_threshold_times(self, factor: Array | float) -> LIF | None:
        return (
            None
            if self.v_threshold is None or self.pools
            else replace(self, v_threshold=np.asarray(self.v_threshold) * factor)
        )

    def with_memory_times(self, factor: float, dt_s: float) -> LIF | None:
        left = self.leak_v(dt_s)
        remembers = bool(((left * DECAY_ALL > 1) & (left < 1)).any())
        return replace(self, tau_mem_s=np.asarray(self.tau_mem_s) * factor) if remembers else None
