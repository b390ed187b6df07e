"""A few of the faults of `make faults` in every run of the tests."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="watches processes in /proc")
@pytest.mark.timeout(600)
def test_ten_faults_lose_nothing():
    words = [sys.executable, "-m", "tests.faults.rig", "--faults", "10", "--seed", "2"]
    given = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(words, capture_output=True, text=True, cwd=ROOT, env=given, timeout=580, check=False)
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    assert done.stdout.rstrip().endswith(" 0 losses") and "10 faults" in done.stdout
