"""What `make setup` compiles is what the demo needs."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from unlayered.ahead import JOBS, map_to_cores, run_the_reference

ROOT = Path(__file__).parents[2]


def test_the_jobs_run_on_the_demos_own_networks():
    assert {map_to_cores, run_the_reference} < set(JOBS.values())
    map_to_cores()
    run_the_reference()


@pytest.mark.slow
def test_the_demo_compiles_nothing_after_it(tmp_path: Path):
    kept = tmp_path / "compiled"
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "NUMBA_CACHE_DIR": str(kept)}
    found = []
    for words in (["unlayered.ahead"], ["unlayered", "demo", "--quick", "--out", "demo"]):
        command = [sys.executable, "-m", *words]
        done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, timeout=900, check=False)
        assert done.returncode == 0, done.stderr.decode()
        found.append({path.relative_to(kept) for path in kept.rglob("*.nbc")})
    assert found[0] and found[1] == found[0]
