"""PilotNet as recorded by Intel: every current, voltage and spike, where ``UNLAYERED_DATA`` holds them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from sim_reference.verify import verify

MODELS = Path(os.environ.get("UNLAYERED_DATA", "../shared")) / "models"
NETWORK, RECORDINGS = MODELS / "lava_dl" / "pilotnet_snn.net", MODELS / "pilotnet_snn"


@pytest.mark.skipif(not NETWORK.exists(), reason="the recordings are not under UNLAYERED_DATA (default ../shared)")
def test_every_recorded_value_of_pilotnet_is_reproduced():
    found = verify(NETWORK, RECORDINGS)
    assert found.differing == 0, str(found.first)
    assert found.compared == 4_230_551
    assert {layer.name for layer in found.layers} == {"conv-0", "conv-1", "conv-2", "fc-0"}
