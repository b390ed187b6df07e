"""A few networks of ``make interop``'s 200, where lava-dl has its environment."""

from __future__ import annotations

import pytest

from tests.interop.compare import ROOT
from tests.interop.netx import check, has_lava_dl


def test_lava_dls_own_reader_spikes_as_ours() -> None:
    if not has_lava_dl():
        pytest.skip(f"lava-dl has no environment under {ROOT}; make one with tests/interop/environments.sh lava-dl")
    assert check(4)
