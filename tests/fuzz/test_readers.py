"""Every reader, and every verb on what it returns: success or one sentence (`make fuzz`: five minutes each)."""

from __future__ import annotations

import io
import os
import zipfile
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import onnx
import pytest

from tests.fuzz.containers import SPOILERS
from tests.fuzz.readers import fuzz
from tests.fuzz.seeds import seeds
from tests.fuzz.verbs import VERBS

SECONDS = float(os.environ.get("UNLAYERED_FUZZ_SECONDS", "2"))

QUICK = ("network.npz", "network.nir", "network.onnx")
"""What is fuzzed in every run of the tests; each begins a process, which takes longer than the fuzzing."""


@pytest.mark.timeout(600)
@pytest.mark.parametrize("kind", VERBS if SECONDS > 60 else QUICK)
def test_spoilt_files_and_what_is_done_with_them_end_well(kind: str, tmp_path: Path):
    good, message = fuzz(kind, SECONDS, seed=20_000 + int(SECONDS), keep=tmp_path)
    assert good, message


WHOLE: dict[str, Callable[[bytes], object]] = {
    "network.npz": lambda content: zipfile.ZipFile(io.BytesIO(content)).testzip() is None,
    "network.nir": lambda content: h5py.File(io.BytesIO(content))["node"],
    "network.net": lambda content: list(h5py.File(io.BytesIO(content))),
    "network.onnx": lambda content: onnx.ModelProto.FromString(content).graph.node,
    "recording.npy": lambda content: content.startswith(b"\x93NUMPY"),
}
"""What a container itself holds to be sound."""


@pytest.mark.parametrize("kind", WHOLE)
def test_a_container_spoilt_inside_is_whole(kind: str, tmp_path: Path):
    sound, spoiler = seeds(tmp_path, kind)[0], SPOILERS[Path(kind).suffix]
    made = [spoiler(sound, tmp_path / "rewritten", np.random.default_rng(seed)) for seed in range(20)]
    assert len(set(made)) > 10
    assert sum(map(bool, map(WHOLE[kind], made))) > 15
