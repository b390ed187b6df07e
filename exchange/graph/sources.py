"""How each framework turns a NIR neuron into one time step: the part that the file leaves open."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from exchange.graph.nodes import Node
from exchange.hdf5.tree import numbers
from ir.arrays import Array
from ir.check import FormatError
from ir.neurons import LIF


class Untranslatable(FormatError):
    """A node that a framework reads in a way that has no equal here; ``remedy`` is the way out."""

    def __init__(self, reason: str, remedy: str) -> None:
        super().__init__(f"{reason}; {remedy}")
        self.reason, self.remedy = reason, remedy


@dataclass(frozen=True)
class Neuron:
    """A NIR neuron in one framework's time step.

    Attributes:
        lif: without bias.
        gain: of everything that comes in, weights and biases; () or (n,).
        bias: added to the membrane once a time step; () or (n,).
    """

    lif: LIF
    gain: Array
    bias: Array


Translate = Callable[[Node, float], Neuron]


def values(node: Node, key: str, default: float | None = None, infinite: bool = False) -> Array:
    """A parameter of a node as float64, flat; one number where all are equal."""
    if default is not None and key not in node.params:
        return np.asarray(float(default))
    return squeeze(
        numbers(node.params, key, f"{node.kind} {node.name!r}", infinite=infinite).astype(np.float64).reshape(-1)
    )


def squeeze(x: Array) -> Array:
    """One number where all are equal."""
    return x.reshape(-1)[0].reshape(()) if x.size and bool((x == x.reshape(-1)[0]).all()) else x


def zero(node: Node, key: str, who: str, remedy: str) -> None:
    """Raise unless a parameter is 0 (or absent)."""
    if bool((values(node, key, 0.0) != 0).any()):
        raise Untranslatable(f"{who} with {key} other than 0", remedy)


def time_constant(node: Node, key: str, dt: float) -> Array:
    """A time constant of at least dt; one that float32 rounded just below dt is dt, infinite is no leak.

    Raises:
        Untranslatable: so short a one that the leak of an Euler step would change sign.
    """
    tau = values(node, key, infinite=True)
    with np.errstate(over="ignore"):
        tau = np.where(tau.astype(np.float32) == np.float32(dt), dt, tau)
    if bool((tau < dt).any()):
        raise Untranslatable(
            f"{node.kind} has {key} = {float(tau.min())!r} s, shorter than dt = {dt!r} s: its leak would be negative",
            "choose a smaller dt",
        )
    return squeeze(tau)


def share_of(node: Node, key: str, tau: Array, dt: float) -> Array:
    """``key * dt / tau``; a gain as infinite as its time constant adds a weight once, as without a leak."""
    gain = values(node, key, 1.0 if key == "w_in" else None, infinite=True)
    both = np.isinf(gain) & np.isinf(tau)
    with np.errstate(invalid="ignore"):
        share = np.where(both, 1.0, gain * (dt / tau))
    if not np.isfinite(share).all():
        raise Untranslatable(f"{node.kind} has an infinite {key} beside a finite time constant", "make both finite")
    return squeeze(share)


def reaching(threshold: Array) -> Array:
    """The threshold t' for which ``v > t'`` says what ``v >= t`` says in float32."""
    return squeeze(np.nextafter(threshold.astype(np.float32), np.float32(-np.inf)).astype(np.float64))


def positive(node: Node, threshold: Array) -> Array:
    """A threshold, at least 0."""
    if bool((threshold < 0).any()):
        key = "threshold" if node.kind == "Threshold" else "v_threshold"
        raise Untranslatable(
            f"{node.kind} has {key} = {threshold.min():g} above its reset", "thresholds must be at least 0"
        )
    return threshold


def readout(node: Node, dt: float) -> Neuron:
    """I, LI, CubaLI by Euler: membranes that never fire, read at the output."""
    if node.kind == "I":
        return Neuron(LIF(np.inf, None), dt * np.asarray(values(node, "r", 1.0)), np.asarray(0.0))
    tau, tau_syn = time_constant(node, "tau" if node.kind == "LI" else "tau_mem", dt), None
    gain = share_of(node, "r", tau, dt) if "r" in node.params else dt / tau
    if node.kind == "CubaLI":
        tau_syn = time_constant(node, "tau_syn", dt)
        gain = gain * share_of(node, "w_in", tau_syn, dt)
    lif = LIF(tau, None, tau_syn, discretization="euler")
    return Neuron(lif, gain, dt / tau * values(node, "v_leak", 0.0))


def norse(node: Node, dt: float) -> Neuron:
    """norse 1.1.0 (utils/import_nir.py): Euler; ``v > threshold``; resets to 0.

    v_reset, and r of IF and LIF, are unused.
    """
    if node.kind in ("I", "LI", "CubaLI"):
        return readout(node, dt)
    threshold = positive(node, values(node, "v_threshold" if node.kind != "Threshold" else "threshold"))
    if node.kind == "Threshold":
        return Neuron(LIF(0.0, threshold), np.asarray(1.0), np.asarray(0.0))
    if node.kind == "IF":
        return Neuron(LIF(np.inf, threshold), np.asarray(1.0), np.asarray(0.0))
    zero(
        node,
        "v_leak",
        f"norse starts {node.kind} at v_leak and resets it to 0: a {node.kind}",
        "shift thresholds so that v_leak is 0",
    )
    tau = time_constant(node, "tau" if node.kind == "LIF" else "tau_mem", dt)
    if node.kind == "LIF":
        return Neuron(LIF(tau, threshold, discretization="euler"), dt / tau, np.asarray(0.0))
    tau_syn = time_constant(node, "tau_syn", dt)
    gain = share_of(node, "r", tau, dt) * share_of(node, "w_in", tau_syn, dt)
    return Neuron(LIF(tau, threshold, tau_syn, discretization="euler"), gain, np.asarray(0.0))


def spikingjelly(node: Node, dt: float) -> Neuron:
    """SpikingJelly 2.0.0 (nir_exchange/from_nir.py): Euler; ``v >= threshold``; gain 1 or dt/tau; starts at v_reset.

    A threshold that is reached is one exceeded from just below, see :func:`reaching`.
    """
    if node.kind in ("I", "LI", "CubaLI", "Threshold"):
        raise Untranslatable(f"SpikingJelly reads no {node.kind}", "choose another --as")
    v_reset = values(node, "v_reset", 0.0)
    threshold = values(node, "v_threshold")
    above = positive(node, reaching(threshold) if not v_reset.any() else reaching(threshold) - v_reset)
    if node.kind == "IF":
        _one_of(node, dt * values(node, "r"), (1.0,), "r = 1 / dt")
        return Neuron(LIF(np.inf, above), np.asarray(1.0), np.asarray(0.0))
    if node.kind == "LIF":
        tau = time_constant(node, "tau", dt)
        _one_of(node, values(node, "v_leak", 0.0) - v_reset, (0.0,), "v_leak = v_reset")
        decayed = bool(np.isclose(values(node, "r", infinite=True), 1.0, rtol=1e-6).all())
        if not decayed:
            _one_of(node, share_of(node, "r", tau, dt), (1.0,), "r = 1 or r = tau / dt")
        gain = np.asarray(dt / tau if decayed else 1.0)
        return Neuron(LIF(tau, above, discretization="euler"), gain, np.asarray(0.0))
    tau, tau_syn = time_constant(node, "tau_mem", dt), time_constant(node, "tau_syn", dt)
    _one_of(node, share_of(node, "r", tau, dt), (1.0,), "r = tau_mem / dt")
    _one_of(node, share_of(node, "w_in", tau_syn, dt), (1.0,), "w_in = tau_syn / dt")
    for key in ("v_leak", "v_reset"):
        zero(
            node, key, "SpikingJelly reads a CubaLIF with v_leak = 0 only and starts it at v_reset: one", "set it to 0"
        )
    return Neuron(LIF(tau, above, tau_syn, discretization="euler"), np.asarray(1.0), np.asarray(0.0))


def _one_of(node: Node, value: Array, allowed: tuple[float, ...], rule: str) -> None:
    if not any(np.allclose(value, a, rtol=1e-6, atol=1e-9) for a in allowed):
        raise Untranslatable(
            f"SpikingJelly reads a {node.kind} only with {rule}", "choose the dt it was written with (--dt)"
        )


def snntorch(node: Node, dt: float) -> Neuron:
    """snnTorch 1.0.0 (import_nir.py): Euler; ``v > threshold``; resets to 0; the threshold is divided by the gain."""
    if node.kind not in ("LIF", "CubaLIF"):
        why = "as Leaky(beta=0.9) with a double reset" if node.kind == "IF" else "not at all"
        raise Untranslatable(f"snnTorch reads {node.kind} {why}", "choose another --as")
    zero(node, "v_leak", f"snnTorch reads no {node.kind}", "choose another --as")
    tau, threshold = time_constant(node, "tau" if node.kind == "LIF" else "tau_mem", dt), values(node, "v_threshold")
    tau_syn, scale = None, share_of(node, "r", tau, dt)
    if node.kind == "CubaLIF":
        if not np.allclose(scale, 1.0):
            raise Untranslatable(
                "snnTorch reads a CubaLIF only with r = tau_mem / dt", "choose the dt it was written with (--dt)"
            )
        tau_syn = time_constant(node, "tau_syn", dt)
        scale = share_of(node, "w_in", tau_syn, dt)
    if bool((scale <= 0).any()):
        key = "r * dt / tau" if node.kind == "LIF" else "w_in * dt / tau_syn"
        raise Untranslatable(f"snnTorch divides the threshold of a {node.kind} by {key}, here 0 or less", "scale r")
    if not np.allclose(scale, 1.0):
        threshold = squeeze(threshold / scale)
    return Neuron(
        LIF(tau, positive(node, threshold), tau_syn, discretization="euler"), np.asarray(1.0), np.asarray(0.0)
    )


def sinabs(node: Node, dt: float) -> Neuron:
    """sinabs 3.1.3 (nir.py): leak exp(-1/tau), tau in time steps; floor(v / threshold) spikes, each subtracts it.

    IF never falls below -threshold; LIF is not bounded. r is unused.
    """
    if node.kind not in ("IF", "LIF"):
        raise Untranslatable(f"sinabs reads no {node.kind}", "choose another --as")
    threshold = values(node, "v_threshold")
    if node.kind == "IF":
        if threshold.ndim:
            raise Untranslatable(
                "sinabs bounds each IF at its own -threshold; here a population has one bound", "use one threshold"
            )
        lif = LIF(np.inf, threshold, reset="subtract", v_min=-float(threshold), multi_spike=True)
        return Neuron(lif, np.asarray(1.0), np.asarray(0.0))
    zero(node, "v_leak", "sinabs reads no LIF", "choose another --as")
    return Neuron(
        LIF(values(node, "tau", infinite=True) * dt, threshold, reset="subtract", multi_spike=True),
        np.asarray(1.0),
        np.asarray(0.0),
    )


def rockpool(node: Node, dt: float) -> Neuron:
    """rockpool 3.1.0 (torch/nir.py): dt = tau_mem / (1 + r) of each layer; exponential; ``i <- (i + x) beta``.

    Fires floor(v / threshold) times, each spike subtracts it; v_leak is the bias; w_in is unused.
    """
    if node.kind != "CubaLIF":
        raise Untranslatable(
            f"rockpool's reader fails on {node.kind}" if node.kind == "LIF" else f"rockpool reads no {node.kind}",
            "choose another --as",
        )
    tau_mem, tau_syn = (values(node, key, infinite=True) for key in ("tau_mem", "tau_syn"))
    with np.errstate(divide="ignore", invalid="ignore"):
        own = float((tau_mem / (1 + values(node, "r", infinite=True))).min())
    if not 0 < own < np.inf:
        raise Untranslatable(f"rockpool takes dt from tau_mem / (1 + r), here {own}", "write finite numbers")
    lif = LIF(
        tau_mem * (dt / own), values(node, "v_threshold"), tau_syn * (dt / own), reset="subtract", multi_spike=True
    )
    return Neuron(lif, np.exp(-own / tau_syn), values(node, "v_leak", 0.0))


@dataclass(frozen=True)
class Source:
    """What a framework assumes where a NIR file is silent.

    Attributes:
        dt_s: its default time step; None = it takes the step from the file.
        recurrent_bias_at: the time step in which the bias of a recurrent edge first arrives.
        recurrent: whether it runs recurrent graphs.
        reset, spikes, leak: for the semantics table.
        readout: the neuron of a linear map that the output shows.
    """

    translate: Translate
    dt_s: float
    recurrent_bias_at: int = 1
    recurrent: bool = True
    leak: str = "Euler, 1 - dt/tau"
    reset: str = "to zero"
    spikes: str = "v > threshold, at most one a time step"
    readout: LIF = field(default_factory=lambda: LIF(0.0, None))


SOURCES: dict[str, Source] = {
    "norse": Source(norse, 1e-3),
    "snntorch": Source(snntorch, 1e-4, recurrent_bias_at=0),
    "spikingjelly": Source(spikingjelly, 1e-4, spikes="v >= threshold, at most one a time step"),
    "sinabs": Source(sinabs, 1e-3, recurrent=False, leak="exp(-1/tau), tau in time steps", reset="by subtraction",
                     spikes="floor(v / threshold) a time step"),
    "rockpool": Source(rockpool, 1e-3, leak="exp(-dt/tau), dt = tau_mem/(1 + r)", reset="by subtraction",
                       spikes="floor(v / threshold) a time step"),
}  # fmt: skip
"""``--as`` for NIR; lava-dl is in ``exchange.nir.lava_dl``, because it makes integers."""
