"""Every reader, and every verb on what it returns: success or one sentence; `make fuzz` does so for five minutes each."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from tests.fuzz.containers import SPOILERS
from tests.fuzz.readers import fuzz
from tests.fuzz.seeds import seeds
from tests.fuzz.verbs import VERBS

SECONDS = float(os.environ.get("UNLAYERED_FUZZ_SECONDS", "2"))


@pytest.mark.timeout(600)
@pytest.mark.parametrize("kind", [kind for kind in VERBS if SECONDS > 60 or kind not in ("settings.toml", "last.pt")])
def test_spoilt_files_and_what_is_done_with_them_end_well(kind: str, tmp_path: Path):
    good, message = fuzz(kind, SECONDS, seed=20_000 + int(SECONDS), keep=tmp_path)
    assert good, message


@pytest.mark.parametrize("kind", ["network.npz", "network.nir", "network.onnx", "network.net", "chip.toml"])
def test_a_spoilt_container_is_whole(kind: str, tmp_path: Path):
    """Sums, sizes and lengths are those of what was spoilt: the same mutant twice is the same file."""
    sound, spoiler = seeds(tmp_path, kind)[0], SPOILERS[Path(kind).suffix]
    made = {spoiler(sound, tmp_path / "rewritten", np.random.default_rng(seed)) for seed in range(20)}
    assert len(made) > 10 and sound not in made - {sound}
