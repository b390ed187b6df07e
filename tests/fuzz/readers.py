"""Spoilt files through every reader and every verb that takes what it returns: success or one sentence, nothing else.

Bounded in memory and time a file. Half of the mutants are spoilt inside and put together again, so that many open.

usage: python -m tests.fuzz.readers [--seconds 3300] [--kind network.nir] [--seed 0]
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import numpy as np

from tests.fuzz.containers import SPOILERS
from tests.fuzz.mutate import spoil
from tests.fuzz.seeds import seeds
from tests.fuzz.verbs import LIMIT_S, VERBS, Outcome, call, figures_left_out

MAX_BYTES_A_FILE = 1 << 30
"""Of memory beyond what the process holds before it sees a spoilt file."""

SHARE_OF_BYTES = 0.1
"""Mutants whose bytes are spoilt, sums and all: few of them open."""

MAX_WAIT_S = 120
"""For one file, on a busy machine."""


class Findings:
    """Outcomes by verb, and the first file of each kind of failure."""

    def __init__(self, kind: str, folder: Path) -> None:
        self.kind, self.keep = kind, folder
        self.mutants = self.opened = 0
        self.verbs: Counter[tuple[str, str]] = Counter()
        self.wrong: dict[str, str] = {}

    def note(self, verb: str, outcome: Outcome, took_s: float, content: bytes) -> bool:
        """Count an outcome; keep the file where it must not be. True where the verb was content."""
        kind = outcome.kind if took_s <= LIMIT_S else f"took {took_s:.0f} s of the processor"
        if outcome.sound and took_s <= LIMIT_S:
            self.verbs[verb, kind] += 1
            return outcome.kind in ("fine", "different")
        name = f"{verb}: {kind.split(chr(10))[0][:160]}"
        signature = f"{verb} {kind[:60]}"
        if signature not in self.wrong:
            self.wrong[signature] = name
            self.keep.mkdir(parents=True, exist_ok=True)
            (self.keep / f"{len(self.wrong)}-{self.kind}").write_bytes(content)
            print(f"{self.kind}: {name}", flush=True)
        return False

    def told(self) -> str:
        """The counts in a few lines."""
        names = list(dict.fromkeys(verb for verb, _ in self.verbs))
        lines = [
            f"{self.kind}: {self.mutants} mutants, {self.opened} opened ({self.opened / max(self.mutants, 1):.0%})"
        ]
        for name in names:
            parts = {kind: n for (verb, kind), n in self.verbs.items() if verb == name}
            lines.append(f"  {name}: {sum(parts.values())} seen, {', '.join(f'{n} {k}' for k, n in parts.items())}")
        lines.append(f"  {len(self.wrong)} kinds of other outcomes" if self.wrong else "  nothing else")
        return "\n".join(lines)


def mutant(kind: str, content: bytes, folder: Path, rng: np.random.Generator) -> bytes:
    """One spoilt file."""
    if rng.random() < SHARE_OF_BYTES:
        return spoil(content, rng)
    return SPOILERS[Path(kind).suffix](content, folder / "rewritten", rng)


def use(kind: str, path: Path, folder: Path, turn: int, findings: Findings) -> None:
    """All verbs on one file, as long as they are content."""
    content = path.read_bytes()
    for name in ("a.npz", "b.npz", "m.npz", "s.json"):
        (folder / name).unlink(missing_ok=True)
    steps = VERBS[kind](path, folder, turn)
    verb, words = next(steps)
    while True:
        with figures_left_out(turn):
            outcome, took_s = timed(*words)
            if took_s > LIMIT_S:  # unless it was a kernel that had to be compiled
                outcome, took_s = timed(*words)
        content_with_it = findings.note(verb, outcome, took_s, content)
        if verb == "open":
            findings.opened += content_with_it
            if not content_with_it:
                steps.close()
                return
        try:
            verb, words = steps.send(outcome.output)
        except StopIteration:
            return


def timed(*words: object) -> tuple[Outcome, float]:
    """A verb, and the seconds of the processor that it took."""
    began = time.process_time()
    return call(*words), time.process_time() - began


def bytes_mapped() -> int:
    """The address space of this process."""
    return int(Path("/proc/self/statm").read_text().split()[0]) * os.sysconf("SC_PAGE_SIZE")


def limit_memory() -> None:
    """From now on a file may take so much."""
    most = bytes_mapped() + MAX_BYTES_A_FILE
    resource.setrlimit(resource.RLIMIT_AS, (most, most))


def work(kind: str, seed: int, seconds: float, folder: Path, keep: Path) -> int:
    """Spoil and use until the time is up; the file at hand stays behind where the process dies."""
    sound = seeds(folder, kind)
    path = folder / f"case{Path(kind).suffix}"
    for turn in range(4 * len(sound)):
        path.write_bytes(sound[turn % len(sound)])
        before = Findings(kind, keep / "sound")
        use(kind, path, folder, turn, before)
        if before.wrong or not before.opened:
            print(f"{kind}: a sound file does not pass: {before.told()}")
            return 1
    limit_memory()
    rng, until, findings = np.random.default_rng(seed), time.monotonic() + seconds, Findings(kind, keep)
    while time.monotonic() < until:
        path.write_bytes(mutant(kind, sound[int(rng.integers(len(sound)))], folder, rng))
        use(kind, path, folder, findings.mutants, findings)
        findings.mutants += 1
    print(findings.told())
    return 1 if findings.wrong else 0


def fuzz(kind: str, seconds: float, seed: int, keep: Path) -> tuple[bool, str]:
    """Fuzz one kind of file in a process of its own; files of findings are kept."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "tests.fuzz.readers", "--work", folder, "--keep", str(keep), "--kind", kind,
                   "--seed", str(seed), "--seconds", str(seconds)]  # fmt: skip
        cache = Path(tempfile.gettempdir()) / "unlayered-fuzz-cache"
        environment = {**os.environ, "UNLAYERED_CACHE": str(cache), "MPLCONFIGDIR": str(cache)}
        with subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment
        ) as run:
            try:
                message, _ = run.communicate(timeout=seconds + WARM_S + MAX_WAIT_S)
            except subprocess.TimeoutExpired:
                run.kill()
                message = f"{run.communicate()[0]}{kind}: a file takes for ever"
        if run.returncode < 0:
            message += f"{kind}: the process died of signal {-run.returncode}"
        case = Path(folder) / f"case{Path(kind).suffix}"
        if run.returncode not in (0, 1) and case.exists():
            keep.mkdir(parents=True, exist_ok=True)
            (keep / f"last-{kind}").write_bytes(case.read_bytes())
    return run.returncode == 0, message.strip()


WARM_S = 400
"""For imports and for compiling kernels, before the first spoilt file."""


def main() -> int:
    """Fuzz every kind of file in turn, or the one named."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=3600.0, help="a kind, or all of them together without --kind")
    parser.add_argument("--kind", choices=tuple(VERBS))
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.add_argument("--keep", type=Path, default=Path("out") / "fuzz", help="where files of findings go")
    parser.add_argument("--work", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.work is not None:
        return work(options.kind, options.seed, options.seconds, options.work, options.keep)
    kinds = [options.kind] if options.kind else list(VERBS)
    good = True
    for kind in kinds:
        fine, message = fuzz(kind, options.seconds / len(kinds), options.seed, options.keep)
        print(message, flush=True)
        good &= fine
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
