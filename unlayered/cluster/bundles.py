"""Pieces of a run on their way to workers: several at once, so that few messages are sent, and one at the end."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from ir.stimulus import Stimulus
from unlayered.cluster.laid import Laid, laid
from unlayered.cluster.packed import packed
from unlayered.pieces import Done, Job, run_piece
from unlayered.sources import Samples

MOST_PIECES, MOST_BYTES = 4, 32 << 20
"""A bundle has so many pieces at the most, and is not added to where its frames take so much."""


class Bundle(NamedTuple):
    """Some pieces in turn.

    Attributes:
        first: number of the first.
        sent: what a worker is given for each: something with a ``stimulus()``, or a stimulus.
    """

    first: int
    sent: list[Any]

    def remove(self) -> None:
        """Remove what was laid out for the workers."""
        for piece in self.sent:
            if isinstance(piece, Laid):
                piece.remove()


def size_of(n_left: int, n_given: int, n_workers: int) -> int:
    """How many pieces the next bundle may have: one for each worker to begin with, then ever fewer, so that all end
    together.

    >>> [size_of(left, given, 2) for given, left in enumerate((16, 15, 14, 10, 7, 5, 3))]
    [1, 1, 4, 3, 2, 2, 1]
    """
    return 1 if n_given < n_workers else min(MOST_PIECES, -(-n_left // (2 * n_workers)))


def bundled(pieces: Iterator[Samples], n_pieces: int, n_workers: int, folder: Path | None) -> Iterator[Bundle]:
    """All pieces in their order.

    Args:
        folder: where frames are laid out for workers on this machine, which read own data themselves; None = workers
            are elsewhere.
    """
    first, given = 0, 0
    while first < n_pieces:
        most, sent, n_bytes = size_of(n_pieces - first, given, n_workers), list[Any](), 0
        while len(sent) < most and n_bytes < MOST_BYTES:
            piece = next(pieces)
            if isinstance(piece, Stimulus):
                n_bytes += piece.frames.nbytes
            sent.append(_sent(piece, None if folder is None else folder / str(first + len(sent))))
        yield Bundle(first, sent)
        first, given = first + len(sent), given + 1


def _sent(piece: Samples, path: Path | None) -> Any:
    """A piece as it travels; where the disk is full, in the message itself."""
    if path is None:
        return packed(piece if isinstance(piece, Stimulus) else piece.stimulus())
    if not isinstance(piece, Stimulus):
        return piece
    return laid(piece, path) or packed(piece)


def run_bundle(job: Job, pieces: list[Any], first: int) -> list[Done]:
    """What a worker is asked to do."""
    return [run_piece(job, piece, i) for i, piece in enumerate(pieces, first)]
