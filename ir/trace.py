"""What a run leaves behind: every spike with its address, membranes, forward steps."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import Any, TypeVar, Union

import numpy as np

from ir.arrays import Array, Ints, ascends, frozen_array, numbers, set_field, whole_array
from ir.check import INT32, MAX_NEURONS, check_choice, check_finite, check_range, check_type, require, sentence, whole
from ir.contract import CONTRACT, check_contract
from ir.picture import beside, trace_picture
from ir.schedule import Schedule
from ir.shown import lines_of, trace_lines
from ir.state import State
from ir.timing import Timing
from ir.words import counted

EXECUTORS = ("E0", "E1", "E2", "E3", "E4")


Whole = tuple[type[np.integer[Any]], Union[int, None]]
"""A type of whole numbers, and the least that one may be; None = any."""

COLUMNS: dict[str, Whole] = {
    "sample": (np.int64, None),
    "t": (np.int32, 0),
    "k": (np.int32, 0),
    "neuron": (np.int32, 0),
    "k_served": (np.int32, -1),
}
"""The whole numbers of a spike; its membrane ``m`` is whole or real."""


@dataclass(frozen=True, eq=False)
class Spikes:
    """Spikes sorted by (sample, t, k, neuron), one row each.

    Attributes:
        sample: (n,) sample ids.
        t, k: (n,) time step and forward step of firing.
        neuron: (n,) global indices.
        m: (n,) membrane just before the reset.
        k_served: (n,) forward step in which the spike left the queue; -1 = never.
        ps: (n,) picoseconds from the start of the sample; None where nothing was timed.
        payload: (n,) what the spike carries: how often it delivers its weights; None where every spike carries 1.
    """

    sample: Array
    t: Array
    k: Array
    neuron: Array
    m: Array
    k_served: Array
    ps: Array | None = None
    payload: Array | None = None

    def __post_init__(self) -> None:
        found = {name: whole_array(f"spikes: {name}", getattr(self, name), *kind) for name, kind in COLUMNS.items()}
        found["m"] = numbers("spikes: m", self.m)
        if self.ps is not None:
            found["ps"] = whole_array("spikes: ps", self.ps)
        if self.payload is not None:
            found["payload"] = numbers("spikes: payload", self.payload)
        shapes = {array.shape for array in found.values()}
        require(shapes == {(found["m"].size,)}, f"spike columns differ in length: shapes {sorted(map(str, shapes))}")
        for name in set(found) - {*COLUMNS, "ps"}:
            check_finite(f"spikes: {name}", found[name])
        address = [found[name] for name in ("sample", "t", "k", "neuron")]
        if not ascends(address):
            order = np.lexsort(address[::-1])
            found = {name: array[order] for name, array in found.items()}
        for name, array in found.items():
            set_field(self, name, frozen_array(array))

    def __len__(self) -> int:
        return len(self.sample)


ARRAYS: dict[str, Whole] = {
    "counts": (np.int32, 0),
    "forward_steps": (np.int32, 0),
    "sample_ids": (np.int64, None),
    "labels": (np.int64, None),
    "core_of_neuron": (np.int32, 0),
}
"""The whole numbers of a trace."""


@dataclass(frozen=True, eq=False)
class Trace:
    """One run of one network on a batch.

    Attributes:
        executor: ``E0`` to ``E3`` of the execution contract; ``E4`` the timed executor of clockless chips.
        spikes: every spike; None in a run that only counted.
        counts: (B, N) spikes of each neuron.
        states: what was recorded of the neurons' states, by name (``ir.neurons``: ``v`` the membrane, ``u`` the
            synaptic current, ...), each (T, B, N) at the end of each time step; 0 in populations without it.
        forward_steps: (T, B) rounds of each time step.
        sample_ids: (B,).
        populations: (name, size) in the order of the global index.
        output: the population that decides.
        schedule: how it ran.
        labels: (B,) right classes; None = unknown.
        core_of_neuron: (N,); None = unmapped.
        limits_reached: how often each register limit was reached, by the names of ``ir.quantized.limit_names``, 0
            where it never was; of floats, which have none, empty.
        contract: number of the execution contract it was run under.
        state: where the run ended, for one that goes on from there; None where it was not asked for. Time steps of a
            run that goes on count from 0 again.
        timing: of a timed run, whose time steps have as many forward steps as the busiest core had services.
        host: (T, B, n) spikes of the encoder on the host, which were the stimulus; None without one.
        output_fires: whether the output ever spikes, else its membranes decide; None = not known (older files).
    """

    executor: str
    spikes: Spikes | None
    counts: Array
    states: dict[str, Array]
    forward_steps: Array
    sample_ids: Array
    populations: tuple[tuple[str, int], ...]
    output: str
    schedule: Schedule = field(default_factory=Schedule)
    labels: Array | None = None
    core_of_neuron: Array | None = None
    limits_reached: dict[str, int] = field(default_factory=dict)
    contract: int = CONTRACT
    state: State | None = None
    timing: Timing | None = None
    host: Array | None = None
    output_fires: bool | None = None

    def __post_init__(self) -> None:
        check_contract("trace", self.contract)
        check_type("the state of a trace", self.state, (State, type(None)), "a State or None")
        check_type("the timing of a trace", self.timing, (Timing, type(None)), "a Timing or None")
        check_choice("the executor of a trace", self.executor, EXECUTORS)
        check_type("the schedule of a trace", self.schedule, Schedule, "a Schedule")
        if self.output_fires is not None:
            check_type("output_fires of a trace", self.output_fires, bool, "true, false or None")
        self._check_populations()
        for name, kind in ARRAYS.items():
            if getattr(self, name) is not None or name in ("counts", "forward_steps", "sample_ids"):
                set_field(self, name, whole_array(f"trace {name}", getattr(self, name), *kind))
        require(self.forward_steps.ndim == 2, f"trace forward_steps have shape {self.forward_steps.shape}; give (T, B)")
        n = sum(size for _, size in self.populations)
        t, b = self.forward_steps.shape
        shapes: dict[str, tuple[int, ...]] = {"counts": (b, n), "sample_ids": (b,)}
        shapes |= {"labels": (b,), "core_of_neuron": (n,)}
        self._check_states()
        shapes |= dict.fromkeys(self.states, (t, b, n))
        for name, shape in shapes.items():
            array: Any = self.states.get(name) if name in self.states else getattr(self, name)
            if array is not None and array.shape != shape:
                sizes = f"{counted(t, 'time step')}, {counted(b, 'sample')} and {counted(n, 'neuron')}"
                raise ValueError(sentence(f"trace of {sizes} has {name} of shape {array.shape}"))
        if self.host is not None:
            host = numbers("trace host", self.host)
            require(host.dtype.kind in "iub", f"trace host is {host.dtype}; it holds whole counts of spikes")
            require(
                host.ndim == 3 and host.shape[:2] == (t, b), f"trace host has shape {host.shape}; give ({t}, {b}, n)"
            )
            check_range("trace host", host, 0, INT32[1])
            set_field(self, "host", frozen_array(host))
        check_type("limits_reached", self.limits_reached, dict, "counts by name")
        for name, count in self.limits_reached.items():
            check_type("a name in limits_reached", name, str, "a word")
            whole(f"limits_reached {name!r}", count, 0, (1 << 63) - 1)
        if self.timing is not None:
            found = self.timing.frame_ps.shape
            require(
                found == (t, b),
                f"the timing of a trace is of {found[0]} time steps and {found[1]} samples, not its own",
            )
        self._check_spikes()

    def __repr__(self) -> str:
        return lines_of(*trace_lines(self))

    def _repr_html_(self) -> str:
        """For notebooks: the same words, and a picture."""
        return beside(repr(self), trace_picture(self))

    def _check_states(self) -> None:
        """Freeze the states; raise unless they are arrays of finite numbers by name."""
        check_type("the states of a trace", self.states, dict, "arrays by name")
        for name in self.states:
            check_type("the name of a state", name, str, "a word")
            require(name not in ARRAYS, f"a state of a trace is named {name!r}, which is something else")
        arrays = {name: numbers(f"trace {name}", values) for name, values in self.states.items()}
        for name, array in arrays.items():
            check_finite(f"trace {name}", array)
        set_field(self, "states", {name: frozen_array(array) for name, array in arrays.items()})

    def _check_populations(self) -> None:
        """Raise unless populations are names, each once, with sizes, and the output is one of them."""
        check_type("trace populations", self.populations, (tuple, list), "pairs of name and size")
        for pair in self.populations:
            check_type("one of the trace populations", pair, (tuple, list), "a pair of name and size")
            require(len(pair) == 2, f"one of the trace populations has {len(pair)} parts; give name and size")
            check_type("the name of a population", pair[0], str, "a word")
        pairs = tuple((name, whole(f"size of population {name!r}", n, 1, MAX_NEURONS)) for name, n in self.populations)
        require(len(dict(pairs)) == len(pairs), "two populations of a trace have one name; names must differ")
        require(sum(n for _, n in pairs) <= MAX_NEURONS, f"a trace has more than {MAX_NEURONS} neurons; split it")
        set_field(self, "populations", pairs)
        check_type("trace output", self.output, str, "the name of a population")
        require(self.output in dict(pairs), f"trace output {self.output!r} is no population")

    def _check_spikes(self) -> None:
        """Raise unless samples differ, every spike lies inside one of them, and the counts are the spikes'."""
        (t, b), s = self.forward_steps.shape, self.spikes
        order = np.argsort(self.sample_ids, kind="stable")
        ids = self.sample_ids[order]
        require(bool((ids[1:] != ids[:-1]).all()), "two samples of a trace have the same id; ids must differ")
        check_type("the spikes of a trace", s, (Spikes, type(None)), "Spikes or None")
        if s is None or not len(s):
            require(s is None or self.executor == "E0" or not self.counts.any(), "trace counts are not its spikes'")
            return
        last, latest = int(s.neuron.max()), int(s.t.max())
        require(last < self.n_neurons, f"a spike is of neuron {last}, of {self.n_neurons}")
        require(latest < t, f"a spike is in time step {latest}, of {t}")
        ends = np.flatnonzero(s.sample[1:] != s.sample[:-1]) + 1  # of each sample but the last: they are sorted
        first = np.concatenate([[0], ends])
        of = s.sample[first]
        at = np.minimum(np.searchsorted(ids, of), b - 1)
        lost = ids[at] != of
        require(not lost.any(), f"a spike is of sample {of[lost.argmax()]}, which the trace does not hold")
        rows = np.repeat(order[at], np.concatenate([ends, [len(s)]]) - first)
        most = self.forward_steps[s.t, rows]
        require(bool((s.k < most).all()), "a spike fires after the last forward step of its time step")
        twice = (s.sample[1:] == s.sample[:-1]) & (s.t[1:] == s.t[:-1])
        twice &= (s.k[1:] == s.k[:-1]) & (s.neuron[1:] == s.neuron[:-1])
        require(not twice.any(), "a neuron spikes twice in one forward step; each spike has one row")
        counts = _counted(rows, s.neuron, self.counts.shape)
        more = self.counts >= counts if self.executor == "E0" else self.counts == counts  # E0 fires several at once
        require(bool(more.all()), "trace counts are not its spikes'")

    @property
    def v(self) -> Array | None:
        """(T, B, N) membranes at the end of each time step; None where not recorded."""
        return self.states.get("v")

    @property
    def u(self) -> Array | None:
        """(T, B, N) synaptic currents; None where not recorded."""
        return self.states.get("u")

    @property
    def n_neurons(self) -> int:
        return int(self.counts.shape[1])

    def population_slice(self, name: str) -> slice:
        """Where population ``name`` lies in the global index."""
        start = 0
        for other, size in self.populations:
            if other == name:
                return slice(start, start + size)
            start += size
        raise ValueError(f"the trace has no population {name!r}")

    def address(self, neuron: int) -> tuple[str, int]:
        """Population name and local index of a global index."""
        start = 0
        for name, size in self.populations:
            if neuron < start + size:
                return name, neuron - start
            start += size
        raise ValueError(f"neuron {neuron} is out of range")


S = TypeVar("S", bound=Union[Spikes, Trace])


def unchecked(kind: type[S], **values: Any) -> S:
    """Spikes or a trace without the checks, which take longer than a short run: of an executor that counts and sorts.

    Args:
        values: of all fields, as the checks would leave them: arrays frozen, of their types. Tests check them.
    """
    made = object.__new__(kind)
    for f in fields(kind):
        set_field(made, f.name, values.pop(f.name, f.default))
    require(not values, f"{kind.__name__} has no field {', '.join(values)}")
    return made


def count_spikes(spikes: Spikes, sample_ids: Ints, n_neurons: int) -> Array:
    """(B, N) spikes of each neuron in each sample."""
    order = np.argsort(sample_ids)
    rows = order[np.searchsorted(sample_ids, spikes.sample, sorter=order)]
    return _counted(rows, spikes.neuron, (len(sample_ids), n_neurons))


def _counted(rows: Array, neurons: Array, shape: tuple[int, ...]) -> Array:
    return np.bincount(rows * shape[1] + neurons, minlength=shape[0] * shape[1]).astype(np.int32).reshape(shape)
