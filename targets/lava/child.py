"""The child process: reads jobs, runs them on Lava one after the other, leaves traces."""

# pyright: basic, reportAssignmentType=false, reportOptionalSubscript=false, reportAttributeAccessIssue=false

from __future__ import annotations

import json
import os
import select
import shutil
import signal
import sys
import threading
from contextlib import suppress
from multiprocessing import resource_tracker
from pathlib import Path

from exchange import npz
from ir.mapped import MappedNetwork
from ir.schedule import Schedule
from ir.state import State
from ir.stimulus import Stimulus
from targets.lava.asynchronous import AsynchronousGraph
from targets.lava.collect import trace_of
from targets.lava.host import Host, Telling
from targets.lava.layered import LayeredGraph
from targets.lava.leftovers import GONE
from targets.lava.words import progress


class Reporter:
    """Tells the parent how far the running job is, and ends the group when the parent is gone."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.job = 0
        self.progress = None
        self.parent = os.getppid()
        threading.Thread(target=self._watch, daemon=True).start()

    def _watch(self) -> None:
        told = None
        while True:
            ready, _, _ = select.select([0], [], [], 0.2)
            if (ready and not os.read(0, 1)) or os.getppid() != self.parent:
                self._end()
            counts = self.progress
            now = None if counts is None else (self.job, int(counts[0]), int(counts[1]))
            if now is not None and now != told:
                told = now
                with suppress(BrokenPipeError):  # the parent has just gone; the next round sees it
                    progress(*now)

    def _end(self) -> None:
        """Leave no folder and no process; under its other name nobody adds to the folder while it is emptied."""
        gone = self.folder.with_name(f"{self.folder.name}{GONE}")
        with suppress(OSError):
            self.folder.rename(gone)
        shutil.rmtree(gone, ignore_errors=True)
        os.killpg(os.getpgrp(), signal.SIGTERM)


def run_job(host: Host, folder: Path, reporter: Reporter) -> None:
    """Run the job in ``folder`` and write its trace there."""
    options = json.loads((folder / "options.json").read_text())
    mapped = npz.load(folder / "mapped.npz", MappedNetwork)
    stimulus = npz.load(folder / "stimulus.npz", Stimulus)
    state = npz.load(folder / "state.npz", State) if (folder / "state.npz").exists() else None
    schedule, record = Schedule(**options["schedule"]), options["record"]
    if schedule.kind == "layered":
        graph = LayeredGraph(mapped, stimulus, record, state)
    else:
        graph = AsynchronousGraph(mapped, stimulus, schedule, folder, options["process_per_core"], record, state)
    reporter.job, reporter.progress = int(folder.name), graph.progress
    host.run(graph.start, graph.n_ticks)
    reporter.progress = None
    npz.save(trace_of(mapped, stimulus, schedule, graph.records()), folder / "trace.npz")
    host.stop()


def main() -> None:
    """Run every job; ends without Python's own clean-up, which would wait for processes that never end."""
    job, prefix = Path(sys.argv[1]), sys.argv[2]
    code = 1
    try:
        with Telling("the runtime"):
            reporter = Reporter(job)
            host = Host(prefix)
            for folder in sorted((f for f in job.iterdir() if f.name.isdigit()), key=lambda f: int(f.name)):
                run_job(host, folder, reporter)
            resource_tracker._resource_tracker._stop()  # the last of our processes
        code = 0
    finally:
        sys.stderr.flush()
        os._exit(code)


if __name__ == "__main__":
    main()
