"""What all samples of own data have in common."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from ir.check import MAX_NEURONS, FormatError
from stimuli.own.cameras import CAMERAS
from stimuli.own.files import Columns, Raw
from stimuli.own.options import DataOptions
from stimuli.own.recording import Recording, recording_of

CHECKED_AT_ONCE = 1 << 20
"""Values that are looked at in one go: a mapped file need not be in memory as a whole."""

EVENTS, FRAMES, IMAGES = "events", "frames", "images"


class Source(Protocol):
    """Samples that are read when they are asked for.

    Attributes:
        name: what ``data`` of a configuration says: ``folder:PATH`` or ``own``.
        n_classes: None = not known without reading.
        sensor: (W, H, P) where the data say it; else empty.
    """

    @property
    def name(self) -> str: ...
    @property
    def n_classes(self) -> int | None: ...
    @property
    def sensor(self) -> tuple[int, ...]: ...
    def __len__(self) -> int: ...
    def said(self, i: int) -> str: ...
    def read(self, i: int) -> tuple[Raw, int]: ...


@dataclass(frozen=True)
class Form:
    """The shape of every sample.

    Attributes:
        kind: ``events``, ``frames`` or ``images``.
        raw_shape: of one frame or image as it comes, without time; of events (P, H, W), or (P, W) without rows.
        n_steps: time steps.
        fixed: frames must have exactly ``n_steps``.
        itemsize: bytes a value takes in memory.
        first: what the sentences name that the others are compared with.
    """

    kind: str
    raw_shape: tuple[int, ...]
    n_steps: int
    fixed: bool = False
    itemsize: int = 1
    first: str = ""


def form_of(source: Source, options: DataOptions) -> tuple[Form, DataOptions]:
    """Look at the first sample, and at all where the sensor or the number of time steps is not said.

    Returns:
        The form, and the options with nothing left open.

    Raises:
        FormatError: no samples, or one of them is no sample.
    """
    if not len(source):
        raise FormatError(f"{source.name} holds no samples; give at least one")
    raw, _ = source.read(0)
    who = source.said(0)
    if isinstance(raw, dict):
        if options.delta:
            raise FormatError(f"{who} holds events, and delta is a code of frames; leave delta out")
        return _form_of_events(source, raw, options)
    array = numbers_of(raw, who, values=not isinstance(raw, np.memmap))
    if options.images:
        shape, steps = _three(array.shape, who, "an image is (N), (H, W) or (C, H, W)", 0), options.n_steps or 1
        rated = options.images in ("rate", "latency")
        return Form(IMAGES, shape, steps, itemsize=1 if rated else 4, first=who), replace(options, n_steps=steps)
    way = "frames are (T, N), (T, H, W) or (T, C, H, W); set images where there is no time axis"
    shape, steps = _three(array.shape, who, way, 1), options.n_steps or array.shape[0]
    size = 1 if options.delta else 4 if array.dtype.kind == "f" else min(4, array.dtype.itemsize)
    form = Form(FRAMES, shape, steps, options.n_steps == 0, size, who)
    return form, replace(options, n_steps=steps)


def numbers_of(raw: NDArray[Any], who: str, values: bool = True) -> NDArray[Any]:
    """The array; raise unless it holds finite numbers, counts from 0.

    Args:
        values: whether they are looked at now; those of mapped files are when they are read.

    Raises:
        FormatError: says where it does not.
    """
    if raw.dtype.kind not in "biuf" or raw.dtype.itemsize > 8:
        raise FormatError(f"{who} holds {raw.dtype} of shape {raw.shape}; give events with t, x, y, p or numbers")
    if raw.size == 0:
        raise FormatError(f"{who} is empty (shape {raw.shape}); give at least one time step and input")
    a_row = max(1, raw.size // max(1, len(raw))) if raw.ndim else 1
    rows = max(1, CHECKED_AT_ONCE // a_row)
    for start in range(0, len(raw), rows) if raw.ndim and values else ():
        _check_values(raw[start : start + rows], who, start)
    return raw


def _check_values(some: NDArray[Any], who: str, start: int) -> None:
    """Raise unless values are finite, and whole ones at least 0; ``start``: where the first row lies."""
    kind = some.dtype.kind
    wrong = ~np.isfinite(some) if kind == "f" else some < 0 if kind == "i" else np.zeros(1, bool)
    if wrong.any():
        at = tuple(int(i) for i in np.argwhere(wrong)[0])
        must = "every value must be finite" if kind == "f" else "counts are at least 0"
        raise FormatError(f"{who} holds {some[at]} at {(start + at[0], *at[1:])}; {must}")


def _three(shape: tuple[int, ...], who: str, way: str, skip: int) -> tuple[int, ...]:
    """The shape of one frame, behind a time axis where there is one."""
    if not 1 <= len(shape) - skip <= 3:
        raise FormatError(f"{who} has shape {shape}; {way}")
    _check_size(int(np.prod(shape[skip:], dtype=object)), who)
    return shape[skip:]


def _check_size(n: int, who: str) -> None:
    if n > MAX_NEURONS:
        raise FormatError(f"{who} has {n} inputs a frame, at most {MAX_NEURONS}; crop or shrink it")


def _form_of_events(source: Source, first: Columns, options: DataOptions) -> tuple[Form, DataOptions]:
    flat = "y" not in first
    sensor = options.sensor or source.sensor or (CAMERAS[options.camera].sensor if options.camera else ())
    if not sensor or not options.n_steps:
        most = np.array([-1, -1, -1, -1])
        for i in range(len(source)):
            most = np.maximum(most, recording(source.read(i)[0], source.said(i), options, flat).largest())
        if most[0] < 0:
            raise FormatError(f"{source.name} holds recordings without any event; say sensor and n_steps, or look")
        found = (int(most[0]) + 1, int(most[1]) + 1, int(most[2]) + 1)
        steps = int(most[3] - options.begin_us) // options.window_us + 1
        options = replace(options, sensor=sensor or found)
        if not options.n_steps:
            if not 0 < steps <= 1 << 20:
                raise FormatError(
                    f"the longest recording of {source.name} has {steps} time steps of {options.window_us} us, at most "
                    f"{1 << 20}; set n_steps, window_us, time_unit_us or from_first"
                )
            options = replace(options, n_steps=steps)
    else:
        options = replace(options, sensor=sensor)
    width, height, polarities = options.sensor
    if flat and height > 1:
        raise FormatError(f"{source.said(0)} has no y, and sensor says {height} rows; set sensor = [W, 1, P]")
    shape = (polarities, width) if flat else (polarities, height, width)
    _check_size(width * height * polarities, source.name)
    return Form(EVENTS, shape, options.n_steps, itemsize=2 if options.counts else 1), options


def recording(raw: Raw, who: str, options: DataOptions, flat: bool) -> Recording:
    """A sample as a checked recording; raise unless it is of the first one's kind."""
    if not isinstance(raw, dict):
        raise FormatError(f"{who} holds frames of shape {raw.shape}, the first sample events; give one kind")
    if ("y" not in raw) != flat:
        raise FormatError(f"{who} has {'no y' if not flat else 'y'}, unlike the first sample; give one kind")
    return recording_of(raw, who, options.time_unit_us, options.from_first)


def out_shape(form: Form, options: DataOptions) -> tuple[int, ...]:
    """Shape of one frame as the network sees it.

    Raises:
        FormatError: the crop leaves the frame, or nothing is left.
    """
    shape = form.raw_shape
    if form.kind != EVENTS:
        shape = (1, *shape) if len(shape) < 3 else shape
    channels, height, width = shape[0], shape[1] if len(shape) == 3 else 1, shape[-1]
    if options.crop:
        left, top, w, h = options.crop
        if left + w > width or top + h > height:
            raise FormatError(f"crop is {list(options.crop)} of {width} x {height} pixels; it leaves the frame")
        width, height = w, h
    rows = height // options.shrink if len(shape) == 3 else 1
    width //= options.shrink
    if not (rows and width):
        raise FormatError(f"shrink is {options.shrink} and leaves nothing of the frames; make it smaller")
    channels = (1 if options.merge_polarity else channels) * (2 if options.delta else 1)
    return (channels, rows, width) if len(shape) == 3 else (channels, width)
