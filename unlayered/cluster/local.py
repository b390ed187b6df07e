"""Workers that are started on this machine, and are gone with the process that starts them."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Generator
from contextlib import contextmanager
from multiprocessing import resource_tracker
from tempfile import TemporaryDirectory
from typing import Any

from ir.check import TargetError
from ir.words import counted

HERE = "127.0.0.1"
FOLDER = "unlayered-cluster-{pid}-"
"""Where workers of our own keep their files, gone with the process that started them."""

STARTS = 3
"""How often workers are started, where one of them is killed before all are there."""


@contextmanager
def cluster_of(n: int) -> Generator[Any, None, None]:
    """A local cluster of processes that compute on one core each, without dashboard.

    Raises:
        TargetError: they do not start.
    """
    _begin_tracker()
    with TemporaryDirectory(prefix=FOLDER.format(pid=os.getpid())) as folder, _started(n, folder) as cluster:
        yield cluster


def _started(n: int, folder: str) -> Any:
    from distributed import LocalCluster

    for left in reversed(range(STARTS)):
        try:
            return LocalCluster(
                n_workers=n,
                threads_per_worker=1,
                processes=True,
                host=HERE,
                dashboard_address=f"{HERE}:0",  # an HTTP server there is in any case: here, on any port, without pages
                worker_dashboard_address=f"{HERE}:0",
                scheduler_kwargs={"dashboard": False},
                memory_limit=0,
                local_directory=folder,
                silence_logs=logging.CRITICAL,
            )
        except RuntimeError as error:  # it has ended what was there
            if not left:
                why = " ".join(str(error).split())[:160]
                what = f"{counted(n, 'worker')} of this machine did not start"
                raise TargetError(f"{what} ({why}); use fewer, or more memory") from error
    raise AssertionError


def _begin_tracker() -> None:
    """Begin the process that clears up after ``multiprocessing``, and has nothing to say of an interrupted run."""
    before = list(sys.warnoptions)
    sys.warnoptions.append("ignore::UserWarning:multiprocessing.resource_tracker")
    try:
        resource_tracker.ensure_running()
    finally:
        sys.warnoptions[:] = before
