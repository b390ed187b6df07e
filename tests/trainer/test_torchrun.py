"""Real processes under torchrun: the same bits as one, and no process left when one of them is lost."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from trainer.config import preset
from trainer.fit import train

ROOT = Path(__file__).parents[2]
CONFIG = replace(preset("digits"), layers=("8", "10"), limit=120, epochs=3, batch_size=40, same_bits=True)
"""Batches of two blocks and a half; three processes then have a block each, or none."""

WORDS = ("layers=['8', '10']", "limit=120", "batch_size=40", "same_bits=true")
LOST_S = 60
"""How long the others may take to end; much longer than it takes, for busy machines."""


def torchrun(n: int, out: Path, *more: str) -> subprocess.Popen[str]:
    """``unlayered train`` in ``n`` processes."""
    words = [word for pair in WORDS for word in ("--set", pair)]
    command = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(n), "-m", "unlayered", "train"]
    command += ["--preset", "digits", "--epochs", "3", *words, "--out", str(out), *more]
    env = {name: value for name, value in os.environ.items() if name != "OMP_NUM_THREADS"}
    env["PYTHONPATH"] = str(ROOT)
    whole, pipe = [sys.executable, *command], subprocess.PIPE
    return subprocess.Popen(whole, stdout=pipe, stderr=pipe, env=env, cwd=ROOT, text=True)


def kept(folder: Path) -> dict[str, Any]:
    """Everything that a training leaves, without how fast it was."""
    last = torch.load(folder / "last.pt", weights_only=True)
    last["metrics"] = json.loads((folder / "metrics.json").read_text())
    for epoch in (*last["history"], *last["metrics"]):
        del epoch["samples_per_s"]
    return {**last, "network.npz": (folder / "network.npz").read_bytes()}


def differences(a: Any, b: Any, where: str = "") -> Iterator[str]:
    """The places where two of those differ in a bit."""
    if isinstance(a, dict):
        assert a.keys() == b.keys()
        for name in a:
            yield from differences(a[name], b[name], f"{where}/{name}")
    elif isinstance(a, list):
        assert len(a) == len(b)
        for i, (x, y) in enumerate(zip(a, b)):
            yield from differences(x, y, f"{where}/{i}")
    elif not (torch.equal(a, b) if isinstance(a, torch.Tensor) else a == b):
        yield where


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What one process leaves."""
    folder = tmp_path_factory.mktemp("one")
    train(CONFIG, folder)
    return kept(folder)


def test_two_processes_leave_the_bits_of_one(whole: dict[str, Any], tmp_path: Path) -> None:
    run = torchrun(2, tmp_path)
    out, err = run.communicate(timeout=300)
    assert run.returncode == 0, err
    assert list(differences(whole, kept(tmp_path))) == []
    assert whole["optimizer"]["state"] and len(whole["history"]) == 3
    said = [line for line in err.splitlines() if line.startswith("training on digits")]
    assert [line.split(",")[0] for line in said] == [f"training on digits: epoch {i} of 3" for i in (1, 2, 3)]
    assert out.count("best epoch") == 1, "the first process speaks for all"


def test_two_processes_go_on_from_what_one_left(whole: dict[str, Any], tmp_path: Path) -> None:
    """The second gets the checkpoint from the first."""
    train(replace(CONFIG, epochs=1), tmp_path)
    run = torchrun(2, tmp_path, "--resume")
    assert run.communicate(timeout=300) and run.returncode == 0
    assert list(differences(whole, kept(tmp_path))) == []


def test_two_processes_agree_on_what_is_carried_on_and_drawn(tmp_path: Path) -> None:
    options, drawn = replace(CONFIG.options, silent_gradient="carried"), ("fifo", "momentum", "random")
    train(replace(CONFIG, epochs=2, options=options, order_drawn=drawn), tmp_path / "one")
    words = "options.silent_gradient=carried", "order_drawn=['fifo', 'momentum', 'random']"
    run = torchrun(2, tmp_path / "two", *(x for word in words for x in ("--set", word)), "--epochs", "2")
    _, err = run.communicate(timeout=300)
    assert run.returncode == 0, err
    assert list(differences(kept(tmp_path / "one"), kept(tmp_path / "two"))) == []


MISTAKEN = """
import sys
from dataclasses import replace
from tests.toys.signs import Signs
from tests.trainer.test_torchrun import CONFIG
from trainer.fit import train
from trainer.rules import RULES

Signs.adds_up = sys.argv[2] == "said"
RULES["signs"] = Signs()
try:
    train(replace(CONFIG, rule="signs", same_bits=False, epochs=1), sys.argv[1])
except ValueError as error:
    sys.exit(f"sentence: {error}")
"""


@pytest.mark.parametrize(
    ("said", "sentence"),
    [
        ("said", "sentence: rank 1 has other weights after epoch 0 than rank 0; start all with the same"),
        pytest.param(
            "not",
            "sentence: rule 'signs' does not say that it adds up gradients over processes",
            marks=pytest.mark.slow,
        ),
    ],
)
def test_a_rule_that_does_not_add_up_over_processes_leaves_no_network(said: str, sentence: str, tmp_path: Path) -> None:
    (tmp_path / "own.py").write_text(MISTAKEN)
    words = ["--standalone", "--nproc-per-node", "2", str(tmp_path / "own.py"), str(tmp_path / "out"), said]
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    run = subprocess.run(
        [sys.executable, "-m", "torch.distributed.run", *words], env=env, capture_output=True, text=True, timeout=300
    )
    assert run.returncode != 0 and sentence in run.stderr
    assert not (tmp_path / "out" / "last.pt").exists() and not (tmp_path / "out" / "network.npz").exists()


def processes_of(folder: Path) -> dict[int, tuple[str, int]]:
    """Those that were told this folder: their rank (none = torchrun's own), and the process above each."""
    found: dict[int, tuple[str, int]] = {}
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            if str(folder).encode() not in (entry / "cmdline").read_bytes().split(b"\0"):
                continue
            settings = (entry / "environ").read_bytes().split(b"\0")
            above = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
        except (OSError, ValueError):
            continue
        rank = next((x.partition(b"=")[2].decode() for x in settings if x.startswith(b"RANK=")), "")
        found[int(entry.name)] = rank, above
    return found


def pid_of(folder: Path, whom: str) -> int:
    """A process of a training: ``torchrun``, or of a rank the one that waits or its child that works."""
    found = processes_of(folder)
    if whom == "torchrun":
        return next(pid for pid, (rank, _) in found.items() if not rank)
    who, rank = whom.split()
    child = {pid: above in found and found[above][0] == x for pid, (x, above) in found.items()}
    return next(pid for pid, (x, _) in found.items() if x == rank and child[pid] == (who == "worker"))


@pytest.mark.parametrize(
    ("whom", "sign", "speaks"),
    [
        ("worker 1", signal.SIGKILL, 0),
        pytest.param("waiting 0", signal.SIGKILL, 1, marks=pytest.mark.slow),
        pytest.param("torchrun", signal.SIGKILL, 0, marks=pytest.mark.slow),
    ],
)
def test_a_lost_process_ends_all_with_a_sentence_and_the_run_goes_on_in_one(
    whom: str, sign: signal.Signals, speaks: int, tmp_path: Path
) -> None:
    run = torchrun(2, tmp_path, "--epochs", "3000")
    assert run.stderr is not None
    lines = []
    for line in run.stderr:
        lines.append(line)
        if line.startswith("training on digits: epoch 2 of"):
            break
    os.kill(pid_of(tmp_path, whom), sign)
    _, rest = run.communicate(timeout=LOST_S)
    until = time.monotonic() + LOST_S
    while processes_of(tmp_path) and time.monotonic() < until:
        time.sleep(0.1)
    assert processes_of(tmp_path) == {}, "no process is left"
    assert run.returncode != 0
    said = [line for line in (*lines, *rest.splitlines()) if line.startswith("unlayered, rank ")]
    mine = [line for line in said if line.startswith(f"unlayered, rank {speaks}: ")]
    assert len(mine) == 1, (lines, rest)
    assert "another process of this training is lost" in mine[0] or "ended by SIGTERM" in mine[0]
    assert f"kept in {tmp_path}, the same command with --resume goes on" in mine[0]
    n = len(json.loads((tmp_path / "metrics.json").read_text()))
    assert 1 <= n < 3000
    train(replace(CONFIG, epochs=n + 1), tmp_path, resume=True)
    train(replace(CONFIG, epochs=n + 1), tmp_path / "whole")
    assert list(differences(kept(tmp_path / "whole"), kept(tmp_path))) == []
