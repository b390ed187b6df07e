"""Writes a trace in pieces: each piece as it comes, by whoever has it; the folder appears whole or not at all."""

from __future__ import annotations

import io
import json
import os
import secrets
from collections.abc import Generator, Iterable, Mapping
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np

from exchange import npz
from exchange.parquet import check_installed, parquet_of
from exchange.pieces import FORMAT, HEAD, MAX_PIECES, REST, SPIKES, STATE, VERSION, Piece, name_of, sealed
from exchange.plain import removed_at_last, unwritten, write_atomically
from exchange.seal import seal
from exchange.temporary import folder_made_beside, remove_litter, removed_if_ended
from ir.check import FormatError, require
from ir.trace import Trace

SYNCED_AT_ONCE = 8
"""Files whose way to the disk is waited for together: it takes little longer than for one."""

Contents = Mapping[str, "bytes | memoryview"]
"""The files of a piece, without its number."""


def contents_of(trace: Trace) -> dict[str, bytes | memoryview]:
    """The files of a piece.

    Raises:
        FormatError: a state has a name that no file can have.
    """
    files: dict[str, bytes | memoryview] = {REST: npz.encoded(rest_of(trace))}
    if trace.spikes is not None:
        files[SPIKES] = parquet_of(trace.spikes)
    for name, state in trace.states.items():
        if not STATE.fullmatch(name):
            raise FormatError(f"state {name[:64]!r} cannot name a file; write the trace into one .npz")
        buffer = io.BytesIO()
        np.lib.format.write_array(buffer, state, (1, 0), allow_pickle=False)
        files[f"{name}.npy"] = buffer.getbuffer()
    return files


def rest_of(trace: Trace) -> Trace:
    """All but spikes and states: what is small enough to be held for all samples."""
    return replace(trace, spikes=None, states={}, state=None)


def write_piece(folder: Path, i: int, samples: int, contents: Contents) -> Piece:
    """Write the files of a piece, each whole or not at all: another worker may be writing the same.

    They need not be on the disk yet; :meth:`Unfinished.add` sees to that.

    Raises:
        FormatError: the disk is full, or the folder is gone.
    """
    for name, content in contents.items():
        hidden = folder / f".{secrets.token_hex(8)}"
        try:
            with hidden.open("xb") as file:
                file.write(content)
            os.replace(hidden, folder / name_of(i, name))
        except OSError as error:
            raise unwritten(folder / name_of(i, name), error) from error
    return Piece(samples, {name: sealed(content) for name, content in contents.items()})


class Unfinished:
    """A temporary folder for the pieces of a trace, whose files go to the disk while others are still computed.

    Attributes:
        folder: where they are written.
    """

    def __init__(self, folder: Path, threads: Executor) -> None:
        self.folder, self._threads = folder, threads
        self._pieces, self._synced = dict[int, Piece](), list["Future[None]"]()

    def add(self, i: int, piece: Piece) -> None:
        """Note a piece that was written."""
        self._pieces[i] = piece
        self._synced += [self._threads.submit(_synced, self.folder / name_of(i, name)) for name in piece.files]

    def head(self) -> bytes:
        """The contents of ``trace.json``, once all pieces are on the disk.

        Raises:
            FormatError: the disk did not take one.
        """
        for one in self._synced:
            one.result()
        pieces = self._pieces
        require(0 < len(pieces) <= MAX_PIECES, f"a trace of {len(pieces)} pieces; it has 1 to {MAX_PIECES}")
        said = {"format": FORMAT, "version": VERSION, "pieces": [pieces[i]._asdict() for i in range(len(pieces))]}
        return json.dumps({**said, "seal": seal(said)}, indent=1).encode()


def _synced(path: Path) -> None:
    """Wait until a file is on the disk."""
    try:
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    except OSError as error:
        raise unwritten(path, error) from error


@contextmanager
def unfinished(path: Path) -> Generator[Unfinished, None, None]:
    """A temporary folder for pieces, which gets its name ``path`` at the end.

    Raises:
        FormatError: ``path`` is there already, cannot be made, or the disk is full.
        TargetError: pyarrow is not installed.
    """
    check_installed()
    if path.exists() or path.is_symlink():
        raise FormatError(f"cannot write {path}: it is there already; remove it first, or choose another name")
    names = list[str]()
    with removed_if_ended(names), removed_at_last(names), ThreadPoolExecutor(SYNCED_AT_ONCE) as threads:
        remove_litter(path)
        try:
            folder, descriptor = folder_made_beside(path, names)
        except OSError as error:
            raise unwritten(path, error) from error
        try:
            found = Unfinished(folder, threads)
            yield found
            head = found.head()
            for left in folder.glob(".*"):  # of a worker that was killed while it wrote: another has done its work
                left.unlink(missing_ok=True)
            write_atomically(folder / HEAD, head)
            try:
                os.fsync(descriptor)
                os.rename(folder, path)
            except OSError as error:
                raise unwritten(path, error) from error
        finally:
            threads.shutdown(cancel_futures=True)
            os.close(descriptor)


def save(traces: Iterable[Trace], path: Path) -> None:
    """Write traces of successive batches as one trace in pieces.

    Raises:
        FormatError: as :func:`unfinished`.
    """
    with unfinished(path) as made:
        for i, trace in enumerate(traces):
            made.add(i, write_piece(made.folder, i, len(trace.sample_ids), contents_of(trace)))
