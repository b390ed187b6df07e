"""Ctrl-C ends a verb even where a library swallows the exception it raises."""

from __future__ import annotations

import signal
from threading import Event
from typing import NoReturn

_ASKED = Event()


def listen() -> None:
    """Take Ctrl-C and SIGTERM as the wish to end; for the process that a person started."""
    if signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:  # a job in the background, which Ctrl-C does not mean
        signal.signal(signal.SIGINT, _interrupt)
    signal.signal(signal.SIGTERM, _interrupt)


def _interrupt(*_: object) -> NoReturn:
    _ASKED.set()
    raise KeyboardInterrupt


def stop_if_asked() -> None:
    """Raise where a wish to end got lost, e.g. in compiled code that ignores exceptions of its callbacks.

    Raises:
        KeyboardInterrupt: somebody asked.
    """
    if _ASKED.is_set():
        raise KeyboardInterrupt
