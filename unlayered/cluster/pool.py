"""Workers to hand pieces of work to: started here, or a scheduler's; a lost one's work is done again by another."""

from __future__ import annotations

import logging
import os
import queue
import time
import warnings
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from ir.check import TargetError, require
from ir.mapped import MappedNetwork
from ir.network import Network
from ir.schedule import Schedule
from ir.stimulus import Stimulus
from ir.trace import Trace
from ir.trace_parts import join
from unlayered.cluster.bundles import Bundle, bundled, run_bundle
from unlayered.cluster.local import FOLDER, cluster_of
from unlayered.cluster.place import Place
from unlayered.cluster.shards import Job, bounds_of, itself, run_job, silent
from unlayered.cluster.versions import PACKAGES, check_versions
from unlayered.console import Tick
from unlayered.execute import RunOptions
from unlayered.pieces import Done
from unlayered.pieces import Job as PieceJob
from unlayered.sources import AnyNetwork, Samples

if TYPE_CHECKING:
    from distributed import Client, Future

    from unlayered.experiments.definition import Experiment, Row
    from unlayered.experiments.definition import Job as ExperimentJob

CONNECT_S, ALONE_S, LOOK_S = 15.0, 60.0, 1.0
"""Seconds that a scheduler may take to answer, that there may be no worker, and between looks at that."""

AT_ONCE = 2
"""Pieces handed out for each worker: one at work, one on its way; with more, one would end up with the last."""

SETTINGS = {
    "distributed.worker.daemon": False,  # Lava's processes are children of a worker's
    "distributed.worker.memory.target": False,
    "distributed.worker.memory.spill": False,
    "distributed.worker.memory.pause": False,
    "distributed.worker.memory.terminate": False,
    "distributed.scheduler.http.routes": [],
    "distributed.worker.http.routes": [],
    "distributed.scheduler.work-stealing-interval": "10ms",  # pieces begin where the network lies; others take them
    "distributed.admin.large-graph-warning-threshold": "1 TB",
    "distributed.admin.system-monitor.interval": "10s",
    "distributed.admin.system-monitor.disk": False,
    "distributed.worker.profile.enabled": False,
    "distributed.nanny.pre-spawn-environ.MALLOC_TRIM_THRESHOLD_": None,  # Dask's costs two fifths of a worker
    "distributed.diagnostics.nvml": False,
}


class Pool:
    """Workers behind a Dask client."""

    def __init__(self, client: Client, place: Place) -> None:
        self.client, self.place = client, place
        self._kept: tuple[Stimulus, list[Future]] | None = None
        self._counted: tuple[float, int] | None = None

    @property
    def n(self) -> int:
        """Pieces that are worked on at once; workers come and go, and are counted now and then."""
        now = time.monotonic()
        if self._counted is None or now - self._counted[0] > LOOK_S:
            there = self.client.scheduler_info(n_workers=-1)["workers"].values()
            self._counted = now, max(1, sum(int(one["nthreads"]) for one in there))
        return self._counted[1]

    def share(self, value: Any) -> Future:
        """Something that many pieces of work need, sent once to each worker."""
        return self.client.submit(itself, value, pure=False)

    def each(self, work: Callable[..., Any], items: Iterable[tuple[Any, ...]]) -> Iterator[tuple[int, Any]]:
        """Do ``work(*item)`` for each item, as workers are free; yields (position, result) as they come.

        Raises:
            ValueError: what ``work`` raised, or no worker is left.
        """
        waiting, done = iter(enumerate(items)), queue.SimpleQueue[tuple[int, "Future"]]()
        running: dict[int, Future] = {}

        def hand_out() -> None:
            most = AT_ONCE * self.n
            while len(running) < most:
                i, item = next(waiting, (-1, ()))
                if i < 0:
                    return
                running[i] = self.client.submit(work, *item, pure=False)
                running[i].add_done_callback(lambda future, i=i: done.put((i, future)))

        try:
            hand_out()
            while running:
                i, future = self._next(done)
                result = self._result(future)
                del running[i]
                future.release()
                yield i, result
                hand_out()
        finally:
            self.client.cancel(list(running.values()))

    def _next(self, done: queue.SimpleQueue[tuple[int, Future]]) -> tuple[int, Future]:
        """The next that is done."""
        alone_since = None
        while True:
            try:
                return done.get(timeout=LOOK_S)
            except queue.Empty:
                pass
            there = self.client.status == "running" and self.client.scheduler_info(n_workers=-1)["workers"]
            alone_since = None if there else alone_since or time.monotonic()
            if alone_since is not None and time.monotonic() - alone_since > ALONE_S:
                raise TargetError(f"{self._name} has had no worker for {ALONE_S:g} s; start some, then run again")

    def _result(self, future: Future) -> Any:
        from concurrent.futures import CancelledError

        from distributed import KilledWorker

        try:
            return future.result(CONNECT_S)
        except KilledWorker as error:
            raise TargetError(
                f"{self._name} lost {error.allowed_failures + 1} workers over one piece of work, most likely for lack "
                "of memory; use fewer workers, or more memory for each"
            ) from error
        except (CancelledError, OSError) as error:
            if future.status == "error":  # the work's own
                raise
            raise TargetError(f"{self._name} is gone; start it and run again") from error

    @property
    def _name(self) -> str:
        return f"the scheduler at {self.place.address}" if self.place.address else "the cluster on this machine"

    def over_samples(
        self, work: Callable[[Any, Stimulus], Trace], value: Any, stimulus: Stimulus, tick: Tick = silent
    ) -> Trace:
        """``work(value, stimulus)`` shard by shard, as one trace.

        Args:
            tick: called with samples done and in all.
        """
        bounds = bounds_of(stimulus.n_samples, self.n)
        if self._kept is None or self._kept[0] is not stimulus:  # a diff runs the same samples many times
            self._kept = stimulus, [self.share(stimulus.select(at)) for at in bounds]
        shared, parts, done = self.share(value), dict[int, Trace](), 0
        for i, trace in self.each(work, ((shared, shard) for shard in self._kept[1])):
            parts[i] = trace
            done += bounds[i].stop - bounds[i].start
            tick(done, stimulus.n_samples)
        whole = join([parts[i] for i in range(len(bounds))])
        return replace(whole) if len(bounds) == 1 else whole  # what came over the wire is looked at, and read-only

    def execute(
        self,
        network: Network | MappedNetwork,
        stimulus: Stimulus,
        schedule: Schedule,
        on: str,
        options: RunOptions,
        tick: Tick,
    ) -> Trace:
        """The same as ``unlayered.execute.execute``, samples over workers."""
        require(options.on_log is None, "--timeline draws what happens in this process; leave --workers out")
        return self.over_samples(run_job, Job(network, schedule, on, options), stimulus, tick)

    def pieces(self, job: PieceJob, pieces: Iterator[Samples], n_pieces: int) -> Iterator[tuple[int, Done]]:
        """``unlayered.pieces.run_piece`` of each piece, in workers, which write what they see the folder for."""
        shared = self.share(job)
        with TemporaryDirectory(prefix=FOLDER.format(pid=os.getpid())) as folder:
            bundles = list[Bundle]()

            def items() -> Iterator[tuple[Any, ...]]:
                for bundle in bundled(pieces, n_pieces, self.n, Path(folder) if self.place.n else None):
                    bundles.append(bundle)
                    yield shared, bundle.sent, bundle.first

            for which, found in self.each(run_bundle, items()):
                bundles[which].remove()
                yield from enumerate(found, bundles[which].first)

    def measured(
        self, network: AnyNetwork, stimulus: Stimulus, schedules: Sequence[Schedule], allow_unsafe: bool
    ) -> Iterator[tuple[int, Any]]:
        """Rows of a sweep, settings over workers."""
        from unlayered.sweeping import measured

        what, frames = self.share(network), self.share(stimulus)
        return self.each(measured, [(what, frames, schedule, allow_unsafe) for schedule in schedules])

    def jobs(self, experiment: Experiment, jobs: Iterator[ExperimentJob]) -> Iterator[list[Row]]:
        """Rows of an experiment's jobs, jobs over workers; each reads the experiment from the same path."""
        from unlayered.experiments.running import rows_there

        path = str(experiment.path.resolve())
        return (rows for _, rows in self.each(rows_there, ((path, experiment.quick, job) for job in jobs)))


@contextmanager
def pool_at(place: Place) -> Generator[Pool, None, None]:
    """Workers to use, gone afterwards where they were started for this.

    Raises:
        TargetError: Dask is not installed, or nobody answers.
        ValueError: versions differ, or a worker is reached over a network without TLS.
    """
    try:
        dask, _ = import_module("dask"), import_module("distributed")
    except ImportError as error:
        raise TargetError(
            "--workers needs Dask distributed, which is not installed; pip install 'unlayered[cluster]'"
        ) from error
    with ExitStack() as stack:
        stack.enter_context(dask.config.set(SETTINGS))
        logging.getLogger("distributed").setLevel(logging.CRITICAL)  # a lost worker is no news to a person
        client = stack.enter_context(_client(place, stack))
        found: Any = client.get_versions(packages=list(PACKAGES))
        if not found["workers"]:
            raise TargetError(f"the scheduler at {place.address} has no worker; start one, then run again")
        check_versions(found)
        place.check(found["workers"])
        yield Pool(client, place)


def _client(place: Place, stack: ExitStack) -> Client:
    from distributed import Client
    from distributed.versions import VersionMismatchWarning

    address: Any = place.address or stack.enter_context(cluster_of(place.n))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", VersionMismatchWarning)  # compared below, in one sentence
        try:
            return Client(address, timeout=CONNECT_S, set_as_default=False, direct_to_workers=bool(place.n) or None)
        except (OSError, TypeError, ValueError) as error:  # TypeError: TLS without certificates
            raise TargetError(
                f"no scheduler answers at {place.address} ({' '.join(str(error).split())[:160]}); start one there, "
                "and for tls:// give Dask the certificates (docs/scale.md)"
            ) from error


def workers_at(place: Place | None) -> AbstractContextManager[Pool | None]:
    """For a verb: its pool, or None where everything runs in this process."""
    return nullcontext(None) if place is None else pool_at(place)
