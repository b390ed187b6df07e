"""Every reader under coverage-guided fuzzing: atheris spoils files along the edges of our code that they reach.

A reader is done when no edge is new for `--quiet` seconds of a processor, or after `--most` of them: a busy machine
finds no less. Whatever it makes of a file must be a value or one sentence. A file over which the process of the
fuzzer ends or stands still is read again as anyone reads it, and that must end so. What reaches new edges is kept in
`--corpus`; the next run begins there. With `--rows` the readers that are done are kept, a line each, and not run again.

usage: python -m tests.fuzz.edges [--quiet 300] [--most 600] [--reader network.nir ...] [--seed 1] [--rows FILE]

`tools/atheris.sh` installs atheris into .fuzz, which has to be on PYTHONPATH; `make fuzz-edges` does both.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import selectors
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import traceback
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from tests.fuzz import edges_worker
from tests.processor import processor_s

STATE = re.compile(rb"#(\d+)\s.*?\bcov: (\d+)")
"""What libFuzzer writes of its progress."""

SILENT_S = 900
"""On a clock: how long a worker may take before its first file, and for the file at hand after it was asked to end."""

STILL_S = 60
"""Of a processor: how long a worker may be at one file, reading or spoiling it."""


@dataclass
class Found:
    """What the fuzzing of a reader came to.

    Attributes:
        edges: reached, by the sound files alone and in all. runs: files read.
        last_s: when the last new edge was found, of ``took_s`` seconds of a processor.
        ends: how often each outcome came. wrong: outcomes that must not be.
    """

    reader: str
    edges: list[int] = field(default_factory=list[int])
    runs: int = 0
    last_s: float = 0.0
    took_s: float = 0.0
    ends: dict[str, int] = field(default_factory=dict[str, int])
    wrong: list[str] = field(default_factory=list[str])

    @property
    def row(self) -> str:
        """A line of the table."""
        first, last = (self.edges[0], self.edges[-1]) if self.edges else (0, 0)
        ends = ", ".join(f"{n:,} {word}" for word, n in sorted(self.ends.items()))
        return f"{self.reader:<28}{first:>7}{last:>7}{self.runs:>11,}{self.last_s:>7.0f}{self.took_s:>7.0f}  {ends}"


HEAD = f"{'reader':<28}{'edges':>7}{'at end':>7}{'files':>11}{'last s':>7}{'of s':>7}  outcomes"


class Fuzzing:
    """Workers of one reader, one after the other where one dies."""

    def __init__(self, reader: str, folder: Path, options: argparse.Namespace) -> None:
        self.reader, self.folder, self.options, self.found = reader, folder, options, Found(reader)
        self.kept, self.dead, self.stop = options.corpus / reader, folder / "dead", folder / "stop"
        self.workers, self.hand = 0, edges_worker.at_hand(reader, folder)

    def run(self) -> Found:
        """Fuzz until nothing new is found; every file over which a worker died is read by the reader itself."""
        self.kept.mkdir(parents=True, exist_ok=True)
        self.dead.mkdir()
        while self.left() > 0 and not self.found.wrong:
            self._worker()
            for path in sorted(self.dead.iterdir()):
                self._died(path)
        return self.found

    def left(self) -> float:
        """Seconds until this reader is done."""
        now = self.found.took_s
        return min(self.options.most, self.found.last_s + self.options.quiet) - now

    def _worker(self) -> None:
        """A worker, until it has ended."""
        self.stop.unlink(missing_ok=True)
        log, (there, here), seed = self.folder / "log", os.pipe(), self.options.seed + self.workers
        self.workers += 1
        sys.stdout.flush()
        pid = os.fork()  # of a process that has imported everything
        if pid == 0:
            os.dup2(os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), 1)
            os.dup2(here, 2)
            os.close(there)
            try:
                edges_worker.loop(self.reader, self.folder, self.kept, self.options.keep, seed)
            except BaseException:
                traceback.print_exc()
            os._exit(1)  # and no further: what it would leave, folders too, is its parent's
        os.close(here)
        with open(there, "rb", buffering=0) as words:
            runs = self._watch(pid, words)
        code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        lines = log.read_text(errors="replace").splitlines()
        told = next((json.loads(line[5:]) for line in lines if line.startswith("ends ")), {})
        for word, n in told.items():
            self.found.ends[word] = self.found.ends.get(word, 0) + n
        self.found.runs += max(runs, sum(told.values()))
        self.found.wrong += [line[6:] for line in lines if line.startswith("wrong ")]
        if not any(self.dead.iterdir()):
            if not runs or not self.hand.exists():
                self.found.wrong.append(f"the worker ended with {code}: {self.said[-600:]!r}")
            elif code:
                shutil.copyfile(self.hand, self.dead / f"signal {-code}-{self.workers}")

    def _watch(self, pid: int, words: IO[bytes]) -> int:
        """Read what a worker says of its edges; ask it to end in time, and end it where it does not hear."""
        os.set_blocking(words.fileno(), False)
        self.said, rest, runs, earlier, began = b"", b"", 0, self.found.took_s, -1.0
        until, moved = time.monotonic() + SILENT_S, (0, 0.0)
        with selectors.DefaultSelector() as selector:
            selector.register(words, selectors.EVENT_READ)
            while True:
                selector.select(0.5)
                part = words.read()
                if part == b"":
                    return runs
                self.said, rest = (self.said + (part or b""))[-20_000:], rest + (part or b"")
                *lines, rest = rest.split(b"\n")
                taken = processor_s(pid)
                for state in filter(None, map(STATE.search, lines)):
                    began, runs = taken if began < 0 else began, int(state[1])  # the clock begins with the first file
                    self.found.took_s = max(self.found.took_s, earlier + taken - began)
                    self._edges(int(state[2]))
                if began >= 0:
                    self.found.took_s = max(self.found.took_s, earlier + taken - began)
                if began >= 0 and self.left() <= 0 and not self.stop.exists():
                    self.stop.touch()
                    until = time.monotonic() + SILENT_S
                written = self.hand.stat().st_mtime_ns if self.hand.exists() else 0
                moved = moved if moved[0] == written else (written, taken)
                still = began >= 0 and taken - moved[1] > STILL_S
                if still or ((began < 0 or self.stop.exists()) and time.monotonic() > until):
                    os.kill(pid, signal.SIGKILL)

    def _edges(self, n: int) -> None:
        if not self.found.edges or n > self.found.edges[-1]:
            self.found.edges.append(n)
            self.found.last_s = self.found.took_s

    def _died(self, path: Path) -> None:
        """Read a file over which a worker died or stood still as anyone reads it: with HDF5 in a process of its own."""
        words = ["-m", "tests.fuzz.edges_worker", self.reader, str(self.folder), "--once", str(path)]
        done = subprocess.run([sys.executable, *words], capture_output=True, text=True, timeout=600, check=False)
        if done.returncode == 0:
            word = f"ended by {path.name.partition('-')[0]} in the process, {done.stdout.strip()} outside"
            self.found.ends[word] = self.found.ends.get(word, 0) + 1
        else:
            kept = self.options.keep / f"{self.reader}-{path.name}".replace(" ", "-")
            kept.parent.mkdir(parents=True, exist_ok=True)
            kept.write_bytes(path.read_bytes())
            self.found.wrong.append(f"{path.name}: {done.stdout[-300:]}{done.stderr[-300:]}")
        path.unlink()


def fuzz(reader: str, folder: Path, options: argparse.Namespace) -> Found:
    """One reader, in a copy of a folder of sound files."""
    with tempfile.TemporaryDirectory() as name:
        shutil.copytree(folder, name, dirs_exist_ok=True)
        return Fuzzing(reader, Path(name), options).run()


def found_before(rows: Path | None) -> list[Found]:
    """The readers whose rows are kept."""
    lines = rows.read_text().splitlines() if rows and rows.exists() else []
    return [Found(**json.loads(line)) for line in lines]


def main() -> int:
    """Every reader in turn, a line each; 1 where anything but a value or a sentence came."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quiet", type=float, default=300.0, help="seconds of a processor without a new edge")
    parser.add_argument("--most", type=float, default=600.0, help="seconds of a processor, a reader")
    parser.add_argument("--reader", nargs="+", default=[], help="some of them")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--corpus", type=Path, default=Path("out") / "corpus", help="where files of new edges are kept")
    parser.add_argument("--rows", type=Path, help="of readers that are done; goes on where it stopped")
    parser.add_argument("--keep", type=Path, default=Path("out") / "fuzz", help="where files of findings go")
    options = parser.parse_args()
    all_found = found_before(options.rows)
    with tempfile.TemporaryDirectory() as name:
        subprocess.run([sys.executable, "-m", "tests.fuzz.sound", name], check=True)  # of code that is as it is written
        readers = edges_worker.ready()
        print("\n".join([HEAD, *(one.row for one in all_found)]), flush=True)
        known = {one.reader for one in all_found}
        for reader in (reader for reader in options.reader or readers if reader not in known):
            all_found.append(found := fuzz(reader, Path(name), options))
            print("\n".join([found.row, *(f"  WRONG {line}" for line in found.wrong)]), flush=True)
            if options.rows and not found.wrong:
                with options.rows.open("a") as file:
                    file.write(json.dumps({**vars(found), "edges": [found.edges[0], found.edges[-1]]}) + "\n")
    n_wrong, runs = sum(len(one.wrong) for one in all_found), sum(one.runs for one in all_found)
    edges = sum(one.edges[-1] for one in all_found if one.edges)
    print(f"{len(all_found)} readers, {runs:,} files, {edges:,} edges, {n_wrong} outcomes but a value or one sentence")
    return 1 if n_wrong else 0


if __name__ == "__main__":
    sys.exit(main())
