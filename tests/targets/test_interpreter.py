"""Which Python runs Lava, and that a run started from a later Python gives the same trace."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from exchange import npz
from ir.mapped import one_large_core
from ir.schedule import Schedule
from ir.trace import Trace
from sim_reference.compare.divergence import first_divergence
from targets.lava import doctor, interpreter, launch, run
from tests.targets.lava_cases import chain, counts

pytestmark = pytest.mark.timeout(180)

ROOT = Path(launch.__file__).resolve().parents[2]
RUN = """
from exchange import npz
from targets.lava import run
npz.save(run(npz.load("mapped.npz"), npz.load("stimulus.npz")), "trace.npz")
"""


def later_python() -> str | None:
    """A Python 3.12 with numpy: made by ``make pythons``, on PATH, or pyenv's."""
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    made = ROOT / ".pythons" / "3.12" / "bin" / "python"
    for path in (made, shutil.which("python3.12"), *sorted(pyenv.glob("3.12.*/bin/python"))):
        has_numpy = [str(path), "-c", "import numpy"]
        if path and Path(path).exists() and subprocess.run(has_numpy, capture_output=True).returncode == 0:
            return str(path)
    return None


def test_the_doctor_tells_what_each_interpreter_has_and_the_variable_stands_alone(monkeypatch):
    findings = doctor()
    assert findings[0].where == "this interpreter" and all(f.usable != bool(f.problem) for f in findings)
    monkeypatch.setenv(interpreter.VARIABLE, sys.executable)
    assert [(f.where, f.path) for f in doctor()] == [(interpreter.VARIABLE, sys.executable)]


def test_lava_is_imported_by_the_child_alone():
    code = "import sys, targets.lava; assert not {'lava', 'scipy'} & set(sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT).returncode == 0


@pytest.mark.lava
def test_a_run_from_a_later_python_gives_the_same_trace(tmp_path):
    if not any(f.usable for f in doctor()):
        pytest.skip("no Python 3.10 with lava-nc 0.10.0")
    python = later_python()
    if python is None:
        pytest.skip("no Python 3.12 with numpy; `make pythons` makes one")
    mapped = one_large_core(replace(chain(6, 5, 4), schedule=Schedule(F=2)))
    stimulus = counts(4, 3, 6)
    npz.save(mapped, tmp_path / "mapped.npz")
    npz.save(stimulus, tmp_path / "stimulus.npz")
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    subprocess.run([python, "-W", "error", "-c", RUN], cwd=tmp_path, env=environment, check=True, timeout=120)
    assert first_divergence(run(mapped, stimulus), npz.load(tmp_path / "trace.npz", Trace)) is None
