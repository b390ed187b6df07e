"""Static comparison: neurons, schedules, registers and cores, setting by setting."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields, replace
from functools import partial
from typing import Any

import numpy as np

from ir.arithmetic import ARITHMETICS
from ir.check import word
from ir.quantized import QuantizedNetwork
from ir.schedule import group_word
from unlayered.causes.setup import Setting, Setup, population, same, with_population

KIND_OF = {
    **dict.fromkeys(("v_threshold",), "threshold"),
    **dict.fromkeys(("tau_mem_s", "tau_syn_s", "discretization", "decay_v", "decay_u"), "decay"),
    **dict.fromkeys(("bias", "bias_exp", "bias_u"), "bias"),
    **dict.fromkeys(("v_min",), "saturation"),
}
"""What a parameter of a neuron is; what says reset or rest is ``reset``, others are ``neuron``."""

SCHEDULE_KIND = {
    **dict.fromkeys(("F", "order", "scope", "seed"), ""),
    **dict.fromkeys(("input", "R"), "input"),
    **dict.fromkeys(("stop_after", "stop_after_output"), "stop"),
}
"""The parts of an asynchronous schedule; those without a word of their own are kinds by name."""


def kind_of(name: str) -> str:
    """The kind of a neuron's parameter.

    >>> kind_of("reset_interval"), kind_of("decay_v"), kind_of("payload")
    ('reset', 'decay', 'neuron')
    """
    rests = any(part in name for part in ("reset", "refractory", "subtract", "late", "multi_spike"))
    return KIND_OF.get(name, "reset" if rests else "neuron")


def neuron_settings(a: Setup, b: Setup) -> Iterator[Setting]:
    """Parameters of neurons that differ, kind by kind, population by population."""
    for p, q in zip(a.network.populations, b.network.populations):
        if type(p.neuron) is not type(q.neuron):
            names = f"{type(p.neuron).__name__} -> {type(q.neuron).__name__}"
            yield Setting("neuron", p.name, names, partial(_switch_neuron, p.name))
            continue
        differing: dict[str, list[str]] = {}
        for name in names_of(p.neuron):
            if not same(getattr(p.neuron, name), getattr(q.neuron, name)):
                differing.setdefault(kind_of(name), []).append(name)
        for kind, names in differing.items():
            what = "; ".join(told(n, getattr(p.neuron, n), getattr(q.neuron, n)) for n in names)
            yield Setting(kind, p.name, what, partial(_switch_fields, p.name, tuple(names)))


def names_of(neuron: Any) -> list[str]:
    """The parameters of a neuron."""
    return [f.name for f in fields(neuron)]


def _switch_neuron(name: str, into: Setup, out_of: Setup) -> Setup:
    return with_population(into, name, neuron=population(out_of, name).neuron)


def _switch_fields(name: str, names: tuple[str, ...], into: Setup, out_of: Setup) -> Setup:
    given, own = population(out_of, name).neuron, population(into, name).neuron
    return with_population(into, name, neuron=replace(own, **{n: getattr(given, n) for n in names}))


def told(name: str, a: Any, b: Any) -> str:
    """A parameter from a to b: the numbers, or at how many neurons they differ and by how much."""
    if a is None or b is None or isinstance(a, (str, bool)) or (np.size(a) == 1 and np.size(b) == 1):
        return f"{name} {_number(a)} -> {_number(b)}"
    x, y = np.broadcast_arrays(np.asarray(a, np.float64), np.asarray(b, np.float64))
    at = np.flatnonzero(x != y)
    first = f"neuron {at[0]}: {x[at[0]]:g} -> {y[at[0]]:g}"
    return f"{name} of {len(at)} of {x.size} neurons, {first}" + (", ..." if len(at) > 1 else "")


def _number(x: Any) -> str:
    if x is None or isinstance(x, (str, bool)):
        return word(x, 40)
    return f"{np.asarray(x, np.float64).item():g}" if np.size(x) == 1 else f"{np.size(x)} numbers"


def network_settings(a: Setup, b: Setup) -> Iterator[Setting]:
    """What is the whole network's: registers, the time step, the schedule, the cores."""
    one, other = a.network, b.network
    if isinstance(one, QuantizedNetwork) and isinstance(other, QuantizedNetwork):
        x, y = one.arithmetic, other.arithmetic
        if replace(ARITHMETICS[x], name=y) != ARITHMETICS[y]:
            yield Setting("accumulator", None, f"arithmetic {x} -> {y}", _switch_arithmetic)
    elif one.dt_s != other.dt_s:
        yield Setting("decay", None, f"time step {one.dt_s:g} s -> {other.dt_s:g} s", _switch_time_step)
    yield from schedule_settings(a, b)
    in_cores = any(s.schedule.scope != "network" for s in (a, b))
    x, y = (np.zeros(one.n_neurons) if s.cores is None else s.cores for s in (a, b))
    if in_cores and not np.array_equal(x, y):
        what = f"{int((x != y).sum())} of {len(x)} neurons lie on another core"
        yield Setting("partition", None, what, _switch_cores)
    if a.units is not b.units:
        what = "momentum compares membranes in register units, whose size differs from population to population"
        yield Setting("order", None, what, _switch_units)


def _switch_arithmetic(into: Setup, out_of: Setup) -> Setup:
    assert isinstance(into.network, QuantizedNetwork) and isinstance(out_of.network, QuantizedNetwork)
    return replace(into, network=replace(into.network, arithmetic=out_of.network.arithmetic))


def _switch_time_step(into: Setup, out_of: Setup) -> Setup:
    return replace(into, network=replace(into.network, dt_s=out_of.network.dt_s))


def _switch_cores(into: Setup, out_of: Setup) -> Setup:
    return replace(into, cores=out_of.cores)


def _switch_units(into: Setup, out_of: Setup) -> Setup:
    return replace(into, units=out_of.units)


def _switch_schedule(names: tuple[str, ...], into: Setup, out_of: Setup) -> Setup:
    changes: dict[str, Any] = {name: getattr(out_of.schedule, name) for name in names}
    return replace(into, schedule=replace(into.schedule, **changes))


def schedule_settings(a: Setup, b: Setup) -> Iterator[Setting]:
    """What differs of two schedules and has a meaning in them: of the layered one nothing else has."""
    one, other = a.schedule, b.schedule
    names = [f.name for f in fields(one) if getattr(one, f.name) != getattr(other, f.name)]
    if one.kind != other.kind:
        what = f"{one.kind} -> {other.kind}"
        yield Setting("schedule", None, what, partial(_switch_schedule, tuple(f.name for f in fields(one))))
        return
    if one.kind == "layered":
        return
    kinds: dict[str, list[str]] = {}
    for name in names:
        kinds.setdefault(SCHEDULE_KIND.get(name, "order") or name, []).append(name)
    for kind, own in kinds.items():
        said = (f"{n} {_word(n, getattr(one, n))} -> {_word(n, getattr(other, n))}" for n in own)
        yield Setting(kind, None, ", ".join(said), partial(_switch_schedule, tuple(own)))


def _word(name: str, value: Any) -> Any:
    return group_word(value) if name == "F" else "none" if value is None else value
