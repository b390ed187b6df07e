"""Mapped networks and traces carry the number of their contract; files without one are of the first."""

from __future__ import annotations

import json
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from exchange import npz
from ir import CONTRACT, FormatError, MappedNetwork, Stimulus, Trace
from sim_reference import simulate
from sim_reference.compare.divergence import first_divergence
from tests.unlayered.verbs import call, refused


def with_number(path: Path, number: Any) -> None:
    """Rewrite a file's header with another contract number; None = without one, as before there were any."""
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(path) as archive, archive.open("unlayered.npy") as file:
        header = json.loads(bytes(np.load(file)).decode())
    if number is None:
        del header["value"]["fields"]["contract"]
    else:
        header["value"]["fields"]["contract"] = number
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members.items():
            if name != "unlayered.npy":
                archive.writestr(name, content)
        with archive.open("unlayered.npy", "w") as file:
            np.lib.format.write_array(file, np.frombuffer(json.dumps(header).encode(), np.uint8))


def written(value: Any, path: Path, number: Any) -> Path:
    npz.save(value, path)
    with_number(path, number)
    return path


def test_new_files_carry_this_releases_number(mapped: MappedNetwork, stimulus: Stimulus, tmp_path: Path) -> None:
    trace = simulate.run(mapped, stimulus)
    for value in (mapped, trace):
        npz.save(value, tmp_path / "a.npz")
        assert value.contract == CONTRACT == 2
        assert npz.load(tmp_path / "a.npz").contract == CONTRACT


def test_files_without_a_number_are_of_the_first_contract_and_are_read(
    mapped: MappedNetwork, stimulus: Stimulus, tmp_path: Path
) -> None:
    old = npz.load(written(mapped, tmp_path / "mapped.npz", None), MappedNetwork)
    assert old.contract == 1
    trace = simulate.run(old, stimulus)
    assert trace.contract == CONTRACT
    assert npz.load(written(trace, tmp_path / "trace.npz", None), Trace).contract == 1
    npz.save(old, tmp_path / "again.npz")
    assert npz.load(tmp_path / "again.npz", MappedNetwork).contract == 1


@pytest.mark.parametrize(
    ("number", "sentence"),
    [
        (3, r"of contract 3, this release knows up to 2; update unlayered"),
        (0, "must be a whole number from 1"),
        (-1, "must be a whole number from 1"),
        (2.5, "must be a whole number from 1"),
        ("2", "must be a whole number from 1"),
        (True, "must be a whole number from 1"),
    ],
)
def test_other_numbers_are_refused(
    number: Any, sentence: str, mapped: MappedNetwork, stimulus: Stimulus, tmp_path: Path
) -> None:
    for value in (mapped, simulate.run(mapped, stimulus)):
        with pytest.raises(FormatError, match=sentence):
            npz.load(written(value, tmp_path / "a.npz", number))


def test_traces_of_different_contracts_are_not_compared(mapped: MappedNetwork, stimulus: Stimulus) -> None:
    new = simulate.run(mapped, stimulus)
    old = replace(new, contract=1)
    assert first_divergence(old, old) is None
    for pair in ((old, new), (new, old)):
        with pytest.raises(ValueError, match=r"the first trace is of contract \d, the second of contract \d"):
            first_divergence(*pair)


def test_compare_says_so_in_one_sentence(mapped: MappedNetwork, stimulus: Stimulus, tmp_path: Path) -> None:
    trace = simulate.run(mapped, stimulus)
    new, old, newer = (tmp_path / f"{name}.npz" for name in ("new", "old", "newer"))
    npz.save(trace, new)
    written(trace, old, None)
    written(trace, newer, 3)
    assert call("compare", new, new).exit_code == call("compare", old, old).exit_code == 0
    assert "contract 1, the second of contract 2" in refused(2, "compare", old, new)
    assert "update unlayered" in refused(2, "compare", new, newer)
