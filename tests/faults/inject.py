"""The faults: signals, a full disk, a disk that turns read-only, files that lose their end or a bit while in use."""

from __future__ import annotations

import ctypes
import os
import resource
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tests.faults.artifacts import flipped, truncated
from tests.faults.start import Verb

MS_REMOUNT, MS_RDONLY = 32, 1
DISK_BYTES = 8 << 20

SAID = {130: "interrupted", 143: "ended by SIGTERM", 137: "killed by SIGKILL"}
"""What the sentence begins with where a signal ended the work."""


@dataclass(frozen=True)
class Disk:
    """A small file system of its own, or a folder on the disk that is there.

    Attributes:
        mounted: whether it is a file system that may be filled and made read-only.
    """

    folder: Path
    mounted: bool

    def read_only(self, whether: bool) -> bool:
        """Remount it; False where the system does not (somebody is writing)."""
        flags = MS_REMOUNT | (MS_RDONLY if whether else 0)
        return ctypes.CDLL(None, use_errno=True).mount(b"", os.fsencode(self.folder), b"", flags, b"") == 0

    def fill(self, leave: int) -> Path:
        """Take all of it but a few bytes."""
        filler = self.folder / "filler"
        with suppress(OSError), filler.open("wb", buffering=0) as file:
            while True:
                file.write(bytes(1 << 16))
        os.truncate(filler, max(filler.stat().st_size - leave, 0))
        return filler


def mount(folder: Path) -> Disk:
    """A tmpfs of 8 MB at ``folder`` where this process may mount one, as in a mount namespace of its own."""
    data = f"size={DISK_BYTES}".encode()
    done = ctypes.CDLL(None, use_errno=True).mount(b"tmpfs", os.fsencode(folder), b"tmpfs", 0, data)
    return Disk(folder, done == 0)


@dataclass
class Case:
    """One fault, drawn.

    Attributes:
        name: its kind. after_s: when it comes, from the start of the work. writing: it comes at the first temporary
            file after that.
        rng: for places and lengths.
        hit: the file that was spoilt. came: whether the verb was still at work when the fault came.
    """

    name: str
    after_s: float
    writing: bool
    rng: np.random.Generator
    disk: Disk
    work: Path
    reads: tuple[Path, ...]
    hit: Path | None = None
    came: bool = False

    def moment(self, verb: Verb) -> None:
        """Wait for the moment, or for the end of the work."""
        until = time.monotonic() + self.after_s
        while time.monotonic() < until and not _over(verb):
            time.sleep(0.001)
        while self.writing and not _over(verb) and not any(self.work.glob(".*")) and not any(self.work.glob("*/.*")):
            time.sleep(0.0002)
        self.came = not _over(verb)


def _over(verb: Verb) -> bool:
    found = os.waitid(os.P_PID, verb.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    return found is not None


def _signal(sign: signal.Signals, whom: str) -> Callable[[Case, Verb], None]:
    def inject(case: Case, verb: Verb) -> None:
        workers: list[int] = []
        while not _over(verb) and not workers:  # before that it is Python that starts, not a line of ours
            workers = verb.workers()
            time.sleep(0.001)
        case.moment(verb)
        if not case.came:
            return
        with suppress(ProcessLookupError):
            if whom == "group":
                os.killpg(verb.pid, sign)
            elif whom == "front" or workers:
                os.kill(verb.pid if whom == "front" else workers[0], sign)

    return inject


def one_worker(case: Case, verb: Verb) -> None:
    """Kill a worker of a cluster: the run does not mind."""
    while not _over(verb) and len(verb.spawned()) < 2:
        time.sleep(0.001)
    case.moment(verb)
    spawned = verb.spawned()
    case.came &= bool(spawned)
    if case.came:
        with suppress(ProcessLookupError):
            os.kill(spawned[int(case.rng.integers(len(spawned)))], signal.SIGKILL)


def full(case: Case, verb: Verb) -> None:
    """Nothing can be written any more, from some moment on."""
    case.moment(verb)
    case.disk.fill(int(case.rng.integers(0, 3000)))


def read_only(case: Case, verb: Verb) -> None:
    """The file system turns read-only, as soon as nobody has a file open for writing."""
    case.moment(verb)
    while not case.disk.read_only(True) and not _over(verb):
        time.sleep(0.0005)


def _spoil(how: Callable[[bytes, np.random.Generator], bytes]) -> Callable[[Case, Verb | None], None]:
    """Spoil a file that the verb reads: while it is at work, or before it starts."""

    def inject(case: Case, verb: Verb | None) -> None:
        if verb is None:
            case.came = True
        else:
            case.moment(verb)
        there = [path for path in case.reads if path.exists()]
        path = there[int(case.rng.integers(len(there)))]
        content, case.hit = path.read_bytes(), path
        if content:
            spoilt = how(content, case.rng)
            with path.open("r+b") as file:  # in place: who has it open or mapped sees it
                file.write(spoilt)
                file.truncate()

    return inject


def limited() -> None:
    """In a process that is about to start: no file may grow beyond a few bytes."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (1500, 1500))


SIGNALS = {
    "Ctrl-C": _signal(signal.SIGINT, "group"),
    "SIGINT": _signal(signal.SIGINT, "front"),
    "SIGTERM": _signal(signal.SIGTERM, "front"),
    "kill -9": _signal(signal.SIGKILL, "front"),
    "kill -9 of the work": _signal(signal.SIGKILL, "work"),
}
CLUSTER = {"kill -9 of a worker": one_worker}
DISKS = {"full disk": full, "read-only": read_only}
SPOILT = {
    "a lost end": _spoil(truncated),
    "a flipped bit": _spoil(flipped),
    "a lost end meanwhile": _spoil(truncated),
    "a flipped bit meanwhile": _spoil(flipped),
}
AHEAD = ("a lost end", "a flipped bit")
FAULTS: dict[str, Callable[[Case, Any], None]] = {**SIGNALS, **CLUSTER, **DISKS, **SPOILT}
"""Every kind; each is given what was drawn, and the verb at work."""
