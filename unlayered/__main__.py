"""``python -m unlayered`` and the command ``unlayered``; imports nothing that Ctrl-C could find half imported."""

from __future__ import annotations

import os
import sys

from unlayered.interruption import supervised


def main() -> None:
    """Entry point: the verbs, in a process that a signal may end at any time."""
    _open_streams()
    supervised(_verbs)


def _open_streams() -> None:
    """Give a stream that was closed before the start somewhere to go: Python has None for it, and so would a file."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, os.fdopen(os.open(os.devnull, os.O_RDWR), mode, encoding="utf-8"))


def _verbs() -> None:
    from unlayered.cli import app

    app(prog_name="unlayered")


if __name__ == "__main__":
    main()
