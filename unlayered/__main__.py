"""``python -m unlayered`` and the command ``unlayered``; imports nothing that Ctrl-C could find half imported."""

from __future__ import annotations

from unlayered.interruption import supervised


def main() -> None:
    """Entry point: the verbs, in a process that a signal may end at any time."""
    supervised(_verbs)


def _verbs() -> None:
    from unlayered.cli import app

    app()


if __name__ == "__main__":
    main()
