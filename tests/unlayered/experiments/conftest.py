"""A small experiment in a folder of its own."""

from __future__ import annotations

from pathlib import Path

import pytest

PROGRAM = '''"""Squares of numbers, for tests.

More is not told.
"""

from pathlib import Path

from unlayered.experiments.definition import Job, Part

HERE = Path(__file__).parent


def jobs(settings):
    return [Job(f"job {n}", {"n": n, "power": settings["power"]}, 3.6, "squares") for n in settings["numbers"]]


def run(job):
    with (HERE / "ran").open("a") as log:
        log.write(f"{job.name}\\n")
    if (HERE / "stop").exists() and (HERE / "stop").read_text() == job.name:
        raise KeyboardInterrupt
    return [{"seed": seed, "value": job.what["n"] ** job.what["power"] + seed} for seed in (0, 1)]


def parts(settings, rows):
    def paint(figure):
        figure.subplots().plot([row["value"] for row in rows])

    table = [(row["job"], row["n"], row["seed"], row["value"]) for row in rows]
    return [Part("Values", "All of them.", ("job", "n", "seed", "value"), table, "values", paint)]
'''
SETTINGS = "numbers = [3, 5, 7]\npower = 2\n\n[quick]\nnumbers = [3]\n"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """An experiment of three jobs, a quick one of one."""
    (tmp_path / "squares.py").write_text(PROGRAM)
    (tmp_path / "squares.toml").write_text(SETTINGS)
    return tmp_path / "squares.py"
