"""The report as one HTML file: figures and tables inside, nothing loaded from elsewhere."""

from __future__ import annotations

import html
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Protocol

from matplotlib.figure import Figure

from exchange import npz
from ir.check import MAX_SENTENCE, word
from ir.chip import Chip
from ir.mapped import MappedNetwork
from ir.trace import Trace
from ir.words import counted
from sim_reference.compare.equality import first_samples
from unlayered.console import short
from unlayered.report import figures
from unlayered.report.svg import draw
from unlayered.two_chips import COLUMNS
from unlayered.two_chips import WORDS as WORDS_OF_CHIPS

STYLE = Path(__file__).with_name("style.css")
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
        f'<div class="figures">{"".join(_figures(roads, chip))}</div>',
        *_cost(roads, chip),
        _two_chips(report, roads),
        section("Made with", _versions(report)),
    ]
    npz.write_atomically(path, page("unlayered: the demo", sections).encode())


def escaped(text: str) -> str:
    """Text for a page: names in it come from strangers' files."""
    return html.escape(word(text, 10 * MAX_SENTENCE))


def page(title: str, sections: Sequence[str]) -> str:
    """A whole HTML document."""
    head = (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escaped(title)}</title><style>{STYLE.read_text()}</style></head>"
    )
    return f"{head}<body><main><h1>{escaped(title)}</h1>{''.join(sections)}</main></body></html>\n"


EQUAL_WORDS = (
    "E1 trainer's engine on integers, E2 reference simulator, E3 Lava. Compared without tolerance: every spike with "
    "its sample, time step, forward step, neuron, membrane and serving round, and all membranes and forward steps."
)
INTEGER_WORDS = (
    "The same network as trained (E0, floats) and as the chip holds it (E1, integers), on the whole test set."
)


def section(title: str, *parts: str) -> str:
    body = "".join(part if part.startswith("<") else f"<p>{escaped(part)}</p>" for part in parts)
    return f"<section><h2>{escaped(title)}</h2>{body}</section>"


def html_table(columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    head = "".join(f"<th>{escaped(c.replace('_', ' '))}</th>" for c in columns)
    lines = "".join("<tr>" + "".join(_cell(x) for x in row) + "</tr>" for row in rows)
    return f'<div class="wide"><table><thead><tr>{head}</tr></thead><tbody>{lines}</tbody></table></div>'


def _cell(x: Any) -> str:
    number = (isinstance(x, (int, float)) and not isinstance(x, bool)) or str(x).endswith(" %")
    return f"<td{' class=number' if number else ''}>{escaped(short(x))}</td>"


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


RASTER_IN = 3.6


def _raster(road: Road) -> Callable[[Figure], None]:
    """One sample in software and, where it ran, on Lava."""
    titles = {"E2": "reference simulator", "E3": "Lava"}
    traces = {titles[name]: road.traces[name] for name in titles if name in road.traces}
    return partial(figures.raster, traces=traces, sample=int(road.traces["E2"].sample_ids[0]))


def _figures(roads: Sequence[Road], chip: Chip) -> list[str]:
    last = roads[-1]
    fewest = min(len(trace.sample_ids) for road in roads for trace in road.traces.values())
    shared = [
        (f"{road.kind}", {name: first_samples(trace, fewest) for name, trace in road.traces.items()}) for road in roads
    ]
    by_kind = {road.kind: road.traces["E2"] for road in roads}
    curves = {road.kind: road.metrics for road in roads}
    limit = f"at most {counted(chip.limits.max_neurons, 'neuron')} each"
    alike = counted(fewest, "sample")
    place = f"Where the neurons are: {chip.title}, {counted(len(last.mapped.cores), 'core')}, {limit}"
    shown: list[tuple[str, Callable[[Figure], None], float]] = [
        (f"One sample, every spike ({last.kind})", _raster(last), RASTER_IN),
        (
            f"Spikes by layer and executor, {alike}",
            partial(figures.spikes_per_layer, roads=shared),
            2.8,
        ),
        (place, partial(figures.occupancy, mapped=last.mapped, chip=chip), 2.6),
        ("Time to the first answer", partial(figures.latency, traces=by_kind), 2.6),
        ("Training", partial(figures.training, metrics=curves), 2.6),
    ]
    return [
        f"<figure><figcaption>{escaped(title)}</figcaption>{draw(paint, height, salt=title)}</figure>"
        for title, paint, height in shown
    ]


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
    return section("Two kinds of chip", html_table(COLUMNS, rows), WORDS_OF_CHIPS, figure)


def _versions(report: Mapping[str, Any]) -> str:
    rows = [[k, v] for k, v in report["versions"].items()]
    return html_table(("package", "version"), [*rows, ["seed", str(report["seed"])]])
