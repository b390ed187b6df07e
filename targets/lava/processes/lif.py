"""Stock LIF under the layered schedule, with a probe and resets between samples."""

# pyright: basic, reportAssignmentType=false, reportOptionalSubscript=false, reportAttributeAccessIssue=false

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from lava.proc.lif.models import PyLifModelBitAcc
from lava.proc.lif.process import LIF

from ir.arithmetic import ARITHMETICS, DECAY_ALL, Arithmetic
from ir.arrays import Array, Bits, Ints
from ir.neurons import FixedLIF, as_lif
from ir.quantized import FixedPopulation, QuantizedNetwork
from targets.lava.neurons.lif import clears
from targets.lava.probe import Probe
from targets.lava.registers import ACCUMULATOR, INT32, Reached, U, V, leak, none_reached, wrap_two_sided

NEVER = 1 << 17
"""Threshold mantissa above every membrane: v <= 2^23 - 1 < 2^17 << 6."""


def stock_lif(population: FixedPopulation, network: QuantizedNetwork, probe: Probe) -> ProbedLIF:
    """Lava's process for a population of LIF neurons."""
    lif, n = as_lif(population.name, population.neuron, "Lava's LIF"), population.n
    bias = None if lif.register_bias() is None else lif.bias
    return ProbedLIF(
        hooks=hooks_of(lif, network, probe),
        shape=(n,),
        name=population.name,
        du=_number(np.asarray(lif.decay_u) - 1),
        dv=_number(lif.decay_v),
        vth=_number(NEVER if lif.v_threshold is None else np.minimum(lif.v_threshold, NEVER)),
        bias_mant=0 if bias is None else np.broadcast_to(bias, (n,)),
        bias_exp=0 if bias is None else lif.bias_exp,
    )


def _number(value):
    """A plain number where all neurons share it, else one a neuron."""
    value = np.asarray(value, np.int64)
    return int(value.flat[0]) if (value == value.flat[0]).all() else value


@dataclass(eq=False)
class Hooks:
    """What our model adds to Lava's.

    Attributes:
        probe: where the population is recorded.
        clears: (ticks,) whether u and v are set to 0 before the step: at its own resets.
        keep_u, keep_v: what a leak leaves, of 4096; () or (n,).
        arithmetic: the profile whose edges are counted.
        v_min: lower edge of v where the model asks for one.
        subtract: reset by subtraction.
        reached: how often each edge acted.
    """

    probe: Probe
    clears: Bits
    keep_u: Array
    keep_v: Array
    arithmetic: Arithmetic
    v_min: int | None
    subtract: bool
    reached: Reached

    def count_edges(self, u: Ints, v: Ints, a: Ints, u_after: Ints, bias: Ints) -> None:
        """Count the edges that acted in a step, or would have acted in the network's own profile.

        Args:
            u, v: (n,) registers before the step.
            a: (n,) what the connections delivered.
            u_after: (n,) the current after Lava's wrap.
            bias: register bias.
        """
        arithmetic, reached = self.arithmetic, self.reached
        x = wrap_two_sided(a << arithmetic.weight_shift, 31, reached, INT32)
        edge = 1 << arithmetic.u_bits
        raw = wrap_two_sided(leak(u, self.keep_u) + x, 31, reached, INT32)
        outside = (raw > edge) | (raw <= -edge)
        if arithmetic.u_wrap == "two_sided":
            total = u_after + bias if arithmetic.bias_in_u else raw
            outside |= (raw >= edge) | (total >= edge) | (total < -edge)
        if arithmetic.accumulator_bits is not None:
            reach = 1 << arithmetic.accumulator_bits
            reached[ACCUMULATOR] += int(np.count_nonzero((x < -reach) | (x >= reach)))
        low = -arithmetic.v_max if self.v_min is None else max(self.v_min, -arithmetic.v_max)
        total = wrap_two_sided(leak(v, self.keep_v) + u_after + bias, 31, reached, INT32)
        reached[U] += int(np.count_nonzero(outside))
        reached[V] += int(np.count_nonzero((total > arithmetic.v_max) | (total < low)))


def hooks_of(lif: FixedLIF, network: QuantizedNetwork, probe: Probe) -> Hooks:
    """The hooks on a population."""
    keep_u, keep_v = (DECAY_ALL - np.asarray(decay, np.int64) for decay in (lif.decay_u, lif.decay_v))
    arithmetic, subtract = ARITHMETICS[network.arithmetic], lif.reset == "subtract"
    start = probe.start
    own = (0, 0) if start is None else (start.t0, start.past)
    reset_at = clears(probe.rows, probe.n_steps, lif, *own)
    return Hooks(probe, reset_at, keep_u, keep_v, arithmetic, lif.v_min, subtract, none_reached(network))


class ProbedLIF(LIF):
    """Lava's ``LIF`` with :class:`Hooks`.

    Between samples (``probe.rows`` = -1), and where spikes of an earlier run are sent once more, the neurons are held
    at zero. A sample begins with the registers of that run, or with zeros; ``hooks.clears`` sets u = v = 0 before the
    dynamics, as ``LIFReset`` does. In all other ticks the stock model's own code runs.
    """

    def __init__(self, *, hooks, **kwargs):
        super().__init__(hooks=hooks, **kwargs)


class PyProbedLIF(PyLifModelBitAcc):
    """Hooks around the stock model's own steps; protocol, resource and tags are inherited."""

    implements_process = ProbedLIF

    def __init__(self, proc_params):
        super().__init__(proc_params)
        self.hooks = proc_params["hooks"]
        self.probe = self.hooks.probe
        self.row = -1
        self.again = None

    def run_spk(self):
        self.row = self.probe.rows[self.time_step - 1]
        self.again = None if self.row < 0 else self.probe.sent_again(self.row)
        if self.again is not None:
            self.row = -1
        if self.row >= 0 and self.probe.begins(self.row):
            before, at = self.probe.states_before(self.row), self.probe.at
            self.u[:] = 0 if before is None else before["u"][at]
            self.v[:] = 0 if before is None else before["v"][at]
        if self.row < 0 or self.hooks.clears[self.time_step - 1]:
            self.u[:] = 0
            self.v[:] = 0
        super().run_spk()
        if self.row >= 0:
            self.probe.after(self.row, {"u": self.u, "v": self.v}, self.hooks.reached)

    def scale_bias(self):
        super().scale_bias()
        if self.row < 0:
            self.effective_bias = np.zeros_like(self.effective_bias)

    def subthr_dynamics(self, activation_in):
        if self.row < 0:
            activation_in = np.zeros_like(activation_in)
        u, v = self.u.astype(np.int64), self.v.astype(np.int64)
        super().subthr_dynamics(activation_in)
        if self.row >= 0:
            self.hooks.count_edges(u, v, activation_in.astype(np.int64), self.u, self.effective_bias)
        if self.hooks.v_min is not None:
            np.maximum(self.v, self.hooks.v_min, out=self.v)

    def spiking_activation(self):
        return super().spiking_activation() if self.again is None else self.again != 0

    def reset_voltage(self, spike_vector):
        if self.row >= 0:
            self.probe.spikes(self.row, spike_vector, self.v)
        if self.hooks.subtract:
            self.v[:] = np.where(spike_vector, self.v - self.effective_vth, self.v)
        else:
            super().reset_voltage(spike_vector)
