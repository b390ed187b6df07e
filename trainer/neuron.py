"""The LIF module: neuron parameters inside a torch network, trainable where asked."""

from __future__ import annotations

import math
import sys
from numbers import Real
from typing import TypeGuard

import torch
from torch import Tensor, nn

from ir.check import check_choice, require
from ir.neurons import LIF as NetworkLIF

MAX_LOG_TAU = math.log(sys.float_info.max)
"""Time constants beyond are infinite."""


MAX_THRESHOLD = torch.finfo(torch.float32).max
"""Thresholds are float32."""


def _is_number(value: object) -> TypeGuard[float]:
    """One real number: no text, no truth value, no array or tensor."""
    return isinstance(value, Real) and not isinstance(value, bool)


class LIF(nn.Module):
    """Leaky integrate and fire, as ``ir.network.LIF`` defines it; it holds parameters and is run by an engine.

    Args:
        tau_mem_s: membrane time constant in seconds; ``math.inf`` makes an IF neuron.
        v_threshold: at least 0; None = never fires (membrane readout).
        tau_syn_s: synaptic time constant in seconds; None = no current memory (a plain LIF).
        reset: ``zero`` or ``subtract`` (layered schedule only).
        refractory: at most one spike a time step.
        train_threshold, train_tau: learn the threshold, the membrane time constant.
    """

    def __init__(
        self,
        tau_mem_s: float = math.inf,
        v_threshold: float | None = 1.0,
        tau_syn_s: float | None = None,
        reset: str = "zero",
        refractory: bool = True,
        train_threshold: bool = False,
        train_tau: bool = False,
    ) -> None:
        super().__init__()
        check_choice("LIF reset", reset, ("zero", "subtract"))
        require(
            v_threshold is None or (_is_number(v_threshold) and 0 <= v_threshold <= MAX_THRESHOLD),
            f"LIF v_threshold is {v_threshold}; it must be one number, at least 0 and at most {MAX_THRESHOLD:.4g} "
            "(the largest float32), or None: never fires",
        )
        for name, tau in (("tau_mem_s", tau_mem_s), ("tau_syn_s", tau_syn_s)):
            none = tau is None and name == "tau_syn_s"
            require(none or (_is_number(tau) and tau >= 0), f"LIF {name} is {tau}; it must be one number, at least 0")
        for name, flag in (("refractory", refractory), ("train_threshold", train_threshold), ("train_tau", train_tau)):
            require(isinstance(flag, bool), f"LIF {name} is {flag!r}; give True or False")
        require(
            not (train_tau and not 0 < tau_mem_s < math.inf),
            "LIF train_tau needs a tau_mem_s above 0 and finite to start from",
        )
        self.fires, self.reset, self.refractory, self.tau_syn_s = v_threshold is not None, reset, refractory, tau_syn_s
        threshold = torch.tensor(math.inf if v_threshold is None else v_threshold, dtype=torch.float32)
        log_tau = torch.tensor(math.log(tau_mem_s) if tau_mem_s > 0 else -math.inf, dtype=torch.float64)
        self.v_threshold = (
            nn.Parameter(threshold) if train_threshold and self.fires else _buffer(self, "v_threshold", threshold)
        )
        self.log_tau_mem = nn.Parameter(log_tau) if train_tau else _buffer(self, "log_tau_mem", log_tau)

    def threshold(self) -> Tensor:
        """The threshold, never below 0."""
        return self.v_threshold.clamp(min=0)

    def leak_v(self, dt_s: float) -> Tensor:
        """``exp(-dt / tau_mem)``."""
        return torch.exp(-dt_s * torch.exp(-self.log_tau_mem))

    def leak_u(self, dt_s: float) -> float:
        """``exp(-dt / tau_syn)``; 0 without current memory."""
        return math.exp(-dt_s / self.tau_syn_s) if self.tau_syn_s else 0.0

    def value(self, bias: Tensor | None) -> NetworkLIF:
        """The frozen value that leaves the trainer."""
        log_tau = float(self.log_tau_mem.detach())
        return NetworkLIF(
            tau_mem_s=math.exp(log_tau) if log_tau < MAX_LOG_TAU else math.inf,
            v_threshold=float(self.threshold().detach()) if self.fires else None,
            tau_syn_s=self.tau_syn_s,
            bias=None if bias is None else bias.detach().double().cpu().numpy(),
            reset=self.reset,  # type: ignore[arg-type]
            refractory=self.refractory,
        )

    def forward(self, x: Tensor) -> Tensor:
        """Neurons are run by an engine, not called."""
        raise RuntimeError(
            "LIF is run by SpikingNetwork under a schedule; wrap your layers in SpikingNetwork.sequential(...)"
        )


def _buffer(module: nn.Module, name: str, value: Tensor) -> Tensor:
    module.register_buffer(name, value)
    return value
