"""Initial weights that make every population fire."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from ir import Schedule, Stimulus
from trainer import LIF, SpikingNetwork
from trainer.initial import scale_to_density


def deep_network() -> SpikingNetwork:
    torch.manual_seed(0)
    layers: list[nn.Module] = []
    for n_in, n_out in ((200, 40), (40, 40), (40, 10)):
        layers += [nn.Linear(n_in, n_out, bias=False), LIF(1e-3, 0.3)]
    return SpikingNetwork.sequential((200,), *layers)


def sparse_frames() -> Stimulus:
    rng = np.random.default_rng(1)
    return Stimulus((rng.random((5, 64, 200)) < 0.02).astype(np.int32), labels=np.zeros(64, np.int64))


def density_of_each(network: SpikingNetwork, stimulus: Stimulus) -> list[float]:
    with torch.no_grad():
        counts = network(torch.tensor(stimulus.frames, dtype=torch.float32), Schedule("layered")).counts
    return [float(counts[:, :, part.at].mean()) for part in network.plan().parts]


def test_every_population_fires_as_often_as_asked_though_torchs_own_weights_leave_the_last_one_silent() -> None:
    network, stimulus = deep_network(), sparse_frames()
    assert density_of_each(network, stimulus)[-1] == 0
    scale_to_density(network, stimulus, 0.1)
    assert density_of_each(network, stimulus) == pytest.approx([0.1] * 3, abs=0.02)


def test_scaling_twice_changes_nothing_more() -> None:
    network, stimulus = deep_network(), sparse_frames()
    scale_to_density(network, stimulus, 0.1)
    before = density_of_each(network, stimulus)
    scale_to_density(network, stimulus, 0.1)
    assert density_of_each(network, stimulus) == pytest.approx(before, abs=0.01)


def test_a_density_outside_its_range_is_one_sentence() -> None:
    with pytest.raises(ValueError, match=r"initial_density is 1\.5; it lies between 0 and 1"):
        scale_to_density(deep_network(), sparse_frames(), 1.5)
