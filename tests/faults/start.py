"""Verbs in processes of their own: started anew, or forked from a process that has everything imported already."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from tests.processor import processor_s
from unlayered.__main__ import main

LIMIT_S = 120.0
"""No verb of the rig takes as long."""

ORPHANS_S, CLOCK_S = 5.0, 60.0
"""What one that a killed front process leaves may take to end, of a processor and on the clock. Linux ends it at once,
but for a cluster's worker that is still importing Dask: that one looks for its parent when it has."""


@dataclass
class Verb:
    """A verb at work, in a session of its own.

    Attributes:
        pid: of its front process. out, err: where its words go.
    """

    pid: int
    out: Path
    err: Path

    def ended(self) -> int | None:
        """The exit code, negative for a signal; None while it runs."""
        try:
            found, status = os.waitpid(self.pid, os.WNOHANG)
        except ChildProcessError as error:
            raise AssertionError("asked twice") from error
        return os.waitstatus_to_exitcode(status) if found else None

    def wait(self) -> int:
        """Wait for the end; returns the exit code."""
        until = time.monotonic() + LIMIT_S
        while (code := self.ended()) is None:
            if time.monotonic() > until:
                os.killpg(self.pid, signal.SIGKILL)
                raise AssertionError("it does not end")
            time.sleep(0.002)
        return code

    def workers(self) -> list[int]:
        """Its processes but the first, oldest first."""
        return [pid for pid in session(self.pid) if pid != self.pid]

    def spawned(self) -> list[int]:
        """The workers of its cluster."""
        found: list[int] = []
        for pid in self.workers():
            with suppress(OSError):
                if b"spawn_main" in Path(f"/proc/{pid}/cmdline").read_bytes():
                    found.append(pid)
        return found


def session(leader: int) -> list[int]:
    """Living processes of a session."""
    found: list[int] = []
    for entry in Path("/proc").glob("[0-9]*/stat"):
        try:
            words = entry.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if words[0] not in "ZX" and int(words[3]) == leader:
            found.append(int(entry.parent.name))
    return sorted(found)


def orphans(verb: Verb) -> list[int]:
    """What is left of a verb that has ended, after a while; it is killed."""
    until, begun = time.monotonic() + CLOCK_S, dict[int, float]()
    while left := session(verb.pid):
        taken = [processor_s(pid) - begun.setdefault(pid, processor_s(pid)) for pid in left]
        if max(taken) > ORPHANS_S or time.monotonic() > until:
            break
        time.sleep(0.01)
    for pid in left:
        os.kill(pid, signal.SIGKILL)
    return left


def anew(words: Sequence[object], folder: Path, limits: Callable[[], None] | None = None) -> Verb:
    """Start a verb as a shell does."""
    command = [sys.executable, "-m", "unlayered", *map(str, words)]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    out, err = folder / "said.out", folder / "said.err"
    with out.open("wb") as a, err.open("wb") as b:
        process = subprocess.Popen(
            command, stdout=a, stderr=b, stdin=subprocess.DEVNULL, env=environment, start_new_session=True,
            preexec_fn=limits,
        )  # fmt: skip
    process.returncode = 0  # this module waits for it, not subprocess
    return Verb(process.pid, out, err)


def forked(words: Sequence[object], folder: Path, limits: Callable[[], None] | None = None) -> Verb:
    """Start a verb in a copy of this process: the same code from its first line on, without the imports."""
    out, err = folder / "said.out", folder / "said.err"
    sys.stdout.flush()
    sys.stderr.flush()
    pid = os.fork()
    if pid == 0:
        code = 70
        try:
            os.setsid()
            for path, descriptor in ((out, 1), (err, 2)):
                os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), descriptor)
            os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
            if limits is not None:
                limits()
            sys.argv = ["unlayered", *map(str, words)]
            main()
        except SystemExit as end:
            code = end.code if isinstance(end.code, int) else 0
            sys.stdout.flush()
            sys.stderr.flush()
        except BaseException:
            sys.excepthook(*sys.exc_info())
            sys.stderr.flush()
        finally:
            os._exit(code)
    return Verb(pid, out, err)
