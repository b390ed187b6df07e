"""What a call hands to the kernels, and what they fill."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from trainer.engines.compiled.state import Flags, Floats, Ints


class Batch(NamedTuple):
    """What a call brings and what the forward pass fills.

    Attributes:
        bits: the frames read as integers.
        events_at, events: time-stamped input, each (sample, time step)'s from ``events_at[b * T + t]`` on.
        cleared: (T, P) populations whose registers are reset before a time step.
        counts, membranes, currents, shut: (T, B, N); ``steps``: (T, B).
        before: (N_USED,) the tape's ``used`` at the start of a sample; of one that did not fit, when that was seen.
        start_v, start_u: (B, N) registers that samples begin with; start_late: (B, N) whose late reset is due.
    """

    frames: Floats
    bits: NDArray[Any]
    ids: Ints
    core_of_neuron: Ints
    events_at: Ints
    events: Ints
    cleared: Flags
    counts: NDArray[np.int32]
    membranes: Floats
    currents: Floats
    shut: Flags
    steps: Ints
    before: Ints
    start_v: Floats
    start_u: Floats
    start_late: NDArray[np.int32]


class BatchBack(NamedTuple):
    """What the backward pass reads of the forward one, the gradients of its results, and what it fills.

    Attributes:
        scale: (L,) of each link's deliveries.
        g_first: (T, B, N) gradient of the first drive, or nothing.
        shape, steep, peak: of the surrogate's slope.
    """

    counts: NDArray[np.int32]
    membranes: Floats
    currents: Floats
    shut: Flags
    cleared: Flags
    scale: Floats
    g_counts: Floats
    g_membranes: Floats
    g_first: Floats
    start_v: Floats
    start_u: Floats
    start_late: NDArray[np.int32]
    shape: int
    steep: float
    peak: float
