"""The child process: reads jobs, runs them on Lava one after the other, leaves traces or one word of failure."""

# pyright: basic

from __future__ import annotations

import json
import os
import select
import signal
import sys
import threading
from pathlib import Path

from ir.formats import npz
from ir.mapped import MappedNetwork
from ir.stimulus import Stimulus
from targets.lava.asynchronous import AsynchronousGraph
from targets.lava.collect import trace_of
from targets.lava.host import Host, Telling
from targets.lava.layered import LayeredGraph


class Reporter:
    """Tells the parent how far the running job is, and ends the group when the parent is gone."""

    def __init__(self) -> None:
        self.job = 0
        self.progress = None
        self.parent = os.getppid()
        threading.Thread(target=self._watch, daemon=True).start()

    def _watch(self) -> None:
        told = None
        while True:
            ready, _, _ = select.select([0], [], [], 0.2)
            if (ready and not os.read(0, 1)) or os.getppid() != self.parent:
                os.killpg(os.getpgrp(), signal.SIGTERM)
            progress = self.progress
            now = None if progress is None else (self.job, int(progress[0]), int(progress[1]))
            if now is not None and now != told:
                told = now
                print(*now, flush=True)


def run_job(host: Host, folder: Path, reporter: Reporter) -> None:
    """Run the job in ``folder`` and write its trace there."""
    options = json.loads((folder / "options.json").read_text())
    mapped = npz.load(folder / "mapped.npz", MappedNetwork)
    stimulus = npz.load(folder / "stimulus.npz", Stimulus)
    schedule = mapped.network.schedule.__class__(**options["schedule"])
    if schedule.kind == "layered":
        graph = LayeredGraph(mapped, stimulus, options["record_u"])
    else:
        graph = AsynchronousGraph(
            mapped, stimulus, schedule, folder / "rows.bin", options["process_per_core"], options["record_u"]
        )
    reporter.job, reporter.progress = int(folder.name), graph.progress
    host.run(graph.start, graph.n_ticks)
    reporter.progress = None
    npz.save(trace_of(mapped, stimulus, schedule, graph.records(schedule)), folder / "trace.npz")
    (folder / "ticks").write_text(str(int(graph.progress[1])))


def main() -> None:
    job = Path(sys.argv[1])
    prefix = sys.argv[2]
    with Telling(job, "Lava's compiler or runtime"):
        reporter = Reporter()
        host = Host(job, prefix)
        for folder in sorted((f for f in job.iterdir() if f.name.isdigit()), key=lambda f: int(f.name)):
            run_job(host, folder, reporter)


if __name__ == "__main__":
    main()
