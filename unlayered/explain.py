"""Where a neuron or a core lies and why: what it holds, what reaches it, what a move would cost, what limits it."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from rich.table import Table

from ir.arrays import Ints
from ir.graph import slices
from ir.mapped import Core, MappedNetwork
from ir.network import Network
from ir.quantized import QuantizedNetwork
from ir.words import counted, meant
from mapper.board.traffic import BoardLink, links
from mapper.edges import network_edges
from unlayered.console import facts, table
from unlayered.mapping import RESOURCES, Mapping, percent, share

CORE = re.compile(r"\s*core\s*(\d+)\s*")
MOST = 8
"""Cores and links listed at most."""


def explain(made: Mapping, word: str) -> list[Table | str]:
    """Explain ``core N``, ``N`` (a global index) or ``POPULATION[i]`` (``[c,y,x]`` for a shaped one)."""
    found = CORE.fullmatch(word)
    if found:
        return _core(made, int(found[1]))
    return _neuron(made, neuron_of(made.mapped.network, word))


def explain_all(made: Mapping, words: Iterable[str]) -> list[Table | str]:
    """Explain several words, one after the other."""
    return [line for word in words for line in explain(made, word)]


def check_words(network: Network | QuantizedNetwork, words: Iterable[str]) -> None:
    """Raise, before anything is mapped, where a word is neither a core nor a neuron of ``network``."""
    for word in words:
        if not CORE.fullmatch(word):
            neuron_of(network, word)


def neuron_of(network: Network | QuantizedNetwork, word: str) -> int:
    """The global index that a word names.

    Raises:
        ValueError: it names no neuron; says what there is.
    """
    found = re.fullmatch(r"\s*(?:(.+?)\s*\[\s*(\d+(?:\s*,\s*\d+)*)\s*\]|(\d+))\s*", word)
    if found is None:
        first = network.populations[0].name
        raise ValueError(f"--explain is {word!r}; give a neuron as 0 or {first}[0], or a core as 'core 2'")
    n = network.n_neurons
    if found[3] is not None:
        if int(found[3]) >= n:
            raise ValueError(f"there is no neuron {found[3]}; the network has neurons 0 to {n - 1}")
        return int(found[3])
    population = next((p for p in network.populations if p.name == found[1]), None)
    if population is None:
        names = [p.name for p in network.populations]
        near = meant(found[1], names)
        raise ValueError(f"there is no population {found[1]!r}{near}; the network has {', '.join(names)}")
    index = tuple(int(x) for x in found[2].split(","))
    shape = (population.n,) if len(index) == 1 else population.shape
    if len(index) != len(shape) or any(i >= size for i, size in zip(index, shape)):
        raise ValueError(f"{word} is outside population {found[1]!r} of shape {population.shape}; count from 0")
    return slices(network.populations)[population.name].start + int(np.ravel_multi_index(index, shape))


def place_of(core: Core) -> str:
    """A core's address in words."""
    return f"chip {core.chip}, tile ({core.x}, {core.y}), slot {core.slot}"


@dataclass(frozen=True, eq=False)
class Neighbours:
    """Everything that a neuron's place decides about.

    Attributes:
        sources: (S,) global indices that reach the neuron, inputs behind the neurons.
        pins: (S, K) targets that each source has on each core, the neuron itself left out.
        targets: (K,) targets of the neuron itself on each core, the neuron itself left out.
        by_projection: (pre, post, synapses) of the neuron, into it and out of it.
    """

    sources: Ints
    pins: Ints
    targets: Ints
    into: tuple[tuple[str, str, int], ...]
    out: tuple[tuple[str, str, int], ...]


def neighbours_of(mapped: MappedNetwork, neuron: int) -> Neighbours:
    """Read a neuron's nets off the synapses."""
    network, core = mapped.network, mapped.core_of_neuron
    k = len(mapped.cores)
    name = next(p.name for p, at in zip(network.populations, _ranges(mapped)) if at.start <= neuron < at.stop)
    into: dict[tuple[str, str], int] = {}
    out: dict[tuple[str, str], int] = {}
    reaching: list[Ints] = []
    for e in network.projections:
        if e.post == name:
            pre = np.concatenate([p[q == neuron] for p, q in network_edges(_only(network, e))])
            reaching.append(pre.astype(np.int64))
            into[(e.pre, e.post)] = into.get((e.pre, e.post), 0) + pre.size
    sources = np.unique(np.concatenate(reaching)) if reaching else np.zeros(0, np.int64)
    row_of = np.full(network.n_neurons + network.n_inputs, -1, np.int64)
    row_of[sources] = np.arange(sources.size)
    pins, targets = np.zeros((sources.size, k), np.int64), np.zeros(k, np.int64)
    feeding = {e.pre for e in network.projections if e.post == name}
    for e in network.projections:
        if e.pre not in feeding and e.pre != name:
            continue
        for pre, post in network_edges(_only(network, e)):
            own = pre == neuron
            if own.any():
                out[(e.pre, e.post)] = out.get((e.pre, e.post), 0) + int(own.sum())
                targets += np.bincount(core[post[own & (post != neuron)]], minlength=k)
            mine = (row_of[pre] >= 0) & (post != neuron)
            np.add.at(pins, (row_of[pre[mine]], core[post[mine]]), 1)
    listed = (tuple((a, b, n) for (a, b), n in found.items()) for found in (into, out))
    return Neighbours(sources, pins, targets, *listed)


def _only(network: Any, projection: Any) -> Any:
    return replace(network, projections=(projection,))


def _ranges(mapped: MappedNetwork) -> list[slice]:
    return list(slices(mapped.network.populations).values())


def move_costs(mapped: MappedNetwork, neuron: int, nets: Neighbours, rates: np.ndarray) -> np.ndarray:
    """(K,) packets a time step that a move of the neuron to each core would add (negative: save); 0 at home."""
    core, here = mapped.core_of_neuron, int(mapped.core_of_neuron[neuron])
    present = nets.pins > 0
    is_neuron = nets.sources < mapped.network.n_neurons
    present[is_neuron, core[nets.sources[is_neuron]]] = True
    others = nets.sources != neuron
    rate = rates[nets.sources][others, None]
    present = present[others]
    change = ((~present).astype(float) - (~present[:, [here]]).astype(float)) * rate
    reached = nets.targets > 0
    own = (float(reached[here]) - reached.astype(float)) * rates[neuron]
    total = change.sum(0) + own
    total[here] = 0.0
    return total


def _neuron(made: Mapping, neuron: int) -> list[Table | str]:
    mapped = made.mapped
    here = int(mapped.core_of_neuron[neuron])
    population, at = next(
        (p, r) for p, r in zip(mapped.network.populations, _ranges(mapped)) if r.start <= neuron < r.stop
    )
    local = neuron - at.start
    index = ", ".join(str(int(i)) for i in np.unravel_index(local, population.shape))
    nets = neighbours_of(mapped, neuron)
    rates = _rates(made)
    reached = [c for c in np.flatnonzero(nets.targets).tolist() if c != here]
    from_inputs = int((nets.sources >= mapped.network.n_neurons).sum())
    home = mapped.core_of_neuron[nets.sources[nets.sources < mapped.network.n_neurons]]
    unit = "a time step" if made.rates is not None else "(one spike each)"
    pairs = [
        ("population", f"{population.name}[{index}] of shape {'x'.join(map(str, population.shape))}"),
        ("core", f"core {here}: {place_of(mapped.cores[here])}; {counted(made.use[here].neurons, 'neuron')} on it"),
        ("synapses in", ", ".join(f"{n:,} from {a}" for a, _, n in nets.into) or "none"),
        (
            "its sources",
            f"{int((home == here).sum()):,} on its core, {int((home != here).sum()):,} on others, "
            f"{counted(from_inputs, 'input')}",
        ),
        ("synapses out", ", ".join(f"{n:,} to {b}" for _, b, n in nets.out) or "none"),
        ("packets a spike", f"{len(reached)}{', to ' * bool(reached)}{_listed(reached)}"),
        (f"packets {unit}", f"{len(reached) * rates[neuron]:.4g}"),
    ]
    return [facts(f"Neuron {neuron}", pairs), *_why(made, neuron, nets, rates, unit), *_limits(made, here)]


def _why(made: Mapping, neuron: int, nets: Neighbours, rates: np.ndarray, unit: str) -> list[Table | str]:
    """What every other core that its sources or targets reach would cost."""
    mapped = made.mapped
    here = int(mapped.core_of_neuron[neuron])
    if len(mapped.cores) == 1:
        return ["Why there: the network fits one core."]
    cost = move_costs(mapped, neuron, nets, rates)
    order = [c for c in np.argsort(cost, kind="stable").tolist() if c != here][:MOST]
    rows = [(c, f"{cost[c]:+.4g}", _room(made, c, nets)) for c in order]
    open_ = [float(cost[c]) for c in range(cost.size) if c != here and _room(made, c, nets) == "yes"]
    best = min(open_, default=0.0)
    if not open_:
        said = "Why there: by estimate no other core has room for it."
    elif best >= 0:
        said = f"Why there: no core that seems to have room would need fewer packets (the best: {best:+.4g} {unit})."
    else:
        said = f"Moved alone it would save {-best:.4g} packets {unit}; --preset quality searches on."
    return [said, table(f"Moving it alone, packets {unit}", ("to core", "packets", "room, estimated"), rows)]


def _room(made: Mapping, core: int, nets: Neighbours) -> str:
    """Whether one more neuron fits a core, or what is full: an estimate from its widest weight, kernels not shared."""
    use, limit = made.use[core], made.limit
    new = int((nets.pins[:, core] == 0).sum())
    bits = nets.sources.size * made.chip.synapse_format.weight_bits[-1]
    words = -(-bits // made.chip.limits.synapse_word_bits)
    needed = {"neurons": 1, "synapse_words": words, "input_axons": new}
    full = [name for name, more in needed.items() if getattr(use, name) + more > getattr(limit, name)]
    return f"no: {', '.join(full).replace('_', ' ')}" if full else "yes"


def _rates(made: Mapping) -> np.ndarray:
    n = made.mapped.network.n_neurons + made.mapped.network.n_inputs
    return np.ones(n) if made.rates is None else np.asarray(made.rates, np.float64)


def _limits(made: Mapping, core: int) -> list[Table | str]:
    use, limit = made.use[core], made.limit
    order = sorted(RESOURCES, key=lambda name: -share(use, limit, name))
    rows = [
        (name.replace("_", " "), getattr(use, name), getattr(limit, name), percent(share(use, limit, name)))
        for name in order
    ]
    return [table(f"What limits core {core}", ("limit", "uses", "of", "share"), rows)]


def _listed(cores: list[int]) -> str:
    if not cores:
        return ""
    more = f" and {len(cores) - MOST} more" if len(cores) > MOST else ""
    return f"core{'s' * (len(cores) > 1)} {', '.join(map(str, cores[:MOST]))}{more}"


def _core(made: Mapping, core: int) -> list[Table | str]:
    mapped = made.mapped
    if core >= len(mapped.cores):
        raise ValueError(f"there is no core {core}; the network uses cores 0 to {len(mapped.cores) - 1}")
    lying = np.flatnonzero(mapped.core_of_neuron == core)
    held: list[tuple[str, int, str]] = []
    for p, at in zip(mapped.network.populations, _ranges(mapped)):
        mine = lying[(lying >= at.start) & (lying < at.stop)] - at.start
        if mine.size:
            held.append((p.name, int(mine.size), f"{p.name}[{mine[0]}] to {p.name}[{mine[-1]}]"))
    flow = made.traffic.flow.tocsr()
    came, gone = flow[:, [core]].toarray().reshape(-1), flow[[core], :].toarray().reshape(-1)
    unit = "a time step" if made.rates is not None else "one spike a source"
    arriving = made.use[core].packets_in
    rank = 1 + sum(use.packets_in > arriving for use in made.use)
    pairs = [
        ("place", place_of(mapped.cores[core])),
        (
            f"packets in, {unit}",
            f"{came.sum():,.4g} from cores, {arriving - came.sum():,.4g} from inputs",
        ),
        (f"packets out, {unit}", f"{gone.sum():,.4g}"),
        (
            "rank by packets in",
            f"{rank} of {len(made.use)}",
        ),
    ]
    peers = [("from", c, float(came[c])) for c in np.argsort(-came, kind="stable")[:MOST].tolist() if came[c] > 0]
    peers += [("to", c, float(gone[c])) for c in np.argsort(-gone, kind="stable")[:MOST].tolist() if gone[c] > 0]
    return [
        facts(f"Core {core}", pairs),
        table("It holds", ("population", "neurons", "range"), held),
        *_limits(made, core),
        *([table(f"Traffic, packets, {unit}", ("", "core", "packets"), peers)] if peers else []),
        *_hot_links(made, core),
    ]


def _hot_links(made: Mapping, core: int) -> list[Table | str]:
    """The most loaded links of the board, and those at the core's own router."""
    lying, mesh = made.mapped.cores[core], made.chip.mesh
    row, column = divmod(lying.chip, mesh.chips_x)
    here = column * mesh.width + lying.x, row * mesh.height + lying.y
    found = links(made.traffic.routes)
    if not found:
        return ["No packet leaves its router."]

    def rows(chosen: list[BoardLink]) -> list[tuple[str, float]]:
        return [(f"({x.x}, {x.y}) to ({x.to_x}, {x.to_y})", x.load) for x in chosen]

    own = [link for link in found if here in ((link.x, link.y), (link.to_x, link.to_y))]
    return [
        table("Links at its router", ("link", "packets"), rows(own)),
        table("Hottest links of the board", ("link", "packets"), rows(found[:MOST])),
    ]
