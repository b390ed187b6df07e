"""The loops of examples/ run as they are and learn; each is short enough to be read at a glance."""

from __future__ import annotations

import os
import runpy
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parent.parent
LOOPS = {"loop": 0.8, "loop_on_grid": 0.8, "loop_dataloader": 0.8, "streaming": 0.9}
"""Each with what its last line must tell at least."""


def last_number(said: str) -> float:
    """The number in the last line of what a program said."""
    words = said.strip().splitlines()[-1].split()
    return next(float(word) for word in reversed(words) if word[0].isdigit())


@pytest.mark.parametrize("name", [*LOOPS, "loop_torchrun"])
def test_an_example_loop_is_short(name: str):
    assert (ROOT / "examples" / f"{name}.py").read_text().count("\n") <= 41


@pytest.mark.parametrize("name", LOOPS)
def test_an_example_loop_runs_and_learns(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[Any]
):
    monkeypatch.chdir(tmp_path)
    runpy.run_path(str(ROOT / "examples" / f"{name}.py"))
    assert last_number(capsys.readouterr().out) >= LOOPS[name]


def test_the_loop_of_several_processes_learns_under_torchrun(tmp_path: Path):
    env = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    command = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    file = ROOT / "examples" / "loop_torchrun.py"
    done = subprocess.run(
        [sys.executable, *command, str(file)], cwd=tmp_path, env=env, capture_output=True, text=True, check=True
    )
    assert last_number(done.stdout) >= 0.8
