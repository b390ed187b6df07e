"""Next fit that counts words of synapse memory exactly: bounds that add up may leave room on cores of dense layers."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from ir.arrays import Array, Int32s
from ir.chip import Chip
from ir.kernels import kept_on_disk
from ir.quantized import QuantizedNetwork
from mapper.memory.growing import added_words, growing, nothing_held, take_up
from mapper.memory.words import synapse_words
from mapper.search.candidates import Candidate, spare_by_bounds
from mapper.search.fills import newcomers
from mapper.search.search import WIDE
from mapper.view.hypergraph import Caps, incidence
from mapper.view.slots import build_nets, build_state
from mapper.view.twins import Cells, km1_of_neurons, wide_graph, wide_pins


@kept_on_disk
def fill_exactly(order, room, places, axons, in_start, in_net, g, held):
    """Next fit under ``room``: neurons, words, input axons."""
    block = np.full(order.size, -1, np.int32)
    last = np.full(axons.size, -1, np.int32)
    use = np.zeros(3, np.int64)
    core = 0
    for v in order:
        more = newcomers(v, core, in_start, in_net, axons, last)
        words = added_words(v, core, g, held)
        if use[0] > 0 and (use[0] + places[v] > room[0] or use[1] + words > room[1] or use[2] + more > room[2]):
            core += 1
            use[:] = 0
            more = newcomers(v, core, in_start, in_net, axons, last)
            words = added_words(v, core, g, held)
        take_up(v, core, g, held)
        for i in range(in_start[v], in_start[v + 1]):
            last[in_net[i]] = core
        use[0] += places[v]
        use[1] += words
        use[2] += more
        block[v] = core
    return block


def exact_fills(
    network: QuantizedNetwork, chip: Chip, cells: Cells, caps: Caps, orders: dict[str, Array]
) -> Iterator[Candidate]:
    """Run next fit in every order, words counted as the checker does; nothing where that would take long."""
    count = growing(network, chip) if wide_pins(cells) <= WIDE else None
    if count is None:
        return
    graph = wide_graph(cells)
    where = incidence(graph)
    nets, most = build_nets(graph, where), chip.limits.max_synapse_words
    room = np.array([caps.neurons, most, caps.axons], np.int64)
    for name, order in orders.items():
        held = nothing_held(count)
        along = np.asarray(order, np.int32)
        core: Int32s = fill_exactly(along, room, cells.taken, graph.axons, where.start, where.net, count, held)
        state = build_state(graph, nets, core, int(core.max()) + 1)
        kept = (state.use[:, [0, 2]] <= room[[0, 2]]).all() and int(synapse_words(network, chip, core).max()) <= most
        if kept:
            slots = state.slot_start, state.slot_len, state.slot_block
            km1 = int(km1_of_neurons(cells.cell, cells.rate, core, *slots))
            yield Candidate(f"{name}, exact words", core, km1, int(core.max()) + 1, spare_by_bounds(graph, caps, state))
