"""A warning of ours is one line on standard error; those of others are left to Python."""

from __future__ import annotations

import warnings
from pathlib import Path

import pytest

from exchange import npz
from ir import Trace, schedule
from sim_reference import serve
from tests.toys.lifo import LIFO, in_simulator
from tests.unlayered.verbs import call


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
