"""Compile ahead what a first run would compile: ``python -m unlayered.ahead``, which `make setup` calls.

What is compiled is kept for this version, processor and user; where it is there already, this takes seconds. The jobs
are the demo's own steps on a few samples, so that numba sees the very types that it will see there.
"""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor, as_completed
from multiprocessing import get_context
from pathlib import Path

from ir.mapped import MappedNetwork
from ir.network import Network
from ir.stimulus import Stimulus
from unlayered.console import progress, stderr

SAMPLES = 8


def train_a_step() -> None:
    """A few samples through each of the demo's trainings."""
    from trainer.config import preset
    from trainer.fit import train
    from unlayered.demo import TRAINED_BY

    with tempfile.TemporaryDirectory() as folder:
        for kind, name in TRAINED_BY.items():
            train(preset(name, epochs=1), Path(folder) / kind, stimulus=_digits())


def run_the_trainer_on_integers() -> None:
    """The demo's E1, under both schedules."""
    from trainer.execute import run

    for network in _networks():
        run(_integers(network), _digits(), network.schedule)


def run_the_reference() -> None:
    """The demo's E2, under both schedules."""
    from sim_reference.fast import run

    for network in _networks():
        run(_integers(network), _digits(), network.schedule)


def map_to_cores() -> None:
    """The demo's partition and placement."""
    from mapper import map_network
    from unlayered.demo import DemoConfig, chip_of

    for network in _networks():
        map_network(network, chip_of(DemoConfig()))


def time_a_chip_without_a_barrier() -> None:
    """The demo's E4: with logs, over several cores."""
    from mapper import map_network
    from unlayered.demo import DemoConfig
    from unlayered.two_chips import clockless_chip, timed

    chip = clockless_chip(DemoConfig().neurons_per_core)
    for network in _networks():
        timed(map_network(network, chip), _digits(), 0, {})


JOBS: dict[str, Callable[[], None]] = {
    "training": train_a_step,
    "the trainer's engine on integers": run_the_trainer_on_integers,
    "the reference simulator": run_the_reference,
    "the mapper": map_to_cores,
    "chips without a barrier": time_a_chip_without_a_barrier,
}
"""What can be compiled side by side; the longest first."""


def compile_ahead(quiet: bool = False) -> float:
    """Do all jobs, each in a process of its own, on as many processors as this process may use.

    Args:
        quiet: say nothing.

    Returns:
        Seconds it took.
    """
    began_s = time.monotonic()
    with (
        progress("compiling for this processor, once", quiet) as tick,
        ProcessPoolExecutor(min(len(os.sched_getaffinity(0)), len(JOBS)), get_context("spawn")) as pool,
    ):
        tick(0, len(JOBS))
        running = [pool.submit(job) for job in JOBS.values()]
        for done, job in enumerate(as_completed(running), 1):
            job.result()
            tick(done, len(JOBS))
    return time.monotonic() - began_s


def _digits() -> Stimulus:
    from stimuli.data_sets import load

    return load("digits", None, "train", SAMPLES)


def _networks() -> list[Network]:
    from trainer.build import build_network
    from trainer.config import preset
    from unlayered.demo import TRAINED_BY

    return [build_network(preset(name)).export() for name in TRAINED_BY.values()]


def _integers(network: Network) -> MappedNetwork:
    from exchange.chip_toml import find_chip
    from unlayered.demo import DemoConfig
    from unlayered.sources import mapped_of

    return mapped_of(network, find_chip(DemoConfig().chip))


if __name__ == "__main__":
    stderr().print(f"compiled what a first run needs in {compile_ahead():.0f} s", markup=False)
