"""Starts the child process, waits for it within a time limit, and leaves nothing behind, whatever happens."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from ir.check import TargetError
from targets.lava.interpreter import find_python
from targets.lava.leftovers import deaf_to_interrupts, prefix_of, sweep
from targets.lava.words import Listener

PACKAGES = Path(__file__).resolve().parents[2]
"""The folder that holds ``ir``, ``exchange`` and ``targets``."""

GRACE_S = 2.0
"""How long a group may take to end after SIGTERM before SIGKILL."""

Report = Callable[[int, int, int], None]
"""Called with (job, frames done, ticks)."""


@dataclass
class Child:
    """A child process that leads a session of its own.

    Attributes:
        prefix: start of the names of its shared memory.
    """

    process: subprocess.Popen[bytes]
    prefix: str

    @property
    def group(self) -> int:
        return self.process.pid


def run_child(job: Path, time_limit_s: float | None, report: Report) -> None:
    """Run ``targets.lava.child`` on the folder ``job`` until it ends.

    Raises:
        TargetError: Lava is absent, failed, or took longer than the limit.
    """
    python = find_python()
    prefix = prefix_of(job)
    listener = Listener()
    try:
        _link_packages(job / "code")
        errors = tempfile.TemporaryFile(dir=job)
    except OSError as error:
        raise TargetError(f"Lava's temporary folder cannot be written ({error}); free some space") from error
    with errors:
        with _quiet_end(python, job, prefix, errors) as child:
            deadline = None if time_limit_s is None else time.monotonic() + time_limit_s
            ended = _listen(child, deadline, listener, report)
        if listener.failed is not None:
            raise TargetError("Lava failed in {}: {}".format(*listener.failed))
        if not ended:
            raise TargetError(
                f"Lava did not finish within {time_limit_s:g} s and was ended; allow more time, fewer samples, or run "
                "on the reference"
            )
        _check_end(child.process.returncode, errors)


@contextmanager
def _quiet_end(python: str, job: Path, prefix: str, errors: IO[bytes]) -> Generator[Child, None, None]:
    """Start the child, and end its whole group when the block is left."""
    child = Child(_start(python, job, prefix, errors), prefix)
    try:
        yield child
    finally:
        with deaf_to_interrupts():
            end_group(child.group)
            child.process.wait()
            _wait_until_gone(child.group)
            for stream in (child.process.stdin, child.process.stdout):
                if stream is not None:
                    stream.close()
            sweep(prefix)


def _link_packages(code: Path) -> None:
    """Link our packages into a folder of their own: this interpreter's site-packages must not leak in."""
    code.mkdir()
    for package in ("ir", "exchange", "targets"):
        (code / package).symlink_to(PACKAGES / package, target_is_directory=True)


def _start(python: str, job: Path, prefix: str, errors: IO[bytes]) -> subprocess.Popen[bytes]:
    environment = {k: v for k, v in os.environ.items() if not k.startswith("PYTHON")}
    environment |= {"PYTHONPATH": str(job / "code"), "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    try:
        return subprocess.Popen(
            [python, "-W", "ignore", "-m", "targets.lava.child", str(job), prefix],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            cwd=job,
            env=environment,
            start_new_session=True,
        )
    except OSError as error:
        raise TargetError(f"{python} does not start: {error.strerror}; see `unlayered doctor`") from error


def _listen(child: Child, deadline: float | None, listener: Listener, report: Report) -> bool:
    """Pass the child's progress on until it ends or tells of a failure; False = the deadline came first."""
    stdout = child.process.stdout
    assert stdout is not None
    while listener.failed is None:
        left = 0.5 if deadline is None else min(0.5, deadline - time.monotonic())
        ended = has_ended(child.process.pid)  # before the pipe is read: what it said last is read, too
        ready, _, _ = select.select([stdout], [], [], 0 if ended else max(left, 0))
        if ready:
            chunk = os.read(stdout.fileno(), 1 << 16)
            for told in listener.hear(chunk):
                report(*told)
            if not chunk:
                return True
        elif ended:
            return True
        if left <= 0:
            return ended
    return True


def has_ended(pid: int) -> bool:
    """Whether our child ``pid`` has ended; it stays there to be reaped, so its number cannot pass to another."""
    try:
        return os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None
    except ChildProcessError:
        return True


def end_group(group: int) -> None:
    """End every process of a group whose leader is our unreaped child: SIGTERM, and after a while SIGKILL."""
    for sign, patience in ((signal.SIGTERM, GRACE_S), (signal.SIGKILL, GRACE_S)):
        try:
            os.killpg(group, sign)
        except (ProcessLookupError, PermissionError):
            return
        until = time.monotonic() + patience
        while time.monotonic() < until:
            if not members(group):
                return
            time.sleep(0.02)


def members(group: int) -> list[int]:
    """The living processes of a group; without /proc none are seen."""
    alive = []
    for entry in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, _, number = entry.read_text().rpartition(")")[2].split()[:3]
        except (OSError, ValueError):
            continue
        if int(number) == group and state not in "ZX":
            alive.append(int(entry.parent.name))
    return sorted(alive)


def _wait_until_gone(group: int) -> None:
    """Give the system's first process time to take the orphans of a killed child off the list of processes."""
    until = time.monotonic() + GRACE_S
    while time.monotonic() < until:
        try:
            os.killpg(group, 0)
        except (ProcessLookupError, PermissionError):
            return
        time.sleep(0.02)


def _check_end(code: int, errors: IO[bytes]) -> None:
    """Raise unless the child has ended well; ``errors`` are its last words."""
    if code != 0:
        how = f"was killed by signal {-code}" if code < 0 else f"ended with code {code}"
        errors.seek(0)
        last = errors.read().decode(errors="replace").strip().splitlines()[-1:] or ["it said nothing"]
        raise TargetError(f"the Lava process {how}: {last[0][:300]}; run it again, or see `unlayered doctor`")


if sys.platform == "win32":  # pragma: no cover
    raise TargetError("the Lava back end needs a POSIX system; use WSL")
