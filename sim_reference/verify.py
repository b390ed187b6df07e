"""Replay recordings: drive each layer with what it received and compare every recorded value."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from exchange import net
from exchange.hdf5.tree import reading
from ir.arrays import Ints
from ir.check import FormatError, require
from ir.connection import apply
from ir.quantized import FixedPopulation, QuantizedNetwork, limit_names
from sim_reference.drive import register_drive
from sim_reference.layout import Layout, Link, layout_of
from sim_reference.neurons import dynamics_of
from sim_reference.recordings import FILE, LayerRecording, Recordings, read_recordings
from sim_reference.registers import LimitCounts, wrap

WITHOUT_NEURONS = ("input", "flatten")


@dataclass(frozen=True)
class Compared:
    """One recorded array against ours: ``quantity`` is u, v or s."""

    name: str
    quantity: str
    compared: int
    differing: int


@dataclass(frozen=True)
class Difference:
    """The first value that differs, by time step, then layer."""

    name: str
    quantity: str
    t: int
    neuron: int
    recorded: int
    ours: int

    def __str__(self) -> str:
        return (
            f"layer {self.name}, time step {self.t}, neuron {self.neuron}: {self.quantity} was recorded as "
            f"{self.recorded}, the rules give {self.ours}"
        )


@dataclass(frozen=True)
class Verification:
    """What ``unlayered verify`` reports.

    Attributes:
        compared, differing: numbers of values.
        first: None where nothing differs.
        layers: the same for each recorded array.
    """

    compared: int
    differing: int
    first: Difference | None
    layers: tuple[Compared, ...]

    def as_dict(self) -> dict[str, Any]:
        """Plain values for ``--json``."""
        layers = [vars(x).copy() for x in self.layers]
        first = None if self.first is None else {**vars(self.first), "sentence": str(self.first)}
        return {"compared": self.compared, "differing": self.differing, "first": first, "layers": layers}


Replayed = Iterable[tuple[int, Verification]]
By = Callable[[Callable[..., Verification], list[tuple[Any, ...]]], Replayed]
"""Does ``work(*item)`` for each item: (position, result), in any order."""


def one_by_one(work: Callable[..., Verification], items: list[tuple[Any, ...]]) -> Replayed:
    """Do them in this process."""
    return ((i, work(*item)) for i, item in enumerate(items))


def verify(network: str | Path, folder: str | Path, by: By = one_by_one) -> Verification:
    """Replay the recordings in ``folder``, or in each of its folders, on a ``.net`` file.

    A layer is driven by the recorded spikes of the layer before it where they are there, else by our own.

    Args:
        by: who replays them.

    Raises:
        FormatError: a file is missing, damaged, or the recordings are not of this network.
    """
    folders = recordings_in(folder)
    read, layers = net.read(network), neuron_layers(network)
    found = dict(by(compare_with, [(read, read_recordings(at), layers) for at in folders]))
    if folders == [Path(folder)]:
        return found[0]
    return together([(at.name, found[i]) for i, at in enumerate(folders)])


def recordings_in(folder: str | Path) -> list[Path]:
    """The folders of recordings, a sample each: this one, or those in it."""
    folder = Path(folder)
    inner = sorted(at.parent for at in folder.glob(f"*/{FILE}"))
    return inner if inner and not (folder / FILE).exists() else [folder]


def together(found: Sequence[tuple[str, Verification]]) -> Verification:
    """Several samples as one; names of layers begin with the sample's."""
    first = next((replace(x.first, name=f"{at}/{x.first.name}") for at, x in found if x.first is not None), None)
    layers = tuple(replace(y, name=f"{at}/{y.name}") for at, x in found for y in x.layers)
    return Verification(sum(x.compared for _, x in found), sum(x.differing for _, x in found), first, layers)


def neuron_layers(path: str | Path) -> list[int]:
    """Numbers of the layers of a ``.net`` file that hold neurons, in the order of its populations."""
    with reading(path, "lava-dl .net") as tree:
        layers = tree["layer"]
        kinds = {int(key): _text(layer["type"]) for key, layer in layers.items()}
    return [number for number in sorted(kinds) if kinds[number] not in WITHOUT_NEURONS]


def _text(value: Any) -> str:
    return str(value.reshape(-1)[0]) if isinstance(value, np.ndarray) else str(value)


def compare_with(network: QuantizedNetwork, recordings: Recordings, layers: Sequence[int]) -> Verification:
    """Run layer after layer and compare.

    Args:
        layers: the number of each population in the recordings' count.
    """
    layout, recorded = layout_of(network), {x.layer: x for x in recordings.layers}
    unknown = sorted(set(recorded) - set(layers))
    require(not unknown, f"recordings name layer {unknown[:1]}; the network has neurons in layers {list(layers)}")
    n_inputs = network.n_inputs
    require(
        recordings.input.shape[1] == n_inputs,
        f"recorded input has {recordings.input.shape[1]} sources, the network {n_inputs}",
    )
    last = max(number for number, x in recorded.items() if x.values)
    sent = np.zeros((recordings.steps, layout.n_neurons), np.int64)
    results: list[tuple[Compared, Difference | None]] = []
    for population, number in zip(network.populations, layers):
        if number > last:
            break
        part, recording = layout.blocks[population.name], recorded.get(number)
        ours = _replay(layout, population, recordings, recording.resets if recording else (), sent)
        sent[:, part] = ours["s"]
        if recording is not None:
            results += _compare_layer(recording, ours, recordings)
            _take_recorded(recording, part, sent)
    return _summed(results)


def _replay(
    layout: Layout, population: FixedPopulation, recordings: Recordings, resets: Sequence[int], sent: Ints
) -> dict[str, Ints]:
    """One population over all time steps, as the simulator's table of models moves it.

    Returns:
        Its states and s after each time step, (T, n).
    """
    part, n, reached = layout.blocks[population.name], population.n, LimitCounts(limit_names(layout.network))
    group = dynamics_of(layout.members([population]), reached)
    ahead = [link for link in layout.links if link.post == part and not link.recurrent]
    a = sum((_drives(link, recordings, sent) for link in ahead), np.zeros((len(sent), n), np.int64))
    back = [link for link in layout.links if link.post == part and link.recurrent]
    own = sent.copy()
    found = {name: np.zeros((len(sent), n), np.int64) for name in (*group.states, "s")}
    for t in range(len(sent)):
        if t in resets:
            for state in group.states.values():
                state[:] = 0
        group.begin_time_step(t)
        total = a[t] + sum((_one_drive(link, own, t) for link in back), np.zeros(n, np.int64))
        group.receive(register_drive(total, layout.arithmetic, reached), None)
        spikes = group.fires()
        found["s"][t] = spikes
        own[t, part] = np.where(spikes, group.fire(spikes), 0)
        for name, state in group.states.items():
            found[name][t] = state
    return found


def _drives(link: Link, recordings: Recordings, sent: Ints) -> Ints:
    """(T, n_post) what arrives at each time step, in weight units."""
    spikes = (recordings.input[: len(sent)] if link.from_input else sent)[:, link.pre]
    late = np.arange(len(sent))[:, None] - link.delay_steps.astype(np.int64) - recordings.delay
    arriving = np.where(late >= 0, np.take_along_axis(spikes, np.maximum(late, 0), 0), 0)
    return _shifted(apply(link.connection, arriving), link.weight_exp)


def _one_drive(link: Link, own: Ints, t: int) -> Ints:
    """(n_post,) what arrives at time step t over an edge that looks back."""
    late = t - 1 - link.delay_steps.astype(np.int64)
    spikes = own[:, link.pre][np.maximum(late, 0), np.arange(link.pre.stop - link.pre.start)]
    return _shifted(apply(link.connection, np.where(late >= 0, spikes, 0)), link.weight_exp)


def _shifted(a: Ints, exponent: int) -> Ints:
    return wrap(a << exponent if exponent >= 0 else a >> -exponent, 31)


def _aligned(recording: LayerRecording, quantity: str, n_steps: int) -> tuple[Ints, slice]:
    """The recorded values of the time steps that are there, and which those are."""
    values = recording.values[quantity]
    first = max(0, -recording.shift)
    stop = max(first, min(n_steps, len(values) - recording.shift))
    return values[first + recording.shift : stop + recording.shift], slice(first, stop)


def _take_recorded(recording: LayerRecording, part: slice, sent: Ints) -> None:
    """Let the next layer see the recorded spikes."""
    if "s" in recording.values:
        values, steps = _aligned(recording, "s", len(sent))
        sent[steps, part] = values


def _compare_layer(
    recording: LayerRecording, ours: dict[str, Ints], recordings: Recordings
) -> list[tuple[Compared, Difference | None]]:
    results: list[tuple[Compared, Difference | None]] = []
    for quantity in recording.values:
        if quantity not in ours:
            raise FormatError(f"recording {recording.name} holds {quantity}, which this layer's neurons do not have")
        values, steps = _aligned(recording, quantity, recordings.steps)
        mine = ours[quantity][steps]
        if values.shape[1] != mine.shape[1]:
            raise FormatError(f"recording {recording.name} has {values.shape[1]} neurons, the network {mine.shape[1]}")
        if len(mine) == 0:
            raise FormatError(
                f"recording {recording.name} has {len(recording.values[quantity])} time steps, which its shift of "
                f"{recording.shift} puts outside the {recordings.steps} that are compared; nothing can be compared"
            )
        counts = np.ones(values.shape, bool)
        if quantity == "v" and recordings.marker is not None:
            counts = (
                _aligned(recording, "s", recordings.steps)[0] if "s" in recording.values else ours["s"][steps]
            ) == 0
        differs = counts & (values != mine)
        first = None
        if differs.any():
            t, neuron = (int(x) for x in np.argwhere(differs)[0])
            first = Difference(
                recording.name, quantity, steps.start + t, neuron, int(values[t, neuron]), int(mine[t, neuron])
            )
        results.append((Compared(recording.name, quantity, int(counts.sum()), int(differs.sum())), first))
    return results


def _summed(results: list[tuple[Compared, Difference | None]]) -> Verification:
    firsts = [first for _, first in results if first is not None]
    layers = tuple(compared for compared, _ in results)
    return Verification(
        sum(x.compared for x in layers),
        sum(x.differing for x in layers),
        min(firsts, key=lambda x: x.t) if firsts else None,
        layers,
    )
