"""A trained snnTorch model as our network, parameter by parameter, without a file between.

Source: snnTorch 1.0.0, ``_neurons/leaky.py, synaptic.py, rleaky.py, rsynaptic.py``. Its time step is
``syn <- alpha syn + x; mem <- beta mem + syn - reset threshold``, a spike where ``mem > threshold``.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import torch
from torch import nn

from exchange.graph.lower import READOUT
from ir.arrays import Array
from ir.check import MAX_NEURONS, check_type, require, whole
from ir.compose import diagonal
from ir.connection import Connection, Conv2d, Dense
from ir.encoder import with_encoder
from ir.network import Input, Network, Population, Projection
from ir.neurons import LIF
from ir.neurons.reset import ResetName
from ir.pooling import check_pool
from ir.schedule import Schedule
from trainer.linear_map import LinearMap, as_evaluated, chained, check_hooks
from trainer.modules_in_order import check_parameters, is_neuron, leaves
from trainer.observed import in_calling_order
from trainer.pooling import fold_pooling, in_their_place, is_single, pools

CURRENT = ("Synaptic", "RSynaptic")
RECURRENT = ("RLeaky", "RSynaptic")
READ = ("Leaky", "RLeaky", *CURRENT)
STATES = ("_base_sub", "_base_zero", "_base_int")
"""What snnTorch computes for each reset mechanism."""

EQUATIONS = ("forward", "fire", "mem_reset", "_base_state_function", "_base_state_reset_zero", *STATES)


def read(
    model: nn.Module,
    in_shape: Sequence[int],
    dt_s: float = 1e-3,
    layers: Sequence[nn.Module] | None = None,
    pool: str | None = None,
    encoder: int = 0,
) -> Network:
    """Read a chain of torch layers and snnTorch neurons; betas and thresholds may be learned, one or one a neuron.

    The resets that snnTorch applies one time step late, its default, are ours (``subtract_late``, ``zero_late``), and
    so are the biases of layers before a ``Synaptic`` (``bias_u``): each layer of neurons is one population.

    Args:
        model: an ``nn.Sequential``, or a module of one's own, whose ``forward`` is run on a frame to see in which order
            its layers act; one without a ``forward`` is read in the order of assignment.
        in_shape: of one frame, e.g. (784,) or (2, 34, 34).
        layers: the order in which the layers act, where that differs.
        pool: ``after`` moves a max pooling that stands before its neurons, on currents, behind them: another network,
            to be trained further. None = it is refused.
        encoder: so many of the first populations run on the host, in floats (``ir.encoder``): with 1 the first Linear
            or Conv2d and its neurons, which may take currents. 0 = none.

    Returns:
        The network, on the layered schedule; its last population decides.

    Raises:
        ValueError: a module without counterpart, by name: what it does and what to use instead.

    The model is left as it was, each submodule in its own mode.
    """
    timed = isinstance(dt_s, (int, float)) and 0 < dt_s < np.inf
    require(timed, f"dt_s is {dt_s!r}; give the seconds of a time step, more than 0")
    sides = isinstance(in_shape, Sequence) and all(isinstance(x, (int, np.integer)) and x > 0 for x in in_shape)
    require(sides and len(in_shape) > 0, f"in_shape is {in_shape!r}; give the sides of one frame, e.g. (2, 34, 34)")
    check_type("the model", model, nn.Module, "a torch module with snnTorch neurons")
    encoder = whole("encoder", encoder, 0, MAX_NEURONS)
    chain: list[Any] = leaves(model) if layers is None else list(layers) if isinstance(layers, Iterable) else [layers]
    for layer in chain:
        check_type("one of layers", layer, nn.Module, "torch modules in the order in which they act")
    require(bool(chain), "the model has no layers; pass them with layers=")
    if layers is None:
        check_parameters(model, chain)
        chain = in_calling_order(model, chain, in_shape)
    twice = next((x for i, x in enumerate(chain) if is_neuron(x) and any(x is y for y in chain[:i])), None)
    require(twice is None, f"{type(twice).__name__} acts twice and would share its state; make it two modules")
    check_pool(pool)
    builder = _Builder(tuple(int(x) for x in in_shape))
    with as_evaluated(*chain), torch.no_grad():
        for layer in in_their_place(chain, builder.shape, pool, is_neuron):
            if is_neuron(layer):
                builder.add_neurons(layer, dt_s)
            elif pools(layer) and builder.on_spikes(layer):
                builder.add_pooling(layer)
            else:
                builder.pending.append(layer)
        network = builder.network(dt_s)
    return with_encoder(network, encoder) if encoder else network


def _kind(module: nn.Module) -> type[nn.Module]:
    """The snnTorch class whose equations a module computes; its own where it computes others."""
    kinds = (c for c in type(module).__mro__ if c.__module__.startswith("snntorch") and c.__name__ in READ)
    return next(kinds, type(module))


class _Builder:
    """The network while the chain is read."""

    def __init__(self, in_shape: tuple[int, ...]) -> None:
        self.inputs = (Input("input", in_shape),)
        self.shape = in_shape
        self.pending: list[nn.Module] = []
        self.populations: list[Population] = []
        self.projections: list[Projection] = []

    @property
    def last(self) -> str:
        return self.populations[-1].name if self.populations else "input"

    def add_neurons(self, module: nn.Module, dt_s: float) -> None:
        """One snnTorch layer with the torch layers before it."""
        name, kind = f"lif{len(self.populations) + 1}", _kind(module).__name__
        _check(module, kind)
        linear = chained(nn.Sequential(*self.pending), self.shape)
        n = int(np.prod(linear.out_shape))
        beta, threshold = (
            _per_neuron(module, "beta", linear.out_shape),
            _per_neuron(module, "threshold", linear.out_shape),
        )
        alpha = _per_neuron(module, "alpha", linear.out_shape) if kind in CURRENT else None
        bias = np.zeros(n) if linear.bias is None else _numpy(linear.bias)
        self.projections.append(Projection(self.last, name, _connection(linear)))
        if kind in RECURRENT:
            bias = bias + self._add_recurrence(module, name, linear.out_shape)
        mechanism, tau_syn = _mechanism(module), None if alpha is None else _tau(alpha, dt_s)
        own = _squeezed(bias) if bias.any() else None
        lif = LIF(
            _tau(beta, dt_s),
            _squeezed(threshold),
            tau_syn,
            own if alpha is None else None,
            _reset(mechanism, bool(module.reset_delay)),
            discretization="euler",
            bias_u=None if alpha is None else own,
        )
        self.populations.append(Population(name, linear.out_shape, lif))
        self.shape, self.pending = linear.out_shape, []

    def on_spikes(self, layer: nn.Module) -> bool:
        """Whether a max pooling sees several spikes a window, with nothing but moved values before it."""
        before = chained(nn.Sequential(*self.pending), self.shape)
        return before.weight is None and not is_single(layer, before.out_shape)

    def add_pooling(self, layer: nn.Module) -> None:
        """A max pooling of spikes, by neurons of its own."""
        name = f"pool{len(self.populations) + 1}"
        linear = fold_pooling(nn.Sequential(*self.pending, layer), self.shape, torch.empty(0))
        self.projections.append(Projection(self.last, name, _connection(linear)))
        self.populations.append(Population(name, linear.out_shape, LIF(0.0, 0.0, pools=True)))
        self.shape, self.pending = linear.out_shape, []

    def _add_recurrence(self, module: Any, name: str, shape: tuple[int, ...]) -> Array:
        """Spikes of t - 1 through ``recurrent``; its bias."""
        n = int(np.prod(shape))
        if not module.all_to_all:
            weight = np.broadcast_to(_numpy(module.recurrent.V).reshape(-1), (n,))
            self.projections.append(Projection(name, name, diagonal(weight)))
            return np.zeros(n)
        linear = chained(module.recurrent, (n,) if module.linear_features else shape)
        require(
            int(np.prod(linear.out_shape)) == n, f"the recurrence of {name} gives {linear.out_shape} for {n} neurons"
        )
        self.projections.append(Projection(name, name, _connection(linear)))
        return np.zeros(n) if linear.bias is None else _numpy(linear.bias)

    def network(self, dt_s: float) -> Network:
        """The finished network."""
        require(bool(self.populations), "the model has no snnTorch neurons; export it as ONNX for rate coding instead")
        linear = chained(nn.Sequential(*self.pending), self.shape)
        if linear.weight is not None:
            bias = None if linear.bias is None else _squeezed(_numpy(linear.bias))
            self.projections.append(Projection(self.last, READOUT, _connection(linear)))
            self.populations.append(Population(READOUT, linear.out_shape, LIF(0.0, None, bias=bias)))
        parts = (self.inputs, tuple(self.populations), tuple(self.projections), self.last, dt_s)
        return Network(*parts, Schedule(kind="layered", F=None), {"source": "snnTorch modules"})


def _check(module: Any, kind: str) -> None:
    """Refuse what has no equal here."""
    require(kind in READ, f"snnTorch {kind} has no counterpart; use {', '.join(READ)}")
    check_hooks(type(module).__name__, module)
    _check_equations(module, kind)
    require(not module.inhibition, f"{kind} with inhibition=True lets one neuron fire; train without it")
    require(
        not module.state_quant, f"{kind} with state_quant rounds its membrane in its own way; quantize with unlayered"
    )
    factor = getattr(module, "graded_spikes_factor", torch.ones(()))
    require(
        bool((factor == 1).all()),
        f"{kind} sends graded spikes (graded_spikes_factor); fold the factor into the next weights",
    )
    mechanism, late = _mechanism(module), bool(module.reset_delay)
    if mechanism == "zero" and late and kind != "Leaky":
        raise ValueError(
            f"{kind} with reset_mechanism='zero' loses what arrives in the step after a spike; set reset_delay=False"
        )
    if not late and (mechanism == "subtract" or kind == "RSynaptic"):
        why = "subtracts twice above two thresholds" if mechanism == "subtract" else "fails in snnTorch 1.0.0 itself"
        raise ValueError(f"{kind} with reset_delay=False and reset_mechanism={mechanism!r} {why}; set reset_delay=True")


def _check_equations(module: Any, kind: str) -> None:
    """Refuse a module that computes other than its kind, and one whose reset was changed for half of its equations."""
    made, name = _kind(module), type(module).__name__
    own = next((m for m in EQUATIONS if _function(module, m) is not getattr(made, m, None)), None)
    require(own is None, f"{name} computes more than snnTorch's {kind}: its {own} is its own; use {kind} itself")
    value = int(module.reset_mechanism_val)
    agree = value in range(3) and _function(module, "state_function") is getattr(made, STATES[value])
    way = "set after it was made, snnTorch follows it in part; make it anew"
    require(agree, f"{name} computes its state otherwise than its reset_mechanism says; {way}")


def _function(module: nn.Module, name: str) -> Any:
    """What a method is bound to, also where an instance has its own."""
    method = getattr(module, name, None)
    return getattr(method, "__func__", method)


def _mechanism(module: Any) -> str:
    return ("subtract", "zero", "none")[int(module.reset_mechanism_val)]


def _reset(mechanism: str, late: bool) -> ResetName:
    """Our name for a reset."""
    if mechanism == "none":
        return "none"
    if mechanism == "subtract":
        return "subtract_late"
    return "zero_late" if late else "zero"


def _numpy(x: torch.Tensor) -> Array:
    return x.detach().cpu().numpy().astype(np.float64)


def _per_neuron(module: Any, name: str, shape: tuple[int, ...]) -> Array:
    """A parameter as one number or one a neuron; decays are clamped to 0..1 as snnTorch does."""
    value = _numpy(torch.as_tensor(getattr(module, name)))
    who = f"{name} of {type(module).__name__}"
    require(not np.isnan(value).any(), f"{who} holds NaN; every value must be a number")
    require(name != "threshold" or bool((value >= 0).all()), f"{who} is {value.min():g}; it must be at least 0")
    require(name != "threshold" or bool(np.isfinite(value).all()), f"{who} is infinite, in float32; make it finite")
    value = value if name == "threshold" else value.clip(0, 1)
    if value.size == 1:
        return value.reshape(())
    try:
        return _squeezed(np.broadcast_to(value, shape).reshape(-1).copy())
    except ValueError as error:
        raise ValueError(f"{who} has shape {value.shape}; its neurons {shape}") from error


def _squeezed(x: Array) -> Array:
    return x.reshape(-1)[0].reshape(()) if bool((x == x.reshape(-1)[0]).all()) else x


def _tau(share: Array, dt_s: float) -> Array:
    """The Euler time constant whose leak is ``share``."""
    with np.errstate(divide="ignore"):
        return dt_s / (1 - share)


def _connection(linear: LinearMap) -> Connection:
    if linear.weight is None:
        return diagonal(np.ones(int(np.prod(linear.out_shape))))
    weight = linear.weight.detach().cpu().numpy()
    if linear.conv is None:
        return Dense(weight)
    stride, padding, dilation, groups = linear.conv
    c, h, w = linear.in_shape
    return Conv2d(weight, (c, h, w), stride, padding, dilation, groups)
