"""A run whose trace goes to disk piece by piece, written by whoever ran the piece: memory holds a few of them."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial, reduce
from operator import add
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Union

import numpy as np

from exchange.pieces import Piece
from exchange.pieces_out import Contents, contents_of, unfinished, write_piece
from ir.arrays import Ints
from ir.check import require
from ir.formats import Excess
from ir.mapped import MappedNetwork
from ir.network import Network
from ir.schedule import Schedule
from ir.stimulus import Stimulus
from sim_reference.compare.gathered import Numbers, numbers_of, statistics_of
from sim_reference.compare.statistics import Statistics
from unlayered.console import Tick
from unlayered.execute import Run, RunOptions, ready_for, run_safely
from unlayered.sources import AnyNetwork, Samples, plain_network

if TYPE_CHECKING:
    from mapper.cost import Delivered

PIECE_BYTES, MOST_SAMPLES = 128 << 20, 128
"""What the frames and the trace of a piece may take together, and how many samples it holds at the most."""

BYTES_A_NEURON = 40
"""Of a trace, each time step: a membrane, and a spike now and then."""

WITNESS = "witness"
"""A file by which a worker knows that it sees the folder where the trace is written."""


@dataclass(frozen=True, eq=False)
class Job:
    """What all pieces of a run share.

    Attributes:
        folder: where pieces are written. word: what its witness says.
        ready: the network as the executor takes it.
    """

    ready: Network | MappedNetwork
    schedule: Schedule
    on: str
    options: RunOptions
    folder: str
    word: str


class Done(NamedTuple):
    """A piece that was run.

    Attributes:
        written: the piece, or what its files hold where the worker does not see the folder.
        numbers: what it adds to those of the run; the others as in ``Run``.
    """

    written: Union[Piece, Contents]
    numbers: Numbers
    unsafe: tuple[Excess, ...]
    inputs: Ints
    delivered: Delivered


ByPieces = Callable[[Job, Iterator[Samples], int], Iterator[tuple[int, Done]]]
"""Runs every piece of a job, of so many, by ``run_piece``, in any order."""


def samples_a_piece(samples: Samples, n_neurons: int) -> int:
    """How many samples make a piece; never a matter of who runs it, so that the same files are written."""
    if isinstance(samples, Stimulus):
        n_steps, n_inputs, width = samples.n_steps, samples.frames.shape[2], samples.frames.itemsize
    else:
        n_steps, n_inputs, width = samples.n_steps, samples.n_inputs, samples.form.itemsize
    a_sample = n_steps * (n_inputs * width + n_neurons * BYTES_A_NEURON)
    return max(1, min(MOST_SAMPLES, PIECE_BYTES // max(a_sample, 1)))


def pieces_of(samples: Samples, n: int) -> Iterator[Samples]:
    """``n`` samples at a time, own data not yet read; one empty piece of no samples."""
    for begin in range(0, max(samples.n_samples, 1), n):
        yield samples.select(slice(begin, begin + n))


def run_piece(job: Job, samples: Any, i: int) -> Done:
    """Run some samples and write their trace, where the folder can be seen from here.

    Args:
        samples: a stimulus, or what has a ``stimulus()``.
    """
    stimulus = samples if isinstance(samples, Stimulus) else samples.stimulus()
    options = job.options
    if options.state is not None:
        assert stimulus.sample_ids is not None
        options = replace(options, state=options.state.of(stimulus.sample_ids))
    ran = run_safely(job.ready, stimulus, job.schedule, job.on, options, lambda done, total: None)
    contents, folder = contents_of(ran.trace), Path(job.folder)
    witness = folder / WITNESS
    seen = witness.is_file() and witness.read_text() == job.word
    written = write_piece(folder, i, stimulus.n_samples, contents) if seen else _travelling(contents)
    return Done(written, numbers_of(ran.trace), ran.unsafe, ran.inputs, ran.delivered)


def _travelling(contents: Contents) -> Contents:
    return {name: bytes(content) for name, content in contents.items()}


@contextmanager
def run_to_pieces(
    network: AnyNetwork,
    samples: Samples,
    schedule: Schedule,
    on: str,
    options: RunOptions,
    tick: Tick,
    out: Path,
    by: ByPieces | None = None,
) -> Generator[tuple[Run, Statistics], None, None]:
    """Run ``network``; the trace is at ``out`` when the context ends without an exception.

    Args:
        by: who runs the pieces; None = this process.

    Yields:
        The run, its trace without spikes and states, and its numbers.

    Raises:
        FormatError: ``out`` is there already, or cannot be written.
        TargetError: pyarrow is not installed.
    """
    require(
        options.on_log is None, f"--timeline draws a trace in memory; give --out a name that ends in .npz, not {out}"
    )
    ready = ready_for(network, on, options)
    n = samples_a_piece(samples, plain_network(ready).n_neurons)
    with unfinished(out) as made:
        folder = made.folder
        (folder / WITNESS).write_text(folder.name)
        job = Job(ready, schedule, on, options, str(folder.absolute()), folder.name)
        found: dict[int, Done] = {}
        done = 0
        for i, one in _all(job, samples, n, by):
            size = len(one.numbers.rest.sample_ids)
            written = one.written
            made.add(i, written if isinstance(written, Piece) else write_piece(folder, i, size, written))
            found[i] = one._replace(written={})
            done += size
            tick(done, samples.n_samples)
        (folder / WITNESS).unlink()
        yield _summed(ready, [found[i] for i in range(len(found))])


def _all(job: Job, samples: Samples, n: int, by: ByPieces | None) -> Iterator[tuple[int, Done]]:
    """Every piece of ``n`` samples with its number, as it is done."""
    pieces = pieces_of(samples, n)
    if by is not None:
        yield from by(job, pieces, max(1, -(-samples.n_samples // n)))
    elif job.on == "lava":  # whose processes are the main thread's
        yield from ((i, run_piece(job, piece, i)) for i, piece in enumerate(pieces))
    else:
        yield from _in_turn(partial(run_piece, job), pieces)


def _in_turn(work: Callable[[Samples, int], Done], pieces: Iterator[Samples]) -> Iterator[tuple[int, Done]]:
    """One piece after the other in a thread of its own, so that this one hears signals while a kernel runs."""
    with ThreadPoolExecutor(1) as thread:
        for i, piece in enumerate(pieces):
            yield i, thread.submit(work, piece, i).result()


def _summed(ready: Network | MappedNetwork, done: list[Done]) -> tuple[Run, Statistics]:
    rest, numbers = statistics_of([one.numbers for one in done])
    unsafe = {str(excess): excess for one in done for excess in one.unsafe}
    inputs, reached = np.sum([one.inputs for one in done], 0), reduce(add, [one.delivered for one in done])
    return Run(ready, rest, tuple(unsafe.values()), inputs, reached), numbers
