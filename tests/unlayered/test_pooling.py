"""What a map says of max pooling: neurons, places in the queue, forward steps, as a run on the same data has them."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from exchange import npz
from exchange.chip_toml import find_chip
from ir.pooling import pooling
from ir.schedule import Schedule
from ir.stimulus import Stimulus
from mapper.quantize import quantize
from tests.unlayered.verbs import call
from trainer import LIF, SpikingNetwork
from unlayered.pooling import pooling_facts, pooling_hops


def pooled(schedule: Schedule) -> SpikingNetwork:
    torch.manual_seed(0)
    conv = nn.Conv2d(1, 3, 3, padding=1)
    with torch.no_grad():
        conv.weight.abs_()
    return SpikingNetwork.sequential(
        (1, 6, 6), conv, LIF(2e-3, 0.3), nn.MaxPool2d(2), nn.MaxPool2d(3), nn.Flatten(), nn.Linear(3, 2), LIF(),
        schedule=schedule,
    )  # fmt: skip


def test_a_map_says_what_it_costs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    npz.save(pooled(Schedule(F=4)).export(), "net.npz")
    x = (np.random.default_rng(0).random((5, 8, 36)) < 0.4).astype(np.int8)
    npz.save(Stimulus(x), "x.npz")
    result = call("map", "net.npz", "--chip", "loihi2", "--calibrate", "x.npz", "--out", "m.npz", "--json")
    assert result.exit_code == 0, result.output
    said = json.loads(result.stdout)["pooling"]
    assert call("run", "m.npz", "--on", "trainer", "--data", "x.npz", "--out", "a.npz").exit_code == 0
    from ir.trace import Trace

    trace = npz.load(tmp_path / "a.npz", Trace)
    places = sum(trace.counts[:, trace.population_slice(name)].sum() for name in ("pool1", "pool2")) / 40
    assert places > 0
    assert said["max pooling"] == "pool1, pool2: 30 neurons"
    assert said["max pooling, places in the queue"].startswith(f"{places:.3g} a time step, ")
    share = 100 * places / (trace.counts.sum() / 40)
    assert f"{share:.1f} % of all" in said["max pooling, places in the queue"]
    steps = f"2 hops more to the output, a forward step each, and up to {places / 4:.3g} to serve its spikes at F = 4"
    assert said["max pooling, forward steps"] == steps
    assert "max pooling" in (tmp_path / "m.html").read_text()


def test_what_is_not_known_is_not_said() -> None:
    fixed = quantize(pooled(Schedule(F=4)).export(), find_chip("loihi2"))
    assert pooling_hops(fixed) == 2 and pooling(fixed) == ("pool1", "pool2")
    assert "--calibrate tells" in pooling_facts(fixed, None)["max pooling, forward steps"]
    layered = quantize(pooled(Schedule("layered", None)).export(), find_chip("loihi2"))
    assert set(pooling_facts(layered, None)) == {"max pooling", "max pooling, time"}
    plain = SpikingNetwork.sequential((4,), nn.Linear(4, 2), LIF())
    assert pooling_facts(quantize(plain.export(), find_chip("loihi2")), None) == {}
