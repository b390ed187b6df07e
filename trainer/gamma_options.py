"""The SpikingGamma of a training: buckets in seconds, the spike rule, and how online credit rules are applied."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from ir.check import check_choice, require
from ir.neurons.fixed_spiking_gamma import MAX_BUCKETS
from trainer.kinds import check_kinds
from trainer.online.credit import CREDITS
from trainer.spiking_gamma import SPREAD, SpikingGamma

UPDATES = ("sequence", "step")
SPACINGS = ("even", "log")
WIDEST = 20.0
"""How many times the last bucket's own lag is the second one's, where they are spaced by a factor."""


@dataclass(frozen=True)
class GammaOptions:
    """SpikingGamma neurons (docs/spiking_gamma.md), where ``neuron`` names them; thresholds are ``v_threshold``.

    Attributes:
        buckets: K, of every neuron.
        tau_s: time constant of the first bucket, and of what spikes tell, in seconds; one for all layers.
        lag_s: how far the last bucket is behind the first, in seconds: the time that a layer looks back.
        readout_lag_s: the same of the readout, which never fires; 0 = ``lag_s``.
        spacing: of the buckets: ``even``, each as far behind the one before, or ``log``, each farther by the same
            factor, the last 20 times as far behind the one before it as the second behind the first.
        spread: of the bucket weights where training begins, as a share of their mean.
        bounded: errors stop at a neuron that codes more than a spike in every time step tells; else they pass.
        max_rate_hz: what a neuron codes at most, as spikes a second; 0 = a spike in every time step. Finer time steps
            could tell more: give all of them the same rate, that of the coarsest. Errors stop there, too.
        range_penalty: added loss of a neuron that codes twice as much as that, averaged over neurons and time steps,
            in proportion; 0 = none.
        factor: what a spike carries, in thresholds.
        strict: whether an error as large as the threshold stays silent.
        adaptation: what a spike adds to its threshold, as a share of it; 0 = constant thresholds.
        tau_threshold_s: time constant of that, in seconds.
        update: when a credit rule but ``bptt`` changes weights: once a ``sequence``, or every time ``step``.
    """

    buckets: int = 8
    tau_s: float = 0.02
    lag_s: float = 0.1
    readout_lag_s: float = 0.0
    spacing: str = "even"
    spread: float = SPREAD
    bounded: bool = False
    max_rate_hz: float = 0.0
    range_penalty: float = 0.0
    factor: float = 2.0
    strict: bool = True
    adaptation: float = 0.0
    tau_threshold_s: float = 0.05
    update: str = "sequence"

    def __post_init__(self) -> None:
        check_kinds(self)
        require(1 <= self.buckets <= MAX_BUCKETS, f"buckets is {self.buckets}; it lies in 1..{MAX_BUCKETS}")
        for name in ("tau_s", "lag_s", "factor", "tau_threshold_s"):
            value = getattr(self, name)
            require(0 < value < math.inf, f"{name} is {value}; it must be above 0 and finite")
        for name in ("readout_lag_s", "spread", "max_rate_hz", "range_penalty"):
            value = getattr(self, name)
            require(0 <= value < math.inf, f"{name} is {value}; it must be at least 0 and finite")
        require(1e-6 <= self.factor <= 1e6, f"factor is {self.factor}; it lies in 1e-6..1e6")
        check_choice("spacing", self.spacing, SPACINGS)
        bounds = not self.bounded or (self.adaptation == 0 and self.factor > 1)
        require(self.bounded or not self.range_penalty, "range_penalty needs bounded = true; add it")
        require(bounds, "bounded needs constant thresholds and a factor above 1; leave adaptation out, or bounded")
        fixed = not self.max_rate_hz or self.adaptation == 0
        require(fixed, "max_rate_hz needs constant thresholds; leave adaptation out, or max_rate_hz")
        require(0 <= self.adaptation < 1, f"adaptation is {self.adaptation}; it lies in 0..1, 1 excluded")
        check_choice("update", self.update, UPDATES)

    def keep(self, dt_s: float, readout: bool = False) -> list[float]:
        """(K,) what a time step leaves of each bucket."""
        n, lag = self.buckets - 1, (self.readout_lag_s if readout else 0) or self.lag_s
        farther = WIDEST ** (1 / max(n - 1, 1)) if self.spacing == "log" else 1.0
        parts = [farther**k for k in range(n)]
        taus = self.tau_s, *(lag * part / sum(parts) for part in parts)
        decays = [math.exp(-dt_s / tau) for tau in taus]
        said = f"at time steps of {dt_s:g} s, gamma.tau_s = {self.tau_s:g} and a lag of {lag:g} s give decays {decays}"
        require(
            all(0 < a < 1 for a in decays),
            f"{said}; each must lie between 0 and 1, both excluded: choose times nearer the time step",
        )
        return decays

    def neuron(self, dt_s: float, v_threshold: float | None, train_decays: bool) -> SpikingGamma:
        """Neurons of a layer; None = the readout."""
        adapts = self.adaptation > 0 and v_threshold is not None
        most = 1 - math.exp(-dt_s / self.tau_threshold_s)
        said = f"gamma.adaptation is {self.adaptation} and thresholds fall by {most:.3g} a time step"
        require(
            not adapts or self.adaptation < most,
            f"{said}, so that they would grow without end; choose less than that, or a shorter gamma.tau_threshold_s",
        )
        return SpikingGamma(
            self.keep(dt_s, v_threshold is None),
            v_threshold,
            factor=self.factor,
            strict=self.strict,
            adaptation=self.adaptation if adapts else 0.0,
            keep_threshold=math.exp(-dt_s / self.tau_threshold_s) if adapts else 0.0,
            train_decays=train_decays,
            spread=self.spread,
            bounded=self.bounded,
            ceiling=self.ceiling(v_threshold),
        )

    def ceiling(self, v_threshold: float | None) -> float | None:
        """What spikes of the highest rate tell in the end; None = no other bound than the time step."""
        if v_threshold is None or not self.max_rate_hz:
            return None
        return v_threshold * self.factor / (1 - math.exp(-1 / (self.max_rate_hz * self.tau_s)))


def check_gamma(config: Any) -> None:
    """Raise where the settings of a training do not go together with its neurons or its credit rule.

    Args:
        config: a ``TrainConfig``.
    """
    online = config.rule in CREDITS
    if config.neuron != "spiking_gamma":
        require(
            not online, f"rule {config.rule!r} trains SpikingGamma: set neuron = 'spiking_gamma', or leave rule out"
        )
        return
    require(
        config.schedule.kind == "layered",
        "neuron 'spiking_gamma' runs layered: set schedule.kind = 'layered' (--schedule layered)",
    )
    require(
        not (config.gamma.bounded and config.weight_bits),
        "bounded computes in floats: leave weight_bits out, or bounded",
    )
    absent = {"train_threshold": False, "reset": "zero", "tau_syn_s": 0.0, "per_neuron": False, "order_free": False}
    for name, plain in absent.items():
        require(getattr(config, name) == plain, f"neuron 'spiking_gamma' has no {name}; leave it out")
    if online:
        wrong = {
            "loss": config.loss != "membrane" and "a loss at every step, of a readout: set loss = 'membrane'",
            "weight_bits": config.weight_bits and "floats: leave weight_bits out",
            "truncate": config.truncate and "whole samples, in memory that does not grow with them: leave truncate out",
            "encoder": config.encoder and "no encoder: leave it out",
            "train_tau": config.train_tau and "decays as they are: leave train_tau out",
            "start": config.start and "layers of its own: leave start out",
            "spike_penalty": config.spike_penalty and "no price of spikes: leave spike_penalty out",
            "options": (config.options.input_dropout or config.options.spike_dropout)
            and "every spike: leave input_dropout and spike_dropout out",
        }
        for said in filter(None, wrong.values()):
            raise ValueError(f"rule {config.rule!r} takes {said}, or use rule 'bptt'")
