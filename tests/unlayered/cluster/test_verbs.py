"""The verbs with ``--workers``: the same files and the same words as one process, here and on three addresses."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from exchange import npz
from ir.check import TargetError
from ir.stimulus import Stimulus
from tests.unlayered.verbs import call, refused
from unlayered.cluster.pool import pool_at

ROOT = Path(__file__).parents[3]
RECORDINGS, MODEL = ROOT / "examples/recordings", ROOT / "examples/model.net"


pytestmark = pytest.mark.filterwarnings(  # Dask leaves the sockets of who is gone to the garbage collector
    "ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning"
)


@pytest.fixture(scope="module")
def scheduler() -> Iterator[str]:
    """A scheduler and two workers, on 127.0.0.2, .3 and .4."""
    with served("127.0.0.2") as address, worker(address, "127.0.0.3"), worker(address, "127.0.0.4"):
        yield address


@contextmanager
def process(*words: str) -> Iterator[subprocess.Popen[str]]:
    """A process of Dask's, ended afterwards, whose log can be read."""
    variables = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join([str(ROOT), *sys.path]),
        "DASK_DISTRIBUTED__WORKER__DAEMON": "False",
    }
    started = subprocess.Popen([sys.executable, "-m", *words], env=variables, text=True, stderr=subprocess.PIPE)
    try:
        yield started
    finally:
        started.terminate()
        try:
            started.communicate(timeout=20)
        except subprocess.TimeoutExpired:
            started.kill()
            started.communicate()


@contextmanager
def served(host: str, pids: list[int] | None = None) -> Iterator[str]:
    """A scheduler's address; its process goes into ``pids``."""
    words = "distributed.cli.dask_scheduler", "--host", host, "--port", "0", "--no-dashboard", "--no-show"
    with process(*words) as started:
        if pids is not None:
            pids.append(started.pid)
        assert started.stderr is not None
        for line in started.stderr:
            if found := re.search(r"Scheduler at: +(\S+)", line):
                yield found[1]
                return
        raise AssertionError("no scheduler began")


@contextmanager
def worker(address: str, host: str) -> Iterator[None]:
    """A worker of one core that is at hand."""
    words = "distributed.cli.dask_worker", address, "--host", host, "--nthreads", "1", "--no-dashboard"
    with process(*words, "--local-directory", tempfile.mkdtemp()) as started:
        assert started.stderr is not None
        for line in started.stderr:
            if "Registered to" in line:
                yield
                return
        raise AssertionError("no worker began")


def many(folder: Path, n: int = 60) -> Path:
    rng = np.random.default_rng(4)
    npz.save(Stimulus(rng.integers(0, 2, (5, n, 12)), labels=rng.integers(0, 4, n)), folder / "many.npz")
    return folder / "many.npz"


def pieces_of(path: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in sorted(path.iterdir())}


def test_workers_write_their_pieces_themselves_and_the_files_are_equal(folder: Path, scheduler: str):
    pytest.importorskip("pyarrow", reason="pyarrow is not installed; pip install 'unlayered[pieces]'")
    words = "run", folder / "mapped.npz", "--on", "reference", "--data", many(folder, 300), "--json"
    one = call(*words, "--out", folder / "one.pieces")
    other = call(*words, "--out", folder / "other.pieces", "--workers", scheduler)
    assert one.exit_code == other.exit_code == 0, other.output
    assert pieces_of(folder / "one.pieces") == pieces_of(folder / "other.pieces")
    assert len(pieces_of(folder / "one.pieces")) == 10  # three of 128 samples at most, three files each, and one more
    assert one.stdout.replace("one.pieces", "other.pieces") == other.stdout


def test_pieces_travel_where_a_worker_does_not_see_the_folder(folder: Path, scheduler: str, monkeypatch):
    pytest.importorskip("pyarrow", reason="pyarrow is not installed; pip install 'unlayered[pieces]'")
    from unlayered import pieces

    class Elsewhere(pieces.Job):
        def __reduce__(self):  # as a worker of another machine takes it: its folder is not there
            return pieces.Job, (self.ready, self.schedule, self.on, self.options, "/nowhere", self.word)

    words = "run", folder / "mapped.npz", "--on", "reference", "--data", many(folder, 140)
    assert call(*words, "--out", folder / "one.pieces").exit_code == 0
    monkeypatch.setattr(pieces, "Job", Elsewhere)
    done = call(*words, "--out", folder / "other.pieces", "--workers", scheduler)
    assert done.exit_code == 0, done.output
    assert pieces_of(folder / "one.pieces") == pieces_of(folder / "other.pieces")


def test_run_writes_the_same_file_on_three_addresses(folder: Path, scheduler: str):
    words = "run", folder / "mapped.npz", "--on", "reference", "--data", many(folder), "--json"
    one = call(*words, "--out", folder / "one.npz")
    other = call(*words, "--out", folder / "other.npz", "--workers", scheduler)
    assert one.exit_code == other.exit_code == 0, other.output
    assert (folder / "one.npz").read_bytes() == (folder / "other.npz").read_bytes()
    assert one.stdout.replace("one.npz", "other.npz") == other.stdout and other.stderr == ""


def test_sweep_writes_the_same_rows_and_goes_on(folder: Path, scheduler: str):
    words = "sweep", folder / "mapped.npz", "--data", many(folder), "--order", "fifo,momentum"
    first = call(*words, "--F", "1,2", "--out", folder / "a.json")
    assert first.exit_code == 0
    shutil.copy(folder / "a.json", folder / "b.json")
    for name, more in (("a", ()), ("b", ("--workers", scheduler))):
        done = call(*words, "--F", "1,2,3,all", "--out", folder / f"{name}.json", *more)
        assert done.exit_code == 0, done.output
    assert (folder / "a.json").read_bytes() == (folder / "b.json").read_bytes()
    assert len(json.loads((folder / "b.json").read_text())["rows"]) == 8
    assert (folder / "a.svg").read_bytes() == (folder / "b.svg").read_bytes()


def test_diff_finds_the_same_causes(folder: Path, scheduler: str):
    words = "diff", folder / "network.npz", folder / "mapped.npz", "--data", many(folder, 12), "--json"
    one, other = call(*words), call(*words, "--workers", scheduler)
    assert one.exit_code == other.exit_code == 1, other.output
    assert one.stdout == other.stdout and json.loads(one.stdout)["pairs"][0]["causes"]


def test_verify_replays_a_folder_of_samples(tmp_path: Path, scheduler: str):
    for name in ("a", "b", "c"):
        shutil.copytree(RECORDINGS, tmp_path / name)
    membranes = np.load(tmp_path / "b" / "fc-0-v.npy")
    membranes[3, -1] += 1
    np.save(tmp_path / "b" / "fc-0-v.npy", membranes)
    single = json.loads(call("verify", MODEL, "--against", RECORDINGS, "--json").stdout)
    words = "verify", MODEL, "--against", tmp_path, "--json"
    one, other = call(*words), call(*words, "--workers", scheduler)
    assert one.stdout == other.stdout and one.exit_code == other.exit_code == 1, other.output
    value = json.loads(other.stdout)
    assert value["compared"] == 3 * single["compared"] and value["differing"] == 1
    assert value["first"]["name"] == "b/fc-0" and len(value["layers"]) == 3 * len(single["layers"])


def test_a_scheduler_without_workers_is_one_sentence(folder: Path):
    with served("127.0.0.5") as address:
        words = "run", folder / "mapped.npz", "--on", "reference", "--data", folder / "data.npz"
        sentence = refused(3, *words, "--workers", address, "--out", folder / "t.npz")
    assert f"the scheduler at {address} has no worker; start one" in sentence


def test_workers_of_other_versions_are_refused_before_anything_is_sent(folder: Path, scheduler: str, monkeypatch):
    from distributed import versions

    alike = versions.get_package_info
    monkeypatch.setattr(versions, "get_package_info", lambda names: {**alike(names), "unlayered": "9.9.9"})
    words = "run", folder / "mapped.npz", "--on", "reference", "--data", folder / "data.npz"
    sentence = refused(2, *words, "--workers", scheduler, "--out", folder / "t.npz")
    assert "the scheduler has unlayered 0" in sentence and "this process unlayered 9.9.9" in sentence


@pytest.mark.parametrize("sign", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL])
def test_a_signal_leaves_no_worker_and_no_folder(folder: Path, sign: signal.Signals):
    words = "run", folder / "network.npz", "--on", "trainer", "--data", many(folder, 20_000), "--out", folder / "t.npz"
    started = subprocess.Popen(
        [sys.executable, "-m", "unlayered", *map(str, words), "--workers", "2"],
        cwd=ROOT, stderr=subprocess.DEVNULL, start_new_session=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),  # a job may ignore it
    )  # fmt: skip
    until = time.monotonic() + 60
    while time.monotonic() < until and len(session_of(started.pid)) < 5:  # who waits, who works, tracker, two workers
        time.sleep(0.02)
    seen = session_of(started.pid)
    assert len(seen) >= 5 and started.poll() is None
    started.send_signal(sign)
    started.wait(20)
    until = time.monotonic() + 10
    while (left := session_of(started.pid)) and time.monotonic() < until:
        time.sleep(0.05)
    assert left == [] and not (folder / "t.npz").exists()
    assert started.returncode == (-sign if sign == signal.SIGKILL else 128 + sign)
    if sign != signal.SIGKILL:
        pids = "|".join(map(str, seen))
        assert not [x for x in os.listdir(tempfile.gettempdir()) if re.match(f"unlayered-cluster-({pids})-", x)]


def session_of(leader: int) -> list[int]:
    """Living processes of a session."""
    found = []
    for entry in Path("/proc").glob("[0-9]*/stat"):
        try:
            words = entry.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(words[3]) == leader and words[0] != "Z":
            found.append(int(entry.parent.name))
    return found


def test_a_local_cluster_listens_on_this_machine_alone():
    from unlayered.cluster.place import Place

    with pool_at(Place(1)) as pool:
        addresses = [pool.client.scheduler.address, *pool.client.scheduler_info(n_workers=-1)["workers"]]
        assert all(x.startswith("tcp://127.0.0.1:") for x in addresses)
        served_at = listening([os.getpid(), *pool.client.run(os.getpid).values()])
        assert served_at and all(x == "127.0.0.1" for x in served_at)


def listening(pids: list[int]) -> list[str]:
    """Addresses of IPv4 and IPv6 sockets on which these processes wait for callers."""
    inodes = set()
    for pid in pids:
        for link in Path(f"/proc/{pid}/fd").iterdir():
            try:
                inodes.add(os.readlink(link))
            except OSError:
                continue
    found = []
    for table in ("tcp", "tcp6"):
        for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]:
            words = line.split()
            if words[3] == "0A" and f"socket:[{words[9]}]" in inodes:
                raw = bytes.fromhex(words[1].partition(":")[0])[::-1]
                found.append(".".join(map(str, raw)) if table == "tcp" else words[1])
    return found


def test_a_scheduler_that_goes_away_is_one_sentence(mapped):
    from unlayered.cluster.place import Place

    with served("127.0.0.6", pids := []) as address, worker(address, "127.0.0.7"):
        with (
            pytest.raises(TargetError, match=f"the scheduler at {address} is gone"),
            pool_at(Place(0, address)) as pool,
        ):
            for _ in pool.each(time.sleep, [(0.1,), (60,)]):
                os.kill(pids[0], signal.SIGKILL)
