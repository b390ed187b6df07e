"""The page that the demo leaves: two networks, four executors, every comparison."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Protocol

from matplotlib.figure import Figure

from exchange import npz
from ir.chip import Chip
from ir.mapped import MappedNetwork
from ir.trace import Trace
from ir.words import counted
from sim_reference.compare.divergence import first_divergence
from sim_reference.compare.equality import first_samples
from unlayered.mapping import Mapping as Made
from unlayered.mapping import look_again
from unlayered.report import figures
from unlayered.report.map_page import board_panels
from unlayered.report.map_panels import rates_of
from unlayered.report.page import Panel, escaped, figures_of, html_table, page, section
from unlayered.report.player import SCRIPT, player
from unlayered.report.raster import raster
from unlayered.report.spike_statistics import of_sample
from unlayered.report.svg import draw
from unlayered.two_chips import COLUMNS
from unlayered.two_chips import WORDS as WORDS_OF_CHIPS

WORDS = {
    "accuracy": "share of test samples decided right",
    "spikes_per_sample": "mean network spikes a sample",
    "density": "spikes / (neurons x time steps)",
    "forward_steps": "mean rounds of serving spikes in a time step",
    "latency": "mean forward steps from the start of a sample to its first output spike",
}


class Road(Protocol):
    """What the page needs of one trained network."""

    @property
    def kind(self) -> str: ...
    @property
    def mapped(self) -> MappedNetwork: ...
    @property
    def metrics(self) -> list[dict[str, Any]]: ...
    @property
    def tested(self) -> Mapping[str, tuple[dict[str, Any], dict[str, Any]]]: ...
    @property
    def traces(self) -> Mapping[str, Trace]: ...
    @property
    def integers(self) -> Mapping[str, Trace]: ...
    @property
    def cost(self) -> Mapping[str, Any]: ...
    @property
    def timeline(self) -> str: ...


def write_page(path: Path, report: Mapping[str, Any], roads: Sequence[Road], chip: Chip, absent: str = "") -> None:
    """Write the report.

    Args:
        report: what ``report.json`` holds.
        absent: why there is no Lava run; empty = there is one.
    """
    sections = [
        _verdict(report, absent),
        section("Trained x tested", _train_test(report), _definitions()),
        section("Spike for spike", _equal_table(report), EQUAL_WORDS),
        section("Floats and integers", _floats_and_integers(roads), INTEGER_WORDS),
        figures_of(_figures(roads)),
        _player(roads[-1]),
        *_cost(roads, chip),
        _two_chips(report, roads),
        section("Made with", _versions(report)),
    ]
    script = SCRIPT.read_text(encoding="utf-8")
    npz.write_atomically(path, page("unlayered: the demo", sections, script).encode())


EQUAL_WORDS = (
    "E1 trainer's engine on integers, E2 reference simulator, E3 Lava. Compared without tolerance: every spike with "
    "its sample, time step, forward step, neuron, membrane and serving round, and all membranes and forward steps."
)
INTEGER_WORDS = (
    "The same network as trained (E0, floats) and as the chip holds it (E1, integers), on the whole test set."
)


def _verdict(report: Mapping[str, Any], absent: str) -> str:
    parted = [row for row in report["equal"] if row["differing"] or "first" in row]
    compared = sum(row["spikes_compared"] for row in report["equal"])
    if parted:
        found = "".join(f"<li>{row['a']} and {row['b']}: {escaped(row.get('first', ''))}</li>" for row in parted)
        return f'<p class="verdict bad">Executors differ.</p><ul>{found}</ul>'
    lava = f"No Lava run: {escaped(absent)}" if absent else "Lava included."
    agreed = f"Every executor agrees: {counted(compared, 'spike comparison')}, 0 differing."
    return f'<p class="verdict good">{agreed} {lava}</p>'


def _train_test(report: Mapping[str, Any]) -> str:
    columns = ("trained", "tested", *WORDS)
    return html_table(columns, [[row[c] for c in columns] for row in report["table"]])


def _definitions() -> str:
    items = "".join(f"<dt>{k.replace('_', ' ')}</dt><dd>{escaped(v)}</dd>" for k, v in WORDS.items())
    return f"<details><summary>What the columns mean</summary><dl>{items}</dl></details>"


def _equal_table(report: Mapping[str, Any]) -> str:
    columns = ("a", "b", "schedule", "samples", "spikes_compared", "differing")
    return html_table(columns, [[row[c] for c in columns] for row in report["equal"]])


def _floats_and_integers(roads: Sequence[Road]) -> str:
    rows: list[list[Any]] = []
    for road in roads:
        for tested, (floats, integers) in road.tested.items():
            for numbers in (floats, integers):
                rows.append([road.kind, tested, numbers["executor"], *(numbers[k] for k in WORDS)])
    return html_table(("trained", "tested", "executor", *WORDS), rows)


def write_picture(path: Path, roads: Sequence[Road]) -> None:
    """Write the raster of one sample as a picture that stands alone, e.g. for a README."""
    paint = _raster(roads[-1])
    npz.write_atomically(path, draw(paint, RASTER_IN, background="#ffffff").encode())


RASTER_IN = 4.2


def _raster(road: Road) -> Callable[[Figure], None]:
    """One sample: software, and Lava drawn over it where it ran, with what only one of the two has."""
    titles = {"E2": "reference simulator", "E3": "Lava"}
    sample = int(road.traces["E2"].sample_ids[0])
    traces = {titles[name]: of_sample(road.traces[name], sample) for name in titles if name in road.traces}
    first = first_divergence(*traces.values()) if len(traces) == 2 else None
    return partial(raster, runs=traces, sample=sample, first=first)


def _figures(roads: Sequence[Road]) -> list[Panel]:
    last = roads[-1]
    fewest = min(len(trace.sample_ids) for road in roads for trace in road.traces.values())
    shared = [
        (f"{road.kind}", {name: first_samples(trace, fewest) for name, trace in road.traces.items()}) for road in roads
    ]
    by_kind = {road.kind: road.traces["E2"] for road in roads}
    curves = {road.kind: road.metrics for road in roads}
    alike = counted(fewest, "sample")
    neurons, _, _, links = board_panels(_board(last))
    who = "reference simulator and Lava" if "E3" in last.traces else "reference simulator"
    return [
        (f"One sample, every spike ({last.kind}): {who}", _raster(last), RASTER_IN),
        (f"Spikes by layer and executor, {alike}", partial(figures.spikes_per_layer, roads=shared), 2.8),
        neurons,
        links,
        ("Until the first output spike", partial(figures.latency, traces=by_kind), 2.8),
        ("Training", partial(figures.training, metrics=curves), 2.6),
        *((f"Confusion, {road.kind}", partial(figures.confusion, trace=road.traces["E2"]), 3.3) for road in roads),
    ]


def _board(road: Road) -> Made:
    """The cores of a map with the neurons' packets as the reference simulator counted them; inputs are left out."""
    return look_again(road.mapped, rates_of(road.traces["E2"], None, road.mapped.network.n_inputs))


PLAYER_WORDS = (
    "The network that was trained asynchronously, on its cores, under both schedules. A core lights up as its neurons "
    "fire; a packet leaves when its spike is served and travels along the row first, then along the column. Both runs "
    "share one clock of forward steps. Events of the input are not drawn."
)


def _player(road: Road) -> str:
    """One sample under both schedules."""
    sample = int(road.traces["E2"].sample_ids[0])
    runs = {f"{kind} schedule (E1)": road.integers[kind] for kind in ("layered", "asynchronous")}
    return section(f"Player, sample {sample}", PLAYER_WORDS, player(road.mapped, runs, sample))


def _cost(roads: Sequence[Road], chip: Chip) -> list[str]:
    known = [road for road in roads if road.cost]
    if not known:
        return []
    rows = [[road.kind, road.cost["energy"], road.cost["time"]] for road in known]
    words = f"On {chip.title}, estimated from the spikes of the reference simulator: {known[0].cost['note']}."
    return [section("What a sample would cost", html_table(("trained", "energy", "time"), rows), words)]


def _two_chips(report: Mapping[str, Any], roads: Sequence[Road]) -> str:
    """The same networks on a chip with a barrier and on one without."""
    rows = [[row[c] for c in COLUMNS] for row in report["chips"]]
    last = roads[-1]
    caption = f"Cores without a barrier over time, one sample ({last.kind})"
    figure = f"<figure><figcaption>{escaped(caption)}</figcaption>{last.timeline}</figure>"
    return section(
        "Two kinds of chip", html_table(COLUMNS, rows), WORDS_OF_CHIPS, f'<div class="figures">{figure}</div>'
    )


def _versions(report: Mapping[str, Any]) -> str:
    rows = [[k, v] for k, v in report["versions"].items()]
    return html_table(("package", "version"), [*rows, ["seed", str(report["seed"])]])
