"""Lava's own sigma-delta processes under the layered schedule, with a probe and resets between samples."""

# pyright: basic, reportAssignmentType=false, reportOptionalSubscript=false, reportAttributeAccessIssue=false, reportCallIssue=false

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

import numpy as np
from lava.proc.sdn.models import PyDeltaModelFixed, PySigmaDeltaModelFixed, PySigmaModelFixed
from lava.proc.sdn.process import ActivationMode, Delta, Sigma, SigmaDelta

from ir.neurons import FixedSigmaDelta
from ir.quantized import FixedPopulation, QuantizedNetwork
from targets.lava.probe import Probe
from targets.lava.registers import INT32, Reached, none_reached, wrap_two_sided


@dataclass(eq=False)
class Hooks:
    """What our models add to Lava's.

    Attributes:
        probe: where the population is recorded.
        neuron: its parameters.
        reached: how often each edge acted.
    """

    probe: Probe
    neuron: FixedSigmaDelta
    reached: Reached

    def count_edges(self, a, sigma, told):
        """Count where int32 wrapped in a step.

        Args:
            a: (n,) what arrived.
            sigma, told: (n,) before the step, int64.
        """
        level = a << self.neuron.shift
        if self.neuron.sums:
            total = wrap_two_sided(sigma + a, 31, self.reached, INT32)
            level = total + self.neuron.register_bias
        level = wrap_two_sided(level, 31, self.reached, INT32)
        if self.neuron.fires:
            value = np.maximum(level, 0) if self.neuron.rectifies else level
            wrap_two_sided(value - told, 31, self.reached, INT32)


def stock_sigma_delta(population: FixedPopulation, network: QuantizedNetwork, probe: Probe):
    """Lava's process for a population of sigma-delta neurons."""
    neuron = cast(FixedSigmaDelta, population.neuron)
    hooks = Hooks(probe, neuron, none_reached(network))
    common = {"hooks": hooks, "shape": (population.n,), "name": population.name}
    if not neuron.fires:
        return ProbedSigma(**common)
    coder = {"vth": neuron.v_threshold, "spike_exp": neuron.spike_exp, "state_exp": neuron.state_exp}
    if not neuron.sums:
        return ProbedDelta(**common, **coder)
    bias = np.broadcast_to(np.asarray(0 if neuron.bias is None else neuron.bias), (population.n,))
    mode = ActivationMode.RELU if neuron.rectifies else ActivationMode.UNIT
    return ProbedSigmaDelta(**common, **coder, bias=bias, act_mode=mode)


class ProbedSigmaDelta(SigmaDelta):
    """Lava's ``SigmaDelta`` with :class:`Hooks`: at rest in ticks without a time step, where its bias would tell."""

    def __init__(self, *, hooks, **kwargs):
        super().__init__(hooks=hooks, **kwargs)


class ProbedDelta(Delta):
    """Lava's ``Delta``, likewise."""

    def __init__(self, *, hooks, shape, vth, spike_exp, state_exp, name):
        super().__init__(shape=shape, vth=vth, spike_exp=spike_exp, state_exp=state_exp)
        self.name = name
        self.proc_params["hooks"] = hooks


class ProbedSigma(Sigma):
    """Lava's ``Sigma``, likewise; what is read out of it is its sum."""

    def __init__(self, *, hooks, shape, name):
        super().__init__(shape=shape)
        self.name = name
        self.proc_params["hooks"] = hooks


class _Probed:
    """Hooks around the stock models' own steps; protocol, resource and tags are inherited."""

    def __init__(self, proc_params):
        super().__init__(proc_params)
        self.hooks = proc_params["hooks"]
        self.probe = self.hooks.probe
        self.arrived = None
        self.sent = None
        self.listens = False

    def run_spk(self):
        if not self.listens:
            self._listen()
        row = self.probe.rows[self.time_step - 1]
        again = None if row < 0 else self.probe.sent_again(row)
        if row < 0 or again is not None:
            nothing = np.zeros(self.a_in.shape, np.int32)
            self.a_in.recv()
            self.s_out.send(nothing if again is None else again.astype(np.int32))
            return
        if self.probe.begins(row):
            self._begin(self.probe.states_before(row))
        sigma, told = (self._sigma().astype(np.int64), self._told().astype(np.int64))
        super().run_spk()
        self.hooks.count_edges(self.arrived.astype(np.int64), sigma, told)
        self._record(row, np.asarray(self.sent))

    def _listen(self):
        """Note what the ports bring and send; they are there from the first step on."""
        recv, send = self.a_in.recv, self.s_out.send

        def heard():
            self.arrived = recv()
            return self.arrived

        def said(value):
            self.sent = value
            send(value)

        self.a_in.recv, self.s_out.send, self.listens = heard, said, True

    def _begin(self, before):
        """Every state at zero, or as an earlier run has left it."""
        at, n = self.probe.at, self.a_in.shape

        def of(name):
            lacks = before is None or name not in self.hooks.neuron.STATES
            return np.zeros(n, np.int32) if lacks else before[name][at].astype(np.int32)

        if self.hooks.neuron.sums:
            self.sigma = of("sigma")
        if self.hooks.neuron.fires:
            self.act = of("v")
            self.residue = self.act - of("e")

    def _sigma(self):
        return self.sigma if self.hooks.neuron.sums else np.zeros(self.a_in.shape, np.int32)

    def _told(self):
        return self.act - self.residue if self.hooks.neuron.fires else np.zeros(self.a_in.shape, np.int32)

    def _record(self, row, out):
        """The states at the end of the step, and what was sent."""
        fires = self.hooks.neuron.fires
        v = self.act if fires else self.sigma
        self.probe.spikes(row, (out != 0) & fires, v, out)
        states = {"v": v, "sigma": self._sigma(), "e": self._told(), "out": out}
        self.probe.after(row, {name: states[name] for name in self.hooks.neuron.STATES}, self.hooks.reached)


class PyProbedSigmaDelta(_Probed, PySigmaDeltaModelFixed):
    """The stock model's own step."""

    implements_process = ProbedSigmaDelta


class PyProbedDelta(_Probed, PyDeltaModelFixed):
    """The stock model's own step."""

    implements_process = ProbedDelta


class PyProbedSigma(_Probed, PySigmaModelFixed):
    """The stock model's own step; a sum that is read out sends nothing on, for nothing hears it."""

    implements_process = ProbedSigma


OF_PROCESS = {ProbedSigmaDelta: PyProbedSigmaDelta, ProbedDelta: PyProbedDelta, ProbedSigma: PyProbedSigma}
"""The model of each process."""
