"""Where cores may lie on a board."""

from __future__ import annotations

import re

import pytest

from ir.check import CapacityError
from ir.chip import Mesh
from mapper.board.sites import board_sites

MESH = Mesh(width=2, height=2, cores_per_tile=1, usable_cores=4)


def test_cores_take_the_fewest_chips_and_as_many_as_there_are() -> None:
    assert board_sites(MESH, MESH.n_cores).chip.tolist() == [0] * 4


def test_a_board_that_is_too_small_is_one_sentence_with_the_way_out() -> None:
    said = (
        "the network needs 5 cores, the board has 4; use fewer, or a board of 2 chips (chips_x, chips_y under [mesh] "
        "in the chip's file)"
    )
    with pytest.raises(CapacityError, match=f"^{re.escape(said)}$"):
        board_sites(MESH, 5)
