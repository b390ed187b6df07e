"""Writes a trace in pieces: each piece as it comes, by whoever has it; the folder appears whole or not at all."""

from __future__ import annotations

import io
import json
import os
import secrets
from collections.abc import Generator, Iterable, Mapping
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

    Raises:
        FormatError: the disk is full, or the folder is gone.
    """
    for name, content in contents.items():
        hidden = folder / f".{secrets.token_hex(8)}"
        try:
            with hidden.open("xb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            os.replace(hidden, folder / name_of(i, name))
        except OSError as error:
            raise unwritten(folder / name_of(i, name), error) from error
    return Piece(samples, {name: sealed(content) for name, content in contents.items()})


@contextmanager
def unfinished(path: Path) -> Generator[tuple[Path, dict[int, Piece]], None, None]:
    """A temporary folder for pieces, which gets its name ``path`` at the end, and the pieces that were written.

    Raises:
        FormatError: ``path`` is there already, cannot be made, or the disk is full.
        TargetError: pyarrow is not installed.
    """
    check_installed()
    if path.exists() or path.is_symlink():
        raise FormatError(f"cannot write {path}: it is there already; remove it first, or choose another name")
    names, pieces = list[str](), dict[int, Piece]()
    with removed_if_ended(names), removed_at_last(names):
        remove_litter(path)
        try:
            folder, descriptor = folder_made_beside(path, names)
        except OSError as error:
            raise unwritten(path, error) from error
        try:
            yield folder, pieces
            for left in folder.glob(".*"):  # of a worker that was killed while it wrote: another has done its work
                left.unlink(missing_ok=True)
            write_atomically(folder / HEAD, _head(pieces))
            try:
                os.fsync(descriptor)
                os.rename(folder, path)
            except OSError as error:
                raise unwritten(path, error) from error
        finally:
            os.close(descriptor)


def save(traces: Iterable[Trace], path: Path) -> None:
    """Write traces of successive batches as one trace in pieces.

    Raises:
        FormatError: as :func:`unfinished`.
    """
    with unfinished(path) as (folder, pieces):
        for i, trace in enumerate(traces):
            pieces[i] = write_piece(folder, i, len(trace.sample_ids), contents_of(trace))


def _head(pieces: Mapping[int, Piece]) -> bytes:
    require(0 < len(pieces) <= MAX_PIECES, f"a trace of {len(pieces)} pieces; it has 1 to {MAX_PIECES}")
    said = {"format": FORMAT, "version": VERSION, "pieces": [pieces[i]._asdict() for i in range(len(pieces))]}
    return json.dumps({**said, "seal": seal(said)}, indent=1).encode()
