"""Whatever goes wrong with Lava ends in one sentence, soon, and leaves nothing behind."""

from __future__ import annotations

import gc
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import pytest

from ir.check import TargetError
from ir.schedule import Schedule
from targets.lava import Job, launch, run, run_jobs
from tests.targets.lava_cases import chain, counts, lava_children_of, needs_lava, shared_memory_of

pytestmark = [*needs_lava, pytest.mark.timeout(180)]

LAYERED = Schedule(kind="layered", F=None)
ROOT = Path(launch.__file__).resolve().parents[2]
ENDLESS = (100, 3_000)
"""Time steps and samples of a run that nobody waits for."""

SCRIPT = """
import signal
from pathlib import Path
from tests.targets.lava_cases import chain, counts
from targets.lava import launch, run
from ir.schedule import Schedule
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's job in the background ignores it
launch.PACKAGES = Path({})
run(chain(4, 3), counts({}, {}, 4), Schedule(F=2), progress=lambda *_: print("progress", flush=True))
"""


@pytest.fixture(autouse=True)
def nothing_is_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """After each test: no process, no shared memory, no folder of ours."""
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(tempfile, "tempdir", None)
    before = open_files()
    yield
    assert lava_children_of(os.getpid()) == [] and shared_memory_of(os.getpid()) == []
    assert list(tmp_path.glob("unlayered-lava-*")) == []
    assert len(open_files()) <= len(before), f"{open_files()}, before {before}"


def open_files() -> list[str]:
    """What this process has open, without what other tests left to the garbage collector."""
    gc.collect()
    links = (Path(f"/proc/self/fd/{number}") for number in os.listdir("/proc/self/fd"))
    return [os.readlink(link) for link in links if link.is_symlink()]


def wait_for(condition, limit_s: float = 60.0):
    """Poll until ``condition()`` is true and return it."""
    until = time.monotonic() + limit_s
    while time.monotonic() < until:
        if found := condition():
            return found
        time.sleep(0.05)
    raise AssertionError("what the test waits for did not happen")


def actors_of(leader: int) -> list[int]:
    """The processes of a Lava graph in the order of their start, once all of an asynchronous one are up.

    They are Python's tracker and manager of shared memory, four processes of ours, and Lava's service.
    """
    others = sorted((pid for pid in launch.members(leader) if pid != leader), key=started)
    return others if len(others) >= 7 else []


def started(pid: int) -> tuple[int, int]:
    """When a process was started, in clock ticks; its number may have begun again from below since."""
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]), pid


def failure_while_running(strike) -> tuple[str, float]:
    """Start an endless run, let ``strike(leader)`` hit it, return the sentence and how long the end took."""
    struck: list[float] = []

    def hit() -> None:
        (leader,) = wait_for(lambda: lava_children_of(os.getpid()))
        wait_for(lambda: actors_of(leader))
        time.sleep(0.5)
        struck.append(time.monotonic())
        strike(leader)

    thread = threading.Thread(target=hit)
    thread.start()
    with pytest.raises(TargetError) as error:
        run(chain(4, 3), counts(*ENDLESS, 4), Schedule(F=2), time_limit_s=150)
    thread.join()
    return str(error.value), time.monotonic() - struck[0]


def test_a_killed_child_is_told_and_leaves_nothing():
    sentence, took_s = failure_while_running(lambda leader: os.kill(leader, signal.SIGKILL))
    assert "killed by signal 9" in sentence and "\n" not in sentence and took_s < 10


def test_a_killed_lava_process_is_named():
    sentence, took_s = failure_while_running(lambda leader: os.kill(actors_of(leader)[-2], signal.SIGKILL))
    assert "Lava failed in " in sentence and "it was killed by signal 9" in sentence and took_s < 10


def test_the_time_limit_ends_a_run():
    start = time.monotonic()
    with pytest.raises(TargetError, match=r"Lava did not finish within 4 s and was ended; allow more time"):
        run(chain(4, 3), counts(*ENDLESS, 4), LAYERED, time_limit_s=4)
    assert time.monotonic() - start < 4 + 10


def plant(folder: Path, file: str, line: str, planted: str) -> None:
    """Copy the packages into ``folder``, with a statement more after ``line``."""
    for package in ("ir", "exchange", "targets"):
        shutil.copytree(ROOT / package, folder / package, ignore=shutil.ignore_patterns("__pycache__"))
    path = folder / "targets" / "lava" / file
    before = path.read_text().splitlines()
    at = [number for number, text in enumerate(before) if text.strip() == line.strip()]
    assert len(at) == 1
    text = before[at[0]]
    deeper = 4 * text.rstrip().endswith(":")
    before.insert(at[0] + 1, f"{' ' * (len(text) - len(text.lstrip()) + deeper)}{planted}")
    path.write_text("\n".join(before))


def test_a_folder_that_vanishes_is_told(tmp_path):
    def remove(_: int) -> None:
        (folder,) = tmp_path.glob("unlayered-lava-*")
        shutil.rmtree(folder, ignore_errors=True)
        shutil.rmtree(folder, ignore_errors=True)

    sentence, took_s = failure_while_running(remove)
    assert "Lava failed in process 'spike queue': FileNotFoundError" in sentence and took_s < 10


def test_a_trace_that_is_long_in_writing_is_written(tmp_path, monkeypatch):
    monkeypatch.setattr(launch, "PACKAGES", tmp_path)
    plant(tmp_path, "child.py", "reporter.progress = None", "__import__('time').sleep(12)")
    trace = run(chain(4, 3), counts(3, 1, 4), Schedule(F=2), time_limit_s=100)
    assert trace.forward_steps.shape == (3, 1)


def test_a_process_killed_before_all_are_started_is_told(tmp_path, monkeypatch):
    monkeypatch.setattr(launch, "PACKAGES", tmp_path)
    kill = "self.actors or [os.kill(actor.pid, 9), os.waitid(os.P_PID, actor.pid, os.WEXITED | os.WNOWAIT)]"
    plant(tmp_path, "host.py", "actor = build(infrastructure, target, builder, exception_q)", kill)
    with pytest.raises(TargetError, match=r"Lava failed in process '.*': it (ended early|was killed)"):
        run(chain(4, 3), counts(3, 1, 4), Schedule(F=2), time_limit_s=20)


def test_processes_of_a_graph_that_has_ended_are_not_taken_for_failures(tmp_path, monkeypatch):
    monkeypatch.setattr(launch, "PACKAGES", tmp_path)
    plant(tmp_path, "host.py", "for pid, name in tuple(self.actors):", "__import__('time').sleep(0.4)")
    jobs = [Job(chain(4, 3), counts(30, 2, 4), Schedule(F=2)) for _ in range(3)]
    assert len(run_jobs(jobs, time_limit_s=100)) == 3


SLOW_TO_LEAVE = (
    "from lava.magma.core.model.py.model import AbstractPyProcessModel as Model; "
    "Model.join = lambda model: __import__('time').sleep(2); "
)
"""Between telling Lava, which then stops the other processes, and letting the exception out."""


@pytest.mark.parametrize("before", ["", SLOW_TO_LEAVE], ids=["", "slow"])
@pytest.mark.parametrize(
    ("schedule", "file", "line", "sentence"),
    [
        (
            LAYERED,
            "probe.py",
            "        self.fired[row, self.at] = fired\n",
            "Lava failed in process 'p0': ZeroDivisionError: planted",
        ),
        (Schedule(F=2), "spike_queue.py", "        self.frame += 1\n", "Lava failed in process 'spike queue': Zero"),
        (Schedule(F=2), "feed.py", "        self.frame += 1\n", "Lava failed in process 'input': ZeroDivisionError"),
        (Schedule(F=2), "layered.py", "from scipy.sparse import csr_matrix\n", "planted"),
    ],
    ids=["neurons", "queue", "input", "import"],
)
def test_an_exception_in_a_process_comes_back_with_its_name(
    tmp_path, monkeypatch, schedule, file, line, sentence, before
):
    monkeypatch.setattr(launch, "PACKAGES", tmp_path)
    plant(tmp_path, file, line, f'{before}raise ZeroDivisionError("planted")')
    with pytest.raises(TargetError, match=sentence) as error:
        run(chain(4, 3), counts(3, 1, 4), schedule, time_limit_s=100)
    assert "\n" not in str(error.value)


def start_script(packages: Path = ROOT) -> tuple[subprocess.Popen[str], int]:
    """Start an endless run in a Python of its own; returns it and the process that leads its Lava run."""
    process = subprocess.Popen(
        [sys.executable, "-c", SCRIPT.format(repr(str(packages)), *ENDLESS)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        (leader,) = wait_for(lambda: lava_children_of(process.pid))
        wait_for(lambda: actors_of(leader))
    except AssertionError:
        process.kill()
        raise
    return process, leader


@pytest.mark.parametrize("sign", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL], ids=lambda s: s.name)
def test_a_parent_that_is_ended_takes_everything_with_it(sign, tmp_path):
    process, leader = start_script()
    start = time.monotonic()
    process.send_signal(sign)
    _, errors = process.communicate(timeout=60)
    assert time.monotonic() - start < 10
    assert process.returncode != 0 and (sign != signal.SIGINT or "KeyboardInterrupt" in errors)
    wait_for(lambda: not launch.members(leader) and not shared_memory_of(process.pid), 10)
    wait_for(lambda: not list(tmp_path.glob("unlayered-lava-*")), 10)


def test_a_parent_that_is_gone_while_it_is_told_of_progress_takes_everything_with_it(tmp_path):
    plant(tmp_path, "child.py", "if now is not None and now != told:", "__import__('time').sleep(2)")
    process, leader = start_script(tmp_path)
    time.sleep(3)
    process.kill()
    process.communicate(timeout=60)
    wait_for(lambda: not launch.members(leader) and not shared_memory_of(process.pid), 15)


@pytest.mark.parametrize(
    ("full", "size_kib", "sentence"),
    [("/dev/shm", 64, "no room in shared memory"), ("$TMPDIR", 200, "no room in the temporary folder")],
    ids=["shared memory", "folder"],
)
def test_no_room_is_one_sentence(full, size_kib, sentence):
    can_mount = ["unshare", "--mount", "mount", "-t", "tmpfs", "none", "/dev/shm"]
    if shutil.which("unshare") is None or subprocess.run(can_mount, capture_output=True).returncode != 0:
        pytest.skip("no private mount namespace here")
    script = SCRIPT.format(repr(str(ROOT)), 100, 50)
    mount = f'mount -t tmpfs -o size={size_kib}k none {full} && exec "$0" -c "$1"'
    words = ["unshare", "--mount", "sh", "-c", mount, sys.executable, script]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, timeout=150)
    last = done.stderr.strip().splitlines()[-1]
    assert done.returncode == 1 and "TargetError" in last and sentence in last


@pytest.mark.parametrize(
    ("script", "sentence"),
    [
        (None, "does not start"),
        ("exit 3", "exit code 3"),
        ("echo hello", "is no Python interpreter"),
        ('echo \'{"python": "3.9.1", "lava": null, "numpy": null}\'', "is Python 3.9.1; lava-nc 0.10.0 needs 3.10"),
        ('echo \'{"python": "3.10.1", "lava": null, "numpy": null}\'', "has no lava-nc; 0.10.0 is needed"),
    ],
)
def test_a_faulty_interpreter_is_told_with_the_way_to_get_a_right_one(tmp_path, monkeypatch, script, sentence):
    python = tmp_path / "python"
    if script is not None:
        python.write_text(f"#!/bin/sh\n{script}\n")
        python.chmod(0o755)
    monkeypatch.setenv("UNLAYERED_LAVA_PYTHON", str(python))
    with pytest.raises(TargetError, match=sentence) as error:
        run(chain(4, 3), counts(1, 1, 4), LAYERED)
    assert "uv venv --python 3.10" in str(error.value)


@pytest.mark.parametrize("cycles", [2, pytest.param(50, marks=pytest.mark.slow)])
def test_starting_and_stopping_leaves_nothing(cycles, monkeypatch):
    groups: list[int] = []
    end = launch.end_group
    monkeypatch.setattr(launch, "end_group", lambda group: (groups.append(group), end(group)))
    monkeypatch.setattr(launch, "GRACE_S", 0)  # nothing is waited for, no orphan either
    for _ in range(cycles):
        run(chain(4, 3), counts(2, 1, 4), Schedule(F=2))
        with pytest.raises(ProcessLookupError):
            os.killpg(groups[-1], 0)
    assert len(groups) == cycles
