"""The mesh: which links a packet takes from a core to a set of cores, x first, then y."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from ir.arrays import Array, Ints
from ir.chip import Mesh
from ir.mapped import Core

Tile = tuple[int, int]


@dataclass(frozen=True)
class Route:
    """A tree from the sender's tile.

    Attributes:
        children: of each node, the (link, node) it passes a packet on to, links ascending; node 0 is the sender's.
        cores: of each node, the target cores on its tile, ascending.
    """

    children: tuple[tuple[tuple[int, int], ...], ...]
    cores: tuple[tuple[int, ...], ...]

    @property
    def n_links(self) -> int:
        """Links that a packet crosses, each once."""
        return len(self.children) - 1

    @property
    def targets(self) -> tuple[int, ...]:
        """All target cores, ascending."""
        return tuple(sorted(core for cores in self.cores for core in cores))


@dataclass
class Board:
    """Tiles of a board, and the links that were used so far.

    Attributes:
        tile: of each core, (x, y) over all chips.
        links: number of each link by its ends, in order of first use.
    """

    tile: tuple[Tile, ...]
    links: dict[tuple[Tile, Tile], int] = field(default_factory=dict)

    @staticmethod
    def of(cores: tuple[Core, ...], mesh: Mesh) -> Board:
        """The places of a mapped network's cores."""

        def place(core: Core) -> Tile:
            row, column = divmod(core.chip, mesh.chips_x)
            return column * mesh.width + core.x, row * mesh.height + core.y

        return Board(tuple(place(core) for core in cores))

    def route(self, source: int, targets: tuple[int, ...]) -> Route:
        """The union of the XY routes from a core to its targets."""
        tiles: list[Tile] = [self.tile[source]]
        node = {tiles[0]: 0}
        children: list[list[tuple[int, int]]] = [[]]
        cores: list[list[int]] = [[]]
        for target in sorted(targets):
            at = tiles[0]
            for step in _steps(at, self.tile[target]):
                if step not in node:
                    node[step] = len(tiles)
                    tiles.append(step)
                    children.append([])
                    cores.append([])
                    children[node[at]].append((self.links.setdefault((at, step), len(self.links)), node[step]))
                at = step
            cores[node[at]].append(target)
        return Route(tuple(tuple(sorted(x)) for x in children), tuple(map(tuple, cores)))

    def ends(self) -> Array:
        """(L, 4) where each link begins and ends."""
        return np.array([[*a, *b] for a, b in self.links], np.int64).reshape(-1, 4)


def _steps(begin: Tile, end: Tile) -> list[Tile]:
    """Tiles on the way, the first left out."""
    (x, y), found = begin, []
    while x != end[0]:
        x += 1 if end[0] > x else -1
        found.append((x, y))
    while y != end[1]:
        y += 1 if end[1] > y else -1
        found.append((x, y))
    return found


@dataclass(frozen=True, eq=False)
class Routes:
    """The routes of a network's spikes.

    Attributes:
        routes: all there are.
        group: (N,) number of a neuron's set of targets on its core; -1 = nobody hears it. Spikes of one group share
            packets.
        of_group: of each group, the routes that a packet of it takes, one or, without multicast, one a target.
        links: (L, 4) their ends.
    """

    routes: tuple[Route, ...]
    group: Ints
    of_group: tuple[tuple[int, ...], ...]
    links: Array


def routes_of(board: Board, core: Ints, entry_start: Ints, entry_core: Ints, multicast: bool) -> Routes:
    """Find every neuron's routes, each set of targets once for each core it is sent from."""
    groups: dict[tuple[int, tuple[int, ...]], int] = {}
    routes: dict[tuple[int, tuple[int, ...]], int] = {}
    found: list[Route] = []
    of_group: list[tuple[int, ...]] = []
    group = np.full(len(core), -1, np.int64)
    for i, home in enumerate(core.tolist()):
        targets = tuple(entry_core[entry_start[i] : entry_start[i + 1]].tolist())
        if not targets:
            continue
        if (home, targets) not in groups:
            groups[home, targets] = len(groups)
            taken = []
            for wanted in [targets] if multicast else [(target,) for target in targets]:
                if (home, wanted) not in routes:
                    routes[home, wanted] = len(found)
                    found.append(board.route(home, wanted))
                taken.append(routes[home, wanted])
            of_group.append(tuple(taken))
        group[i] = groups[home, targets]
    return Routes(tuple(found), group, tuple(of_group), board.ends())
