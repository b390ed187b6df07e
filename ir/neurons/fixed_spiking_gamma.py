"""SpikingGamma in a chip's integers: parameters, ranges, and what stages ask of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from ir.arithmetic import DECAY_ALL, Arithmetic
from ir.arrays import Array, set_field, whole_array
from ir.check import check_range, check_type, require, whole
from ir.chip import Chip
from ir.formats import Excess, RegisterFormats
from ir.neurons.model import PLACE_BYTES, FixedNeuron
from ir.schedule import Schedule

MAX_BUCKETS = 32
MAX_BUCKET_WEIGHT = 127
"""Bucket weights of a chip have 8 bits."""

MAX_SHIFT = 15
"""Of the sum of weighted buckets."""

MAX_THRESHOLD = (1 << 22) - 1
MAX_QUANTUM = (1 << 23) - 1
"""In register units: twice a threshold, and every state, has 24 bits with its sign."""

ACCUMULATOR_BITS = 31
"""Of the weighted sum of buckets, without its sign."""

PAYLOAD_BITS = 6
"""Of a spike whose threshold adapts, behind the point: it carries its threshold over that at rest, in 1/64."""

DEAD_ZONES = 10
"""A spike is so many times the difference that rounding toward zero keeps a bucket from following."""

ARITHMETICS = ("lava", "loihi2")
MODEL = "spiking_gamma"
ASYNCHRONOUS = (
    "codes its output once a time step, when all of the step has arrived, which the asynchronous schedule does not "
    "define; use the layered one"
)


def state_names(n_buckets: int, fires: bool, adapts: bool) -> tuple[str, ...]:
    """``v``, the sum of the weighted buckets; ``e``, what its spikes tell; ``th``, what its threshold has above that
    at rest; ``x0``, ``x1``, ... the buckets."""
    coder = ("e",) if fires else ()
    return ("v", *coder, *(("th",) if adapts else ()), *(f"x{k}" for k in range(n_buckets)))


def check_buckets(n_buckets: int) -> None:
    lacks = f"SpikingGamma has K = {n_buckets} buckets; give 1 to {MAX_BUCKETS}"
    require(1 <= n_buckets <= MAX_BUCKETS, lacks)


def check_last(name: str, weight: Array, n_buckets: int) -> None:
    """Raise unless weights are one a bucket, of all neurons or of each."""
    fits = weight.ndim in (1, 2) and weight.shape[-1] == n_buckets
    said = f"SpikingGamma has K = {n_buckets} buckets and {name} of shape {weight.shape}"
    require(fits, f"{said}; give ({n_buckets},) or (n, {n_buckets})")


def check_weights(who: str, weight: Array, n_buckets: int, n: int) -> None:
    fits = weight.shape in ((n_buckets,), (n, n_buckets))
    require(fits, f"bucket_weight of {who} has shape {weight.shape}; give ({n_buckets},) or ({n}, {n_buckets})")


def no_such_neurons(n_buckets: int) -> str:
    """Why a chip without microcode is refused."""
    return f"keeps {n_buckets + 1} states of 24 bits and codes its output by sigma-delta, which only microcode can"


class Buckets:
    """What SpikingGamma's floats and integers say in the same words."""

    bucket_weight: ArrayLike
    v_threshold: Any
    adaptation: Any

    @property
    def bucket_weights(self) -> Array:
        """(K,) or (n, K) ``bucket_weight``."""
        return np.asarray(self.bucket_weight)

    @property
    def fires(self) -> bool:
        return self.v_threshold is not None

    @property
    def adapts(self) -> bool:
        """Whether its threshold changes, and its spikes carry it."""
        return self.fires and self.adaptation > 0

    def refusal(self, schedule: Schedule) -> str | None:
        return ASYNCHRONOUS if schedule.kind == "asynchronous" else None


@dataclass(frozen=True, eq=False)
class FixedSpikingGamma(Buckets, FixedNeuron):
    """The same in integers; ``rtz(p) = sign(p) * (|p| >> 12)``, states are held at +-(2^23 - 1).

    ``x0 <- rtz(x0 (4096 - D_0)) + x``, ``xk <- xk + rtz((old_(k-1) - xk) D_k)``, ``v = (sum_k V_k xk) >> bucket_shift``
    (floor), ``p = rtz(e (4096 - D_0))``, spike where ``min(max(v, 0), ceiling) - p > th``, ``e <- p + q``.

    Where the threshold adapts, ``th = v_threshold + A``, a spike carries ``P = 64 th // v_threshold`` and
    ``q = (quantum P) >> 6``; ``A <- rtz(A (4096 - D_th)) + rtz(th m)``, the last where it spikes. Else it carries 1.

    Attributes:
        decay: (K,) D_k, lost a time step, in 1/4096, 1..4095.
        bucket_weight: (K,) or (n, K) V_k, 8 bits with the sign.
        v_threshold: register value, 1..2^22 - 1; None = never fires.
        quantum: q, register value.
        adaptation, decay_threshold: m and D_th, in 1/4096.
        ceiling: register value, 1..2^23 - 1; None = that of a state, 2^23 - 1.
    """

    MODEL = MODEL
    PER_NEURON = ("v_threshold", "quantum", "ceiling")
    FEED_FORWARD = True
    refractory = True

    decay: ArrayLike
    bucket_weight: ArrayLike
    v_threshold: Array | int | None = 32
    quantum: Array | int = 64
    bucket_shift: int = 3
    strict: bool = True
    adaptation: int = 0
    decay_threshold: int = DECAY_ALL
    ceiling: Array | int | None = None

    def __post_init__(self) -> None:
        set_field(self, "decay", whole_array("decay", self.decay).reshape(-1))
        check_buckets(self.decay_shares.size)
        check_range("SpikingGamma decays D_k, in 1/4096,", self.decay_shares, 1, DECAY_ALL - 1)
        set_field(self, "bucket_weight", whole_array("bucket_weight", self.bucket_weight))
        check_last("bucket_weight", self.bucket_weights, self.decay_shares.size)
        check_range("SpikingGamma bucket_weight", self.bucket_weights, -MAX_BUCKET_WEIGHT - 1, MAX_BUCKET_WEIGHT)
        if self.v_threshold is not None:
            set_field(self, "v_threshold", whole_array("v_threshold", self.v_threshold))
            check_range("SpikingGamma v_threshold", np.asarray(self.v_threshold), 1, MAX_THRESHOLD)
        set_field(self, "quantum", whole_array("quantum", self.quantum))
        check_range("SpikingGamma quantum", np.asarray(self.quantum), 1, MAX_QUANTUM)
        if self.ceiling is not None:
            set_field(self, "ceiling", whole_array("ceiling", self.ceiling))
            check_range("SpikingGamma ceiling", self.ceilings, 1, MAX_QUANTUM)
        set_field(self, "bucket_shift", whole("SpikingGamma bucket_shift", self.bucket_shift, 0, MAX_SHIFT))
        check_type("SpikingGamma strict", self.strict, bool, "true or false")
        set_field(self, "adaptation", whole("SpikingGamma adaptation", self.adaptation, 0, DECAY_ALL))
        set_field(self, "decay_threshold", whole("SpikingGamma decay_threshold", self.decay_threshold, 0, DECAY_ALL))
        grows = "its threshold would grow without end; make adaptation less than decay_threshold"
        require(self.adaptation == 0 or self.adaptation < self.decay_threshold, f"SpikingGamma: {grows}")
        set_field(self, "STATES", state_names(self.decay_shares.size, self.fires, self.adapts))

    @property
    def decay_shares(self) -> Array:
        """(K,) ``decay``."""
        return np.asarray(self.decay)

    @property
    def ceilings(self) -> Array:
        """``ceiling``, () or (n,)."""
        return np.asarray(MAX_QUANTUM if self.ceiling is None else self.ceiling)

    @property
    def due(self) -> bool:
        return False

    @property
    def code(self) -> float | None:
        return float(self.decay_shares[0])

    @property
    def payload_bits(self) -> int:
        return PAYLOAD_BITS if self.adapts else 0

    @property
    def carries(self) -> int:
        if not self.adapts:
            return 1
        most = 1 + self.adaptation / (self.decay_threshold - self.adaptation)
        return int(np.ceil((most + self.adaptation / DECAY_ALL) * (1 << PAYLOAD_BITS)))

    @property
    def rounds_payloads(self) -> bool:
        return True

    @property
    def places(self) -> int:
        """States of 24 bits, K buckets and e, a threshold of 16, K bucket weights of 8; 24 for a ceiling of its own."""
        n_buckets = self.decay_shares.size
        bits = 24 * (n_buckets + 1 + self.adapts + self.ceilings.ndim) + 16 + 8 * n_buckets
        return -(-bits // (8 * PLACE_BYTES))

    @property
    def updates(self) -> float:
        """Two products a bucket, its decay and its weight, and two for what spikes have told and the threshold."""
        return self.decay_shares.size + 1.0

    def check_size(self, who: str, n: int) -> None:
        super().check_size(who, n)
        check_weights(who, self.bucket_weights, self.decay_shares.size, n)

    def chip_refusal(self, chip: Chip) -> str | None:
        if chip.arithmetic not in ARITHMETICS:
            return f"{no_such_neurons(self.decay_shares.size)}, and {chip.title} has none; map to loihi2"
        return self._dead_zone()

    def _dead_zone(self) -> str | None:
        """Why buckets would not follow what spikes tell."""
        if not self.fires or self.decay_shares.size == 1:
            return None
        k, least = 1 + int(self.decay_shares[1:].argmin()), int(np.min(self.quantum))
        zone = DECAY_ALL / int(self.decay_shares[k])
        if least >= DEAD_ZONES * zone:
            return None
        return (
            f"has spikes of {least} register units, and bucket {k} follows no difference below {zone:.0f}; at least "
            f"{DEAD_ZONES} times that are needed: use a larger threshold beside the weights, or a shorter time constant"
        )

    def biased(self) -> Array:
        """All: what is in a bucket moves on in every time step."""
        return np.ones((), np.bool_)

    def settings(self) -> tuple[Array | int, ...]:
        flags = self.bucket_shift, int(self.strict), self.adaptation, self.decay_threshold
        columns = np.moveaxis(self.bucket_weights, -1, 0)
        return *self.decay_shares, *columns, self.quantum, self.ceilings, *flags

    def threshold_setting(self) -> Array | int:
        return -1 if self.v_threshold is None else self.v_threshold

    def excesses(self, who: str, formats: RegisterFormats, arithmetic: str) -> list[Excess]:
        if arithmetic not in ARITHMETICS:
            return [Excess(who, no_such_neurons(self.decay_shares.size), self.decay_shares.size + 1, "map to loihi2")]
        zone = self._dead_zone()
        return [] if zone is None else [Excess(who, zone, int(np.min(self.quantum)), "quantize it again")]

    def worst_current(self, at_once: Array, in_all: Array, n_steps: float, arithmetic: Arithmetic) -> Array:
        """The largest bucket, or the weighted sum of buckets, shifted or before, where that is nearer its edge."""
        bucket = in_all * min(DECAY_ALL / float(self.decay_shares[0]), n_steps)
        total = np.abs(self.bucket_weights).sum(-1)
        return bucket * np.maximum(1.0, total / 2.0 ** min(self.bucket_shift, ACCUMULATOR_BITS - arithmetic.v_bits))
