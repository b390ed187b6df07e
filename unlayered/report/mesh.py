"""Heat maps of a board: what each core holds and takes, and how loaded its links are."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.ticker import EngFormatter, MaxNLocator

from ir.chip import Mesh
from ir.mapped import Core
from mapper.board.traffic import BoardLink

BESIDE = 0.13
"""How far the two directions of a link are drawn apart, in tiles."""

MOST_TICKS = 12


def chip_corner(mesh: Mesh, chip: int) -> tuple[int, int]:
    """Column and row of a chip's first tile on the board."""
    row, column = divmod(chip, mesh.chips_x)
    return column * mesh.width, row * mesh.height


def board_size(mesh: Mesh, cores: Sequence[Core]) -> tuple[int, int]:
    """Columns and rows of tiles of the smallest part of the board that holds every used chip."""
    corners = [chip_corner(mesh, core.chip) for core in cores]
    return max(x for x, _ in corners) + mesh.width, max(y for _, y in corners) + mesh.height


def board_grid(mesh: Mesh, cores: Sequence[Core], values: Sequence[float]) -> np.ndarray:
    """(rows, columns) one value a core, a tile's cores as a square; NaN where no core is used."""
    side = int(np.ceil(np.sqrt(mesh.cores_per_tile)))
    columns, rows = board_size(mesh, cores)
    grid = np.full((rows * side, columns * side), np.nan)
    for core, value in zip(cores, values):
        x, y = chip_corner(mesh, core.chip)
        grid[(y + core.y) * side + core.slot // side, (x + core.x) * side + core.slot % side] = value
    return grid


def heat(figure: Figure, mesh: Mesh, cores: Sequence[Core], values: Sequence[float], label: str) -> None:
    """One value a core, from 0 to the largest; lines mark tiles, heavier ones chips."""
    side = int(np.ceil(np.sqrt(mesh.cores_per_tile)))
    ax = figure.subplots()
    grid = board_grid(mesh, cores, values)
    image = ax.imshow(grid, cmap="viridis", vmin=0, vmax=float(np.nanmax(grid)) or 1.0, aspect="equal")
    _frame(ax, mesh, board_size(mesh, cores), side)
    _bar(figure, ax, image, label, board_size(mesh, cores))


def link_heat(figure: Figure, mesh: Mesh, cores: Sequence[Core], links: Sequence[BoardLink], label: str) -> None:
    """Every link between two tiles in the colour of its load, both directions side by side."""
    columns, rows = board_size(mesh, cores)
    ax = figure.subplots()
    ax.plot(*np.indices((columns, rows)).reshape(2, -1), "s", ms=2, color="#8888", mew=0)
    lines, loads = [], []
    for link in sorted(links, key=lambda x: x.load):
        dx, dy = link.to_x - link.x, link.to_y - link.y
        shift_x, shift_y = -dy * BESIDE, dx * BESIDE
        lines.append([(link.x + shift_x, link.y + shift_y), (link.to_x + shift_x, link.to_y + shift_y)])
        loads.append(link.load)
    drawn = LineCollection(lines, array=np.array(loads), cmap="viridis", linewidths=2.2)
    drawn.set_clim(0, max(loads, default=0.0) or 1.0)
    ax.add_collection(drawn)
    ax.set_xlim(-0.5, columns - 0.5)
    ax.set_ylim(rows - 0.5, -0.5)
    ax.set_aspect("equal")
    _ticks(ax, columns, rows, 1)
    _bar(figure, ax, drawn, label, (columns, rows))


def _frame(ax: Axes, mesh: Mesh, size: tuple[int, int], side: int) -> None:
    columns, rows = size
    for x in range(columns + 1):
        ax.axvline(x * side - 0.5, color="#8888", lw=1.4 if x % mesh.width == 0 else 0.5)
    for y in range(rows + 1):
        ax.axhline(y * side - 0.5, color="#8888", lw=1.4 if y % mesh.height == 0 else 0.5)
    _ticks(ax, columns, rows, side)


def _ticks(ax: Axes, columns: int, rows: int, side: int) -> None:
    for n, put in ((columns, ax.set_xticks), (rows, ax.set_yticks)):
        at = np.arange(0, n, -(-n // MOST_TICKS))
        put((at * side + (side - 1) / 2).tolist(), [str(i) for i in at])
    ax.set_xlabel("tile x")
    ax.set_ylabel("tile y")


def _bar(figure: Figure, ax: Axes, image: object, label: str, size: tuple[int, int]) -> None:
    below = size[0] > size[1]
    bar = figure.colorbar(image, ax=ax, label=label, location="bottom" if below else "right", shrink=0.8)  # type: ignore[arg-type]
    bar.locator = MaxNLocator(5)
    bar.formatter = EngFormatter(sep="")
    bar.update_ticks()
