"""A tree of functions compiled in one piece: the same results, kept on disk, whoever calls whom."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from llvmlite import ir as code
from numba.cpython.slicing import fix_index

from ir.parts import take_indices_as_they_are

ROOT = Path(__file__).parents[2]
TREE = """
import numpy as np
from ir import kernels

def _part(function): return kernels.part(function, error_model="numpy")
def _loose(function): return kernels.part(function, error_model="numpy", fastmath=True)

@_part
def leaf(x, by):
    for i in range(x.shape[0]):
        x[i] += max(by, 1) ** 2 + np.floor(x[i] / 2)

@_loose
def middle(x):
    leaf(x, 2)

@_part
def other(x):
    middle(x)
    leaf(x, 1)

def entries():
    @kernels.kept_on_disk
    def one(x):
        other(x)
        middle(x)
        return x.sum()

    @kernels.kept_on_disk
    def two(x):
        leaf(x, 3)
        other(x)
        return x.sum()

    def three(x):
        other(x)
        middle(x)
        return x[1]

    def four(x):
        leaf(x, 3)
        other(x)
        return x[1]

    lean = kernels.kept_on_disk(three, allocates=False, lean=True)
    return one, two, lean, kernels.kept_on_disk(four, allocates=False, tight=True)

one, two, three, four = entries()
"""
USE = """
import sys
sys.path.insert(0, sys.argv[1])
import numpy as np, tree
from ir import kernels
kernels.listeners.append(lambda name, begins: print("compiling", name) if begins else None)
for kind in (np.float64, np.float32, np.int64):
    print(*(entry(np.arange(3, dtype=kind)) for entry in (tree.one, tree.two, tree.three, tree.four)))
"""


def run(folder: Path, **environment: str) -> list[str]:
    (folder / "tree.py").write_text(TREE)
    command = [sys.executable, "-c", USE, str(folder)]
    given = {"PATH": "/usr/bin:/bin", "PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1", **environment}
    done = subprocess.run(command, capture_output=True, text=True, env=given, timeout=240, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def test_entries_that_share_functions_are_compiled_whole_and_used_again(tmp_path: Path) -> None:
    plain = run(tmp_path, NUMBA_DISABLE_JIT="1")
    first, second = run(tmp_path), run(tmp_path)
    assert [line for line in first if "compiling" not in line] == plain
    assert {f"compiling {name}" for name in ("one", "two", "three", "four")} < set(first)
    assert second == plain


def test_what_numba_does_to_an_index_is_left_out_and_another_choice_is_not() -> None:
    module = code.Module()
    function = code.Function(module, code.FunctionType(code.IntType(64), [code.IntType(64)] * 2), "f")
    builder = code.IRBuilder(function.append_basic_block())
    index, size = function.args
    wrapped = fix_index(builder, index, size)
    below = builder.icmp_signed("<", index, size)
    smaller = builder.select(below, builder.add(size, index), index)
    builder.ret(builder.add(wrapped, smaller))
    take_indices_as_they_are(module)
    assert str(wrapped.operands[0]) == "i1 0"
    assert smaller.operands[0] is below
