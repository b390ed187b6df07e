"""Memory that one step of the compiled engine leaves to the next holds nothing that anybody still reads."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ir import Schedule
from trainer import LIF, SpikingNetwork
from trainer.engines import cpu
from trainer.engines.compiled import flat
from trainer.engines.compiled.flat import VALUES
from trainer.engines.compiled.state import Lent, Tape


def network(wide: bool) -> SpikingNetwork:
    torch.manual_seed(0)
    first = nn.Linear(30, 40) if wide else nn.Conv2d(1, 8, 1)
    shape = (30,) if wide else (1, 5, 6)
    between = [] if wide else [nn.Flatten()]
    rest = nn.Linear(40 if wide else 240, 5), LIF(1e-3, 0.3)
    return SpikingNetwork.sequential(shape, first, LIF(1e-3, 0.3), *between, *rest).train()


@pytest.mark.parametrize("wide", [True, False], ids=["wide", "a convolution of one element"])
def test_gradients_of_earlier_steps_stay_as_they_are(wide: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    if wide:
        monkeypatch.setattr(flat, "WIDE_FROM", 1)
        monkeypatch.setattr(flat, "WIDE_ROW", 1)
    net, found = network(wide), []

    def gradients(frames: Tensor) -> list[Tensor]:
        counts = net(frames, Schedule(F=3), engine="cpu").counts
        return list(torch.autograd.grad(counts.sum(), list(net.parameters())))

    frames = [(torch.rand(3, 4, *net.data_shape) < share).float() for share in (0.6, 0.3, 0.5)]
    for x in frames:
        now = gradients(x)
        found.append((now, [g.clone() for g in now]))
    assert all(torch.equal(g, copy) for now, copies in found for g, copy in zip(now, copies))
    assert all(torch.equal(a, b) for a, b in zip(gradients(frames[0]), found[0][0]))
    assert found[0][0][0].abs().sum() > 0


def test_weights_that_a_backward_pass_still_reads_are_not_written_over() -> None:
    net = network(wide=True)
    frames, weight = (torch.rand(3, 4, 30) < 0.5).float(), next(net.parameters())
    at_once = torch.autograd.grad(net(frames, Schedule(F=3), engine="cpu").counts.sum(), weight)[0]
    counts = net(frames, Schedule(F=3), engine="cpu").counts
    with torch.no_grad():
        net(frames, Schedule(F=3), engine="cpu")
        for x in net.parameters():
            x.data.mul_(3)
        net(frames, Schedule(F=3), engine="cpu")
    assert torch.equal(torch.autograd.grad(counts.sum(), weight)[0], at_once)


def test_an_array_takes_the_memory_of_one_that_nobody_holds() -> None:
    spare: list[NDArray[Any]] = []
    first = Lent(5, np.float32, spare)
    memory, second = first.array, Lent(5, np.float32, spare)
    assert second.array is not memory
    del first
    third = Lent(5, np.float32, spare)
    assert third.array is memory
    del third
    assert Lent(5, np.float64, spare).array is not memory


def test_a_tape_grows_only_where_it_is_short(monkeypatch: pytest.MonkeyPatch) -> None:
    """Many samples of many inputs, few in each time step: the notes of inputs run short again and again, and the memory
    for membranes, twice as much each time, would soon be all there is."""
    made, grown = [], cpu.kernel.grown

    def seen(tape: Tape, *sizes: Any) -> Tape:
        made.append((tape, grown(tape, *sizes)))
        return made[-1][1]

    monkeypatch.setattr(cpu.kernel, "grown", seen)
    net = network(wide=True)
    frames = (torch.rand(100, 16, 30) < 0.4).float()
    net(frames, Schedule(F=3), engine="cpu").counts.sum().backward()
    changed = {name for old, new in made for name in Tape._fields if getattr(new, name) is not getattr(old, name)}
    assert changed <= {"event", "event_x", "slot", "slot_q"}
    first, last = made[0][0], made[-1][1]
    assert len(last.event) > 16 * len(first.event)
    assert len(last.values) < 4 * max(len(first.values), int(last.used[VALUES]))


def test_memory_of_other_numbers_is_not_lent(monkeypatch: pytest.MonkeyPatch) -> None:
    """Places and the values beside them are as long as each other; places alone would be written past the values."""
    used, reusing = [], cpu.kernel.reusing

    def seen(tape: Tape, spare: list[Tape]) -> Tape:
        used.append(reusing(tape, spare))
        return used[-1]

    monkeypatch.setattr(cpu.kernel, "reusing", seen)
    net = network(wide=True)
    frames = (torch.rand(100, 16, 30) < 0.4).float()
    for kind in (torch.float32, torch.float64, torch.float64, torch.float32):
        net.to(kind)(frames.to(kind), Schedule(F=3), engine="cpu").counts.sum().backward()
    assert {tape.values.dtype for tape in used} == {np.dtype(np.float32), np.dtype(np.float64)}
    assert all(len(tape.event) == len(tape.event_x) and len(tape.slot) == len(tape.slot_q) for tape in used)
