"""Ctrl-C and SIGTERM end a verb at once, wherever it is: its work is done in a process that the system may kill.

A signal handler of Python's runs between two of its instructions. Inside a compiled kernel, inside numba's or LLVM's
compiling, inside torch or a partitioner it may have to wait for minutes, and an exception raised there or during an
import may be swallowed or end in a traceback. So the process that a person started does nothing but wait for a second
one that does the work. In the second one these signals keep the system's own action, which ends it on the spot,
whatever it computes; the first one then sees to it that nothing is left running, says one sentence and ends with
130 (Ctrl-C) or 143 (SIGTERM). Files that are just being written are removed by ``exchange.temporary``.
"""

from __future__ import annotations

import ctypes
import mmap
import os
import signal
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

WORDS = {"SIGINT": "interrupted", "SIGTERM": "ended by SIGTERM", "SIGHUP": "the terminal is gone"}
"""Signals that ask a verb to end, and what is said."""

CUT_SHORT = "SIGBUS"
"""How the system ends who reads a mapped file beyond the end that it has by now: bad input, not a bug of ours."""

BAD_INPUT = 2

PATIENCE_S = 1.0
"""How long the working process may take to end, for files that it removes first."""

ORPHANS_S = 0.4
"""How long its own children may take to end by themselves."""

TRACKER_S = 10.0
"""How long the one may take that removes shared memory which the others leave."""

PR_SET_PDEATHSIG, PR_SET_CHILD_SUBREAPER = 1, 36
MAX_BYTES = 4096
DIRECT = "UNLAYERED_TRACEBACK"
"""Where this variable is set, a verb runs in the process that was started, and Ctrl-C shows where it was."""

TORCHRUN = "TORCHELASTIC_RUN_ID"
"""Where this variable is set, torchrun started this process and others, which train together."""

_way_on: list[str] = [""]
_shared: list[mmap.mmap] = []


def go_on(sentence: str) -> None:
    """Note how a person goes on if this run is interrupted; said behind "interrupted; "."""
    _way_on[0] = sentence
    for page in _shared:
        page[: MAX_BYTES - 1] = sentence.encode()[: MAX_BYTES - 1].ljust(MAX_BYTES - 1, b"\0")


def has_spoken() -> None:
    """Note that the sentence of this run has been said: a signal that comes while it ends says no second one."""
    for page in _shared:
        page[MAX_BYTES - 1 :] = b"\1"


def how_to_go_on() -> str:
    """The note behind a semicolon; empty where there is none."""
    noted = _shared[0][: MAX_BYTES - 1].rstrip(b"\0").decode(errors="replace") if _shared else _way_on[0]
    return f"; {noted}" if noted else ""


def who() -> str:
    """What a sentence begins with: the name of the command, and under torchrun which of its processes speaks."""
    return f"unlayered, rank {os.environ.get('RANK', '?')}" if TORCHRUN in os.environ else "unlayered"


def supervised(work: Callable[[], None]) -> None:
    """Do ``work`` in a process of its own, and end as it ended."""
    if not hasattr(os, "fork") or os.environ.get(DIRECT):
        work()
        return
    listened = [s for s in (getattr(signal, name) for name in WORDS) if signal.getsignal(s) is not signal.SIG_IGN]
    signal.pthread_sigmask(signal.SIG_BLOCK, [*listened, signal.SIGCHLD])
    signal.signal(signal.SIGCHLD, lambda *_: None)  # not ignored, so it can be waited for
    _shared.append(mmap.mmap(-1, MAX_BYTES))
    _prctl(PR_SET_CHILD_SUBREAPER, 1)
    if TORCHRUN in os.environ:  # which ends its processes, unless it is killed itself
        _prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
    me, worker = os.getpid(), os.fork()
    if worker == 0:
        _prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != me:
            os._exit(1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        for sign in listened:
            signal.signal(sign, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, [*listened, signal.SIGCHLD])
        work()
        return
    os._exit(_end_of(worker, listened))  # at once: what Python does when it ends, the working process has done


def _end_of(worker: int, listened: list[signal.Signals]) -> int:
    """Wait for the working process; returns the exit code."""
    status: int | None = None
    while status is None:
        came = signal.sigwait([*listened, signal.SIGCHLD])
        if came != signal.SIGCHLD:
            with suppress(ProcessLookupError):
                os.kill(worker, came)
            status = _ended_within(worker, PATIENCE_S)
            if status is None:
                os.kill(worker, signal.SIGKILL)
                _, status = os.waitpid(worker, 0)
            if os.WIFSIGNALED(status):
                return _interrupted(worker, came)
        else:
            status = _ended(worker)
    if os.WIFSIGNALED(status):
        return _interrupted(worker, os.WTERMSIG(status))
    return os.WEXITSTATUS(status)


def _ended(worker: int) -> int | None:
    """The status of a process that has ended; None = it has not."""
    found, status = os.waitpid(worker, os.WNOHANG)
    return status if found else None


def _ended_within(worker: int, limit_s: float) -> int | None:
    until = time.monotonic() + limit_s
    while (status := _ended(worker)) is None and time.monotonic() < until:
        time.sleep(0.01)
    return status


def _interrupted(worker: int, sign: int) -> int:
    """Leave nothing of a process that a signal ended, say so; returns the exit code."""
    import tempfile

    _end_orphans()
    if list(Path(tempfile.gettempdir()).glob(f"unlayered-lava-{worker}-*")):
        from targets.lava.leftovers import remove_dead_jobs  # its processes were killed before they tidied up

        remove_dead_jobs()
    for left in Path(tempfile.gettempdir()).glob(f"unlayered-cluster-{worker}-*"):  # its workers' own files
        import shutil

        shutil.rmtree(left, ignore_errors=True)
    name = signal.Signals(sign).name
    said = f"{WORDS.get(name, f'killed by {name}')}{how_to_go_on()}"
    if name == CUT_SHORT:
        said = "a file lost its end while it was being read; write it again, then the same command does its work"
    if _shared[0][MAX_BYTES - 1 :] == b"\1":
        return 128 + sign
    with suppress(OSError):
        if sys.stderr.isatty():
            sys.stderr.write("\r\x1b[2K\x1b[?25h")  # what is left of a progress bar, which hides the cursor
        sys.stderr.write(f"{who()}: {said}\n")
        sys.stderr.flush()
    return BAD_INPUT if name == CUT_SHORT else 128 + sign


def _end_orphans() -> None:
    """Wait for what the working process had started, which is ours now; kill what does not end by itself.

    ``multiprocessing``'s tracker of shared memory removes what the others leave, once they are gone: it comes last.
    """
    for kills, tracker, patience_s in ((False, False, ORPHANS_S), (True, False, TRACKER_S), (True, True, ORPHANS_S)):
        until = time.monotonic() + patience_s
        while _reaped() and time.monotonic() < until:
            for pid in _descendants() if kills else ():
                if tracker or not _is_tracker(pid):
                    with suppress(ProcessLookupError):
                        os.kill(pid, signal.SIGKILL)
            time.sleep(0.01)


def _is_tracker(pid: int) -> bool:
    try:
        return b"multiprocessing.resource_tracker" in Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return False


def _reaped() -> bool:
    """Take ended children off the list of processes; returns whether there are others."""
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        return False
    return True


def _descendants() -> list[int]:
    """Every process below this one; without /proc none are seen."""
    parent: dict[int, int] = {}
    for entry in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError, ValueError):
            parent[int(entry.parent.name)] = int(entry.read_text().rpartition(")")[2].split()[1])
    found = {os.getpid()}
    while more := {pid for pid, above in parent.items() if above in found} - found:
        found |= more
    return sorted(found - {os.getpid()})


def _prctl(option: int, value: int) -> None:
    """Ask Linux for something that other systems do not have."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(option, value, 0, 0, 0)
