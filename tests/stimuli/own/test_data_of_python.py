"""Data sets, loaders, lists and stimuli become what the built-in data sets are."""

from __future__ import annotations

from typing import Any

import numpy as np

from ir.stimulus import Stimulus
from stimuli.own.data import data_of
from tests.stimuli.own.recordings import events


class Loader:
    """Batches, as torch's DataLoader gives them: iteration, no items."""

    def __init__(self, x: Any, y: Any, size: int) -> None:
        self.x, self.y, self.size = x, y, size

    def __len__(self) -> int:
        return -(-len(self.y) // self.size)

    def __iter__(self) -> Any:
        for b in range(0, len(self.y), self.size):
            yield self.x[b : b + self.size], self.y[b : b + self.size]


def test_a_dataset_and_a_loader_of_torch_are_taken_by_what_they_can_do():
    import torch
    from torch.utils.data import DataLoader, TensorDataset

    x, y = torch.randint(0, 2, (10, 4, 2, 3, 3)), torch.arange(10) % 3
    held = data_of(TensorDataset(x, y))
    looped = data_of(DataLoader(TensorDataset(x, y), batch_size=4))
    bare = data_of(Loader(x.numpy(), y.numpy(), 4))
    streamed = data_of(TensorDataset(x, y), {"memory_mb": 0})
    expected = x.numpy().reshape(10, 4, 18).transpose(1, 0, 2)
    for own in (held, looped, bare, streamed):
        assert own.n_classes == 3 and own.input_shape == (2, 3, 3) and len(own) == 10
        np.testing.assert_array_equal(own.stimulus().frames, expected)
        assert own.labels.tolist() == y.tolist()


def test_tensors_with_gradients_sparse_ones_and_lists_are_arrays_too():
    import torch

    x = torch.eye(3, requires_grad=True)
    pairs = [(x, torch.tensor(1)), (torch.eye(3).to_sparse(), np.int8(0)), ([[1, 0, 0], [0, 1, 0], [0, 0, 1]], 1)]
    own = data_of(pairs)
    for b in range(3):
        np.testing.assert_array_equal(own.frames[:, b], np.eye(3))


def test_what_tonics_data_sets_say_of_their_sensor_is_heard():
    class Tonic(list):
        sensor_size, classes = (16, 8, 2), ["a", "b", "c", "d"]

    own = data_of(Tonic([(events(0), 0), (events(1), 1)]), {"n_steps": 5})
    assert own.input_shape == (2, 8, 16) and own.n_classes == 4


def test_a_stimulus_is_data():
    stimulus = Stimulus(np.ones((3, 4, 5), int), np.array([7, 8, 9, 10]), np.array([0, 1, 1, 0]))
    own = data_of(stimulus)
    assert own.stimulus() is stimulus and own.input_shape == (1, 5) and own.n_classes == 2 and own.n_steps == 3
