"""Real activity for the mapper: joint quantization search, rates of every source, the quantization report."""

from __future__ import annotations

from dataclasses import dataclass, replace

from ir.arrays import Floats
from ir.check import require
from ir.chip import Chip
from ir.encoder import body_of
from ir.formats import Formats
from ir.network import Network
from ir.quantized import QuantizedNetwork
from ir.schedule import Schedule
from ir.stimulus import Stimulus
from ir.trace import Trace
from ir.words import counted
from mapper.quantization_report import PopulationReport, report
from mapper.quantize import Calibration, quantize, search_runs
from unlayered.console import Tick
from unlayered.costs import source_counts


@dataclass(frozen=True, eq=False)
class Integers:
    """A network in a chip's integers and what is known of them.

    Attributes:
        report: one entry a population; empty where the network came as integers.
        rates: (N + inputs,) spikes a time step of each source on the calibration data; None without.
        trace: a run of the integers on the calibration data; None without.
    """

    network: QuantizedNetwork
    report: tuple[PopulationReport, ...]
    rates: Floats | None = None
    trace: Trace | None = None


def integers_of(
    network: Network | QuantizedNetwork, chip: Chip, bits: int, stimulus: Stimulus | None, tick: Tick
) -> Integers:
    """Quantize where still needed, with calibration data where there are any; under the network's own schedule.

    Args:
        stimulus: what the network's body is fed with; guides the search of scales and thresholds, and gives every
            source its rate.
        tick: called with how many runs of the search are done, and of how many.
    """
    made = _integers_of_body(body_of(network), chip, bits, stimulus, tick)
    encoder = network.encoder
    return made if encoder is None else replace(made, network=replace(made.network, encoder=encoder))


def _integers_of_body(
    network: Network | QuantizedNetwork, chip: Chip, bits: int, stimulus: Stimulus | None, tick: Tick
) -> Integers:
    weight = Formats.of(chip, bits).weight
    if stimulus is None:
        if isinstance(network, QuantizedNetwork):
            return Integers(network, ())
        fixed = quantize(network, chip, bits)
        return Integers(fixed, report(network, fixed, weight))
    size = f"{counted(stimulus.n_steps, 'time step')} of {counted(stimulus.n_samples, 'sample')}"
    filled = stimulus.n_steps > 0 and stimulus.n_samples > 0
    require(filled, f"the calibration has {size}; give at least one time step of one sample")
    if isinstance(network, QuantizedNetwork):
        fixed, after, found = network, _run(network, stimulus), ()
    else:
        before, fixed = _searched(network, chip, bits, stimulus, tick)
        after = _run(fixed, stimulus, record=("v",))
        found = report(network, fixed, weight, before, after)
    counts = source_counts(after, stimulus)
    return Integers(fixed, found, counts / max(1, stimulus.n_steps * stimulus.n_samples), after)


def _searched(
    network: Network, chip: Chip, bits: int, stimulus: Stimulus, tick: Tick
) -> tuple[Trace, QuantizedNetwork]:
    """The trained network's own run, and the integers that come closest to it."""
    from trainer.execute import run

    total, done = search_runs(network, chip), 0

    def measure(candidate: QuantizedNetwork) -> Trace:
        nonlocal done
        tick(done, total)
        done += 1
        return _run(candidate, stimulus)

    before = run(network, stimulus, _schedule(network))

    def record(candidate: QuantizedNetwork) -> Trace:
        return _run(candidate, stimulus, record_spikes=True)

    return before, quantize(network, chip, bits, Calibration(before, measure, stimulus.frames, record))


def _run(
    network: QuantizedNetwork, stimulus: Stimulus, record: tuple[str, ...] = (), record_spikes: bool = False
) -> Trace:
    from sim_reference.fast import run

    return run(network, stimulus, _schedule(network), record_spikes=record_spikes, record=record)


def _schedule(network: Network | QuantizedNetwork) -> Schedule:
    """The network's own; before there are cores, one queue for all tells the rates as well as one a core."""
    return replace(network.schedule, scope="network")
