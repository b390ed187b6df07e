"""One sample becomes frames: events are binned, frames cropped and summed, images fed or coded."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ir.arrays import Ints
from ir.check import MAX_NEURONS, FormatError
from stimuli.coding import delta, latency, rate
from stimuli.own.files import Raw
from stimuli.own.form import EVENTS, IMAGES, Form, numbers_of, out_shape, recording
from stimuli.own.options import DataOptions
from stimuli.own.recording import Recording


def frames_of(
    raw: Raw,
    who: str,
    sample_id: int,
    form: Form,
    options: DataOptions,
    stamps: bool = False,
    steps: range | None = None,
) -> tuple[NDArray[Any], Ints | None]:
    """One sample as frames (T, N), and its events (n, 3) as (t, time stamp, input) where asked for.

    Args:
        steps: only these time steps, which count from 0 again; of frames no others are looked at.

    Raises:
        FormatError: it does not have the form of the others, or is bad itself; begins with ``who``.
    """
    steps = range(form.n_steps) if steps is None else steps
    if form.kind == EVENTS:
        rows = _rows(recording(raw, who, options, len(form.raw_shape) == 2), who, form, options)
        rows = rows[(rows[:, 0] >= steps.start) & (rows[:, 0] < steps.stop)] - np.array([steps.start, 0, 0])
        n_inputs = int(np.prod(out_shape(form, options)))
        cells = rows[:, 0] * n_inputs + rows[:, 2]
        found = np.zeros(len(steps) * n_inputs, np.int16 if options.counts else np.int8)
        if options.counts:
            cells, counts = np.unique(cells, return_counts=True)
            most = counts.max(initial=0)
            if most > 32_767:
                raise FormatError(f"{who}: a pixel has {most} events in a time step, at most 32767; shorten window_us")
            found[cells] = counts
        else:
            found[cells] = 1
        return found.reshape(len(steps), n_inputs), rows if stamps else None
    if isinstance(raw, dict):
        raise FormatError(f"{who} holds events, {form.first} does not; give one kind")
    if form.kind == IMAGES:
        frames = _image(numbers_of(raw, who), who, sample_id, form, options, steps)
    else:
        known = range(steps.stop) if options.delta else steps  # a change is one of what was before
        frames = _smaller(_in_time(raw, who, form, known), options)
        if options.delta:
            return delta(frames.reshape(len(known), 1, -1), options.delta)[steps.start :, 0], None
    return _whole(frames.reshape(len(steps), -1)), None


def _rows(events: Recording, who: str, form: Form, options: DataOptions) -> Ints:
    """(n, 3) of (t, time stamp, input) of the events inside the time and the crop, one a pixel and step or all."""
    _check_inside(events, who, options)
    step = (events.t - options.begin_us) // options.window_us
    inside = (step >= 0) & (step < form.n_steps)
    if len(events.t) and not inside.any():
        raise FormatError(
            f"{who}: none of its events ({events.t[0]} to {events.t[-1]} us) lies in its {form.n_steps} time steps of "
            f"{options.window_us} us; set from_first, begin_us, time_unit_us or n_steps"
        )
    left, top = options.crop[:2] or (0, 0)
    shape = out_shape(form, options)
    rows, columns = shape[1] if len(shape) == 3 else 1, shape[-1]
    x = (events.x - left) // options.shrink
    y = np.zeros_like(x) if events.y is None else (events.y - top) // options.shrink
    inside &= (x >= 0) & (x < columns) & (y >= 0) & (y < rows)
    p = np.zeros_like(x) if events.p is None or shape[0] == 1 else events.p
    index = (p * rows + y) * columns + x
    order = np.flatnonzero(inside)
    found = np.stack([step[order], events.t[order], index[order]], 1)
    if options.counts:
        return found
    _, kept = np.unique(found[:, 0] * MAX_NEURONS + found[:, 2], return_index=True)  # the first: events are in order
    return found[np.sort(kept)]


def _check_inside(events: Recording, who: str, options: DataOptions) -> None:
    """Raise where an event lies outside the sensor."""
    for name, column, side in (("x", events.x, options.sensor[0]), ("y", events.y, options.sensor[1])):
        if column is not None and len(column) and column.max() >= side:
            at = int(np.argmax(column >= side))
            raise FormatError(
                f"{who}: event {at} lies at {name} = {column[at]} of a sensor with {side} pixels; set sensor larger"
            )


def _image(
    array: NDArray[Any], who: str, sample_id: int, form: Form, options: DataOptions, steps: range
) -> NDArray[Any]:
    """An image in every time step: as a current, or as spikes; bytes are taken as 0 to 255 of 1."""
    if array.shape != form.raw_shape:
        raise FormatError(f"{who} has shape {array.shape}, {form.first} has {form.raw_shape}; give one shape")
    light = array.astype(np.float32) / (255 if array.dtype == np.uint8 else 1)
    light = _smaller(light[None], options).reshape(-1)
    if options.images == "current":
        return np.broadcast_to(light, (len(steps), *light.shape))
    if light.min() < 0 or light.max() > 1:
        raise FormatError(f"{who} has values from {light.min()} to {light.max()}; a {options.images} code takes 0 to 1")
    if options.images == "latency":
        return latency(light[None], form.n_steps)[steps.start : steps.stop, 0]
    return rate(np.broadcast_to(light, (len(steps), 1, light.size)), np.array([sample_id]), steps.start)[:, 0]


def _in_time(array: NDArray[Any], who: str, form: Form, steps: range) -> NDArray[Any]:
    """The frames of some of the common time steps."""
    wrong = array.shape[1:] != form.raw_shape or (form.fixed and len(array) != form.n_steps)
    if wrong:
        theirs = (form.n_steps if form.fixed else "any", *form.raw_shape)
        way = "; set n_steps to cut and pad" if array.shape[1:] == form.raw_shape else ""
        raise FormatError(f"{who} has shape {array.shape}, {form.first} has {theirs}; give one shape{way}")
    kept = array[steps.start : steps.stop]
    kept = numbers_of(kept, who) if len(kept) or not len(array) else kept
    missing = len(steps) - len(kept)
    return np.concatenate([kept, np.zeros((missing, *array.shape[1:]), array.dtype)]) if missing > 0 else kept


def _smaller(frames: NDArray[Any], options: DataOptions) -> NDArray[Any]:
    """Frames cropped, merged and summed (currents: the mean)."""
    if not options.crop and options.shrink == 1 and not options.merge_polarity:
        return frames
    full = frames.reshape(len(frames), *(1,) * (4 - frames.ndim), *frames.shape[1:])
    real = full.dtype.kind == "f"
    if options.crop:
        left, top, w, h = options.crop
        full = full[:, :, top : top + h, left : left + w]
    n_t, channels, height, width = full.shape
    side = options.shrink
    down = side if height > 1 or frames.ndim > 2 else 1
    full = full[:, :, : height // down * down, : width // side * side]
    blocks = full.reshape(n_t, channels, height // down, down, width // side, side)
    join = np.mean if real else np.sum
    merged = join(blocks, axis=(3, 5), dtype=np.float32 if real else np.int64)
    return join(merged, axis=1, keepdims=True) if options.merge_polarity else merged


def _whole(frames: NDArray[Any]) -> NDArray[Any]:
    """Counts stored as floats become integers; real numbers stay."""
    if frames.dtype.kind != "f" or not float(np.abs(frames).max(initial=0)) < 2**31:
        return frames
    whole = bool((frames == np.floor(frames)).all()) and bool((frames >= 0).all())
    return frames.astype(np.int32) if whole else frames
