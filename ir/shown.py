"""How networks and traces print: sizes, populations, constants and schedule, in at most ten lines."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import MISSING, Field, fields
from typing import Any

import numpy as np

from ir.check import word
from ir.schedule import Schedule, group_word
from ir.words import counted

MOST_POPULATIONS, MOST_COLUMNS = 6, 120
"""Lines that populations take, and characters of a line."""

CUT = " ..."
"""Ends a line whose last words are left out."""

MOST_NAME = 24
"""Characters of a name: those of strangers' files may be longer."""

ALWAYS = ("tau_mem_s", "v_threshold", "decay_v")
"""Parameters that are said of every neuron that has them; others where they are not as usual."""

USUAL: dict[str, Any] = {"decay_u": 4096}
"""What has no need to be said though a network may write it as an array."""


def lines_of(*lines: str) -> str:
    """Lines as one text, none longer than a terminal is wide: what does not fit is left out at the end."""
    return "\n".join(map(fitted, lines))


def fitted(line: str) -> str:
    """A line that fits a terminal: whole, or its first words, so that no number loses digits.

    >>> fitted("one " * 40)[-12:]
    ' one one ...'
    """
    whole = word(line, 4 * MOST_COLUMNS).rstrip()
    if len(whole) <= MOST_COLUMNS:
        return whole
    end = whole.rfind(" ", 0, MOST_COLUMNS - len(CUT) + 1)
    return whole[:end] + CUT if whole[:end].strip() else word(whole, MOST_COLUMNS)


def wrapped(line: str) -> list[str]:
    """A line that is told whole: over as many as it takes, those behind the first set in."""
    whole = word(line, 2 * MOST_COLUMNS)
    return textwrap.wrap(whole, MOST_COLUMNS, subsequent_indent="    ", break_on_hyphens=False)


def schedule_words(schedule: Schedule) -> str:
    """A schedule in a line: what of it has a meaning.

    >>> schedule_words(Schedule(F=None, order="fifo", stop_after=9))
    'asynchronous, F = all, order fifo, stop_after 9'
    """
    if schedule.kind == "layered":
        return "layered"
    usual = Schedule()
    said = [f"{schedule.kind}, F = {group_word(schedule.F)}, order {schedule.order}"]
    for name in ("scope", "input", "R", "stop_after", "stop_after_output", "seed"):
        value = getattr(schedule, name)
        if value != getattr(usual, name):
            said.append(f"{name} {value}")
    return ", ".join(said)


def neuron_words(neuron: Any) -> str:
    """A neuron's model and parameters: time constants in ms, a range where there is one number a neuron."""
    said = [f"{f.name.removesuffix('_s').removeprefix('v_')} {_value(f.name, neuron)}" for f in _told(neuron)]
    return f"{type(neuron).__name__} {', '.join(said)}"


def _told(neuron: Any) -> list[Field[Any]]:
    said = [f for f in fields(neuron) if f.name in ALWAYS or not _is_usual(f, getattr(neuron, f.name))]
    biased = getattr(neuron, "bias", None) is not None
    return [f for f in said if f.name != "bias_exp" or biased]


def _is_usual(f: Field[Any], value: Any) -> bool:
    usual = USUAL.get(f.name, f.default)
    if isinstance(value, np.ndarray):
        return usual is not None and usual is not MISSING and bool((value == usual).all())
    return bool(value == usual) and type(value) is type(usual)


def _value(name: str, neuron: Any) -> str:
    value = getattr(neuron, name)
    if value is None:
        return "none"
    if not isinstance(value, (np.ndarray, int, float)) or isinstance(value, bool):
        return word(value, MOST_NAME)
    array = np.asarray(value, np.float64) * (1e3 if name.endswith("_s") else 1)
    low, high = f"{array.min(initial=np.inf):g}", f"{array.max(initial=-np.inf):g}"
    unit = " ms" if name.endswith("_s") else ""
    return f"{low if low == high else f'{low}..{high}'}{unit}"


def shape_words(shape: Sequence[int]) -> str:
    """(2, 17, 17) as ``2x17x17``."""
    return "x".join(map(str, shape))


def few(lines: Sequence[str], most: int, what: str) -> list[str]:
    """The first lines, and how many more there are."""
    if len(lines) <= most:
        return list(lines)
    return [*lines[: most - 1], f"  ... and {counted(len(lines) - most + 1, f'more {what}')}"]


def network_lines(network: Any, most: int = MOST_POPULATIONS) -> list[str]:
    """A network of floats or integers: sizes, a line a population with what feeds it, the schedule."""
    weights = sum(e.connection.weight.size for e in network.projections)
    arithmetic = getattr(network, "arithmetic", None)
    kind = type(network).__name__ + ("" if arithmetic is None else f" ({arithmetic})")
    named = ", ".join(f"{word(i.name, MOST_NAME)} {shape_words(i.shape)}" for i in network.inputs)
    head = (
        f"{kind}: {counted(network.n_neurons, 'neuron')}, {counted(weights, 'weight')}, input {named}{_host(network)}"
    )
    populations = [_population_line(network, p) for p in network.populations]
    end = f"  schedule {schedule_words(network.schedule)}; time step {network.dt_s * 1e3:g} ms"
    return [head, *few(populations, most, "population"), end]


def _host(network: Any) -> str:
    """The encoder that the input is, in words; nothing where there is none."""
    if network.encoder is None:
        return ""
    takes = ", ".join(shape_words(i.shape) for i in network.encoder.inputs)
    return f" (an encoder of {counted(network.encoder.n_neurons, 'neuron')} on the host, from {takes})"


def _population_line(network: Any, p: Any) -> str:
    sources = [
        f"{word(e.pre, MOST_NAME)} ({_connection(e.connection)})" for e in network.projections if e.post == p.name
    ]
    feeds = f" <- {', '.join(sources)}" if sources else ""
    output = " (output)" if p.name == network.output else ""
    return f"  {word(p.name, MOST_NAME)} {shape_words(p.shape)}{output}: {neuron_words(p.neuron)}{feeds}"


def _connection(connection: Any) -> str:
    kind = type(connection).__name__.lower()
    if kind == "conv2d":
        return f"{kind} {shape_words(connection.weight.shape)}"
    return f"{kind} {connection.weight.size:,}"


def mapped_lines(mapped: Any) -> list[str]:
    """A mapped network: its chip and cores, then the network."""
    head, *rest = network_lines(mapped.network)
    where = "on one large core, unmapped" if mapped.chip is None else f"on {word(mapped.chip.title, MOST_NAME)}"
    neurons = np.bincount(mapped.core_of_neuron, minlength=len(mapped.cores))
    held = f"{int(neurons.min())} to {int(neurons.max())} neurons each"
    return [f"MappedNetwork: {counted(len(mapped.cores), 'core')} {where}, {held}", f"  {head}", *rest]


def trace_lines(trace: Any) -> list[str]:
    """A run: its size, spikes of each population, schedule, what was recorded."""
    t, b = trace.forward_steps.shape
    spikes = int(trace.counts.sum(dtype=np.int64))
    steps = float(trace.forward_steps.mean()) if trace.forward_steps.size else 0.0
    head = f"Trace of {trace.executor}: {counted(b, 'sample')}, {counted(t, 'time step')}, {counted(spikes, 'spike')}, "
    rows: list[str] = []
    for name, n in trace.populations:
        own = int(trace.counts[:, trace.population_slice(name)].sum(dtype=np.int64))
        output = " (output)" if name == trace.output else ""
        rows.append(f"  {word(name, MOST_NAME)} {n}{output}: {own / max(b, 1):.4g} spikes a sample")
    holds = ["spikes" if trace.spikes is not None else "counts", *trace.states]
    reached = ", ".join(f"{word(name, MOST_NAME)} {n:,}" for name, n in trace.limits_reached.items() if n)
    end = f"  holds {', '.join(holds)}{'' if trace.labels is None else ', labels'}"
    end += f"; register limits reached: {reached}" if reached else ""
    schedule = f"  schedule {schedule_words(trace.schedule)}; contract {trace.contract}"
    return [head + f"{steps:.3g} forward steps a time step", *few(rows, MOST_POPULATIONS, "population"), schedule, end]
