"""A warning of ours is one line on standard error; those of others are left to Python."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import pytest
import torch

from exchange import npz
from ir import Trace, schedule
from sim_reference import serve
from tests.toys.lifo import LIFO, in_simulator
from tests.unlayered.verbs import call
from trainer.optimizers import SMALLER
from trainer.rules.surrogate import loss_of as surrogate_loss_of


def test_what_runs_slower_is_said_once_and_without_a_path(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(schedule.ORDERS, "lifo", LIFO)
    monkeypatch.setitem(serve.ORDERS, "lifo", in_simulator)
    words = ["run", folder / "mapped.npz", "--on", "reference", "--data", folder / "data.npz", "--order", "lifo"]
    with warnings.catch_warnings():
        warnings.simplefilter("default")
        done = call(*words, "--out", folder / "out.npz", "--json")
    assert done.exit_code == 0
    said = "unlayered: the compiled simulator does not know order rule 'lifo'; the plain one runs it, slower\n"
    assert done.stderr == said
    assert npz.load(folder / "out.npz", Trace).schedule.order == "lifo"


def test_a_warning_of_others_keeps_its_place(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def warns(*_: object, **__: object) -> None:
        warnings.warn("beware", UserWarning, stacklevel=2)

    monkeypatch.setattr("exchange.npz.write_together", warns)
    words = ["run", folder / "mapped.npz", "--on", "reference", "--data", folder / "data.npz"]
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("default")
        done = call(*words, "--out", folder / "out.npz")
    assert done.exit_code == 0 and done.stderr == ""
    assert [(str(w.message), Path(w.filename).name) for w in seen] == [("beware", "run.py")]


def test_a_training_without_a_finite_gradient_says_so_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def loss_of(network: Any, *rest: Any) -> tuple[torch.Tensor, Any]:
        loss, state = surrogate_loss_of(network, *rest)
        first = next(network.parameters()).flatten()[0]
        return loss + (first - first.detach()).abs().sqrt(), state  # adds 0, of which the gradient is NaN

    monkeypatch.setattr("trainer.rules.surrogate.loss_of", loss_of)
    words = ["train", "--preset", "digits", "--epochs", "2", "--set", "limit=200", "--set", "gradient_norm=1"]
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        done = call(*words, "--out", tmp_path / "net")
    assert done.exit_code == 0, done.output
    (said,) = (line for line in done.stderr.splitlines() if "gradient" in line)
    assert said.endswith("unlayered: a step has no finite gradient and changes nothing; " + SMALLER)
