"""The order of layers is that of ``forward``, not that of assignment; what no module does is refused."""

from __future__ import annotations

from typing import Any

import pytest
import torch
import torch.nn.functional as functional
from torch import nn

from tests.interop.layered import run
from trainer.from_snntorch import read

snn: Any = pytest.importorskip("snntorch")


class Base(nn.Module):
    """fc1, fc2, lif1, lif2 in this order, which is not that of the calls."""

    def __init__(self, **settings: Any) -> None:
        super().__init__()
        torch.manual_seed(3)
        self.fc1, self.fc2 = nn.Linear(6, 8), nn.Linear(8, 4)
        self.lif1, self.lif2 = snn.Leaky(beta=0.8, **settings), snn.Leaky(beta=0.9, **settings)
        for fc in (self.fc1, self.fc2):
            fc.weight.data = fc.weight.data.abs() * 2


class StepByStep(Base):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        mem1, mem2 = self.lif1.init_leaky(), self.lif2.init_leaky()
        out = []
        for step in range(x.size(0)):
            spikes, mem1 = self.lif1(self.fc1(x[step].flatten(1)), mem1)
            spikes, mem2 = self.lif2(self.fc2(spikes), mem2)
            out.append(spikes)
        return torch.stack(out)


class OneFrame(Base):
    def forward(self, x: torch.Tensor) -> Any:
        mem1, mem2 = self.lif1.init_leaky(), self.lif2.init_leaky()
        for _ in range(5):
            spikes, mem1 = self.lif1(self.fc1(x), mem1)
            spikes, mem2 = self.lif2(self.fc2(spikes), mem2)
        return spikes


class Hidden(Base):
    def forward(self, x: torch.Tensor) -> Any:
        return self.lif2(self.fc2(self.lif1(self.fc1(x))))


@pytest.mark.parametrize(
    "model", [StepByStep(), OneFrame(), Hidden(init_hidden=True)], ids=["step by step", "one frame", "hidden state"]
)
def test_layers_are_read_in_the_order_of_the_calls(model: Base) -> None:
    network = read(model, (6,))
    assert [p.shape for p in network.populations] == [(8,), (4,)]
    other = read(model, (6,), layers=[model.fc1, model.lif1, model.fc2, model.lif2])
    frames = (torch.rand(20, 1, 6) < 0.5).float().numpy()
    for name, spikes in run(network, frames).items():
        assert (spikes == run(other, frames)[name]).all()
    assert run(network, frames)["lif2"].sum() > 0


def test_the_model_is_left_as_it_was() -> None:
    model = Hidden(init_hidden=True)
    model(torch.ones(3, 6))
    before = model.lif1.mem.clone()
    draws = torch.random.get_rng_state()
    read(model, (6,))
    assert model.training and torch.equal(model.lif1.mem, before)
    assert torch.equal(torch.random.get_rng_state(), draws)
    assert not model.fc1._forward_hooks


def test_a_neuron_that_acts_twice_is_refused() -> None:
    class Twice(Base):
        def forward(self, x: torch.Tensor) -> Any:
            mem = self.lif1.init_leaky()
            spikes, mem = self.lif1(self.fc1(x), mem)
            return self.lif1(self.fc2(spikes), mem)

    with pytest.raises(ValueError, match=r"Twice calls its Leaky 2 times and its Linear 1 times; make it a module for"):
        read(Twice(), (6,))


@pytest.mark.parametrize(
    ("what", "where"),
    [
        (lambda x: functional.relu(x - 1), "Linear and Leaky"),
        (lambda x: x.flip(-1), "Linear and Leaky"),
        (lambda x: 2 * x, "Linear and Leaky"),
    ],
    ids=["functional", "another order", "a factor"],
)
def test_what_no_module_does_is_refused(what: Any, where: str) -> None:
    class Odd(Base):
        def forward(self, x: torch.Tensor) -> Any:
            spikes, _ = self.lif1(what(self.fc1(x)), self.lif1.init_leaky())
            return self.lif2(self.fc2(spikes), self.lif2.init_leaky())

    with pytest.raises(ValueError, match=f"the forward of Odd does something that no module does between {where}"):
        read(Odd(), (6,))


def test_a_frame_that_is_scaled_inside_is_refused() -> None:
    class Scaled(Base):
        def forward(self, x: torch.Tensor) -> Any:
            spikes, _ = self.lif1(self.fc1(x / 255), self.lif1.init_leaky())
            return self.lif2(self.fc2(spikes), self.lif2.init_leaky())

    with pytest.raises(ValueError, match="between the frame and Linear"):
        read(Scaled(), (6,))


def test_a_layer_that_forward_never_calls_is_left_out() -> None:
    class Spare(Base):
        def __init__(self) -> None:
            super().__init__()
            self.dropout = nn.Dropout(0.5)

        def forward(self, x: torch.Tensor) -> Any:
            spikes, _ = self.lif1(self.fc1(x), self.lif1.init_leaky())
            return self.lif2(self.fc2(spikes), self.lif2.init_leaky())

    assert len(read(Spare(), (6,)).populations) == 2


def test_a_forward_that_takes_more_is_read_in_order_of_assignment_with_a_warning() -> None:
    class More(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.fc, self.lif = nn.Linear(6, 4), snn.Leaky(beta=0.8)

        def forward(self, x: torch.Tensor, mem: torch.Tensor) -> Any:
            return self.lif(self.fc(x), mem)

    with pytest.warns(UserWarning, match="the forward of More runs neither on a frame"):
        assert len(read(More(), (6,)).populations) == 1
