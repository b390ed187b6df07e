"""Long runs in bounded memory: one piece of the batch after the other, each trace written before the next begins."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from pathlib import Path

from exchange import npz
from ir.check import require
from ir.mapped import MappedNetwork
from ir.quantized import QuantizedNetwork
from ir.schedule import Schedule
from ir.stimulus import Stimulus
from ir.trace import Trace
from sim_reference import fast


def run_in_pieces(
    mapped: MappedNetwork | QuantizedNetwork,
    stimulus: Stimulus,
    schedule: Schedule | None = None,
    *,
    samples_a_piece: int = 64,
    record: Collection[str] = ("v",),
) -> Iterator[Trace]:
    """Yield the trace of each piece of the batch; together they are the trace of the whole."""
    require(samples_a_piece >= 1, f"samples_a_piece is {samples_a_piece}; use at least 1")
    for first in range(0, stimulus.n_samples, samples_a_piece):
        part = stimulus.select(slice(first, first + samples_a_piece))
        yield fast.run(mapped, part, schedule, record=record)


def run_to_disk(
    mapped: MappedNetwork | QuantizedNetwork,
    stimulus: Stimulus,
    folder: str | Path,
    schedule: Schedule | None = None,
    *,
    samples_a_piece: int = 64,
    record: Collection[str] = ("v",),
) -> list[Path]:
    """Write each piece's trace into ``folder``; returns the files in the order of the batch."""
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    paths: list[Path] = []
    pieces = run_in_pieces(mapped, stimulus, schedule, samples_a_piece=samples_a_piece, record=record)
    for i, trace in enumerate(pieces):
        paths.append(folder / f"trace-{i:05d}.npz")
        npz.save(trace, paths[-1])
    return paths
