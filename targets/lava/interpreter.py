"""Finds a Python 3.10 that has lava-nc, and says what is missing where there is none."""

from __future__ import annotations

import functools
import importlib.metadata
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from ir.check import TargetError

VARIABLE = "UNLAYERED_LAVA_PYTHON"
LAVA = "0.10.0"
HOW = (
    "get one with `uv venv --python 3.10 .venv && uv pip install --python .venv/bin/python lava-nc==0.10.0`, "
    f"or name it in {VARIABLE}"
)
PROBE = """
import importlib.metadata as m, json, sys
def version(name):
    try:
        return m.version(name)
    except m.PackageNotFoundError:
        return None
print(json.dumps({"python": sys.version.split()[0], "lava": version("lava-nc"), "numpy": version("numpy")}))
"""
PROBE_LIMIT_S = 60.0


@dataclass(frozen=True)
class Finding:
    """What was found at one place.

    Attributes:
        where: how the place was reached (``this interpreter``, the variable, ``.venv``, ``PATH``).
        path: the interpreter; empty = nothing there.
        usable: whether Lava runs there.
        python, lava, numpy: versions; None = absent or unknown.
        problem: one sentence; empty where usable.
    """

    where: str
    path: str
    usable: bool
    python: str | None = None
    lava: str | None = None
    numpy: str | None = None
    problem: str = ""


def candidates() -> Iterator[tuple[str, str]]:
    """(where, path) in the order in which they are tried; the variable, where set, alone."""
    named = os.environ.get(VARIABLE)
    if named:
        yield VARIABLE, named
        return
    yield "this interpreter", sys.executable
    seen = {sys.executable}
    for folder in (Path(__file__).resolve().parents[2], Path.cwd()):
        path = str(folder / ".venv" / "bin" / "python")
        if os.path.exists(path) and path not in seen:
            seen.add(path)
            yield ".venv", path
    on_path = shutil.which("python3.10")
    if on_path is not None and on_path not in seen:
        yield "PATH", on_path


@functools.lru_cache(maxsize=32)
def inspect(where: str, path: str) -> Finding:
    """Ask an interpreter what it has, without starting Lava."""
    if path == sys.executable and sys.version_info[:2] == (3, 10):
        facts = {"python": sys.version.split()[0], "lava": _version("lava-nc"), "numpy": _version("numpy")}
        return _judge(where, path, facts)
    environment = {k: v for k, v in os.environ.items() if not k.startswith("PYTHON")}
    try:
        answer = subprocess.run(
            [path, "-c", PROBE],
            capture_output=True,
            text=True,
            timeout=PROBE_LIMIT_S,
            env=environment,
            check=True,
            stdin=subprocess.DEVNULL,
        )
        facts = json.loads(answer.stdout)
        return _judge(where, path, {name: facts[name] for name in ("python", "lava", "numpy")})
    except (OSError, subprocess.SubprocessError) as error:
        return Finding(where, path, False, problem=f"{path} does not start ({_short(error)})")
    except (ValueError, KeyError, TypeError):
        return Finding(where, path, False, problem=f"{path} is no Python interpreter")


def _short(error: Exception) -> str:
    if isinstance(error, subprocess.CalledProcessError):
        return f"exit code {error.returncode}"
    if isinstance(error, subprocess.TimeoutExpired):
        return f"no answer in {PROBE_LIMIT_S:.0f} s"
    return error.strerror or str(error) if isinstance(error, OSError) else str(error)


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def _judge(where: str, path: str, facts: dict[str, str | None]) -> Finding:
    python, lava, numpy = facts["python"], facts["lava"], facts["numpy"]
    problem = ""
    if python is None or not python.startswith("3.10."):
        problem = f"{path} is Python {python}; lava-nc {LAVA} needs 3.10"
    elif lava != LAVA:
        problem = f"{path} has {'no lava-nc' if lava is None else f'lava-nc {lava}'}; {LAVA} is needed"
    elif numpy is None:
        problem = f"{path} has no numpy"
    return Finding(where, path, not problem, python, lava, numpy, problem)


def doctor() -> list[Finding]:
    """Look everywhere a run would look, in that order; the first usable finding is the one a run takes."""
    return [inspect(where, path) for where, path in candidates()]


def find_python() -> str:
    """The interpreter that runs Lava.

    Raises:
        TargetError: none; says what was found and how to get one.
    """
    problems = []
    for where, path in candidates():
        finding = inspect(where, path)
        if finding.usable:
            return path
        problems.append(finding.problem)
    raise TargetError(f"no Python 3.10 with lava-nc {LAVA} was found ({'; '.join(problems)}); {HOW}")
