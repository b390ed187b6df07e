"""A word on the terminal when something is compiled: it takes seconds, happens once, and looks like a hang."""

from __future__ import annotations

import sys
import threading
import time

from ir import kernels
from unlayered.console import stderr

PATIENCE_S = 1.0
"""What is compiled sooner goes unsaid."""


class Compiling:
    """Says on standard error what takes long to be compiled, and how long it took."""

    def __init__(self) -> None:
        self.timer: threading.Timer | None = None
        self.began_s = 0.0

    def __call__(self, name: str, begins: bool) -> None:
        """Hear that an entry begins or has ended to be compiled."""
        if begins:
            self.began_s = time.monotonic()
            self.timer = threading.Timer(PATIENCE_S, self._say, (f"compiling {name}, once for this version ...",))
            self.timer.daemon = True
            self.timer.start()
            return
        if self.timer is not None:
            self.timer.cancel()
        took_s = time.monotonic() - self.began_s
        if took_s >= PATIENCE_S:
            self._say(f"compiled {name} in {took_s:.0f} s")

    def _say(self, line: str) -> None:
        stderr().print(line, style="dim", markup=False)


def tell_of_compiling() -> None:
    """From now on say what is compiled, where a person looks on."""
    if sys.stderr.isatty() and not kernels.listeners:
        kernels.listeners.append(Compiling())
