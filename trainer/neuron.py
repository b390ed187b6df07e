"""Neuron modules: parameters inside a torch network, trainable where asked."""

from __future__ import annotations

import math
import sys
from abc import ABC, abstractmethod
from collections.abc import Sequence
from numbers import Real
from typing import Any, ClassVar, TypeGuard

import torch
from torch import Tensor, nn

from ir.check import check_choice, require
from ir.neurons import LIF as NetworkLIF
from ir.neurons import RESETS, Neuron
from trainer.engines.neurons.lif import LIFParams
from trainer.engines.parts import NeuronParams

MAX_LOG_TAU = math.log(sys.float_info.max)
"""Time constants beyond are infinite."""


MAX_THRESHOLD = torch.finfo(torch.float32).max
"""Thresholds are float32."""


def _is_number(value: object) -> TypeGuard[float]:
    """One real number: no text, no truth value, no array or tensor."""
    return isinstance(value, Real) and not isinstance(value, bool)


class NeuronModule(nn.Module, ABC):
    """Neurons of a model inside a torch network: they hold parameters and are run by an engine.

    Attributes:
        MODEL: a name of ``trainer.engines.neurons.MODELS``.
        fires: whether they ever spike.
    """

    MODEL: ClassVar[str]
    fires: bool

    @abstractmethod
    def like(self) -> Tensor:
        """One of its tensors: layers without parameters take its type and device."""

    @abstractmethod
    def value(self, bias: Tensor | None) -> Neuron:
        """The frozen value that leaves the trainer; ``bias``: (n,) of the layers before it."""

    @classmethod
    @abstractmethod
    def numbers(
        cls, modules: Sequence[Any], sizes: Sequence[int], biases: Sequence[Tensor | None], dt_s: float, like: Tensor
    ) -> NeuronParams:
        """The live numbers of populations of this model, one after the other, gradients attached.

        Args:
            sizes, biases: neurons and biases (n,) of each population.
            like: a tensor of their type and device.
        """

    def forward(self, x: Tensor) -> Tensor:
        """Neurons are run by an engine, not called."""
        raise RuntimeError(
            f"{type(self).__name__} is run by SpikingNetwork under a schedule; wrap your layers in "
            "SpikingNetwork.sequential(...)"
        )


class LIF(NeuronModule):
    """Leaky integrate and fire, as ``ir.neurons.LIF`` defines it; it holds parameters and is run by an engine.

    Args:
        tau_mem_s: membrane time constant in seconds; ``math.inf`` makes an IF neuron.
        v_threshold: at least 0; None = never fires (membrane readout).
        tau_syn_s: synaptic time constant in seconds; None = no current memory (a plain LIF).
        reset: a name of ``ir.neurons.RESETS``: ``zero``, ``subtract``, ``zero_late`` or ``subtract_late``;
            asynchronously the plain engine computes the gradient of all but the first.
        bias_in_current: the biases of the layers before it enter the current, as before snnTorch's ``Synaptic``, not
            the membrane.
        refractory: at most one spike a time step.
        train_threshold, train_tau: learn the threshold, the membrane time constant.
    """

    MODEL = "lif"

    def __init__(
        self,
        tau_mem_s: float = math.inf,
        v_threshold: float | None = 1.0,
        tau_syn_s: float | None = None,
        reset: str = "zero",
        refractory: bool = True,
        train_threshold: bool = False,
        train_tau: bool = False,
        bias_in_current: bool = False,
    ) -> None:
        super().__init__()
        check_choice("LIF reset", reset, tuple(RESETS))
        require(
            v_threshold is None or (_is_number(v_threshold) and 0 <= v_threshold <= MAX_THRESHOLD),
            f"LIF v_threshold is {v_threshold}; it must be one number, at least 0 and at most {MAX_THRESHOLD:.4g} "
            "(the largest float32), or None: never fires",
        )
        for name, tau in (("tau_mem_s", tau_mem_s), ("tau_syn_s", tau_syn_s)):
            none = tau is None and name == "tau_syn_s"
            require(none or (_is_number(tau) and tau >= 0), f"LIF {name} is {tau}; it must be one number, at least 0")
        flags = {"refractory": refractory, "train_threshold": train_threshold, "train_tau": train_tau}
        for name, flag in {**flags, "bias_in_current": bias_in_current}.items():
            require(isinstance(flag, bool), f"LIF {name} is {flag!r}; give True or False")
        require(
            not (train_tau and not 0 < tau_mem_s < math.inf),
            "LIF train_tau needs a tau_mem_s above 0 and finite to start from",
        )
        self.bias_in_current = bias_in_current
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
        log_tau, frozen = float(self.log_tau_mem.detach()), None
        if bias is not None:
            frozen = bias.detach().double().cpu().numpy()
        return NetworkLIF(
            tau_mem_s=math.exp(log_tau) if log_tau < MAX_LOG_TAU else math.inf,
            v_threshold=float(self.threshold().detach()) if self.fires else None,
            tau_syn_s=self.tau_syn_s,
            bias=None if self.bias_in_current else frozen,
            reset=self.reset,  # type: ignore[arg-type]
            refractory=self.refractory,
            bias_u=frozen if self.bias_in_current else None,
        )

    def like(self) -> Tensor:
        return self.v_threshold

    @classmethod
    def numbers(
        cls, modules: Sequence[LIF], sizes: Sequence[int], biases: Sequence[Tensor | None], dt_s: float, like: Tensor
    ) -> LIFParams:
        def cat(values: list[Any]) -> Tensor:
            rows = [torch.as_tensor(v, dtype=like.dtype, device=like.device).expand(n) for v, n in zip(values, sizes)]
            return torch.cat(rows)

        current = any(lif.tau_syn_s is not None for lif in modules)
        membrane = [None if lif.bias_in_current else b for lif, b in zip(modules, biases)]
        currents = [b if lif.bias_in_current else None for lif, b in zip(modules, biases)]

        def joined(own: Sequence[Tensor | None]) -> Tensor | None:
            if all(b is None for b in own):
                return None
            return torch.cat([like.new_zeros(n) if b is None else b for b, n in zip(own, sizes)])

        return LIFParams(
            cat([lif.leak_v(dt_s) for lif in modules]),
            cat([lif.threshold() for lif in modules]),
            cat([lif.leak_u(dt_s) for lif in modules]) if current else None,
            joined(membrane),
            bias_u=joined(currents),
        )


class MaxPooling(LIF):
    """Neurons behind an ``nn.MaxPool2d`` of spikes: each fires at the first spike of its window (``ir.pooling``).

    The projection into them ends in that layer. The gradient goes to the window's first served spike.
    """

    def __init__(self) -> None:
        super().__init__(0.0, 0.0)

    def value(self, bias: Tensor | None) -> NetworkLIF:
        require(bias is None, "a max pooling of spikes adds no bias; put the layer that has one before its neurons")
        return NetworkLIF(0.0, 0.0, pools=True)


def _buffer(module: nn.Module, name: str, value: Tensor) -> Tensor:
    module.register_buffer(name, value)
    return value
