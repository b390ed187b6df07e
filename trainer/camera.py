"""An emulated event camera: an image moves through three saccades, pixels report changes of brightness.

N-MNIST was recorded so (Orchard et al. 2015). The path, saccade times and pixel constants were fitted to
1,000 of its recordings; what comes out resembles N-MNIST and is never called by its name.
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter, shift

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


@njit(cache=True)
def _pixel_events(
    log_film: NDArray[np.float32],
    on: NDArray[np.float32],
    off: NDArray[np.float32],
    step_ms: float,
    low_pass_ms: float,
    refractory_ms: float,
) -> NDArray[np.int64]:  # pragma: no cover - compiled
    n_t, height, width = log_film.shape
    events = np.empty((n_t * height * width, 4), np.int64)
    n = 0
    for y in range(height):
        for x in range(width):
            seen = reference = log_film[0, y, x]
            free_at = -1.0
            for i in range(1, n_t):
                before = seen
                seen += (log_film[i, y, x] - seen) * (step_ms / (low_pass_ms + step_ms))
                sign = 1.0 if seen > reference else -1.0
                threshold = on[y, x] if sign > 0 else off[y, x]
                while (seen - reference) * sign >= threshold:
                    reference += sign * threshold
                    share = (reference - before) / (seen - before) if seen != before else 1.0
                    t_ms = (i - 1 + min(max(share, 0.0), 1.0)) * step_ms
                    if t_ms >= free_at:
                        free_at = t_ms + refractory_ms
                        events[n, 0], events[n, 1], events[n, 2], events[n, 3] = (
                            x,
                            y,
                            int(t_ms * 1000),
                            1 if sign > 0 else 0,
                        )
                        n += 1
    return events[:n]


def film(image: NDArray[np.float64], side: int, step_ms: float, scale: float = 1.0) -> NDArray[np.float32]:
    """Log luminance of ``image`` (h, w; ink 0..1) moving before a side x side sensor, (n_t, side, side)."""
    canvas = np.zeros((side, side))
    top, left = (side - image.shape[0]) // 2, (side - image.shape[1]) // 2
    canvas[top : top + image.shape[0], left : left + image.shape[1]] = image
    canvas = gaussian_filter(canvas, BLUR_PX)
    places = path_px(np.arange(0.0, DURATION_MS, step_ms), scale)
    distinct, back = np.unique(np.round(places, 2), axis=0, return_inverse=True)
    views = np.stack([shift(canvas, (y, x), order=1, mode="constant") for x, y in distinct])
    ink = np.clip(views, 0, 1)[back.ravel()]
    return np.log(1.0 - (1.0 - DARK) * ink).astype(np.float32)


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
    rng = np.random.default_rng(seed)
    jitter = np.clip(1 + JITTER * rng.standard_normal((2, side, side)), 0.4, 2.0).astype(np.float32)
    rows = _pixel_events(
        film(image, side, step_ms, scale),
        CONTRAST_ON * jitter[0],
        CONTRAST_OFF * jitter[1],
        step_ms,
        LOW_PASS_MS,
        REFRACTORY_MS,
    )
    rows = rows[np.lexsort((rows[:, 0], rows[:, 1], rows[:, 2]))]
    events = np.empty(len(rows), EVENT)
    for i, name in enumerate(("x", "y", "t", "p")):
        events[name] = rows[:, i]
    return events
