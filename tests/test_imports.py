"""Everything but Lava's target runs without Lava, on Python 3.10 to 3.13."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
STAGES = "ir, trainer, mapper, sim_reference"
NEEDED = ("numpy", "scipy", "torch", "numba", "tonic", "sklearn", "h5py")
WITHOUT_LAVA = (
    "import importlib.abc, sys\n"
    "class NoLava(importlib.abc.MetaPathFinder):\n"
    "    def find_spec(self, name, path=None, target=None):\n"
    "        if name.split('.')[0] == 'lava': raise ModuleNotFoundError(name)\n"
    "sys.meta_path.insert(0, NoLava())\n"
)


def python(version: str) -> str | None:
    """An interpreter of this version: made by `make pythons`, on PATH, or pyenv's."""
    made = str(ROOT / ".pythons" / version / "bin" / "python")
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    found = [made, shutil.which(f"python{version}"), *map(str, sorted(pyenv.glob(f"{version}.*/bin/python")))]
    if sys.version_info[:2] == tuple(map(int, version.split("."))):
        found.insert(0, sys.executable)
    return next((path for path in found if path and Path(path).exists() and can(path, "pass")), None)


def can(path: str, code: str) -> bool:
    return run(path, code).returncode == 0


def run(path: str, code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([path, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=240, check=False)


def test_the_stages_import_with_lava_out_of_reach():
    done = run(
        sys.executable, WITHOUT_LAVA + f"import {STAGES}, targets, unlayered.cli\nassert 'lava' not in sys.modules"
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("version", ["3.10", "3.12", "3.13"])
def test_the_stages_import_on_other_pythons_without_lava(version: str):
    path = python(version)
    if path is None:
        pytest.skip(f"no Python {version} on PATH or in pyenv")
    if not can(path, f"import importlib.util as u\nassert all(u.find_spec(name) for name in {NEEDED})"):
        pytest.skip(f"Python {version} is there without our packages; `make pythons` installs them")
    done = run(path, WITHOUT_LAVA + f"import {STAGES}")
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("version", ["3.11", "3.12", "3.13"])
def test_the_language_of_every_file_is_known_to_later_pythons(version: str):
    path = python(version)
    if path is None:
        pytest.skip(f"no Python {version} on PATH or in pyenv")
    code = (
        "import ast, pathlib\n"
        "for room in ('ir', 'trainer', 'mapper', 'sim_reference', 'targets', 'unlayered'):\n"
        "    for file in pathlib.Path(room).rglob('*.py'): compile(file.read_text(), str(file), 'exec')"
    )
    done = run(path, "import warnings; warnings.simplefilter('error')\n" + code)
    assert done.returncode == 0, done.stderr


def test_help_is_quick_because_nothing_heavy_is_imported():
    heavy = "{'dask', 'distributed', 'torch', 'tonic', 'matplotlib', 'scipy', 'numba', 'lava', 'sklearn'}"
    done = run(sys.executable, f"import sys, unlayered.cli\nassert not {heavy} & set(sys.modules), sys.modules.keys()")
    assert done.returncode == 0, done.stderr
