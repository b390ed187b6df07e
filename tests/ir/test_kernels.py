"""Compiled code on disk: used again, forgotten where it cannot be, done without where nothing can be written."""

from __future__ import annotations

import gc
import pickle
import subprocess
import sys
from pathlib import Path

import numba
import pytest

from ir import kernels

ROOT = Path(__file__).parents[2]
USE = """
import sys, warnings
sys.path.insert(0, sys.argv[1])
warnings.simplefilter("error")
import twice
from ir import kernels
kernels.listeners.append(lambda name, begins: print("compiling" if begins else "compiled", name))
print(twice.double(4))
"""
SOURCE = """
from ir.kernels import kept_on_disk

@kept_on_disk
def double(x):
    return 2 * x
"""


PARTS = """
from ir.kernels import kept_on_disk, part

def half(x):
    return x // 2

def odd_half(x):
    if x < 0:
        raise ValueError("negative")
    return inner(x) + x % 2

inner, outer = part(half), part(odd_half)

@kept_on_disk
def double(x):
    return outer(x) + inner(x)
"""
LOOK = """
(entry,) = twice.double.overloads.values() or [None]
made = [next(iter(f.overloads.values()), None) for f in (twice.inner, twice.outer)]
print([part and part.library.get_pointer_to_function(part.fndesc.llvm_func_name) for part in made])
for call in (lambda: twice.double(-1), lambda: twice.inner(4)):
    try:
        print(call())
    except (TypeError, ValueError) as error:
        print(error)
"""


REFUSED = "half is called by kernels only; Python calls half.py_func\n"


def run(folder: Path, *words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Double a number with a kernel of ``folder`` in a process of its own."""
    if not (folder / "twice.py").exists():
        (folder / "twice.py").write_text(SOURCE)
    command = [sys.executable, *words, "-c", USE, str(folder)]
    given = {"PATH": "/usr/bin:/bin", "PYTHONPATH": str(ROOT), **environment}
    return subprocess.run(command, capture_output=True, text=True, env=given, timeout=120, check=False)


def test_what_is_compiled_is_said_and_used_again(tmp_path: Path):
    first, second = run(tmp_path), run(tmp_path)
    assert first.stdout.split("\n")[:3] == ["compiling double", "compiled double", "8"], first.stderr
    assert second.stdout == "8\n", second.stderr


@pytest.mark.parametrize("before", [True, False])
def test_python_looks_for_garbage_after_compiling_as_before(monkeypatch: pytest.MonkeyPatch, before: bool):
    heard: list[tuple[str, bool, bool]] = []
    kernels.kept_on_disk(lambda x: x)  # from here on kernels hears of all that is compiled
    double = numba.njit(lambda x: 2 * x)
    monkeypatch.setattr(kernels, "listeners", [lambda name, begins: heard.append((name, begins, gc.isenabled()))])
    (gc.enable if before else gc.disable)()
    try:
        assert double(4) == 8
        assert heard == [("<lambda>", True, before), ("<lambda>", False, before)]
        assert gc.isenabled() == before
    finally:
        gc.enable()


@pytest.mark.parametrize("damage", [b"", b"\x80\x04.", pickle.dumps(numba.__version__) + b"\x80\x04cgone\nType\n."])
def test_an_index_that_cannot_be_read_is_forgotten(tmp_path: Path, damage: bytes):
    """An index of an earlier version may name a class that has moved since."""
    assert run(tmp_path).returncode == 0
    (index,) = (tmp_path / "__pycache__").glob("*.nbi")
    index.write_bytes(damage)
    assert run(tmp_path).stdout.endswith("compiled double\n8\n")
    assert run(tmp_path).stdout == "8\n"


def test_where_numba_shall_not_compile_python_runs_it(tmp_path: Path):
    assert run(tmp_path, NUMBA_DISABLE_JIT="1").stdout == "8\n"
    assert not list(tmp_path.glob("**/*.nbi"))


def test_without_a_folder_to_write_to_it_is_compiled_in_memory_with_one_sentence(tmp_path: Path):
    (tmp_path / "twice.py").write_text(SOURCE)
    nowhere = "/proc/nowhere"
    code = USE.replace('"error"', '"default"').replace(
        "import twice", "import numba.core.caching as c; c._CacheLocator.ensure_cache_path = no; import twice"
    )
    code = "def no(self): raise OSError\n" + code
    given = {"PATH": "/usr/bin:/bin", "PYTHONPATH": str(ROOT), "HOME": nowhere}
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, env=given, timeout=120, check=False
    )
    assert done.stdout.endswith("8\n"), done.stderr
    assert done.stderr.count("no folder for compiled code can be written") == 1


def test_parts_become_machine_code_in_their_entry_alone_and_run_from_disk(tmp_path: Path):
    (tmp_path / "twice.py").write_text(PARTS)
    command = [sys.executable, "-c", USE + LOOK, str(tmp_path)]
    given = {"PATH": "/usr/bin:/bin", "PYTHONPATH": str(ROOT)}
    first, second = (
        subprocess.run(command, capture_output=True, text=True, env=given, timeout=120, check=False) for _ in range(2)
    )
    assert first.stdout == "compiling double\ncompiled double\n4\n[0, 0]\nnegative\n" + REFUSED, first.stderr
    assert second.stdout == "4\n[None, None]\nnegative\n" + REFUSED, second.stderr
