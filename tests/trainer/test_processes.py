"""What goes from one training process to another, and what is said when that fails."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch
import torch.distributed as distributed
from torch import Tensor

from ir.check import TargetError
from tests.trainer.test_fit import CONFIG, toy
from trainer import processes
from trainer.alike import facts
from trainer.build import build_network


def test_tensors_of_any_type_and_shape_arrive_as_they_were(monkeypatch: pytest.MonkeyPatch) -> None:
    def all_gather(found: list[Tensor], own: Tensor) -> None:
        for x in found:
            x.copy_(own)

    monkeypatch.setattr(processes, "world", lambda: 3)
    monkeypatch.setattr(distributed, "all_gather", all_gather)
    rows = [torch.rand(3).to(torch.float32), torch.tensor(0.1, dtype=torch.float64), torch.zeros(0, 4)]
    rows += [torch.rand(5, 2).t(), torch.tensor([True, False, True]), torch.rand(2, 2, dtype=torch.float64)]
    for found in processes.gathered(rows):
        assert all(x.dtype == y.dtype and torch.equal(x, y) for x, y in zip(rows, found, strict=True))


@pytest.mark.parametrize(
    "said", ["[/gloo/pair.cc:525] Connection closed by peer [::1]:1", "Timed out waiting 600000ms"]
)
def test_a_lost_process_is_one_sentence(said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def lost(*_: Any) -> None:
        raise RuntimeError(said)

    monkeypatch.setattr(processes, "world", lambda: 2)
    for name in ("all_reduce", "all_gather", "broadcast", "barrier"):
        monkeypatch.setattr(distributed, name, lost)
    ways = [lambda: processes.add_up(torch.zeros(1)), lambda: processes.gathered([torch.zeros(1)])]
    for way in (*ways, lambda: processes.of_the_first(b"x"), processes.wait_for_all):
        with pytest.raises(TargetError, match=r"^another process of this training is lost \((Connection|Timed out)"):
            way()


def test_processes_of_other_settings_data_or_weights_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    own = facts(CONFIG, toy(), build_network(CONFIG))
    assert own == facts(CONFIG, toy(), build_network(CONFIG)) and len(own) == 5
    other_config = replace(CONFIG, seed=6)
    others = {
        "settings": facts(other_config, toy(), build_network(CONFIG)),
        "training data": facts(CONFIG, toy().select(slice(0, 50)), build_network(CONFIG)),
        "first weights": facts(CONFIG, toy(), build_network(other_config)),
    }
    monkeypatch.setattr(processes, "world", lambda: 2)
    for name, theirs in others.items():
        told: list[list[Tensor]] = []
        monkeypatch.setattr(processes, "gathered", lambda x, told=told: told.append(x) or [x])
        processes.agree(theirs)
        monkeypatch.setattr(processes, "gathered", lambda x, told=told: [x, told[0]])
        with pytest.raises(ValueError, match=f"^rank 1 has other {name} than rank 0; start all with the same command"):
            processes.agree(own)
    monkeypatch.setattr(processes, "gathered", lambda x: [x, x])
    processes.agree(own)
