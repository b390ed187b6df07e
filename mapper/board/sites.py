"""Where cores can be: the usable sites of a board, chip by chip, and whether there are enough."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ir.arrays import Int32s, frozen_array, set_field
from ir.check import CapacityError
from ir.chip import Mesh
from ir.words import counted


@dataclass(frozen=True, eq=False)
class Sites:
    """Where cores can be.

    Attributes:
        chip, x, y, slot: (S,) address of each site, tile coordinates on its chip.
        column, row: (S,) tile coordinates on the board; hops are differences of these.
    """

    chip: Int32s
    x: Int32s
    y: Int32s
    slot: Int32s
    column: Int32s
    row: Int32s

    def __post_init__(self) -> None:
        for name in ("chip", "x", "y", "slot", "column", "row"):
            set_field(self, name, frozen_array(getattr(self, name), np.int32))


def check_room(mesh: Mesh, n_cores: int, board: str = "the board", who: str = "", why: str = "") -> None:
    """Raise where a board has too few cores.

    Args:
        board: its name; ``who``: which population needs how many of them; ``why``: what fills them.

    Raises:
        CapacityError: cores needed, cores there are, and the smallest board that would do.
    """
    if n_cores > mesh.n_cores:
        chips = -(-n_cores // mesh.usable_cores)
        raise CapacityError(
            f"the network needs {counted(n_cores, 'core')}{who}, {board} has {mesh.n_cores}; {why}use fewer, or a "
            f"board of {counted(chips, 'chip')} (chips_x, chips_y under [mesh] in the chip's file)"
        )


def board_sites(mesh: Mesh, n_cores: int) -> Sites:
    """List the usable sites of the fewest chips that hold ``n_cores``, chip by chip, tile by tile.

    Raises:
        CapacityError: the board has fewer cores.
    """
    check_room(mesh, n_cores)
    n_chips = -(-n_cores // mesh.usable_cores)
    chip, place = np.divmod(np.arange(n_chips * mesh.usable_cores), mesh.usable_cores)
    tile, slot = np.divmod(place, mesh.cores_per_tile)
    y, x = np.divmod(tile, mesh.width)
    chip_row, chip_column = np.divmod(chip, mesh.chips_x)
    return Sites(chip, x, y, slot, chip_column * mesh.width + x, chip_row * mesh.height + y)


def chip_places(sites: Sites) -> tuple[Int32s, Int32s]:
    """Row and column of each chip in the grid of chips."""
    first = np.unique(sites.chip, return_index=True)[1]
    corner = sites.row[first] - sites.y[first], sites.column[first] - sites.x[first]
    row, column = (np.unique(x, return_inverse=True)[1].reshape(-1).astype(np.int32) for x in corner)
    return row, column
