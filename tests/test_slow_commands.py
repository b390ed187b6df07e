"""``make docs-slow``: printed commands that take longer than a test may, as printed or with smaller numbers."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.interop.compare import ROOT as ENVIRONMENTS
from tests.printed.lines import ROOT
from tests.printed.slow import SLOW, Slow

LIMIT_S = 1800
COPIED = ("benchmarks", "docs", "examples", "experiments", "tests", "tools")
"""What programs may write into; the rooms of the code are linked."""

RUNS: dict[str, tuple[str, Slow]] = {slow.shorter or text: (text, slow) for text, slow in SLOW.items()}
"""Each run once, whatever pages print of it."""


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the repository in which everything is set up."""
    folder = tmp_path_factory.mktemp("repository")
    for path in ROOT.iterdir():
        if path.name in COPIED:
            shutil.copytree(path, folder / path.name, ignore=shutil.ignore_patterns("__pycache__"))
        elif not path.name.startswith(".") and (path.is_file() or (path / "__init__.py").exists()):
            (folder / path.name).symlink_to(path)
    (folder / ".venv").symlink_to(sys.prefix)
    if (ROOT / ".uv").exists():  # where `make setup` put it
        (folder / ".uv").symlink_to(ROOT / ".uv")
    return folder


def missing(slow: Slow) -> str:
    """What it needs and is not there; empty where nothing is."""
    if slow.needs == "data":
        return "" if "UNLAYERED_DATA" in os.environ else "no UNLAYERED_DATA"
    if slow.needs == "gpu":
        import torch

        return "" if torch.cuda.is_available() else "no GPU"
    ready = not slow.needs or (ENVIRONMENTS / slow.needs / "ready").exists()
    return "" if ready else f"no environment {slow.needs}: tests/interop/environments.sh {slow.needs}"


@pytest.mark.slow
@pytest.mark.timeout(LIMIT_S + 60)
@pytest.mark.parametrize("line", RUNS)
def test_a_slow_command_runs(line: str, here: Path):
    _, slow = RUNS[line]
    if absent := missing(slow):
        pytest.skip(absent)
    if line.startswith("make "):
        line = f"make -o setup PYTHON={sys.executable} {line.removeprefix('make ')}"
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    env = {**os.environ, "PATH": path, "PYTHONPATH": str(here), "OMP_NUM_THREADS": "2", "GIT_DIR": str(ROOT / ".git")}
    done = subprocess.run(
        ["bash", "-c", line], cwd=here, env=env, capture_output=True, text=True, timeout=LIMIT_S, check=False
    )
    assert done.returncode in slow.codes, f"{line}\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
