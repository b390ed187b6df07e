"""An emulated event camera: an image moves through three saccades, pixels report changes of brightness.

N-MNIST was recorded so (Orchard et al. 2015). The path, saccade times and pixel constants were fitted to
1,000 of its recordings; what comes out resembles N-MNIST and is never called by its name.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from ir.kernels import kept_on_disk

CORNERS_PX = np.array([(-2.47, -1.77), (-0.91, 3.56), (2.77, -1.56), (-2.47, -1.77)])
"""(x, y) where the image rests before and after each saccade, pixels of a 34 x 34 sensor."""

SACCADES_MS = np.array([(10.0, 80.0), (112.0, 200.0), (228.0, 296.0)])
"""Begin and end of each saccade."""

DURATION_MS = 308
CONTRAST_ON, CONTRAST_OFF = 0.13, 0.12
REFRACTORY_MS = 1.15
LOW_PASS_MS = 2.7
JITTER = 0.24
BLUR_PX = 0.37
DARK = 0.45
"""Luminance of a fully inked pixel where the paper is 1; sets the number of events."""

EVENT = np.dtype([("x", np.int64), ("y", np.int64), ("t", np.int64), ("p", np.int64)])
"""tonic's event type; t in microseconds, p = 1 where it becomes brighter."""


def path_px(t_ms: NDArray[np.float64], scale: float = 1.0) -> NDArray[np.float64]:
    """Where the image is at each time: rest, saccade at constant speed, rest; (n, 2) as (x, y)."""
    times = np.concatenate([[0.0], SACCADES_MS.ravel(), [DURATION_MS]])
    corners = np.repeat(CORNERS_PX, 2, axis=0) * scale
    return np.stack([np.interp(t_ms, times, corners[:, i]) for i in (0, 1)], 1)


@kept_on_disk
def _ink_at(canvas: NDArray[np.float64], y: float, x: float) -> float:  # pragma: no cover - compiled
    """Bilinear sample of a (side, side) image; blank paper outside."""
    side = canvas.shape[0]
    top, left = int(np.floor(y)), int(np.floor(x))
    dy, dx = y - top, x - left
    ink = 0.0
    for row, wy in ((top, 1 - dy), (top + 1, dy)):
        for col, wx in ((left, 1 - dx), (left + 1, dx)):
            if 0 <= row < side and 0 <= col < side:
                ink += wy * wx * canvas[row, col]
    return min(max(ink, 0.0), 1.0)


@kept_on_disk
def _watch(
    canvas: NDArray[np.float64],
    path: NDArray[np.float64],
    on: NDArray[np.float64],
    off: NDArray[np.float64],
    step_ms: float,
    low_pass_ms: float,
    refractory_ms: float,
    dark: float,
) -> NDArray[np.int64]:  # pragma: no cover - compiled
    """Rows of (x, y, t in us, polarity), pixel by pixel."""
    n_t, side = path.shape[0], canvas.shape[0]
    events = np.empty((n_t * side * side, 4), np.int64)
    n = 0
    for y in range(side):
        for x in range(side):
            seen = reference = np.log(1.0 - (1.0 - dark) * _ink_at(canvas, y - path[0, 1], x - path[0, 0]))
            free_at = -1.0
            light = seen
            for i in range(1, n_t):
                if path[i, 0] != path[i - 1, 0] or path[i, 1] != path[i - 1, 1]:
                    light = np.log(1.0 - (1.0 - dark) * _ink_at(canvas, y - path[i, 1], x - path[i, 0]))
                before = seen
                seen += (light - seen) * (step_ms / (low_pass_ms + step_ms))
                sign = 1.0 if seen > reference else -1.0
                threshold = on[y, x] if sign > 0 else off[y, x]
                while (seen - reference) * sign >= threshold:
                    reference += sign * threshold
                    share = (reference - before) / (seen - before) if seen != before else 1.0
                    t_ms = (i - 1 + min(max(share, 0.0), 1.0)) * step_ms
                    if t_ms >= free_at:
                        free_at = t_ms + refractory_ms
                        events[n, 0], events[n, 1], events[n, 2], events[n, 3] = x, y, int(t_ms * 1000), int(sign > 0)
                        n += 1
    return events[:n]


def on_canvas(image: NDArray[np.float64], side: int) -> NDArray[np.float64]:
    """``image`` (h, w; ink 0..1) in the middle of a side x side sensor, blurred by the lens."""
    canvas = np.zeros((side, side))
    top, left = (side - image.shape[0]) // 2, (side - image.shape[1]) // 2
    canvas[top : top + image.shape[0], left : left + image.shape[1]] = image
    return gaussian_filter(canvas, BLUR_PX)


def record(
    image: NDArray[np.float64], seed: int, side: int = 34, step_ms: float = 1.0, scale: float = 1.0
) -> NDArray[np.void]:
    """Film one image with the emulated camera.

    Args:
        image: (h, w), ink from 0 to 1.
        seed: of this image's threshold jitter.
        side: sensor side in pixels.
        step_ms: simulation step.
        scale: saccade size relative to N-MNIST's.

    Returns:
        Events in tonic's dtype, sorted by time.
    """
    jitter = np.clip(1 + JITTER * np.random.default_rng(seed).standard_normal((2, side, side)), 0.4, 2.0)
    path = path_px(np.arange(0.0, DURATION_MS, step_ms), scale)
    thresholds = CONTRAST_ON * jitter[0], CONTRAST_OFF * jitter[1]
    rows = _watch(on_canvas(image, side), path, *thresholds, step_ms, LOW_PASS_MS, REFRACTORY_MS, DARK)
    rows = rows[np.lexsort((rows[:, 0], rows[:, 1], rows[:, 2]))]
    events = np.empty(len(rows), EVENT)
    for i, name in enumerate(("x", "y", "t", "p")):
        events[name] = rows[:, i]
    return events
