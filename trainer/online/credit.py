"""Credit rules: how an error at a bucket, which holds the past of a neuron, becomes a change of that neuron's weights.

Every rule is exact where errors meet the readout's own weights. An error at bucket k of neuron i is e_k; y is what i
codes now. The forward pass is the engine's.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Credit:
    """One rule.

    Attributes:
        buckets: how many of the first buckets pass their errors to y at once; None = all.
        traces: whether weights and bucket weights of hidden layers get e_k times what the filter of bucket k keeps of
            their own derivative of y (exact for the layer before the readout), not the error that is passed at once.
        one_hidden: whether it is refused where it would not be exact.
        says: what it is, for people.
    """

    buckets: int | None
    traces: bool
    one_hidden: bool
    says: str


CREDITS: dict[str, Credit] = {
    "trace": Credit(None, True, True, "traces; exact for one spiking hidden layer of dense projections"),
    "trace-by-layer": Credit(None, True, False, "traces inside each layer; all buckets' errors passed on at once"),
    "all-buckets": Credit(None, False, False, "all buckets' errors passed on at once, no traces"),
    "bucket-0": Credit(1, False, False, "the first bucket's errors alone, no traces"),
}
"""By the names of the setting ``rule``; ``bptt`` is autograd through the plain engine."""
