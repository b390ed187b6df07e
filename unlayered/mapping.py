"""From a network to everything that ``unlayered map`` shows: integers, cores, places, traffic, cost."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from rich.table import Table

from exchange.chip_toml import shipped_chips
from ir.arrays import Floats
from ir.check import check_choice
from ir.chip import Chip
from ir.encoder import spikes_of
from ir.formats import Excess
from ir.graph import slices
from ir.mapped import Core, MappedNetwork
from ir.network import Network
from ir.quantized import QuantizedNetwork
from ir.runnable import check_schedule
from ir.stimulus import Stimulus
from ir.words import counted
from mapper import map_network
from mapper.board.traffic import Traffic, traffic
from mapper.check.utilization import CoreUse, limits, utilization
from mapper.cost import Cost
from mapper.quantization_report import PopulationReport
from mapper.search.search import PRESETS
from unlayered.between_chips import chip_facts, unit_of
from unlayered.calibration import integers_of
from unlayered.console import Stages, facts, table
from unlayered.costs import cost_facts, cost_of_run
from unlayered.options import ScheduleFlags
from unlayered.pooling import pooling_facts
from unlayered.safety import ANY_INPUT, THIS_INPUT, check_safe, unchanged, warnings
from unlayered.sources import AnyNetwork, plain_network

BITS = (8, 6, 4, 3, 2)
MOST_ROWS = 40
RESOURCES = ("neurons", "synapse_words", "input_axons", "output_axons", "configs", "thresholds")
"""What a core has a limit for, as named in ``mapper.check.utilization.CoreUse``."""


@dataclass(frozen=True)
class MapOptions:
    """How to map.

    Attributes:
        preset: ``fast``, ``default`` or ``quality``.
        seed: same seed, same map.
        bits: of the weights.
        allow_unsafe: map what lies outside the safe envelope, too.
    """

    preset: str = "default"
    seed: int = 0
    bits: int = 8
    allow_unsafe: bool = False

    def __post_init__(self) -> None:
        check_choice("--preset", self.preset, PRESETS)
        check_choice("--bits", self.bits, BITS)


@dataclass(frozen=True, eq=False)
class Mapping:
    """A mapped network and what was found on the way.

    Attributes:
        quantization: one entry a population; empty where the network came as integers.
        unsafe: what lies outside the safe envelope, where that was allowed.
        use: what each core holds. limit: what one can hold.
        traffic: packets of a time step, by the calibration's rates where there are any, else one a source.
        rates: (N + inputs,) spikes a time step of each source; None = not known.
        cost: of a sample; None without calibration or without the chip's constants.
    """

    mapped: MappedNetwork
    chip: Chip
    options: MapOptions
    quantization: tuple[PopulationReport, ...]
    unsafe: tuple[Excess, ...]
    use: tuple[CoreUse, ...]
    limit: CoreUse
    traffic: Traffic
    rates: Floats | None
    cost: Cost | None


def map_whole(
    network: Network | QuantizedNetwork, chip: Chip, options: MapOptions, stimulus: Stimulus | None, stages: Stages
) -> Mapping:
    """Quantize, partition, place, check.

    Args:
        stimulus: calibration data; None = none.

    Raises:
        ValueError: the network is outside the safe envelope, and that was not allowed.
        CapacityError: it does not fit.
    """
    stages.begin("quantize")
    stimulus = None if stimulus is None else spikes_of(network, stimulus)
    made = integers_of(network, chip, options.bits, stimulus, stages.tick)
    frames, way_out = (None, ANY_INPUT) if stimulus is None else (stimulus.frames, THIS_INPUT)
    unsafe = check_safe(made.network, chip, frames, options.allow_unsafe, way_out)
    search, others = (options.preset, options.seed), shipped_chips()
    mapped = map_network(made.network, chip, options.bits, made.rates, *search, stage=stages.begin, alternatives=others)
    stages.begin("check")
    use = tuple(utilization(mapped, made.rates))
    cost = None if stimulus is None or made.trace is None else cost_of_run(mapped, made.trace, stimulus)
    moved = traffic(mapped, made.rates)
    return Mapping(mapped, chip, options, made.report, unsafe, use, limits(chip), moved, made.rates, cost)


def look_again(mapped: MappedNetwork, rates: Floats | None = None) -> Mapping:
    """What a finished map still tells: use and traffic of its cores.

    Args:
        rates: (N + inputs,) spikes a time step of each source; None = one spike a source.

    Raises:
        ValueError: the network is not mapped.
    """
    moved, use, chip = traffic(mapped, rates), tuple(utilization(mapped, rates)), mapped.chip
    assert chip is not None
    return Mapping(mapped, chip, MapOptions(), (), (), use, limits(chip), moved, rates, None)


def share(use: CoreUse, limit: CoreUse, resource: str) -> float:
    """Part of a limit that a core uses, 0 to 1."""
    return float(getattr(use, resource)) / float(getattr(limit, resource))


def fullest(use: CoreUse, limit: CoreUse) -> str:
    """The resource that a core has least left of."""
    return max(RESOURCES, key=lambda name: share(use, limit, name))


def as_json(made: Mapping) -> dict[str, Any]:
    """Plain values, for ``--json``."""
    mapped = made.mapped
    return {
        "chip": made.chip.name,
        "neurons": mapped.network.n_neurons,
        "cores": len(mapped.cores),
        "preset": made.options.preset,
        "seed": made.options.seed,
        "bits": made.options.bits if made.quantization else None,  # integers keep their own
        "schedule": mapped.network.schedule.kind,
        "report": mapped.report,
        "utilization": [{**vars(core), **vars(use)} for core, use in zip(mapped.cores, made.use)],
        "limits": {name: getattr(made.limit, name) for name in RESOURCES},
        "quantization": [vars(entry) for entry in made.quantization],
        "pooling": pooling_facts(made.mapped.network, made.rates),
        "outside_envelope": [str(finding) for finding in made.unsafe],
        "cost": None if made.cost is None else cost_facts(made.cost),
    }


def shown(title: str, made: Mapping) -> list[Table | str]:
    """Tables for a terminal of 80 columns."""
    lines: list[Table | str] = []
    if made.quantization:
        lines.append(table("Quantization", *quantization_table(made)))
        lines += [f"{entry.population}: {text}" for entry in made.quantization for text in entry.warnings]
        lines += [] if made.rates is not None else [MORE_WITH_DATA]
    else:
        lines.append(unchanged(made.mapped.network, made.chip))
    lines.append(table("Populations", POPULATION_COLUMNS, population_rows(made)))
    rows = [row[:MOST_COLUMNS] for row in use_rows(made)[:MOST_ROWS]]
    lines.append(table(f"{title} on {made.chip.title}, percent of limits", USE_COLUMNS[:MOST_COLUMNS], rows))
    if len(made.use) > MOST_ROWS:
        lines.append(f"... and {counted(len(made.use) - MOST_ROWS, 'more core')}, all in the report")
    lines.append(facts("Mapping", mapping_facts(made).items()))
    if made.cost is not None:
        lines.append(facts("The mean sample costs", cost_facts(made.cost).items()))
    return [*lines, *warnings(made.unsafe), *simulated_only(made)]


def simulated_only(made: Mapping) -> list[str]:
    """A line where the chip's own neurons could not run the schedule that the map carries."""
    if made.chip.asynchronous or made.mapped.network.schedule.kind == "layered":
        return []
    return [
        f"{made.chip.title} itself runs the layered schedule only; this map is for simulators, use --schedule layered "
        "for the chip"
    ]


def mapping_facts(made: Mapping) -> dict[str, Any]:
    """What was minimized, in packets a time step, and the fullest core's share of each limit."""
    routes, unit = made.traffic.routes, unit_of(made.rates)
    most = {name: max(share(use, made.limit, name) for use in made.use) for name in RESOURCES}
    return {
        "cores": len(made.mapped.cores),
        f"packets between cores, {unit}": routes.packets,
        "hops a packet": routes.hops_per_packet,
        f"hottest link, {unit}": routes.hottest_link,
        **chip_facts(made.mapped, made.traffic, unit),
        **{f"fullest core, {name.replace('_', ' ')}": percent(value) for name, value in most.items()},
        **pooling_facts(made.mapped.network, made.rates),
    }


QUANTIZATION_COLUMNS = ("population", "scale", "error", "clipped", "v used", "rate", "integers", "change")
WITHOUT_DATA = 4
"""Columns that are known without a run on calibration data."""

MORE_WITH_DATA = "rates, the largest membrane and the cost of a sample come from a run: --calibrate DATA"


def quantization_table(made: Mapping) -> tuple[tuple[str, ...], list[tuple[Any, ...]]]:
    """Columns and rows of the quantization report; what only a run tells is there where there was one."""
    n = WITHOUT_DATA if made.rates is None else len(QUANTIZATION_COLUMNS)
    return QUANTIZATION_COLUMNS[:n], [row[:n] for row in quantization_rows(made.quantization)]


def quantization_rows(entries: tuple[PopulationReport, ...]) -> list[tuple[Any, ...]]:
    """What rounding did to each population."""
    return [
        (
            e.population,
            float(e.scale),
            percent(e.weight_error),
            percent(e.clipped_share),
            percent(e.membrane_used),
            e.rate_trained,
            e.rate_fixed,
            percent(e.rate_fixed / e.rate_trained - 1, "+") if e.rate_trained and e.rate_fixed is not None else "-",
        )
        for e in entries
    ]


POPULATION_COLUMNS = ("population", "shape", "neurons", "cores", "fullest", "share")


def population_rows(made: Mapping) -> list[tuple[Any, ...]]:
    """A line a population: how many cores hold it, and what is fullest on any of them."""
    rows: list[tuple[Any, ...]] = []
    for p, at in zip(made.mapped.network.populations, slices(made.mapped.network.populations).values()):
        lying = set(made.mapped.core_of_neuron[at].tolist())
        use = max((made.use[i] for i in lying), key=lambda u: share(u, made.limit, fullest(u, made.limit)))
        name = fullest(use, made.limit)
        part = percent(share(use, made.limit, name))
        rows.append((p.name, "x".join(map(str, p.shape)), p.n, len(lying), name.replace("_", " "), part))
    return rows


def percent(part: float | None, sign: str = "") -> str:
    """A share as a person reads it."""
    return "-" if part is None else f"{100 * part:{sign}.1f} %"


USE_COLUMNS = (
    "core",
    "place",
    "AxonIn",
    "Neurons",
    "Synapses",
    "AxonMap",
    "packets",
    "Configs",
    "Thresholds",
    "fullest",
)
MOST_COLUMNS = 7
"""As many fit a terminal."""


def use_rows(made: Mapping) -> list[tuple[Any, ...]]:
    """A line a core, in the columns of Intel's compiler: shares of the limits."""
    order = ("input_axons", "neurons", "synapse_words", "output_axons", "configs", "thresholds")
    rows: list[tuple[Any, ...]] = []
    for core, use in zip(made.mapped.cores, made.use):
        *first, configs, thresholds = (percent(share(use, made.limit, name)) for name in order)
        packets = use.packets_in if made.rates is not None else int(use.packets_in)
        name = fullest(use, made.limit).replace("_", " ")
        rows.append((core.index, place(core), *first, packets, configs, thresholds, name))
    return rows


def place(core: Core) -> str:
    """A core's address: chip, tile, slot."""
    return f"{core.chip} ({core.x}, {core.y}).{core.slot}"


def with_schedule(network: AnyNetwork, flags: ScheduleFlags) -> Network | QuantizedNetwork:
    """The network under the schedule it is meant for; a mapped one without its addresses.

    Raises:
        ValueError: no executor could run it so.
    """
    plain = plain_network(network)
    schedule = flags.on(plain.schedule)
    check_schedule(plain, schedule)
    return replace(plain, schedule=schedule)
