"""Every benchmark starts from its file and as a module, from wherever a person stands."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks import first_minute

ROOT = Path(__file__).parent.parent
PROGRAMS = sorted(p.stem for p in (ROOT / "benchmarks").glob("*.py") if "__main__" in p.read_text())


def test_the_programs_that_the_pages_name_are_there():
    assert {"capacity", "execution", "mapper", "trainer"} <= set(PROGRAMS)


@pytest.mark.parametrize("name", PROGRAMS)
@pytest.mark.parametrize("way", ["file", "module"])
def test_a_benchmark_starts_both_ways(name: str, way: str, tmp_path: Path):
    words, folder = {
        "file": ([str(ROOT / "benchmarks" / f"{name}.py")], tmp_path),
        "module": (["-m", f"benchmarks.{name}"], ROOT),
    }[way]
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    done = subprocess.run(
        [sys.executable, *words, "--help"],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("usage: ") and "--json" in done.stdout


def test_the_first_minute_lets_python_keep_what_it_has_parsed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Without it each start parses our files anew, numpy's never, and --help seems twice as slow as it is."""
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")
    (tmp_path / "module.py").write_text("")
    first_minute.cpu_s(["-c", "import module"], tmp_path, {})
    assert list((tmp_path / "__pycache__").glob("module.*.pyc"))
