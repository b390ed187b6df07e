"""Traces in pieces that Python 3.10 wrote are opened, compared and diffed on 3.13, and those of 3.13 on 3.10."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from exchange import npz
from exchange.pieces import HEAD, open_pieces
from exchange.pieces_out import save
from ir.trace import Trace
from ir.trace_parts import select
from tests.ir.test_trace_parts import drawn, same
from tests.test_imports import ROOT, can, python

pytest.importorskip("pyarrow", reason="pyarrow is not installed; pip install 'unlayered[pieces]'")

THERE = """
import sys
from pathlib import Path
from exchange import npz
from exchange.pieces import open_pieces
from exchange.pieces_out import save
from ir.trace_parts import select

folder = Path(sys.argv[1])
found = open_pieces(folder / "here.pieces")
whole = found.whole()
npz.save(whole, folder / "whole.npz")
save([select(whole, slice(a, z)) for a, z in ((0, 3), (3, 4), (4, 9))], folder / "there.pieces")
print(sys.version_info[:2], len(found), found.ends)
"""


@pytest.fixture(scope="module")
def other() -> str:
    """A Python 3.13 that has what reading pieces needs."""
    path = python("3.13")
    if path is None:
        pytest.skip("no Python 3.13; `make pythons` makes one")
    if not can(path, "import numpy, pyarrow, scipy, typer, rich"):
        pytest.skip("Python 3.13 is there without our packages; `make pythons` installs them")
    return path


def started(path: str, *words: object) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [path, "-W", "error", *map(str, words)]
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=240, check=False)


def written(folder: Path, whole: Trace, name: str, at: tuple[int, ...]) -> None:
    edges = (0, *at, len(whole.sample_ids))
    save([select(whole, slice(a, z)) for a, z in pairwise(edges)], folder / name)


@pytest.mark.parametrize("kind", [np.int64, np.float32])
def test_pieces_go_to_3_13_and_come_back_bit_for_bit(tmp_path: Path, other: str, kind: type):
    whole = drawn(7, 9)
    assert whole.spikes is not None and len(whole.spikes) > 20
    m = np.random.default_rng(1).normal(1e3, 1e3, len(whole.spikes)).astype(kind)
    whole = replace(whole, spikes=replace(whole.spikes, m=m))
    written(tmp_path, whole, "here.pieces", (2, 5))
    done = started(other, "-c", THERE, tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout == "(3, 13) 3 [2, 5, 9]\n" and sys.version_info[:2] != (3, 13)
    assert same(npz.load(tmp_path / "whole.npz", Trace), whole)
    back = open_pieces(tmp_path / "there.pieces")
    assert back.ends == [3, 4, 9] and same(back.whole(), whole)
    assert back.whole().spikes.m.tobytes() == m.tobytes()


def test_compare_and_diff_on_3_13_say_of_pieces_what_they_say_on_3_10(tmp_path: Path, other: str):
    whole = drawn(7, 9)
    states = {name: state.copy() for name, state in whole.states.items()}
    states["v"].reshape(-1)[-1] += 1
    written(tmp_path, whole, "a.pieces", (2, 5))
    written(tmp_path, whole, "b.pieces", (4,))
    written(tmp_path, replace(whole, states=states), "c.pieces", (1, 8))
    for verb in ("compare", "diff"):
        for b, code in (("b", 0), ("c", 1)):
            words = "-m", "unlayered", verb, tmp_path / "a.pieces", tmp_path / f"{b}.pieces", "--json"
            one, two = started(sys.executable, *words), started(other, *words)
            assert one.returncode == two.returncode == code, two.stderr
            assert json.loads(one.stdout) == json.loads(two.stdout)


def test_a_flipped_bit_is_named_on_3_13_too(tmp_path: Path, other: str):
    written(tmp_path, drawn(7, 9), "a.pieces", (4,))
    for name in ("00001.spikes.parquet", "00000.rest.npz", "00001.v.npy", HEAD):
        path = tmp_path / "a.pieces" / name
        sound = path.read_bytes()
        path.write_bytes(sound[:40] + bytes([sound[40] ^ 4]) + sound[41:])
        done = started(other, "-m", "unlayered", "inspect", tmp_path / "a.pieces")
        compared = started(other, "-m", "unlayered", "compare", tmp_path / "a.pieces", tmp_path / "a.pieces")
        assert compared.returncode == 2 and name in compared.stderr and compared.stderr.count("\n") == 1
        assert done.returncode == (2 if name in (HEAD, "00000.rest.npz") else done.returncode)
        path.write_bytes(sound)
