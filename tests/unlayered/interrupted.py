"""Verbs in processes of their own, which tests wait for, signal, and look after."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

LIMIT_S = 4.0
"""Two seconds are promised, and measured on a quiet machine; tests share theirs with others."""

SAID = {signal.SIGINT: "interrupted", signal.SIGTERM: "ended by SIGTERM"}

MAIN = "from unlayered.cli import main\nmain()"


@dataclass
class Verb:
    """A verb in a process of its own, in a session of its own, as a shell starts one."""

    process: subprocess.Popen[str]

    def family(self) -> set[tuple[int, int]]:
        """Every living process below the one that was started, itself included, as (number, start)."""
        parent = {pid: (above, began) for pid, above, began in processes()}
        found = {self.process.pid}
        while more := {pid for pid, (above, _) in parent.items() if above in found} - found:
            found |= more
        return {(pid, parent[pid][1]) for pid in found if pid in parent}

    def worker(self) -> int:
        """The process that does the work."""
        return next(
            int(p.parent.name)
            for p in Path("/proc").glob("[0-9]*/stat")
            if p.exists() and int(p.read_text().rpartition(")")[2].split()[1]) == self.process.pid
        )

    def end(self, sign: signal.Signals) -> str:
        """Signal it; returns its one sentence, epochs apart. Nothing of it may live on, nor take long to end."""
        before = self.family()
        start = time.monotonic()
        self.process.send_signal(sign)
        out, errors = self.process.communicate(timeout=60)
        took_s = time.monotonic() - start
        assert self.process.returncode == 128 + sign, errors
        last = [line for line in errors.splitlines() if not line.startswith("training on digits: epoch ")]
        assert len(last) == 1 and last[0].startswith(f"unlayered: {SAID[sign]}"), errors
        assert out.replace("ready\n", "") == ""
        alive = {pid for pid, began in before if (pid, began) in living()}
        assert not alive and took_s < LIMIT_S, (alive, took_s)
        return last[0]


def living() -> set[tuple[int, int]]:
    return {(pid, began) for pid, _, began in processes()}


def processes() -> Iterator[tuple[int, int, int]]:
    """Number, parent and start of every living process."""
    for entry in Path("/proc").glob("[0-9]*/stat"):
        try:
            words = entry.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if words[0] not in "ZX":
            yield int(entry.parent.name), int(words[1]), int(words[19])


def start(tmp_path: Path, words: list[object], prelude: str = "", **more: str) -> Verb:
    """Start a verb; ``prelude`` is run before it in the same process."""
    (tmp_path / "tmp").mkdir(exist_ok=True)
    script = [] if not prelude else ["-c", f"{prelude}\n{MAIN}"]
    command = [sys.executable, *(script or ["-m", "unlayered"]), *map(str, words)]
    environment = {**os.environ, "TMPDIR": str(tmp_path / "tmp"), **more}
    pipe = subprocess.PIPE
    return Verb(
        subprocess.Popen(
            command,
            stdout=pipe,
            stderr=pipe,
            text=True,
            env=environment,
            cwd=Path(__file__).parents[2],
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),  # a job may ignore it
        )
    )


def wait_for(verb: Verb, condition: Callable[[], object]) -> None:
    """Poll until the condition holds; a verb that has ended before says why."""
    until = time.monotonic() + 150
    while not condition():
        assert verb.process.poll() is None, verb.process.communicate()[1]
        if time.monotonic() > until:
            verb.process.kill()
            raise AssertionError("what the test waits for did not happen")
        time.sleep(0.02)


def ready(verb: Verb) -> None:
    """Wait for the word that a prelude prints."""
    assert verb.process.stdout is not None
    if verb.process.stdout.readline() != "ready\n":
        raise AssertionError(verb.process.communicate()[1])


def holds(pid: int, library: str) -> bool:
    try:
        return library in Path(f"/proc/{pid}/maps").read_text()
    except OSError:
        return False
