"""Ctrl-C and SIGTERM end every verb soon, wherever it is, with one sentence, and leave no process and no file."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from exchange import npz
from ir.stimulus import Stimulus
from tests.targets.lava_cases import chain, counts, lava_children_of, needs_lava, shared_memory_of
from tests.unlayered.interrupted import MAIN, SAID, holds, living, ready, start, wait_for

CONFIG = 'data = "digits"\nlayers = ["8", "10"]\nlimit = 40\nepochs = 100000\nengine = "reference"\n'

COMPILES = """
import numba.core.event as event
class Tell(event.Listener):
    def on_start(self, _): print("ready", flush=True)
    def on_end(self, _): pass
event.register("numba:compile", Tell())
"""
KERNEL = """
import numba, unlayered.mapping
@numba.njit
def endless(n):
    total = 0.0
    while n > 0: total += 1.0
    return total
endless(0)
def stuck(*_, **__):
    print("ready", flush=True)
    endless(1)  # holds Python's lock
unlayered.mapping.map_network = stuck
"""
TORCH = """
import torch, trainer.rules.surrogate
def stuck(*_, **__):
    print("ready", flush=True)
    while True: torch.linalg.svd(torch.ones(3000, 3000))
trainer.rules.surrogate.Surrogate.step = stuck
"""
SWALLOWS = """
import time, unlayered.mapping
def swallows(*_, **__):
    print("ready", flush=True)
    while True:
        try: time.sleep(60)
        except BaseException: pass
unlayered.mapping.map_network = swallows
"""
SIGNS = pytest.mark.parametrize("sign", list(SAID), ids=lambda s: s.name)
pytestmark = [pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="watches processes in /proc")]


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """A training that never ends by itself."""
    (tmp_path / "my.toml").write_text(CONFIG)
    return tmp_path / "my.toml"


@SIGNS
def test_while_it_imports(tmp_path: Path, config: Path, sign: signal.Signals):
    verb = start(tmp_path, ["train", config, "--out", tmp_path / "net"])
    wait_for(verb, lambda: len(verb.family()) > 1 and holds(verb.worker(), "libtorch"))
    verb.end(sign)
    assert not (tmp_path / "net").exists()


@SIGNS
def test_while_it_compiles(tmp_path: Path, folder: Path, sign: signal.Signals):
    words = ["run", folder / "mapped.npz", "--on", "reference", "--data", folder / "data.npz"]
    verb = start(tmp_path, [*words, "--out", tmp_path / "a.npz"], COMPILES, NUMBA_CACHE_DIR=str(tmp_path / "numba"))
    ready(verb)
    time.sleep(0.5)
    verb.end(sign)
    assert not (tmp_path / "a.npz").exists()


@SIGNS
@pytest.mark.parametrize("prelude", [KERNEL, SWALLOWS], ids=["kernel", "swallowed"])
def test_while_it_maps(tmp_path: Path, folder: Path, prelude: str, sign: signal.Signals):
    before = sorted(folder.iterdir())
    verb = start(tmp_path, ["map", folder / "network.npz", "--chip", "loihi2", "--out", folder / "m.npz"], prelude)
    ready(verb)
    assert verb.end(sign) == f"unlayered: {SAID[sign]}"
    assert sorted(set(folder.iterdir()) - {tmp_path / "tmp"}) == before


@SIGNS
def test_while_torch_computes(tmp_path: Path, config: Path, sign: signal.Signals):
    verb = start(tmp_path, ["train", config, "--out", tmp_path / "net"], TORCH)
    ready(verb)
    assert verb.end(sign).endswith("; it had no checkpoint yet, the same command begins again")
    assert list((tmp_path / "net").iterdir()) == []


@SIGNS
def test_while_it_trains_and_says_how_to_go_on(tmp_path: Path, config: Path, sign: signal.Signals):
    net = tmp_path / "net"
    verb = start(tmp_path, ["train", config, "--out", net])
    wait_for(verb, (net / "metrics.json").exists)
    said = verb.end(sign)
    epochs = len(json.loads((net / "metrics.json").read_text()))
    kept = {f"; {n} epoch{'s' if n > 1 else ''} kept in {net}, the same command" for n in (epochs, epochs - 1)}
    assert any(words in said for words in kept) and said.endswith("with --resume goes on")
    assert {p.name for p in net.iterdir()} <= {"best.pt", "last.pt", "config.json", "metrics.json"}


def test_with_an_earlier_run_in_the_folder_it_says_so(tmp_path: Path, config: Path):
    net = tmp_path / "net"
    net.mkdir()
    (net / "last.pt").write_bytes(b"of an earlier run")
    verb = start(tmp_path, ["train", config, "--out", net], TORCH)
    ready(verb)
    assert verb.end(signal.SIGTERM).endswith(f"; {net} still holds the run before this one, whole")
    assert (net / "last.pt").read_bytes() == b"of an earlier run"


@pytest.mark.lava
@needs_lava[1]
@SIGNS
@pytest.mark.parametrize("stage", ["starting", "running"])
def test_while_lava_runs(tmp_path: Path, stage: str, sign: signal.Signals):
    npz.save(chain(4, 3), tmp_path / "net.npz")
    npz.save(counts(100, 3000, 4), tmp_path / "data.npz")
    words = ["run", tmp_path / "net.npz", "--on", "lava", "--data", tmp_path / "data.npz", "--out", tmp_path / "a.npz"]
    verb = start(tmp_path, [*words, "--schedule", "asynchronous"])
    wait_for(verb, lambda: len(verb.family()) > 1 and lava_children_of(verb.worker()))
    worker = verb.worker()
    wait_for(verb, lambda: len(verb.family()) >= (9 if stage == "running" else 3))
    verb.end(sign)
    assert shared_memory_of(worker) == [] and list((tmp_path / "tmp").iterdir()) == []
    assert sorted(p.name for p in tmp_path.iterdir()) == ["data.npz", "net.npz", "tmp"]


def test_a_killed_front_takes_the_work_with_it(tmp_path: Path, config: Path):
    verb = start(tmp_path, ["train", config, "--out", tmp_path / "net"], TORCH)
    ready(verb)
    before = verb.family()
    assert len(before) == 2
    verb.process.kill()
    verb.process.communicate(timeout=60)
    until = time.monotonic() + 10
    while before & living() and time.monotonic() < until:
        time.sleep(0.02)
    assert not before & living()


def test_work_that_is_killed_from_outside_is_one_sentence(tmp_path: Path, config: Path):
    verb = start(tmp_path, ["train", config, "--out", tmp_path / "net"], TORCH)
    ready(verb)
    os.kill(verb.worker(), signal.SIGKILL)
    _, errors = verb.process.communicate(timeout=60)
    assert verb.process.returncode == 137 and errors.startswith("unlayered: killed by SIGKILL; ")
    assert errors.count("\n") == 1


CUT = """
import unlayered.sources
real = unlayered.sources._batched
def cut(array, path):
    with path.open("r+b") as file:
        file.truncate(0)
    return real(array, path)
unlayered.sources._batched = cut
"""


def test_a_file_of_frames_that_loses_its_end_while_it_is_read_is_one_sentence(tmp_path: Path):
    npz.save(chain(4, 3), tmp_path / "net.npz")
    np.save(tmp_path / "frames.npy", np.ones((2, 1, 4), np.int32))
    words = ["run", tmp_path / "net.npz", "--on", "trainer", "--data", tmp_path / "frames.npy"]
    verb = start(tmp_path, [*words, "--schedule", "layered", "--out", tmp_path / "a.npz"], CUT)
    _, errors = verb.process.communicate(timeout=120)
    assert verb.process.returncode == 2, errors
    assert errors.startswith("unlayered: a file lost its end while it was being read; ") and errors.count("\n") == 1
    assert not (tmp_path / "a.npz").exists()


def test_a_job_in_the_background_stays_deaf_to_ctrl_c(tmp_path: Path):
    frames = np.ones((2, 1, 4), np.int32)
    npz.save(chain(4, 3), tmp_path / "net.npz")
    npz.save(Stimulus(frames), tmp_path / "data.npz")
    words = ["run", "net.npz", "--on", "trainer", "--data", "data.npz", "--out", "a.npz", "--schedule", "layered"]
    script = "import signal\nsignal.signal(signal.SIGINT, signal.SIG_IGN)\n" + MAIN
    process = subprocess.Popen(
        [sys.executable, "-c", script, *words],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
        stdout=subprocess.DEVNULL,
    )
    time.sleep(1.0)
    process.send_signal(signal.SIGINT)
    assert process.wait(120) == 0 and (tmp_path / "a.npz").exists()
