"""Run any network on any executor."""

from __future__ import annotations

from dataclasses import dataclass

from ir.check import check_choice
from ir.formats.chip_toml import find_chip
from ir.mapped import MappedNetwork
from ir.network import Network
from ir.schedule import Schedule
from ir.stimulus import Stimulus
from ir.trace import Trace
from unlayered.console import Tick
from unlayered.sources import AnyNetwork, mapped_of

EXECUTORS = {
    "reference": "E2, the integers in the reference simulator; E0 for floats",
    "lava": "E3, the integers in Lava processes",
    "trainer": "E1, the integers in the trainer's engine; E0 for floats",
}


@dataclass(frozen=True)
class RunOptions:
    """How a run is carried out, beside its schedule.

    Attributes:
        chip: whose integers a network of floats takes; None = floats stay floats (Lava: ``loihi2``).
        time_limit_s: wall-clock limit of Lava.
        process_per_core: on Lava, a process for every core.
    """

    chip: str | None = None
    time_limit_s: float | None = None
    process_per_core: bool = False


def execute(
    network: AnyNetwork, stimulus: Stimulus, schedule: Schedule, on: str, options: RunOptions, tick: Tick
) -> Trace:
    """Run ``network`` on one executor and record every spike."""
    check_choice("--on", on, EXECUTORS)
    if on == "lava":
        return _on_lava(mapped_of(network, find_chip(options.chip or "loihi2")), stimulus, schedule, options, tick)
    if options.chip is not None or not isinstance(network, Network):
        network = mapped_of(network, find_chip(options.chip or "loihi2"))
        if on == "reference":
            return run_reference(network, stimulus, schedule, tick)
    return _on_trainer(network, stimulus, schedule, tick)


def _on_lava(mapped: MappedNetwork, stimulus: Stimulus, schedule: Schedule, options: RunOptions, tick: Tick) -> Trace:
    from targets.lava.run import TIME_LIMIT_S, run

    limit = TIME_LIMIT_S if options.time_limit_s is None else options.time_limit_s
    per_core = options.process_per_core
    return run(mapped, stimulus, schedule, progress=tick, time_limit_s=limit, process_per_core=per_core)


def run_reference(mapped: MappedNetwork, stimulus: Stimulus, schedule: Schedule, tick: Tick) -> Trace:
    """E2: the integers in the compiled twin of the reference simulator, held equal to it by the tests."""
    from sim_reference.fast import run

    return run(mapped, stimulus, schedule, progress=tick)


def _on_trainer(network: Network | MappedNetwork, stimulus: Stimulus, schedule: Schedule, tick: Tick) -> Trace:
    from trainer.execute import run

    n = stimulus.n_samples
    cores = network.core_of_neuron if isinstance(network, MappedNetwork) else None
    plain = network.network if isinstance(network, MappedNetwork) else network
    return run(plain, stimulus, schedule, cores, progress=lambda done: tick(done, n))
