"""Temporary files and folders that a killed run cannot leave for ever: whoever makes one locks it while it lives."""

from __future__ import annotations

import os
import re
import secrets
import shutil
import signal
import sys
import threading
from collections.abc import Generator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, NoReturn

if sys.platform != "win32":
    import fcntl

    LOCKS = True
else:  # pragma: no cover
    LOCKS = False

MAX_STEM = 200
"""Bytes of a name that its temporary names repeat."""

ENDING = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name))
"""Signals that ask a process to end."""


def lock(descriptor: int) -> bool | None:
    """Lock an open file or folder until it is closed, by the end of this process at the latest.

    Returns:
        False where somebody alive holds it; None where the system or the file system knows no locks.
    """
    if not LOCKS:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return None
    return True


def made_beside(path: Path, names: list[str] | None = None) -> IO[bytes]:
    """A temporary file ``.NAME.xxxxxxxx`` beside ``path``, locked; whoever makes it renames or removes it.

    It has the rights of any new file: those that the umask leaves.

    Args:
        names: gets its name before it is there, so that no signal comes between (:func:`removed_if_ended`).
    """
    names = [] if names is None else names
    while True:
        name = path.parent / f"{_prefix(path)}{secrets.token_hex(4)}"
        names.append(str(name))
        try:
            file = name.open("xb")
        except FileExistsError:  # another's
            names.pop()
            continue
        if lock(file.fileno()) is not False and os.path.exists(file.name):
            return file
        file.close()  # somebody takes it for litter: it was not locked yet
        names.pop()


def folder_made_beside(path: Path, names: list[str]) -> tuple[Path, int]:
    """A temporary folder beside ``path``, and its locked descriptor, which is to be closed when it has its own name.

    Args:
        names: gets its name before it is there.
    """
    name = path.parent / f"{_prefix(path)}{secrets.token_hex(4)}"
    names.append(str(name))
    name.mkdir()
    descriptor = os.open(name, os.O_RDONLY)
    lock(descriptor)
    return name, descriptor


def removed(name: str | Path) -> None:
    """Remove a temporary file, or a folder with all that is in it; nothing where it has its own name by now."""
    try:
        os.unlink(name)
    except (IsADirectoryError, PermissionError):
        shutil.rmtree(name, ignore_errors=True)
    except FileNotFoundError:
        pass


def _prefix(path: Path) -> str:
    """How temporary names beside ``path`` begin; not all of a long name, for file systems allow 255 bytes."""
    return f".{os.fsdecode(os.fsencode(path.name)[:MAX_STEM])}."


def remove_litter(path: Path, ending: str = "[0-9a-f]{8}") -> None:
    """Remove temporary files and folders that killed runs left beside ``path``: those that nobody holds any more.

    Args:
        ending: how temporary names end, as a regular expression.
    """
    ours = re.compile(re.escape(_prefix(path)) + ending)
    with suppress(OSError):  # a folder that cannot be read is said where something is written to it
        for found in path.parent.iterdir():
            if ours.fullmatch(found.name) and (found.is_file() or found.is_dir()) and not found.is_symlink():
                _remove_unless_held(found)


def _remove_unless_held(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        if lock(descriptor):
            removed(path)
    finally:
        os.close(descriptor)


@contextmanager
def removed_if_ended(names: Sequence[str]) -> Generator[None, None, None]:
    """Where a signal would end this process on the spot, let it remove the files and folders ``names`` first.

    Handlers of others stay: Python's own for Ctrl-C raises, and whoever made the files removes them on the way out.
    """

    def end(sign: int, _: object) -> NoReturn:
        for name in names:
            with suppress(OSError):
                removed(name)
        signal.signal(sign, signal.SIG_DFL)
        os.kill(os.getpid(), sign)
        raise SystemExit(128 + sign)  # only where the signal is blocked

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    taken = [sign for sign in ENDING if signal.getsignal(sign) is signal.SIG_DFL]
    for sign in taken:
        signal.signal(sign, end)
    try:
        yield
    finally:
        for sign in taken:
            signal.signal(sign, signal.SIG_DFL)
