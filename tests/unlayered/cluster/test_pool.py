"""Shared out over workers, a run leaves the same bits; a lost worker loses nothing."""

from __future__ import annotations

import os
import signal
import time

import numpy as np
import pytest

from exchange import npz
from ir.mapped import one_large_core
from ir.network import Network
from ir.schedule import Schedule
from ir.stimulus import Stimulus
from ir.trace import Trace
from tests.unlayered.verbs import refused
from unlayered.causes.experiment import run_setup
from unlayered.causes.setup import setup_of
from unlayered.cluster import pool as pools
from unlayered.cluster.place import Place
from unlayered.cluster.pool import Pool, pool_at
from unlayered.cluster.shards import bounds_of
from unlayered.execute import RunOptions, execute, run_safely

pytestmark = pytest.mark.filterwarnings(  # Dask leaves the sockets of who is gone to the garbage collector
    "ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning"
)


def quiet(done: int, total: int) -> None:
    pass


def both(pool: Pool, network, stimulus: Stimulus, schedule: Schedule, on: str, **options) -> tuple[Trace, Trace]:
    """One process's trace, and the workers'."""
    words = network, stimulus, schedule, on, RunOptions(**options), quiet
    return execute(*words), pool.execute(*words)


def same_bits(a: Trace, b: Trace) -> bool:
    return bytes(npz.encoded(a)) == bytes(npz.encoded(b))


@pytest.mark.parametrize("n", [0, 1, 2, 7, 256, 500, 5000])
@pytest.mark.parametrize("workers", [1, 2, 3, 40])
def test_shards_are_the_whole_batch_once(n: int, workers: int):
    at = np.concatenate([np.arange(n)[x] for x in bounds_of(n, workers)])
    assert np.array_equal(at, np.arange(n)) and max(x.stop - x.start for x in bounds_of(n, workers)) <= 256


@pytest.mark.parametrize("on", ["reference", "trainer", "clockless"])
@pytest.mark.parametrize(
    "schedule", [Schedule("layered"), Schedule(F=2), Schedule(F=1, order="random", seed=5), Schedule(F=None)]
)
def test_integers_leave_the_same_bits(pool: Pool, mapped, many: Stimulus, schedule: Schedule, on: str):
    schedule = schedule if on != "clockless" else Schedule(F=1, order="fifo")
    network = mapped if on != "clockless" else one_large_core(mapped.network)
    assert same_bits(*both(pool, network, many.select(slice(90)), schedule, on))


@pytest.mark.parametrize("schedule", [Schedule("layered"), Schedule(F=2), Schedule(F=1, order="random")])
def test_floats_leave_the_same_bits(pool: Pool, network: Network, many: Stimulus, schedule: Schedule):
    one, other = both(pool, network, many, schedule, "trainer")
    assert one.executor == "E0" and same_bits(one, other)


def test_events_and_states_are_shared_out_with_their_samples(pool: Pool, mapped, many: Stimulus):
    events = np.array([(b, t, 7 * i % 5, i) for t, b, i in np.argwhere(many.frames)])
    stamped = Stimulus(many.frames, many.sample_ids, many.labels, events)
    schedule = Schedule(F=2, order="fifo", input="queued")
    first, also = both(pool, mapped, stamped.steps(0, 3), schedule, "reference", keep_state=True)
    assert same_bits(first, also) and first.state is not None and also.state is not None
    assert bytes(npz.encoded(first.state)) == bytes(npz.encoded(also.state))
    assert same_bits(*both(pool, mapped, stamped.steps(3, 5), schedule, "reference", state=first.state))


def test_the_envelope_is_looked_at_once_and_a_price_is_the_same(pool: Pool, mapped, many: Stimulus):
    words = mapped, many, Schedule(F=2), "reference", RunOptions(), quiet
    one, other = run_safely(*words), run_safely(*words, pool.execute)
    assert same_bits(one.trace, other.trace) and np.array_equal(one.inputs, other.inputs)
    for name in ("charged", "served"):
        assert np.array_equal(getattr(one.delivered, name), getattr(other.delivered, name))


def test_an_empty_batch_is_an_empty_run(pool: Pool, mapped, many: Stimulus):
    assert same_bits(*both(pool, mapped, many.select(slice(0)), Schedule(F=2), "reference"))


def test_progress_counts_samples(pool: Pool, mapped, many: Stimulus):
    told = []
    pool.execute(mapped, many, Schedule(F=2), "reference", RunOptions(), lambda *x: told.append(x))
    assert told[-1] == (500, 500) and told == sorted(told) and len(told) == len(bounds_of(500, 2))


def test_what_a_worker_refuses_is_refused_here(pool: Pool, mapped, many: Stimulus):
    wide = Stimulus(np.zeros((2, 20, 13), int))
    with pytest.raises(ValueError, match="13"):
        pool.execute(mapped, wide, Schedule(F=2), "reference", RunOptions(), quiet)
    assert same_bits(*both(pool, mapped, many.select(slice(9)), Schedule(F=2), "reference"))  # and goes on


def test_a_timeline_is_of_one_process(pool: Pool, mapped, many: Stimulus):
    options = RunOptions(on_log=lambda b, log: None)
    with pytest.raises(ValueError, match="leave --workers out"):
        pool.execute(mapped, many, Schedule(F=1), "clockless", options, quiet)


def slowly(what, stimulus: Stimulus) -> Trace:
    """The run of a set-up, in time for its worker to be killed."""
    time.sleep(0.15)
    return run_setup(what, stimulus)


def killed(seen: list[int]) -> None:
    """End a worker as lack of memory does."""
    os.kill(seen.pop(), signal.SIGKILL)


@pytest.mark.parametrize("n", [1, 2])
def test_a_killed_worker_loses_none_of_500_samples(mapped, many: Stimulus, n: int):
    whole = run_setup((setup_of(mapped), ("v",)), many)
    with pool_at(Place(n)) as pool:
        seen = list(pool.client.run(os.getpid).values())
        assert len(set(seen)) == n and os.getpid() not in seen

        def tick(done: int, total: int) -> None:
            if done > 150 and len(seen) == n:
                killed(seen)

        found = pool.over_samples(slowly, (setup_of(mapped), ("v",)), many, tick)
        assert len(seen) == n - 1  # the worker was killed meanwhile
    assert len(found.sample_ids) == 500 and same_bits(whole, found)


def ends_itself(i: int) -> int:
    os.kill(os.getpid(), signal.SIGKILL)
    return i


def test_work_that_kills_every_worker_is_one_sentence():
    with pool_at(Place(1)) as pool, pytest.raises(pools.TargetError, match=r"lost 4 workers over one piece of work"):
        list(pool.each(ends_itself, [(1,)]))


@pytest.mark.parametrize("lost", [1, 3])
def test_a_worker_that_is_killed_before_all_are_there_is_started_again(lost: int, monkeypatch: pytest.MonkeyPatch):
    import distributed

    begun, starts = distributed.LocalCluster, []

    def killed_at_first(**words):
        starts.append(words)
        if len(starts) <= lost:
            raise RuntimeError("Nanny failed to start.")
        return begun(**words)

    monkeypatch.setattr(distributed, "LocalCluster", killed_at_first)
    if lost == 3:
        with pytest.raises(
            pools.TargetError, match=r"1 worker of this machine did not start \(Nanny failed.*use fewer"
        ):
            pool_at(Place(1)).__enter__()
    else:
        with pool_at(Place(1)) as pool:
            assert pool.n == 1 and len(starts) == 2


def test_without_dask_the_way_out_is_said(folder, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(__import__("sys").modules, "distributed", None)
    words = "run", folder / "mapped.npz", "--on", "reference", "--data", folder / "data.npz", "--workers", "2"
    assert "pip install 'unlayered[cluster]'" in refused(3, *words, "--out", folder / "t.npz")


def test_a_scheduler_that_is_not_there_is_one_sentence(folder, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(pools, "CONNECT_S", 0.5)
    words = "run", folder / "mapped.npz", "--on", "reference", "--data", folder / "data.npz"
    for address in ("tcp://127.0.0.1:9", "tls://127.0.0.1:9"):
        sentence = refused(3, *words, "--workers", address, "--out", folder / "t.npz")
        assert f"no scheduler answers at {address}" in sentence
    assert not (folder / "t.npz").exists()
