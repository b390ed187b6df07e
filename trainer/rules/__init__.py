"""Training rules: one file each, and the one table that says which there are."""

from __future__ import annotations

from trainer.rules.online import Online
from trainer.rules.rule import Rule
from trainer.rules.surrogate import Surrogate

RULES: dict[str, Rule] = {
    "surrogate": Surrogate(),
    "bptt": Surrogate(),
    "trace": Online("trace"),
    "trace-by-layer": Online("trace-by-layer"),
    "all-buckets": Online("all-buckets"),
    "bucket-0": Online("bucket-0"),
}
"""``surrogate`` and ``bptt`` are one rule, backpropagation through time: LIF learn with a surrogate, SpikingGamma
straight through their spikes. Those below are ``trainer.online.credit.CREDITS``."""
