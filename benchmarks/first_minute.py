"""What a newcomer waits for: compiling, importing, and the demo with empty and with warm caches.

    python benchmarks/first_minute.py [--json FILE] [--against CHECKOUT] [--tests]

Every program runs in a process of its own with a cache folder of its own; seconds are of the processor, of all its
processes together. ``compile_cpu_s`` is what numba's compiler takes; ``*_over_numpy`` is a program's processor time
over that of ``python -c "import numpy"``, the best of several turns. ``--against`` measures another checkout in turn
with this one, ``--tests`` also compiles for the whole test suite (many minutes).
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
from collections import Counter, defaultdict
from heapq import nlargest
from operator import itemgetter
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
TURNS = 7
MOST_S = 6 * 3600
"""On a clock: for all tests of the suite, one after another."""

QUICK = {
    "help_over_numpy": ["-m", "unlayered", "--help"],
    "chips_over_numpy": ["-m", "unlayered", "chips"],
    "typo_over_numpy": ["-m", "unlayered", "trian"],
}
GOALS = {
    "compile_cpu_s": 30.0,
    "compile_cpu_s.tests": 60.0,
    "cold_minus_warm_share": 0.2,
    "help_over_numpy": 3.0,
    "chips_over_numpy": 4.0,
    "typo_over_numpy": 6.0,
}

LISTENER = '''
"""Appends a line to a file for each function that numba compiles: name, signature, seconds, whether inside another."""
import os, sys, time, zlib, importlib.abc

def log_of(module, path):
    class Log(module.Listener):
        def __init__(self):
            self.open = []
        def on_start(self, event):
            self.open.append(time.thread_time())
        def on_end(self, event):
            took = time.thread_time() - self.open.pop()
            function, signature = event.data["dispatcher"].py_func, zlib.crc32(str(event.data["args"]).encode())
            words = os.getpid(), function.__module__ + "." + function.__qualname__, signature, took, bool(self.open)
            with open(path, "a") as file:
                file.write("\\t".join(map(str, words)) + "\\n")
    return Log()

class Finder(importlib.abc.MetaPathFinder):
    """Puts the listener in when numba's events have been imported, and imports nothing itself."""
    def find_spec(self, name, path=None, target=None):
        if name != "numba.core.event":
            return None
        sys.meta_path.remove(self)
        spec = importlib.util.find_spec(name)
        run = spec.loader.exec_module
        def exec_module(module):
            run(module)
            module.register("numba:compile", log_of(module, os.environ["COMPILE_LOG"]))
        spec.loader.exec_module = exec_module
        return spec

if "COMPILE_LOG" in os.environ:
    import importlib.util
    sys.meta_path.insert(0, Finder())
'''


def inherited() -> dict[str, str]:
    """Our environment, but Python may keep what it has parsed: elsewhere it does, and numpy's files always are."""
    return {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}


def cpu_s(words: list[str], checkout: Path, environment: dict[str, str], timeout_s: float = 3600) -> float:
    """Processor seconds of a Python program and all that it starts and waits for."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run(
            [sys.executable, *words],
            cwd=folder,
            env={**inherited(), "PYTHONPATH": str(checkout), **environment},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            timeout=timeout_s,
            check=False,
        )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def caches(folder: Path) -> dict[str, str]:
    """Environment of a program whose compiled code and converted data go to ``folder``."""
    return {"NUMBA_CACHE_DIR": str(folder / "numba"), "UNLAYERED_CACHE": str(folder / "data")}


def compiled(words: list[str], checkout: Path) -> list[tuple[int, str, str, float, bool]]:
    """What numba compiles for a program with an empty cache: process, function, signature, seconds, whether inside."""
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "compiled.tsv"
        (Path(folder) / "sitecustomize.py").write_text(LISTENER)
        path = os.pathsep.join((folder, str(checkout)))
        environment = {**caches(Path(folder)), "COMPILE_LOG": str(log), "PYTHONPATH": path}
        cpu_s(words, checkout, environment, MOST_S)
        lines = log.read_text().splitlines() if log.exists() else []
    rows = [line.split("\t") for line in lines]
    return [(int(pid), name, signature, float(took), inside == "True") for pid, name, signature, took, inside in rows]


def compile_rows(suffix: str, rows: list[tuple[int, str, str, float, bool]]) -> dict[str, Any]:
    """Seconds in all and of each entry point, and functions compiled twice in one process for one signature."""
    share: defaultdict[str, float] = defaultdict(float)
    for _, name, _, took, inside in rows:
        if not inside:
            share[name] += took
    times = Counter((pid, name, signature) for pid, name, signature, _, _ in rows if not name.startswith("numba."))
    entries = {
        f"compile_cpu_s{suffix}.{name}": round(took, 2) for name, took in nlargest(8, share.items(), key=itemgetter(1))
    }
    twice = sum(n - 1 for n in times.values())
    return {f"compile_cpu_s{suffix}": round(sum(share.values()), 2), f"compiled_twice{suffix}": twice, **entries}


def demo(checkout: Path) -> dict[str, Any]:
    """The demo with empty and with warm caches."""
    words = ["-m", "unlayered", "demo", "--out", "demo"]
    found: dict[str, Any] = compile_rows("", compiled(words, checkout))
    with tempfile.TemporaryDirectory() as folder:
        cold, warm = (cpu_s(words, checkout, caches(Path(folder))) for _ in range(2))
    return {**found, "demo_cold_cpu_s": round(cold, 1), "demo_warm_cpu_s": round(warm, 1)}


def quick(checkout: Path) -> dict[str, float]:
    """Small programs over the import of numpy, turn by turn."""
    programs = {"numpy": ["-c", "import numpy"], **QUICK}
    with tempfile.TemporaryDirectory() as folder:
        turns = [{name: cpu_s(w, checkout, caches(Path(folder))) for name, w in programs.items()} for _ in range(TURNS)]
    best = {name: min(turn[name] for turn in turns) for name in programs}
    return {name: round(best[name] / best["numpy"], 2) for name in QUICK}


def measured(checkout: Path, tests: bool) -> dict[str, Any]:
    """All rows of one checkout."""
    found = {**quick(checkout), **demo(checkout)}
    if tests:
        words = ["-m", "pytest", "-q", "-p", "no:cacheprovider", str(checkout / "tests"), "--rootdir", str(checkout)]
        found |= compile_rows(".tests", compiled(words, checkout))
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the rows there, too")
    parser.add_argument("--against", type=Path, metavar="CHECKOUT", help="another checkout to measure beside this one")
    parser.add_argument("--tests", action="store_true", help="also compile for the whole test suite")
    options = parser.parse_args()
    now = measured(ROOT, options.tests)
    before = measured(options.against.resolve(), False) if options.against else {}
    if before:
        waited = before["demo_cold_cpu_s"] - before["demo_warm_cpu_s"]
        now["cold_minus_warm_share"] = round((now["demo_cold_cpu_s"] - now["demo_warm_cpu_s"]) / waited, 3)
    for name, value in now.items():
        goal = f"  goal {GOALS[name]:g}" if name in GOALS else ""
        print(f"{name:60} {value:>9} {before.get(name, ''):>9}{goal}")
    if options.json:
        options.json.write_text(json.dumps({"now": now, "before": before}, indent=1) + "\n")


if __name__ == "__main__":
    main()
