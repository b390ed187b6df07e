"""The compiled engine of the online rules: the plain one's loss, gradients and spikes, to rounding."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from ir.schedule import Schedule
from tests.trainer.online.test_credit import spikes_in
from trainer.config import preset
from trainer.fit import train
from trainer.network import SpikingNetwork
from trainer.online.compiled import refusal, whole_batch
from trainer.online.credit import CREDITS
from trainer.online.gradients import begun, first_counting, gradients
from trainer.spiking_gamma import SpikingGamma

LAYERED = Schedule("layered")


def drawn(seed: int) -> tuple[SpikingNetwork, torch.Tensor, torch.Tensor, int]:
    """A network of one hidden layer in float64, frames of counts, labels, and how many last steps count (0 = all)."""
    rng = np.random.default_rng(seed)
    torch.manual_seed(seed)
    n_in, n, n_out, k, last_k = rng.integers(1, 9, 5).tolist()
    first = float(rng.uniform(0.3, 0.95))
    hidden = SpikingGamma(
        [first, *rng.uniform(0.3, 0.95, k - 1)],
        float(rng.uniform(0.02, 0.5)),
        factor=float(rng.uniform(0.5, 3)),
        strict=bool(rng.integers(2)),
        spread=2.0,
        bounded=bool(seed % 2),
        ceiling=float(rng.uniform(0.05, 2.0)) if seed % 3 == 2 else None,
    )
    readout = SpikingGamma([first, *rng.uniform(0.3, 0.95, last_k - 1)], None, spread=2.0)
    network = SpikingNetwork.sequential(
        (n_in,), nn.Linear(n_in, n, bias=False), hidden, nn.Linear(n, n_out, bias=False), readout, schedule=LAYERED
    ).double()
    t, b = rng.integers(1, 30), rng.integers(1, 5)
    frames = spikes_in(int(t), int(b), n_in, seed) * float(rng.integers(1, 4))
    return network, frames, torch.as_tensor(rng.integers(0, n_out, b)), int(rng.integers(0, t + 2))


@pytest.mark.parametrize("rule", CREDITS)
def test_compiled_and_plain_rules_find_the_same_loss_gradients_and_spikes(rule: str) -> None:
    spiking = 0
    for seed in range(60):
        network, frames, labels, last = drawn(seed)
        price = 0.5 * (seed % 3)  # costs where the neurons are bounded
        plain = gradients(network, frames, labels, rule, last, price=price)
        fast = gradients(network, frames, labels, rule, last, "cpu", price)
        assert plain.keys() == fast.keys()
        for name, wanted in plain.items():
            assert float((fast[name] - wanted).abs().max()) < 1e-12 * max(1.0, float(wanted.abs().max())), (seed, name)
        found = whole_batch(begun(network, frames, rule), labels, first_counting(len(frames), last))
        with torch.no_grad():
            result = network(frames)
        own, n = network.plan().output, found.spikes.shape[1]
        assert torch.equal(found.spikes.double(), result.counts[:, :, :n].sum(0).detach())
        assert float((found.v - result.v[-1][:, own]).abs().max()) < 1e-11
        counted = result.v[first_counting(len(frames), last) :, :, own]
        wanted_loss = nn.functional.cross_entropy(counted.flatten(0, 1), labels.repeat(len(counted)))
        assert found.loss == pytest.approx(float(wanted_loss), abs=1e-12)
        spiking += bool(found.spikes.any())
    assert spiking > 40


def test_what_the_compiled_engine_does_not_take_runs_on_the_plain_one() -> None:
    deep = SpikingNetwork.sequential(
        (3,), nn.Linear(3, 4, bias=False), SpikingGamma((0.8, 0.9)), nn.Linear(4, 4, bias=False),
        SpikingGamma((0.8, 0.9)), nn.Linear(4, 2, bias=False), SpikingGamma((0.8, 0.9), None), schedule=LAYERED,
    )  # fmt: skip
    frames = spikes_in(4, 2, 3).float()
    assert "2 hidden layers" in str(refusal(begun(deep, frames, "all-buckets")))
    adapting = SpikingNetwork.sequential(
        (3,), nn.Linear(3, 4, bias=False), SpikingGamma((0.8, 0.9), adaptation=0.1, keep_threshold=0.5),
        nn.Linear(4, 2, bias=False), SpikingGamma((0.8, 0.9), None), schedule=LAYERED,
    )  # fmt: skip
    assert refusal(begun(adapting, frames, "trace")) == "thresholds that adapt"


def test_both_engines_train_alike_for_an_epoch(tmp_path: Path) -> None:
    small = replace(preset("spiking-gamma-digits"), layers=("8", "10"), epochs=1, batch_size=40, limit=120)
    found = []
    for engine in ("reference", "auto"):
        network = train(replace(small, engine=engine), tmp_path / engine).export()
        found.append([e.connection.weight for e in network.projections])
    for slow, fast in zip(*found):
        np.testing.assert_allclose(slow, fast, rtol=1e-3, atol=1e-5)
