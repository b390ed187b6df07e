"""The temporary folder of a Lava run, and what runs that were killed left: their folders and their shared memory."""

from __future__ import annotations

import os
import re
import shutil
import signal
import tempfile
import threading
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path

from exchange.temporary import lock
from ir.check import TargetError

SHARED_MEMORY = Path("/dev/shm")
FOLDER = "unlayered-lava-"
GONE = "-gone"
"""How a folder's name goes on once nobody may add to it."""

OURS = re.compile(rf"{FOLDER}\d+-\w{{8}}({GONE})?")


def prefix_of(folder: Path) -> str:
    """Start of the names of a run's shared memory and semaphores: ``unlayered-PID-xxxxxxxx-``, as its folder says."""
    return f"unlayered-{folder.name.removeprefix(FOLDER).removesuffix(GONE)}-"


@contextmanager
def job_folder() -> Generator[Path, None, None]:
    """A private folder that goes when the block ends; locked, so that others see whether its run is alive.

    Raises:
        TargetError: no room for it.
    """
    remove_dead_jobs()
    try:
        folder, held = _locked_folder()
    except OSError as error:
        raise TargetError(f"no temporary folder for Lava: {error.strerror}; free some space or set TMPDIR") from error
    try:
        yield folder
    finally:
        with deaf_to_interrupts():
            shutil.rmtree(folder, ignore_errors=True)
            os.close(held)


def _locked_folder() -> tuple[Path, int]:
    while True:
        folder = Path(tempfile.mkdtemp(prefix=f"{FOLDER}{os.getpid()}-"))
        held = os.open(folder, os.O_RDONLY)
        if lock(held) is not False and folder.exists():
            return folder, held
        os.close(held)  # somebody takes it for a dead run's: it was not locked yet


def remove_dead_jobs() -> None:
    """Remove the folder and the shared memory of every run whose process is gone."""
    for folder in Path(tempfile.gettempdir()).glob(f"{FOLDER}*"):
        if not OURS.fullmatch(folder.name):
            continue
        with suppress(OSError):  # just gone, or another user's
            held = os.open(folder, os.O_RDONLY | os.O_NOFOLLOW)
            try:
                if os.fstat(held).st_uid == os.getuid() and lock(held):
                    sweep(prefix_of(folder))
                    shutil.rmtree(folder, ignore_errors=True)
            finally:
                os.close(held)


def sweep(prefix: str) -> None:
    """Remove shared memory and semaphores whose names start with our own prefix."""
    for pattern in (f"{prefix}*", f"sem.{prefix}*"):
        for path in SHARED_MEMORY.glob(pattern):
            path.unlink(missing_ok=True)


@contextmanager
def deaf_to_interrupts() -> Generator[None, None, None]:
    """Finish the cleaning even if Ctrl-C is pressed again, or whatever else raises here from a signal."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {sign: signal.getsignal(sign) for sign in (signal.SIGINT, signal.SIGTERM)}
    raising = {sign: handler for sign, handler in before.items() if callable(handler)}
    for sign in raising:
        signal.signal(sign, signal.SIG_IGN)
    try:
        yield
    finally:
        for sign, handler in raising.items():
            signal.signal(sign, handler)
