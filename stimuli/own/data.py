"""A user's own data as the trainer and the executors take them: samples that are read when they are needed."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from ir.arrays import Ints
from ir.check import FormatError, check_choice, require
from ir.stimulus import Stimulus
from stimuli.own.folder import MAX_CLASSES, PARTS, Folder, folder_of, open_folder
from stimuli.own.form import EVENTS, Form, Source, form_of, out_shape
from stimuli.own.framing import frames_of
from stimuli.own.options import DataOptions, options_of, options_of_folder
from stimuli.own.protocol import Items, source_of

CACHE_VERSION = 1
"""Of how samples become frames; a change makes cached frames worthless."""

PIECE_BYTES = 64 << 20
"""Frames of one piece where a run goes piece by piece."""


class Store(Protocol):
    """Reads and writes stimuli, e.g. ``exchange.npz``."""

    def load(self, path: Path, expect: type[Stimulus]) -> Stimulus: ...
    def save(self, value: Stimulus, path: Path) -> None: ...


class Sample(NamedTuple):
    """One sample: frames (T, N), its class, and its events (n, 3) where they were asked for."""

    frames: NDArray[Any]
    label: int
    events: Ints | None = None


@dataclass(frozen=True, eq=False)
class Data:
    """Own samples with labels: events or frames, from a folder or from Python.

    Made by :func:`open_data` and :func:`data_of`, in Python by ``ul.data``. What fits ``options.memory_mb`` is read
    once and held; else every batch is read when it is needed.

    Attributes:
        source: what the samples are read from.
        options: with nothing left open: other parts of the same data are read with them.
        form: the shape of every sample.
        which: (n,) indices into the source, which are the sample ids.
        n_classes: number of labels.
        input_shape: of one frame.
        store: keeps frames between calls where ``UNLAYERED_CACHE`` names a folder.
        stamps: give each event's time stamp, too, for paced and queued input.
    """

    source: Source
    options: DataOptions
    form: Form
    which: Ints
    n_classes: int
    input_shape: tuple[int, ...]
    store: Store | None = None
    stamps: bool = False
    _held: list[Stimulus] = field(default_factory=list[Stimulus], repr=False)

    @property
    def name(self) -> str:
        """What ``data`` of a configuration says: ``folder:PATH``, or ``own``."""
        return self.source.name

    @property
    def dt_s(self) -> float:
        """Seconds a time step."""
        return self.options.window_us / 1e6

    @property
    def n_steps(self) -> int:
        """Time steps of a sample."""
        return self.form.n_steps

    @property
    def n_samples(self) -> int:
        """How many samples there are."""
        return len(self.which)

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the classes by label; empty where they are numbers."""
        return self.source.classes if isinstance(self.source, Folder) else ()

    @property
    def n_inputs(self) -> int:
        """Inputs of a frame."""
        return int(np.prod(self.input_shape))

    @property
    def n_bytes(self) -> int:
        """What all frames take of memory."""
        return self.n_samples * self.n_steps * self.n_inputs * self.form.itemsize

    @property
    def fits(self) -> bool:
        """Whether all frames are held in memory; else they are read batch by batch."""
        return self.n_bytes <= self.options.memory_bytes

    def __len__(self) -> int:
        return self.n_samples

    def stamped(self) -> Data:
        """The same with each event's time stamp; frames have none, and are taken in order of their inputs."""
        return self if self.form.kind != EVENTS else replace(self, stamps=True, _held=[])

    def select(self, which: Any) -> Data:
        """The samples ``which`` (a slice or indices), ids kept; nothing is read."""
        return replace(self, which=self.which[np.arange(self.n_samples)[which]], _held=[])

    def stimulus(self) -> Stimulus:
        """All samples at once, held where they fit memory.

        Raises:
            FormatError: a sample is bad; names it.
        """
        if self._held:
            return self._held[0]
        file = self._cache_file()
        if file is not None and self.store is not None and file.exists():
            whole = self.store.load(file, Stimulus)
        else:
            whole = self._gathered(self.which, self._sample, self.n_steps)
            self._keep(whole, file)
        if self.fits:
            self._held.append(whole)
        return whole

    def read(self, index: NDArray[Any], steps: range | None = None) -> Stimulus:
        """The samples at ``index``, read from their source unless they are held.

        Args:
            steps: only these time steps, which count from 0 again.

        Raises:
            FormatError: a sample is bad; names it.
        """
        if self._held:
            some = self._held[0].select(index)
            return some if steps is None else some.steps(steps.start, steps.stop)
        if steps is None:
            return self._gathered(self.which[index], self._cached, self.n_steps)
        return self._gathered(self.which[index], partial(self._sample, steps=steps), len(steps))

    def _gathered(self, ids: Ints, read: Callable[[int], Sample], n_steps: int) -> Stimulus:
        """Samples as one batch, each put in its place as it comes, so that memory holds them once."""
        require(len(ids) > 0, f"{self.name}: no sample is asked for; give at least one")
        try:
            return self._batch(ids, read, n_steps)
        except MemoryError as error:
            size = f"{n_steps} time steps of {len(ids)} samples with {self.n_inputs} inputs do not fit memory"
            raise FormatError(f"{self.name}: {size}; set n_steps, window_us, crop or shrink") from error

    def _batch(self, ids: Ints, read: Callable[[int], Sample], n_steps: int) -> Stimulus:
        labels, rows = np.zeros(len(ids), np.int64), list[Ints]()
        frames = np.zeros((n_steps, len(ids), self.n_inputs), np.int8)
        for b, one in enumerate(map(read, ids.tolist())):
            if not np.can_cast(one.frames.dtype, frames.dtype):
                frames = frames.astype(np.result_type(frames, one.frames))
            frames[:, b], labels[b] = one.frames, one.label
            if one.events is not None:
                rows.append(np.column_stack([np.full(len(one.events), b), one.events]))
        frames.setflags(write=False)  # a stimulus copies what could still be written
        return Stimulus(frames, ids, labels, np.concatenate(rows) if rows else None)

    def _cached(self, i: int) -> Sample:
        """One sample, its frames kept on disk where there is a place for them."""
        file = None if self.stamps else self._cache_file(f"{i}")
        if file is None or self.store is None:
            return self._sample(i)
        if file.exists():
            kept = self.store.load(file, Stimulus)
            assert kept.labels is not None
            return Sample(kept.frames[:, 0], int(kept.labels[0]))
        made = self._sample(i)
        self._keep(Stimulus(made.frames[:, None], np.array([i]), np.array([made.label])), file)
        return made

    def _sample(self, i: int, steps: range | None = None) -> Sample:
        raw, label = self.source.read(i)
        who = self.source.said(i)
        if not label < self.n_classes:
            raise FormatError(f"{who} is labelled {label}; the data have classes 0 to {self.n_classes - 1}")
        frames, events = frames_of(raw, who, i, self.form, self.options, self.stamps, steps)
        return Sample(frames, label, events)

    def _keep(self, value: Stimulus, file: Path | None) -> None:
        if file is not None and self.store is not None:
            file.parent.mkdir(parents=True, exist_ok=True)
            self.store.save(value, file)

    def pieces(self) -> Iterator[Data]:
        """The samples in pieces of ``PIECE_BYTES``, in order; in one where they are held."""
        if self.fits:
            yield self
            return
        a_sample = max(1, self.n_bytes // max(1, self.n_samples))
        n = max(1, PIECE_BYTES // a_sample)
        for begin in range(0, self.n_samples, n):
            yield self.select(slice(begin, begin + n))

    @property
    def frames(self) -> NDArray[Any]:
        """(T, B, N_in) all frames."""
        return self.stimulus().frames

    @property
    def labels(self) -> Ints:
        """(B,) the right classes."""
        if isinstance(self.source, Folder):
            return np.array(self.source.labels, np.int64)[self.which]
        if not self.fits:
            return np.array([self.source.read(i)[1] for i in self.which.tolist()], np.int64)
        labels = self.stimulus().labels
        assert labels is not None
        return labels

    @property
    def sample_ids(self) -> Ints:
        """(B,) indices into the source."""
        return self.which

    def _cache_file(self, sample: str = "") -> Path | None:
        """Where frames are kept: under a name that follows from files, options and samples."""
        folder = os.environ.get("UNLAYERED_CACHE")
        if not folder or self.store is None or not isinstance(self.source, Folder):
            return None
        known = (CACHE_VERSION, self.source.identity, replace(self.options, memory_mb=0), self.form, self.n_classes)
        key = hashlib.sha256(repr(known).encode()).hexdigest()[:16]
        if sample:
            return Path(folder) / f"folder-{key}" / f"{sample}.npz"
        chosen = hashlib.sha256(self.which.tobytes()).hexdigest()[:8]
        return Path(folder) / f"folder-{key}-{chosen}{'-stamps' if self.stamps else ''}.npz"


def open_data(
    data: str, root: Path | None = None, split: str = "train", options: Any = None, store: Store | None = None
) -> Data:
    """One part of ``folder:PATH``; what is common to all samples is that of the train part.

    Args:
        root: what a relative path is below.
        options: a :class:`DataOptions` (as it is), or a table of its keys laid over the folder's ``data.toml``.

    Raises:
        FormatError: the folder or a file in it is not what it should be.
    """
    check_choice("split", split, PARTS)
    path = folder_of(data, root)
    if not isinstance(options, DataOptions):
        options = options_of(options or {}, "data_options", options_of_folder(path))
    train = open_folder(path, "train", options.camera)
    form, settled = form_of(train, options)
    part = train if split == "train" else open_folder(path, split, options.camera)
    return _data(part, form, settled, store)


def data_of(value: Any, options: Any = None) -> Data:
    """A Dataset, a DataLoader, a list of pairs or a :class:`Stimulus` as data.

    Raises:
        FormatError: it is none of them, or a sample of it is bad.
    """
    if not isinstance(options, DataOptions):
        options = options_of(options or {}, "data_options")
    if isinstance(value, Stimulus):
        return _of_stimulus(value, options)
    source = source_of(value, options.memory_bytes)
    return _data(source, *form_of(source, options), None)


def _of_stimulus(value: Stimulus, options: DataOptions) -> Data:
    """Frames that are there already."""
    if value.labels is None:
        raise FormatError("the stimulus has no labels; training needs them")
    source = Items([(value.frames[:, b], int(label)) for b, label in enumerate(value.labels)])
    return replace(_data(source, *form_of(source, replace(options, n_steps=value.n_steps)), None), _held=[value])


def _data(source: Source, form: Form, options: DataOptions, store: Store | None) -> Data:
    known = options.n_classes or source.n_classes
    shape = out_shape(form, options)
    made = Data(source, options, form, np.arange(len(source)), known or MAX_CLASSES, shape, store)
    return made if known else replace(made, n_classes=int(made.labels.max()) + 1)
