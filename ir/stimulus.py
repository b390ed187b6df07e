"""What a run is fed with: frames of counts, or events with time stamps."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ir.arrays import Ints, frozen_array, numbers, set_field, whole_array
from ir.check import check_finite, require
from ir.words import counted


def check_events(events: NDArray[Any], frames: NDArray[Any]) -> None:
    """Raise unless events (n, 4) lie inside frames (T, B, N_in), as many at each place as its count."""
    places = events[:, [1, 0, 3]]
    inside = bool((places >= 0).all() and (places < np.array(frames.shape)).all())
    require(inside, "an event lies outside the frames")
    steps, samples, inputs = places.T
    at, found = np.unique((steps * frames.shape[1] + samples) * frames.shape[2] + inputs, return_counts=True)
    agree = np.count_nonzero(frames) == at.size and bool((frames.reshape(-1)[at] == found).all())
    require(agree, "events and frames disagree: each count needs one event")


def in_order(events: Ints) -> Ints:
    """Events (n, 4) by sample, time step, time stamp and input."""
    return events if _is_sorted(events) else events[np.lexsort(events.T[::-1])]


def _is_sorted(rows: NDArray[Any]) -> bool:
    """Whether rows ascend, earlier columns first.

    >>> _is_sorted(np.array([[0, 5], [1, 2], [1, 2], [1, 3]])), _is_sorted(np.array([[0, 5], [0, 4]]))
    (True, False)
    """
    sorted_so_far = np.ones(max(len(rows) - 1, 0), bool)
    for column in reversed(range(rows.shape[1])):
        before, after = rows[:-1, column], rows[1:, column]
        sorted_so_far = (before < after) | ((before == after) & sorted_so_far)
    return bool(sorted_so_far.all())


@dataclass(frozen=True, eq=False)
class Stimulus:
    """A batch of samples.

    Attributes:
        frames: (T, B, N_in) counts a time step, int8, int16 or int32 (float32 for a static image in the trainer).
        sample_ids: (B,) the id in the keys: the dataset's index; default 0, 1, ...
        labels: (B,) the right classes; None = unknown.
        events: (n, 4) of (position in batch, t, time stamp, input), one event a count; None =
            counts expand in index order.
    """

    frames: NDArray[Any]
    sample_ids: Ints | None = None
    labels: Ints | None = None
    events: Ints | None = None

    def __post_init__(self) -> None:
        frames = numbers("frames", self.frames)
        require(frames.ndim == 3, f"frames have shape {frames.shape}; give (T, B, N_in)")
        check_finite("frames", frames)
        if frames.dtype.kind == "f" and frames.size:
            most = float(np.finfo(np.float32).max)
            require(-most <= frames.min() and frames.max() <= most, f"frames must lie in -{most:g}..{most:g}")
        whole = frames.dtype.kind in "iub"
        small = frames.dtype.kind == "i" and frames.dtype.itemsize < 4
        if whole and frames.size and not np.can_cast(frames.dtype, np.int32):
            low, high = int(frames.min()), int(frames.max())
            require(
                -(1 << 31) <= low and high < 1 << 31,
                f"frames hold counts from {low} to {high}, which leave 32 bits; give smaller counts",
            )
        set_field(self, "frames", frozen_array(frames, frames.dtype if small else np.int32 if whole else np.float32))
        b = frames.shape[1]
        ids = np.arange(b) if self.sample_ids is None else self.sample_ids
        set_field(self, "sample_ids", whole_array("sample_ids", ids))
        for name in ("sample_ids", "labels"):
            if getattr(self, name) is not None:
                set_field(self, name, whole_array(name, getattr(self, name)))
                require(
                    getattr(self, name).shape == (b,),
                    f"{name} has shape {getattr(self, name).shape}; the batch has {counted(b, 'sample')}",
                )
        assert self.sample_ids is not None
        require(len(np.unique(self.sample_ids)) == b, "two samples have the same id; ids must differ")
        if self.events is not None:
            self._sort_events(frames)

    def _sort_events(self, frames: NDArray[Any]) -> None:
        events = whole_array("events", self.events)
        rows = events.ndim == 2 and events.shape[1] == 4
        require(rows or events.size == 0, f"events have shape {events.shape}; give (n, 4): position, t, stamp, input")
        events = in_order(events.reshape(-1, 4))
        check_events(events, frames)
        set_field(self, "events", frozen_array(events))

    @property
    def n_steps(self) -> int:
        return int(self.frames.shape[0])

    @property
    def n_samples(self) -> int:
        return int(self.frames.shape[1])

    @cached_property
    def begins(self) -> Ints:
        """(B * T + 1,) where the events of each sample's time steps begin; they lie in this order."""
        assert self.events is not None
        place = self.events[:, 0] * self.n_steps + self.events[:, 1]
        return np.searchsorted(place, np.arange(self.n_samples * self.n_steps + 1))

    def select(self, which: Any) -> Stimulus:
        """The samples ``which`` (a slice or indices of the batch), ids kept."""
        chosen = np.arange(self.n_samples)[which]
        labels = None if self.labels is None else self.labels[chosen]
        events = None if self.events is None else self.events_of(chosen)
        frames = self.frames[:, which if isinstance(which, slice) else chosen]
        if frames.base is None:  # nobody else's, so that it is not copied once more
            frames.setflags(write=False)
        return Stimulus(frames, self.sample_ids[chosen] if self.sample_ids is not None else None, labels, events)

    def events_of(self, chosen: Ints) -> Ints:
        """(n, 4) events of the samples at these places, by their place among them."""
        assert self.events is not None
        first, last = self.begins[chosen * self.n_steps], self.begins[(chosen + 1) * self.n_steps]
        size = last - first
        inside = np.arange(int(size.sum())) - np.repeat(np.cumsum(size) - size, size)
        events = self.events[np.repeat(first, size) + inside]
        events[:, 0] = np.repeat(np.arange(len(chosen)), size)
        return events

    def events_in(self, b: int, t: int) -> Ints:
        """(n, 4) events of sample b in time step t, in their order."""
        assert self.events is not None
        place = b * self.n_steps + t
        return self.events[self.begins[place] : self.begins[place + 1]]

    def steps(self, start: int, stop: int) -> Stimulus:
        """Time steps ``start`` to ``stop`` - 1 of all samples, ids and labels kept; they count from 0 again."""
        events = None
        if self.events is not None:
            events = self.events[(self.events[:, 1] >= start) & (self.events[:, 1] < stop)] - np.array([0, start, 0, 0])
        return Stimulus(self.frames[start:stop], self.sample_ids, self.labels, events)

    def inputs_in_order(self, b: int, t: int) -> Ints:
        """(n,) input indices of sample b's events in time step t, by time stamp, ties by index."""
        if self.events is not None:
            return self.events_in(b, t)[:, 3]
        require(
            self.frames.dtype.kind == "i" and bool((self.frames[t, b] >= 0).all()),
            "queued and paced input need counts, whole and at least 0",
        )
        return np.repeat(np.arange(self.frames.shape[2]), self.frames[t, b])
