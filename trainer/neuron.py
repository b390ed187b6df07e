"""Neuron modules: parameters inside a torch network, trainable where asked."""

from __future__ import annotations

import math
import sys
from abc import ABC, abstractmethod
from collections.abc import Sequence
from numbers import Real
from typing import Any, ClassVar, TypeGuard

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ir.check import check_choice, require
from ir.neurons import LIF as NetworkLIF
from ir.neurons import RESETS, Neuron
from ir.neurons.lif import leak
from trainer.engines.neurons.lif import LIFParams
from trainer.engines.parts import NeuronParams

MAX_LOG_TAU = math.log(sys.float_info.max)
"""Time constants beyond are infinite."""


MAX_THRESHOLD = torch.finfo(torch.float32).max
"""Thresholds are float32."""

HEIGHTS = f" and at most {MAX_THRESHOLD:.4g} (the largest float32), or None: never fires"

Numbers = float | Sequence[float] | NDArray[Any] | Tensor
"""One number, or one a neuron."""


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

    def spread(self, n: int) -> None:
        """Become a population of ``n`` neurons; raise where numbers one a neuron are of another.

        What holds one number for all of them has nothing to do.
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
        reset: a name of ``ir.neurons.RESETS``: ``zero``, ``subtract``, ``zero_late``, ``subtract_late``, ``none``.
        bias_in_current: the biases of the layers before it enter the current, as before snnTorch's ``Synaptic``, not
            the membrane.
        refractory: at most one spike a time step.
        train_threshold: learn thresholds.
        train_tau: learn membrane time constants.
        train_tau_syn: learn synaptic time constants.
        per_neuron: each neuron has numbers of its own, which learn apart; else the population has one of each.

    ``tau_mem_s``, ``v_threshold`` and ``tau_syn_s`` are one number, or one a neuron (a list, an array, a tensor).
    """

    MODEL = "lif"
    v_threshold: Tensor
    log_tau_mem: Tensor
    log_tau_syn: Tensor | None

    def __init__(
        self,
        tau_mem_s: Numbers = math.inf,
        v_threshold: Numbers | None = 1.0,
        tau_syn_s: Numbers | None = None,
        reset: str = "zero",
        refractory: bool = True,
        train_threshold: bool = False,
        train_tau: bool = False,
        bias_in_current: bool = False,
        train_tau_syn: bool = False,
        per_neuron: bool = False,
    ) -> None:
        super().__init__()
        check_choice("LIF reset", reset, tuple(RESETS))
        height = math.inf if v_threshold is None else numbers_of("v_threshold", v_threshold, MAX_THRESHOLD, HEIGHTS)
        tau_mem = numbers_of("tau_mem_s", tau_mem_s)
        tau_syn = None if tau_syn_s is None else numbers_of("tau_syn_s", tau_syn_s)
        flags = {"refractory": refractory, "train_threshold": train_threshold, "train_tau": train_tau}
        flags |= {"bias_in_current": bias_in_current, "train_tau_syn": train_tau_syn, "per_neuron": per_neuron}
        for name, flag in flags.items():
            require(isinstance(flag, bool), f"LIF {name} is {flag!r}; give True or False")
        for name, learns, tau in (("mem", train_tau, tau_mem), ("syn", train_tau_syn, tau_syn)):
            flag = "train_tau" if name == "mem" else "train_tau_syn"
            begins = tau is not None and bool(((tau > 0) & (tau < math.inf)).all())
            require(not learns or begins, f"LIF {flag} needs a tau_{name}_s above 0 and finite to start from")
        self.bias_in_current, self.per_neuron = bias_in_current, per_neuron
        self.fires, self.reset, self.refractory = v_threshold is not None, reset, refractory
        self.tau_syn_s = None if tau_syn is None else (float(tau_syn) if tau_syn.ndim == 0 else tau_syn)
        _hold(self, "v_threshold", torch.as_tensor(height, dtype=torch.float32), train_threshold and self.fires)
        _hold(self, "log_tau_mem", log_of(tau_mem), train_tau)
        self.log_tau_syn = None
        if train_tau_syn and tau_syn is not None:
            _hold(self, "log_tau_syn", log_of(tau_syn), True)

    def spread(self, n: int) -> None:
        for name in ("v_threshold", "log_tau_mem", "log_tau_syn"):
            held = getattr(self, name)
            if held is None:
                continue
            require(
                held.shape in ((), (n,)),
                f"LIF has {name.removeprefix('log_')} of {held.numel()} neurons, its population has {n}; give one "
                "number, or one a neuron",
            )
            if self.per_neuron and held.ndim == 0:
                _hold(self, name, held.detach().expand(n).clone(), isinstance(held, nn.Parameter))
        taus = self.tau_syn_s if isinstance(self.tau_syn_s, np.ndarray) else np.zeros(n)
        require(
            taus.shape == (n,),
            f"LIF has tau_syn of {taus.size} neurons, its population has {n}; give one number, or one a neuron",
        )

    def threshold(self) -> Tensor:
        """The threshold, never below 0."""
        return self.v_threshold.clamp(min=0)

    def leak_v(self, dt_s: float) -> Tensor:
        """``exp(-dt / tau_mem)``."""
        return torch.exp(-dt_s * torch.exp(-self.log_tau_mem))

    def leak_u(self, dt_s: float) -> Tensor | float:
        """``exp(-dt / tau_syn)``; 0 without current memory."""
        if self.log_tau_syn is not None:
            return torch.exp(-dt_s * torch.exp(-self.log_tau_syn))
        if isinstance(self.tau_syn_s, np.ndarray):
            return torch.as_tensor(leak(self.tau_syn_s, dt_s, "exponential"))
        return math.exp(-dt_s / self.tau_syn_s) if self.tau_syn_s else 0.0

    def value(self, bias: Tensor | None) -> NetworkLIF:
        """The frozen value that leaves the trainer."""
        frozen = None if bias is None else bias.detach().double().cpu().numpy()
        return NetworkLIF(
            tau_mem_s=tau_of(self.log_tau_mem),
            v_threshold=frozen_numbers(self.threshold()) if self.fires else None,
            tau_syn_s=self.tau_syn_s if self.log_tau_syn is None else tau_of(self.log_tau_syn),
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


def numbers_of(name: str, value: Any, most: float = math.inf, way_out: str = "") -> NDArray[np.float64]:
    """One number, or one a neuron, as float64; raise unless all lie in 0..``most``."""
    found = value.detach().cpu().numpy() if isinstance(value, Tensor) else value
    plain = _is_number(found) or (isinstance(found, (list, tuple, np.ndarray)) and np.ndim(found) == 1)
    array = np.full(1, np.nan)
    if plain and (_is_number(found) or np.asarray(found).dtype.kind in "iuf"):
        try:
            array = np.asarray(found, np.float64)
        except OverflowError:  # whole numbers beyond every float
            plain = False
    inside = plain and array.size > 0 and bool(((array >= 0) & (array <= most)).all())
    require(inside, f"LIF {name} is {value}; it must be one number, at least 0{way_out}, or one such number a neuron")
    return array


def log_of(tau: NDArray[np.float64]) -> Tensor:
    """The logarithm of time constants, whose exponential they are again; of 0 minus infinity."""
    if tau.ndim == 0:
        return torch.tensor(math.log(tau) if tau > 0 else -math.inf, dtype=torch.float64)
    with np.errstate(divide="ignore"):
        return torch.as_tensor(np.log(tau))


def tau_of(log_tau: Tensor) -> Any:
    """Time constants in seconds from their logarithms: a number, or an array; infinite beyond every float."""
    log = frozen_numbers(log_tau)
    if isinstance(log, float):
        return math.exp(log) if log < MAX_LOG_TAU else math.inf
    return np.where(log < MAX_LOG_TAU, np.exp(np.minimum(log, MAX_LOG_TAU)), np.inf)


def frozen_numbers(values: Tensor) -> Any:
    """A number, or an array of one a neuron."""
    array = values.detach().double().cpu().numpy()
    return float(array) if array.ndim == 0 else array


def _hold(module: nn.Module, name: str, value: Tensor, learns: bool) -> None:
    """Keep a number of a module as a parameter, or as a buffer."""
    if hasattr(module, name):
        delattr(module, name)
    if learns:
        module.register_parameter(name, nn.Parameter(value))
    else:
        module.register_buffer(name, value)
