"""No reader executes, imports, starts, connects or opens anything beside its file, says Python's audit, and strace."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from ir.apart import STATM
from tests.fuzz.audited import MARK

ROOT = Path(__file__).parents[2]
CALLS = "openat,open,execve,connect"


def traced(log: Path) -> list[str]:
    """How to run a program so that its calls are written down; empty where this system has no strace or forbids it."""
    strace = shutil.which("strace")
    words = [strace or "", "-f", "-qq", "-s", "4096", "-e", f"trace={CALLS}", "-o", str(log)]
    if strace is None or subprocess.run([*words, "true"], capture_output=True, check=False).returncode:
        return []
    return words


def opened(log: Path) -> list[str]:
    """The calls after the mark."""
    lines = log.read_text(errors="replace").splitlines()
    (at,) = (i for i, line in enumerate(lines) if f'"{MARK}"' in line)
    return lines[at + 1 :]


@pytest.mark.timeout(600)
def test_readers_touch_nothing_but_their_files(tmp_path: Path):
    log = tmp_path / "log"
    tracer = traced(log)
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), *sys.path])}
    done = subprocess.run(
        [*tracer, sys.executable, "-m", "tests.fuzz.audited", str(tmp_path)],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=500,
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    assert re.search(r"\d{3} spoilt files of \d\d kinds", done.stdout)
    if not tracer:
        pytest.skip("strace is not installed, or not allowed here: Python's part was seen, C's was not")
    calls = opened(log)
    assert not [line for line in calls if re.search(r"\b(execve|connect)\(", line)]
    paths = [found[1] for line in calls if (found := re.search(r'\bopen(?:at)?\((?:AT_FDCWD, )?"([^"]*)"', line))]
    inside = os.path.realpath(tmp_path / "read") + os.sep
    assert len(paths) > 500
    assert not [x for x in paths if x != STATM and not os.path.realpath(os.path.join(ROOT, x)).startswith(inside)]
