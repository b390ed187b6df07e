"""Whoever compares traces refuses those of different runs, in the same words."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from ir.trace import Spikes, Trace
from sim_reference.compare.divergence import first_divergence
from sim_reference.compare.equality import equality

COMPARE: dict[str, Callable[[Trace, Trace], Any]] = {"first_divergence": first_divergence, "equality": equality}


def quiet(populations: tuple[tuple[str, int], ...] = (("a", 2), ("b", 1)), steps: int = 2, samples: int = 2) -> Trace:
    """A run in which nobody spikes."""
    none = Spikes(*np.zeros((6, 0), int))
    n = sum(size for _, size in populations)
    counts, steps_, ids = np.zeros((samples, n), int), np.ones((steps, samples), int), np.arange(samples)
    return Trace("E2", none, counts, {}, steps_, ids, populations, populations[-1][0])


@pytest.mark.parametrize("compare", COMPARE.values(), ids=COMPARE)
@pytest.mark.parametrize(
    ("other", "said"),
    [
        (quiet(steps=3), "different runs: 2 time steps of 2 samples and 3 time steps of 2 samples"),
        (quiet(samples=1), "different runs: 2 time steps of 2 samples and 2 time steps of 1 sample;"),
        (quiet((("a", 1), ("b", 2))), "one has population 'a' of 2 neurons, the other population 'a' of 1 neuron;"),
        (quiet((("a", 2),)), "one has population 'b' of 1 neuron, the other no further population;"),
        (
            replace(quiet(), sample_ids=np.array([0, 7])),
            "hold different samples; compare runs of one network on the same",
        ),
        (replace(quiet(), spikes=None), "only counted cannot be compared spike for spike; record spikes"),
    ],
    ids=["time steps", "samples", "sizes", "populations", "ids", "counted"],
)
def test_runs_that_do_not_belong_together_are_refused(
    compare: Callable[[Trace, Trace], Any], other: Trace, said: str
) -> None:
    compare(quiet(), quiet())
    with pytest.raises(ValueError, match=said):
        compare(quiet(), other)
