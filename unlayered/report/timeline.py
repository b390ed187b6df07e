"""Cores over time: what each worked on, when it waited, when it fired; one sample of a timed run as an SVG."""

from __future__ import annotations

from matplotlib.figure import Figure

from ir.timing import BIAS, FRAME, SERVICE, EffectLog
from ir.trace import Trace
from unlayered.report.figures import COLOURS
from unlayered.report.svg import draw

MOST_CORES = 32
"""Cores that one picture shows; of more, those that work most."""

NS = 1e-3


def timeline(trace: Trace, log: EffectLog, sample: int, background: str = "none") -> str:
    """An ``<svg>`` element for a page (transparent, in the page's colours) or, with a background, for a file.

    Args:
        sample: its position in the batch.
    """
    rows = min(len(_shown(trace, sample)), MOST_CORES)
    height = 1.2 + 0.22 * rows
    return draw(lambda figure: paint(figure, trace, log, sample), height, background, salt=f"timeline {sample}")


def _shown(trace: Trace, sample: int) -> list[int]:
    """The cores of the picture, ascending."""
    assert trace.timing is not None
    busy = trace.timing.of_cores("busy_ps")[sample]
    most = sorted(range(len(busy)), key=lambda core: (-busy[core], core))[:MOST_CORES]
    return sorted(most)


def paint(figure: Figure, trace: Trace, log: EffectLog, sample: int) -> None:
    """Bars where a core works (services, biases), thin lines where its packets wait, dots where it fires."""
    assert trace.spikes is not None and trace.spikes.ps is not None and trace.core_of_neuron is not None
    ax = figure.subplots()
    cores = _shown(trace, sample)
    row = {core: i for i, core in enumerate(cores)}
    kinds, at = log.column("kind"), log.column("core")
    for kind, colour, label in ((SERVICE, COLOURS[0], "service"), (BIAS, COLOURS[2], "bias")):
        for core in cores:
            mine = (kinds == kind) & (at == core)
            start, end = log.column("start_ps")[mine] * NS, log.column("end_ps")[mine] * NS
            if len(start):
                spans = list(zip(start.tolist(), (end - start).tolist()))
                ax.broken_barh(spans, (row[core] - 0.35, 0.7), facecolors=colour, label=label)
                label = ""
    waits = [(int(c), a * NS, z * NS) for c, a, z in log.holds.tolist() if c in row]
    for i, (core, a, z) in enumerate(waits):
        ax.plot([a, z], [row[core] + 0.42] * 2, color=COLOURS[1], lw=2, label="" if i else "packet waits")
    mine = trace.spikes.sample == trace.sample_ids[sample]
    fired = trace.core_of_neuron[trace.spikes.neuron[mine]]
    known = [i for i, core in enumerate(fired.tolist()) if core in row]
    ps = trace.spikes.ps[mine][known] * NS
    ax.plot(ps, [row[int(core)] for core in fired[known]], ".", ms=2.5, color=COLOURS[3], label="spikes")
    for frame in set((log.column("end_ps")[kinds == FRAME] * NS).tolist()):
        ax.axvline(frame, color="#8888", lw=0.5)
    ax.set_yticks(range(len(cores)), [str(core) for core in cores])
    ax.invert_yaxis()
    ax.set_xlabel("ns; lines: frames")
    ax.set_ylabel("core")
    figure.legend(loc="outside upper center", ncol=4, markerscale=3)
