"""The words that a Lava run says to the process that started it, a line each, through a pipe on standard output."""

from __future__ import annotations

import os
import select

OUT = 1
MAX_BYTES = select.PIPE_BUF - 2
"""A pipe takes so many bytes, and two line ends, in one piece, whoever else writes to it."""


def failure(who: str, what: str) -> None:
    """Say that ``who`` failed; the first such word of a run is the cause, whichever of its processes says it."""
    said = f"failed\t{' '.join(who.split())}\t{' '.join(what.split())}"
    os.write(OUT, b"\n" + said.encode(errors="replace")[:MAX_BYTES] + b"\n")


def progress(job: int, frames: int, ticks: int) -> None:
    """Say how far a job is."""
    os.write(OUT, f"\nat\t{job}\t{frames}\t{ticks}\n".encode())


class Listener:
    """Takes lines apart as they come.

    Attributes:
        failed: (who, what) of the first failure.
    """

    def __init__(self) -> None:
        self.failed: tuple[str, str] | None = None
        self._pending = b""

    def hear(self, chunk: bytes) -> list[tuple[int, int, int]]:
        """Take what came out of the pipe; returns the progress that was told."""
        *lines, self._pending = (self._pending + chunk).split(b"\n")
        told: list[tuple[int, int, int]] = []
        for kind, *words in (line.decode(errors="replace").split("\t") for line in lines):
            if kind == "at" and len(words) == 3 and all(w.isdecimal() for w in words):
                told.append((int(words[0]), int(words[1]), int(words[2])))
            elif kind == "failed" and len(words) == 2 and self.failed is None:
                self.failed = words[0], words[1]
        return told
