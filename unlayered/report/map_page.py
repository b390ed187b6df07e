"""What ``unlayered map`` writes: where a network lies, how full its cores are, what quantization and a sample cost."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

from matplotlib.figure import Figure

from ir.words import counted
from mapper.board.traffic import links
from unlayered.between_chips import chip_facts, unit_of
from unlayered.costs import cost_facts
from unlayered.mapping import (
    MORE_WITH_DATA,
    POPULATION_COLUMNS,
    RESOURCES,
    USE_COLUMNS,
    Mapping,
    percent,
    population_rows,
    quantization_table,
    share,
    simulated_only,
    use_rows,
)
from unlayered.pooling import pooling_facts
from unlayered.report import mesh
from unlayered.report.page import Panel, escaped, figures_of, folded, html_table, page, section
from unlayered.safety import unchanged
from unlayered.versions import versions

OPEN_ROWS = 40
"""Longer tables are folded."""

USE_WORDS = (
    "Place is chip (tile x, tile y).slot. Shares of a core's limits, in the columns of Intel's compiler: AxonIn the "
    "sources that reach the core, Synapses words of synapse memory, AxonMap (source, other core) pairs, Configs and "
    "Thresholds different neuron settings and thresholds. Packets that come in: "
)
RATES = {True: "spikes a time step on the calibration data", False: "one a source; --calibrate DATA counts real ones"}

JUDGED = {True: " on the calibration data", False: ""}


def map_page(title: str, made: Mapping) -> str:
    """The whole report as one HTML document."""
    limits = html_table(("limit", "fullest core", "uses", "of", "share"), fullest_rows(made))
    sections = [
        _verdict(made),
        figures_of(board_panels(made)),
        section("Fullest core, by limit", limits),
        section("Populations", html_table(POPULATION_COLUMNS, population_rows(made))),
        *_chips(made),
        *_max_pooling(made),
        section("Cores", f"{USE_WORDS}{RATES[made.rates is not None]}.", core_table(made)),
        *_quantization(made),
        *_cost(made),
        section("Made with", html_table(("", ""), _made_with(made))),
    ]
    return page(title, sections)


def _chips(made: Mapping) -> list[str]:
    """What passes between chips, where there are several."""
    facts = chip_facts(made.mapped, made.traffic, unit_of(made.rates))
    return [section("Between chips", html_table(("", ""), list(facts.items())))] if facts else []


def _max_pooling(made: Mapping) -> list[str]:
    """What it costs, where the network has any."""
    facts = pooling_facts(made.mapped.network, made.rates)
    return [section("Max pooling", html_table(("", ""), list(facts.items())))] if facts else []


def _verdict(made: Mapping) -> str:
    mapped = made.mapped
    said = (
        f"{counted(mapped.network.n_neurons, 'neuron')} on {counted(len(mapped.cores), 'core')} of "
        f"{escaped(made.chip.title)}; every limit recounted and kept."
        f"{''.join(' ' + escaped(line) + '.' for line in simulated_only(made))}"
    )
    if not made.unsafe:
        return f'<p class="verdict good">{said} Inside the safe envelope{JUDGED[made.rates is not None]}.</p>'
    found = "".join(f"<li>{escaped(str(finding))}</li>" for finding in made.unsafe)
    return f'<p class="verdict bad">{said} Outside the safe envelope:</p><ul>{found}</ul>'


def board_panels(made: Mapping) -> list[Panel]:
    """What each core holds and takes, and how loaded the links are."""
    grid, cores = made.chip.mesh, made.mapped.cores
    unit = "packets a time step" if made.rates is not None else "packets, one a source"
    columns, rows = mesh.board_size(grid, cores)
    height = min(6.0, 1.3 + 3.9 * rows / max(columns, 1)) if columns > rows else 3.9

    def over_cores(name: str, label: str) -> Callable[[Figure], None]:
        values = [float(getattr(use, name)) for use in made.use]
        return partial(mesh.heat, mesh=grid, cores=cores, values=values, label=label)

    return [
        (f"Neurons (at most {made.limit.neurons:,})", over_cores("neurons", "neurons"), height),
        ("Synapses", over_cores("synapses", "synapses"), height),
        ("Packets in", over_cores("packets_in", unit), height),
        (
            "Link load",
            partial(mesh.link_heat, mesh=grid, cores=cores, links=links(made.traffic.routes), label=unit),
            height,
        ),
    ]


def fullest_rows(made: Mapping) -> list[tuple[object, ...]]:
    """For each limit of a core the one that uses most of it."""
    rows: list[tuple[object, ...]] = []
    for name in RESOURCES:
        use = max(made.use, key=lambda u: getattr(u, name))
        part = percent(share(use, made.limit, name))
        rows.append((name.replace("_", " "), use.core, getattr(use, name), getattr(made.limit, name), part))
    return rows


def core_table(made: Mapping) -> str:
    """A line a core; folded where there are many."""
    table = html_table(USE_COLUMNS, use_rows(made))
    return table if len(made.use) <= OPEN_ROWS else folded(counted(len(made.use), "core"), table)


def _quantization(made: Mapping) -> Sequence[str]:
    if not made.quantization:
        said = unchanged(made.mapped.network, made.chip)
        return [section("Quantization", f"{said[0].upper()}{escaped(said[1:])}.")]
    said = [f"{e.population}: {text}" for e in made.quantization for text in e.warnings]
    listed = "<ul>" + "".join(f"<li class=bad>{escaped(text)}</li>" for text in said) + "</ul>" if said else ""
    words = f"{made.options.bits}-bit weights. Scale: weight units a trained unit. Error: root mean square of the "
    words += "weights' rounding over that of the weights. "
    if made.rates is not None:
        words += "v used: largest membrane, of its register. Rates: spikes a neuron and time step."
    else:
        words += f"{MORE_WITH_DATA[0].upper()}{MORE_WITH_DATA[1:]}."
    shown = html_table(*quantization_table(made))
    return [section("Quantization", words, shown, *([listed] if listed else []))]


def _cost(made: Mapping) -> Sequence[str]:
    if made.cost is None:
        return [section("Cost of a sample", "Needs spike counts, from calibration data.")]
    facts = cost_facts(made.cost)
    parts = sorted(made.cost.parts_pj.items(), key=lambda item: -item[1].value)
    rows = [(name.replace("_", " "), r.value, r.low, r.high) for name, r in parts]
    table = html_table(("energy of", "pJ", "low", "high"), rows)
    return [section("Cost of a sample", f"Energy {facts['energy']}, time {facts['time']}: {facts['note']}.", table)]


def _made_with(made: Mapping) -> list[list[str]]:
    options = made.options
    chosen = {"preset": options.preset, "seed": str(options.seed), "schedule": made.mapped.network.schedule.kind}
    return [[k, v] for k, v in {**chosen, **versions()}.items()]
