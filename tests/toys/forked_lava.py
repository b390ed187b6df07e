"""Lava's child process as a fork of the test: it runs the same code, and sees the tables that the test has changed."""

from __future__ import annotations

import importlib.util
import os
import sys
import warnings
from multiprocessing import resource_tracker
from pathlib import Path
from typing import IO

import pytest

from targets.lava import launch

needs_lava_here = [
    pytest.mark.lava,
    pytest.mark.skipif(importlib.util.find_spec("lava") is None, reason="this Python has no lava-nc"),
]


class Forked:
    """As much of ``subprocess.Popen`` as ``launch`` asks for."""

    def __init__(self, pid: int, stdin: int, stdout: int) -> None:
        self.pid, self.returncode = pid, 0
        self.stdin, self.stdout = open(stdin, "wb", 0), open(stdout, "rb", 0)

    def wait(self) -> None:
        self.returncode = os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])


def fork_lava(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let every Lava run of the test be a fork of the test's own process."""
    monkeypatch.setattr(launch, "_start", _start)


def _start(python: str, job: Path, prefix: str, errors: IO[bytes]) -> Forked:
    """In place of ``launch._start``."""
    reads, stdin = os.pipe()
    stdout, writes = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            os.setsid()
            for theirs, ours in ((reads, 0), (writes, 1), (errors.fileno(), 2)):
                os.dup2(theirs, ours)
            for end in (reads, stdin, stdout, writes):
                os.close(end)
            os.chdir(job)
            _run(job, prefix)
        finally:
            os._exit(1)
    os.close(reads)
    os.close(writes)
    return Forked(pid, stdin, stdout)


def _run(job: Path, prefix: str) -> None:
    """What a new interpreter would do; of the test's own state nothing but the tables may be left."""
    warnings.simplefilter("ignore")
    sys.stdout, sys.stderr = open(1, "w", closefd=False), open(2, "w", closefd=False)
    sys.argv = ["child", str(job), prefix]
    tracker = resource_tracker._resource_tracker
    tracker._fd = tracker._pid = None  # the test's own is not ours to wait for
    from targets.lava import child

    child.main()
