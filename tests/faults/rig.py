"""Faults at random moments while verbs are at work: nothing half-written, nothing lost, nothing left running.

After each fault: the exit code and one sentence; no file under its final name that is not whole; no process, no
temporary file but those of a kill -9, which the next run removes; no shared memory; and the same command again gives
the result of a run that nothing happened to.

usage: python -m tests.faults.rig [--faults 200] [--seed 0] [--only run ...]
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from typer.testing import CliRunner

from tests.faults import inject
from tests.faults.inject import AHEAD, CLUSTER, DISKS, FAULTS, SAID, SIGNALS, SPOILT, Case, Disk
from tests.faults.stages import NO_SUM, STAGES, Stage, copied, loads, make_material
from tests.faults.start import Verb, anew, forked, orphans
from unlayered.cli import app

ANEW = 8
"""One verb in so many is started anew, imports and all; the others are copies of a process that has them."""

TRIES = 6
"""A verb may end before the fault that was drawn for it comes; then the fault comes in half the time."""

SHARED = Path("/dev/shm")


class Lost(AssertionError):
    """A fault did harm."""


def told(verb: Verb, code: int, fault: str, stage: Stage) -> str:
    """Whether a verb ended as it may after this fault, in one word; its sentence is looked at."""
    lines = verb.err.read_text(errors="replace").splitlines(keepends=True)
    errors = "".join(line for line in lines if not line.startswith("training on "))  # one an epoch
    if code in stage.codes:
        return "done"
    if fault in CLUSTER:
        raise Lost(f"ended with {code} over one worker: {errors[-400:]!r}")
    if code == -9 and fault == "kill -9":
        return "killed"
    allowed = {130, 143, 137} if fault in SIGNALS else {2}
    ours = errors.startswith("unlayered: ") and errors.count("\n") == 1 and "Traceback" not in errors
    if code not in allowed or not ours:
        raise Lost(f"ended with {code}: {errors[-400:]!r}")
    if fault in SIGNALS and not errors.startswith(f"unlayered: {SAID[code]}"):
        raise Lost(f"ended with {code} and said {errors!r}")
    return "ended" if fault in SIGNALS else "refused"


class Rig:
    """Material, results of whole runs, and how long they take."""

    def __init__(self, disk: Disk, material: Path, said: Path, stages: Sequence[Stage]) -> None:
        self.disk, self.material, self.said = disk, material, said
        self.results: dict[str, Any] = {}
        self.took_s: dict[str, float] = {}
        make_material(material)
        map_, run = STAGES["map"].words(material), STAGES["run frames"].words(material)
        self._called(map_[:-1] + [material / "m.npz"])
        run[run.index(material / "frames.npy")], run[run.index(material / "t.npz")] = "data.npz", "b.npz"
        self._called([material / word if word in ("data.npz", "b.npz") else word for word in run])
        for side in "ab":
            pieces = STAGES["run pieces"].words(material)
            self._called([*pieces[:-1], material / f"{side}.pieces"])
        work = disk.folder / "work"
        work.mkdir()
        for stage in stages:
            self.earlier(stage, work, whole=False)
            if not stage.anew:
                self._called(stage.words(work))  # what a copy of this process then need not import
            self.earlier(stage, work, whole=False)
            began = time.monotonic()
            verb = (anew if stage.anew else forked)(stage.words(work), self.said)
            code = verb.wait()
            self.took_s[stage.name] = time.monotonic() - began
            if code not in stage.codes:
                raise Lost(f"{stage.name} does not work: {verb.err.read_text()}")
            self.results[stage.name] = stage.result(work, verb.out.read_text())
            kept = material / "whole" / stage.name
            kept.mkdir(parents=True)
            for name in stage.writes:
                (kept / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(work / name, kept / name)

    def _called(self, words: list[object]) -> None:
        done = CliRunner().invoke(app, [str(word) for word in words])
        if done.exit_code > 1:
            raise Lost(f"{words[0]} does not work: {done.output}")

    def earlier(self, stage: Stage, work: Path, whole: bool) -> None:
        """Fresh material; with what an earlier run left, where there shall be one."""
        copied(self.material, work)
        if whole and not stage.fresh:
            shutil.copytree(self.material / "whole" / stage.name, work, dirs_exist_ok=True)
        shutil.rmtree(work / "whole", ignore_errors=True)

    def one(self, fault: str, stage: Stage, rng: np.random.Generator, turn: int) -> str:
        """Let one fault happen while the verb is at work; returns how that ended."""
        late = float(rng.random()) * self.took_s[stage.name]
        for _ in range(TRIES):
            case, ended = self.attempt(fault, stage, rng, late, turn)
            if case.came:
                return ended
            late /= 2  # it had ended before: everything was looked at, but it counts as no fault
        raise Lost("it ends before any fault can come")

    def attempt(self, fault: str, stage: Stage, rng: np.random.Generator, late: float, turn: int) -> tuple[Case, str]:
        """A verb, a fault, and everything that must hold afterwards."""
        work, spoils, ahead = self.disk.folder / "work", fault in SPOILT, fault in AHEAD
        self.earlier(stage, work, whole=bool(rng.random() < 0.5) or spoils)
        before = {name: (work / name).read_bytes() for name in (*stage.reads, *stage.writes) if (work / name).exists()}
        shared = set(os.listdir(SHARED)) if self.disk.mounted else set()
        writing = bool(rng.random() < 0.4 and stage.writes)
        case = Case(fault, late, writing, rng, self.disk, work, tuple(work / name for name in stage.reads))
        words = stage.again(work) if (spoils or rng.random() < 0.3) and not stage.anew else stage.words(work)
        limits = inject.limited if fault in DISKS and not self.disk.mounted else None
        if ahead:
            FAULTS[fault](case, None)
        verb = (anew if stage.anew or turn % ANEW == ANEW - 1 else forked)(words, self.said, limits)
        if limits is None and not ahead:
            FAULTS[fault](case, verb)
        case.came |= limits is not None
        code = verb.wait()
        if self.disk.mounted:
            self.disk.read_only(False)
        (self.disk.folder / "filler").unlink(missing_ok=True)
        ended = told(verb, code, fault, stage)
        if ended == "done" and fault.startswith("kill -9") and fault in SIGNALS:
            case.came = False  # nobody survives that: it had ended by then
        if left := orphans(verb):
            raise Lost(f"left processes {left}")
        if self.disk.mounted and (more := set(os.listdir(SHARED)) - shared):
            raise Lost(f"left shared memory {sorted(more)}")
        if not spoils:
            kept = fault == "read-only" and stage.fresh  # nothing can be removed there, either
            self.look(stage, work, before, litter=kept or fault.startswith("kill -9"))
        elif ended == "done" and self.says_what_it_said(case, stage):
            self.same(stage, verb, "a spoilt file was taken")
        if spoils:
            for name, content in before.items():  # as a person puts back what is damaged
                (work / name).write_bytes(content)
        self.again(stage, work)
        return case, ended

    def says_what_it_said(self, case: Case, stage: Stage) -> bool:
        """Whether the result must be that of a whole run though a file was spoilt: it was not the result itself."""
        if case.hit is None or case.hit.name in NO_SUM:
            return False
        written = {case.work / name for name in stage.writes}
        return not (case.name.endswith("meanwhile") and case.hit in written)

    def look(self, stage: Stage, work: Path, before: dict[str, bytes], litter: bool) -> None:
        """Every file under a final name is whole; nothing lies beside."""
        for name in stage.writes:
            path = work / name
            if name in before and not path.exists() and stage.name != "train":
                raise Lost(f"{name} of an earlier run is gone")
            if path.exists() and path.read_bytes() != before.get(name):
                try:
                    whole = loads(path)
                except (ValueError, OSError, RuntimeError) as error:
                    raise Lost(f"{name} is half-written: {error}") from error
                if not whole:
                    raise Lost(f"{name} is half-written")
        for name in stage.reads:
            if name not in stage.writes and (work / name).exists() and (work / name).read_bytes() != before[name]:
                raise Lost(f"{name} is not what it was")
        self._litter(work, litter)

    def _litter(self, work: Path, allowed: bool) -> None:
        found = [path.name for path in work.rglob(".*")]
        if found and not allowed:
            raise Lost(f"left {found}")

    def again(self, stage: Stage, work: Path) -> None:
        """The same command goes on, or does it again, to the result of a whole run."""
        verb = forked(stage.again(work), self.said)
        code = verb.wait()
        if code not in stage.codes:
            raise Lost(f"the same command again ended with {code}: {verb.err.read_text()}")
        self.same(stage, verb, "the same command again gave another result")
        self._litter(work, False)

    def same(self, stage: Stage, verb: Verb, otherwise: str) -> None:
        if stage.result(self.disk.folder / "work", verb.out.read_text()) != self.results[stage.name]:
            raise Lost(otherwise)


def drawn(count: int, rng: np.random.Generator, only: Sequence[str]) -> list[tuple[str, Stage]]:
    """Pairs of fault and stage: every pair once before any comes twice, in a drawn order."""
    pairs = [
        (fault, stage)
        for fault in FAULTS
        for stage in STAGES.values()
        if stage.name in only and fault not in stage.spared and (stage.anew or fault not in CLUSTER)
    ]
    found: list[tuple[str, Stage]] = []
    while len(found) < count:
        found += [pairs[int(i)] for i in rng.permutation(len(pairs))]
    return found[:count]


def work(count: int, seed: int, only: Sequence[str]) -> int:
    """All faults; prints the table, and what was lost."""
    rng = np.random.default_rng(seed)
    table: dict[str, Counter[str]] = defaultdict(Counter)
    lost: list[str] = []
    with tempfile.TemporaryDirectory() as name:
        (Path(name) / "disk").mkdir()
        (Path(name) / "material").mkdir()
        (Path(name) / "said").mkdir()
        disk = inject.mount(Path(name) / "disk") if os.environ.get(APART) else Disk(Path(name) / "disk", False)
        try:
            rig = Rig(disk, Path(name) / "material", Path(name) / "said", [STAGES[stage] for stage in only])
            for turn, (fault, stage) in enumerate(drawn(count, rng, only)):
                if fault == "read-only" and not disk.mounted:
                    table[fault]["left out: no file system of its own"] += 1
                    continue
                try:
                    ended = rig.one(fault, stage, np.random.default_rng([seed, turn]), turn)
                except (Lost, ValueError, OSError) as error:
                    ended = "LOST"
                    lost.append(f"{turn}: {fault}, {stage.name}: {type(error).__name__}: {error}")
                    print(lost[-1], flush=True)
                table[fault][ended] += 1
                if sys.stderr.isatty():
                    print(f"\r{turn + 1} of {count}", end="", file=sys.stderr)
        except KeyboardInterrupt:
            print("interrupted: the table so far")
        finally:
            if disk.mounted:
                subprocess.run(["umount", "-l", disk.folder], check=False)
    print(told_of(table, lost, disk.mounted))
    return 1 if lost else 0


def told_of(table: dict[str, Counter[str]], lost: list[str], mounted: bool) -> str:
    """A line a fault: how many, and how the verbs ended."""
    lines = [f"{'fault':<26}{'times':>6}  how it ended"]
    for fault in FAULTS:
        ends = ", ".join(f"{n} {word}" for word, n in sorted(table[fault].items()))
        lines.append(f"{fault:<26}{sum(table[fault].values()):>6}  {ends}")
    total = sum(sum(ends.values()) for ends in table.values())
    where = (
        "a file system of its own, 8 MB" if mounted else "no file system of its own: a full disk is a limit on sizes"
    )
    return "\n".join([*lines, f"{total} faults ({where}), {len(lost)} losses"])


APART = "UNLAYERED_FAULTS_APART"
"""Set where this process has mounts of its own."""


def apart() -> None:
    """Begin again in a mount namespace of its own, with a /dev/shm of its own, where the system allows that."""
    probe = ["unshare", "-rm", "true"]
    if os.environ.get(APART) is not None or shutil.which("unshare") is None:
        return
    able = subprocess.run(probe, capture_output=True, check=False).returncode == 0
    environment = {**os.environ, APART: "1" if able else "", "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "tests.faults.rig", *sys.argv[1:]]
    if able:
        inner = 'mount -t tmpfs -o size=64m tmpfs /dev/shm && exec "$@"'
        command = ["unshare", "-rm", "sh", "-c", inner, "rig", *command]
    os.execvpe(command[0], command, environment)


def main() -> int:
    """Let so many faults happen."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--faults", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", nargs="+", choices=tuple(STAGES), default=tuple(STAGES), help="some of the stages")
    options = parser.parse_args()
    apart()
    return work(options.faults, options.seed, options.only)


if __name__ == "__main__":
    sys.exit(main())
