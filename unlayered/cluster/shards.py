"""What a worker does, and how samples are shared out; any split gives the same bits."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from ir.mapped import MappedNetwork
from ir.network import Network
from ir.schedule import Schedule
from ir.stimulus import Stimulus
from ir.trace import Trace
from unlayered.execute import RunOptions, execute

MOST_SAMPLES, SHARDS_A_WORKER = 256, 8
"""A shard is small, so that a lost worker loses little and the last one is not waited for long."""


def bounds_of(n_samples: int, n_workers: int) -> list[slice]:
    """Where the shards of a batch lie; one, empty, of an empty batch.

    >>> bounds_of(10, 1)
    [slice(0, 2, None), slice(2, 4, None), slice(4, 6, None), slice(6, 8, None), slice(8, 10, None)]
    """
    size = max(1, min(MOST_SAMPLES, -(-n_samples // (SHARDS_A_WORKER * n_workers))))
    return [slice(a, min(a + size, n_samples)) for a in range(0, max(n_samples, 1), size)]


@dataclass(frozen=True, eq=False)
class Job:
    """A run, but for its samples; arguments as ``unlayered.execute.execute``."""

    network: Network | MappedNetwork
    schedule: Schedule
    on: str
    options: RunOptions

    def on_samples(self, stimulus: Stimulus) -> Trace:
        """Run it on some of the samples."""
        options = self.options
        if options.state is not None:
            assert stimulus.sample_ids is not None
            options = replace(options, state=options.state.of(stimulus.sample_ids))
        return execute(self.network, stimulus, self.schedule, self.on, options, silent)


def run_job(job: Job, stimulus: Stimulus) -> Trace:
    """What a worker is asked to do."""
    return job.on_samples(stimulus)


def itself(value: Any) -> Any:
    """What many tasks need: a task of its own, so that it is made again where its worker is lost."""
    return value


def silent(done: int, total: int) -> None:
    """Tell nobody: the client counts shards."""
