"""SpikingGamma: gamma-filter memory and sigma-delta coding, as trained: floats."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike

from ir.arithmetic import DECAY_ALL
from ir.arrays import Array, real_array, set_field
from ir.check import check_finite, check_type, real, require
from ir.chip import IntFormat
from ir.formats import Formats
from ir.neurons.fixed_spiking_gamma import (
    ARITHMETICS,
    MAX_BUCKET_WEIGHT,
    MAX_QUANTUM,
    MAX_SHIFT,
    MAX_THRESHOLD,
    MODEL,
    Buckets,
    FixedSpikingGamma,
    check_buckets,
    check_last,
    check_weights,
    no_such_neurons,
    state_names,
)
from ir.neurons.model import FixedNeuron, Neuron

FACTORS = "give a number above 0, 1e-6 to 1e6"


@dataclass(frozen=True, eq=False)
class SpikingGamma(Buckets, Neuron):
    """Buckets of a gamma filter, a rectified weighted sum, and spikes that tell it by sigma-delta coding.

    Each time step, with ``x`` the drive and ``old`` the buckets before it::

        x0 <- keep_0 x0 + x;  xk <- keep_k xk + (1 - keep_k) old_(k-1);  v = sum_k bucket_weight_k xk
        y = min(max(v, 0), ceiling)
        p = keep_0 e;  spike where y - p > th;  e <- p + q where it spikes, else p;  q = factor th

    A spike carries q: it adds q times its weight to its targets. With ``adaptation`` m and ``keep_threshold`` g,
    ``th <- v_threshold + g (th - v_threshold) + m th`` (the last where it spikes). After Koopman, Otte and Bohte
    (arXiv 2602.01978), as far as it is known (docs/spiking_gamma.md).

    Attributes:
        keep: (K,) a_k, what a time step leaves of a bucket, between 0 and 1; the first one also of ``e``.
        bucket_weight: (K,), or (n, K) one set a neuron.
        v_threshold: above 0; None = never fires, and ``v`` is read out.
        factor: what a spike carries, in thresholds.
        strict: whether an error as large as the threshold stays silent.
        adaptation: what a spike adds to the threshold, as a share of it; 0 = constant.
        keep_threshold: what a time step leaves of that.
        ceiling: the most that it codes; None = no more than a spike in every time step tells, ``q / (1 - keep_0)``.
    """

    MODEL = MODEL
    PER_NEURON = ("v_threshold", "ceiling")
    FEED_FORWARD = True
    refractory = True

    keep: ArrayLike
    bucket_weight: ArrayLike
    v_threshold: Array | float | None = 0.5
    factor: float = 2.0
    strict: bool = True
    adaptation: float = 0.0
    keep_threshold: float = 0.0
    ceiling: Array | float | None = None

    def __post_init__(self) -> None:
        set_field(self, "keep", real_array("SpikingGamma keep", self.keep).reshape(-1))
        check_buckets(self.decay_factors.size)
        inside = bool(((self.decay_factors > 0) & (self.decay_factors < 1)).all())
        said = f"SpikingGamma has decays a_k = {self.decay_factors.tolist()}"
        require(inside, f"{said}; each must lie between 0 and 1, both excluded")
        set_field(self, "bucket_weight", real_array("SpikingGamma bucket_weight", self.bucket_weight))
        check_finite("SpikingGamma bucket_weight", self.bucket_weights)
        check_last("bucket_weight", self.bucket_weights, self.decay_factors.size)
        for name, word in (("v_threshold", "threshold"), ("ceiling", "ceiling")):
            given = getattr(self, name)
            if given is not None:
                set_field(self, name, real_array(f"SpikingGamma {name}", given))
                value = np.asarray(getattr(self, name))
                check_finite(f"SpikingGamma {name}", value)
                low = f"SpikingGamma has a {word} of {value.min(initial=np.inf):g}; it must be above 0, or None"
                require(bool((value > 0).all()), low)
        set_field(self, "factor", real("SpikingGamma factor", self.factor, 9.9e-7, 1e6, FACTORS))
        check_type("SpikingGamma strict", self.strict, bool, "true or false")
        for name in ("adaptation", "keep_threshold"):
            given = real(f"SpikingGamma {name}", getattr(self, name), -1e-300, 1.0, "it lies in 0..1")
            set_field(self, name, given)
        grows = "its threshold would grow without end; make adaptation + keep_threshold less than 1"
        require(self.adaptation == 0 or self.adaptation + self.keep_threshold < 1, f"SpikingGamma: {grows}")
        set_field(self, "STATES", state_names(self.decay_factors.size, self.fires, self.adapts))

    @classmethod
    def of_taus(cls, tau_s: ArrayLike, dt_s: float, bucket_weight: ArrayLike, **others: object) -> SpikingGamma:
        """Decays ``exp(-dt / tau)`` of time constants in seconds: the same neuron at any time step."""
        dt_s = real("dt_s", dt_s, 0.0, np.inf, "give seconds, above 0")
        taus = real_array("tau_s", tau_s)
        require(bool((taus > 0).all()), f"tau_s is {taus.tolist()}; give seconds, above 0")
        return replace(cls(np.exp(-dt_s / taus), bucket_weight), **others)

    def stepping(self, ratio: float, lags: bool = False) -> SpikingGamma:
        keep = 1 - (1 - self.decay_factors) * ratio if lags else self.decay_factors**ratio
        ceiling = self.most if ratio < 1 and not self.adapts else self.ceiling
        return replace(self, keep=keep, keep_threshold=self.keep_threshold**ratio, ceiling=ceiling)

    @property
    def decay_factors(self) -> Array:
        """(K,) ``keep``."""
        return np.asarray(self.keep)

    @property
    def lags(self) -> Array:
        """(K,) time steps by which each bucket is behind the first: the sum of ``1 / (1 - keep)`` of those between."""
        return np.concatenate([[0.0], np.cumsum(1 / (1 - self.decay_factors[1:]))])

    @property
    def code(self) -> float | None:
        return float(self.decay_factors[0])

    @property
    def quantum(self) -> Array | float:
        return 1.0 if self.v_threshold is None else np.asarray(self.v_threshold) * self.factor

    @property
    def most(self) -> Array | None:
        """The most that a neuron of constant threshold tells, one number or one a neuron; None = it never fires."""
        if self.v_threshold is None:
            return None
        every = np.asarray(self.quantum) / (1 - self.decay_factors[0])
        return every if self.ceiling is None else np.minimum(every, self.ceiling)

    @property
    def graded(self) -> bool:
        return self.adapts

    def check_size(self, who: str, n: int) -> None:
        super().check_size(who, n)
        check_weights(who, self.bucket_weights, self.decay_factors.size, n)

    def to_fixed(self, scale: Array | float, dt_s: float, formats: Formats) -> FixedSpikingGamma:
        require(formats.arithmetic in ARITHMETICS, f"{no_such_neurons(self.decay_factors.size)}; map to loihi2")
        unit = scale * (1 << formats.weight_shift)
        largest = float(np.abs(self.bucket_weights).max(initial=0))
        said = f"has bucket weights up to {largest:g}, and a chip holds {MAX_BUCKET_WEIGHT} at most"
        require(largest <= MAX_BUCKET_WEIGHT, f"{said}; retrain with smaller ones")
        shift = bucket_shift(self.bucket_weights)
        threshold = None if self.v_threshold is None else np.rint(np.asarray(self.v_threshold) * unit).astype(np.int64)
        require(
            threshold is None or bool((threshold > 0).all()),
            "has a threshold that rounds to 0: it is too small beside the weights; retrain with a larger one",
        )
        return FixedSpikingGamma(
            np.clip(np.rint(DECAY_ALL * (1 - self.decay_factors)), 1, DECAY_ALL - 1).astype(np.int64),
            np.rint(self.bucket_weights * (1 << shift)).astype(np.int64),
            threshold,
            1 if threshold is None else np.maximum(np.rint(np.asarray(self.quantum) * unit), 1).astype(np.int64),
            shift,
            self.strict,
            round(DECAY_ALL * self.adaptation),
            round(DECAY_ALL * (1 - self.keep_threshold)),
            None if self.ceiling is None else np.clip(np.rint(self.ceiling * unit), 1, MAX_QUANTUM).astype(np.int64),
        )

    def scaled_numbers(self, formats: Formats) -> list[tuple[Array, IntFormat]]:
        if self.v_threshold is None:
            return []
        unit = 1 << formats.weight_shift
        threshold = np.asarray(self.v_threshold) * unit, IntFormat(0, MAX_THRESHOLD)
        return [threshold, (np.asarray(self.quantum) * unit, IntFormat(0, MAX_QUANTUM))]

    def decays(self, dt_s: float) -> list[Array]:
        return [1 - self.decay_factors]

    def lost_in(self, fixed: FixedNeuron) -> list[str]:
        after = fixed.bucket_weights if isinstance(fixed, FixedSpikingGamma) else self.bucket_weights
        lost = bool((np.any(self.bucket_weights != 0, axis=-1) & ~np.any(after != 0, axis=-1)).any())
        return ["all bucket weights of a neuron round to 0; retrain with bucket weights of like size"] if lost else []

    def with_threshold_times(self, factor: Array | float) -> SpikingGamma | None:
        return None if self.v_threshold is None else replace(self, v_threshold=np.asarray(self.v_threshold) * factor)


def bucket_shift(weight: Array) -> int:
    """By how many bits bucket weights are shifted left, so that the largest takes 8 bits with its sign."""
    largest = float(np.abs(weight).max(initial=0))
    return MAX_SHIFT if largest == 0 else int(np.clip(np.floor(np.log2(MAX_BUCKET_WEIGHT / largest)), 0, MAX_SHIFT))
