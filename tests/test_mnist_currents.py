"""A small version of ``experiments/mnist_currents.py``: MNIST as constant currents, in every executor."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from typing import Any

import pytest

from stimuli.places import data_folder
from tests.targets.lava_cases import needs_lava

SCRIPT = Path(__file__).parent.parent / "experiments" / "mnist_currents.py"
needs_mnist = pytest.mark.skipif(
    not any((data_folder() / "datasets" / "mnist").glob("train-images*")), reason="no MNIST under UNLAYERED_DATA"
)


def ran(folder: Path, *words: str) -> dict[str, Any]:
    spec = importlib.util.spec_from_file_location("mnist_currents", SCRIPT)
    assert spec is not None and spec.loader is not None
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    script.main(["--out", str(folder), "--samples", "600", "--epochs", "1", *words])
    return json.loads((folder / "mnist_currents.json").read_text())


@needs_mnist
def test_host_spikes_and_integers_are_equal(tmp_path: Path) -> None:
    found = ran(tmp_path, "--test-samples", "60", "--lava", "0")
    assert found["host equal"] and found["differing between E1, E2"] == 0
    assert found["host spikes"] > 0 and found["body spikes, E2"] > 0 and found["samples"] == 60


@pytest.mark.lava
@pytest.mark.timeout(900)
@needs_lava[1]
@needs_mnist
def test_on_lava_too(tmp_path: Path) -> None:
    found = ran(tmp_path, "--test-samples", "12", "--lava", "6")
    assert found["host equal"] and found["differing between E1, E2, E3"] == 0
    assert found["body spikes, E2"] > 0
