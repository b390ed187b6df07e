"""Samples of a batch over threads: compiled code lets the others run meanwhile."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait
from functools import lru_cache
from itertools import pairwise
from typing import Any, TypeVar

import torch

T = TypeVar("T")


def threads_for(n_samples: int) -> int:
    """How many of torch's threads have a sample to run; at least one."""
    return max(1, min(torch.get_num_threads(), n_samples))


def shares(n_samples: int) -> list[tuple[int, int]]:
    """For each of these threads the first of its samples and the one behind its last."""
    threads = threads_for(n_samples)
    ends = [n_samples * i // threads for i in range(threads + 1)]
    return list(pairwise(ends))


def in_threads(work: Callable[[Any], T], chosen: list[Any]) -> list[T]:
    """Apply ``work`` to each thread's samples; the first error is raised."""
    if len(chosen) == 1:
        return [work(chosen[0])]
    pool = _pool_of(os.getpid())
    running = [pool.submit(work, x) for x in chosen]
    wait(running)
    return [job.result() for job in running]


@lru_cache(maxsize=1)
def _pool_of(process: int) -> ThreadPoolExecutor:
    """Threads that wait for the next step: starting them anew took a tenth of a small one. A fork has none of them."""
    return ThreadPoolExecutor(max(64, os.cpu_count() or 1), f"samples-{process}")
