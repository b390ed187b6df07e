"""The whole road in Python on one page: train, map, run in software and on Lava, compare every spike."""

from dataclasses import replace
from pathlib import Path

from exchange import npz
from exchange.chip_toml import find_chip
from ir.schedule import Schedule, group_word
from ir.words import counted
from mapper import map_network
from sim_reference import fast
from sim_reference.compare import first_divergence
from sim_reference.compare.statistics import statistics
from stimuli.data_sets import load
from targets import lava
from trainer import preset, train

OUT = Path("out/digits")


def main() -> None:
    """Train for a few epochs, then show that reference and Lava agree under three schedules."""
    config = preset("digits", epochs=15)  # asynchronous: F = 8 spikes a forward step, largest membrane first
    OUT.mkdir(parents=True, exist_ok=True)
    network = train(config, OUT).export()

    mapped = map_network(network, find_chip("loihi2"))  # integers, and a core for every neuron
    npz.save(mapped, OUT / "mapped.npz")
    print(f"{counted(mapped.network.n_neurons, 'neuron')} on {counted(len(mapped.cores), 'core')}")

    test = load("digits", split="test")
    few = test.select(slice(10))
    for schedule in (
        config.schedule,
        replace(config.schedule, F=1, order="random", seed=7),
        replace(config.schedule, kind="layered"),
    ):
        numbers = statistics(fast.run(mapped, test, schedule))
        parted = first_divergence(fast.run(mapped, few, schedule), lava.run(mapped, few, schedule))
        print(
            f"{_said(schedule)}: accuracy {numbers.accuracy:.3f}, "
            f"{numbers.spikes_per_sample.mean():.0f} spikes a sample, "
            f"{numbers.forward_steps_per_time_step:.1f} forward steps a time step; "
            f"Lava {'equal, spike for spike' if parted is None else parted}"
        )


def _said(schedule: Schedule) -> str:
    """A schedule in words; the layered one serves no queue, so it has neither a group size nor an order."""
    return schedule.kind if schedule.kind == "layered" else f"F = {group_word(schedule.F)}, {schedule.order}"


if __name__ == "__main__":
    main()
