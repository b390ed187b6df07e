"""Files of strangers through the command line: names never reach the terminal or a page as they are."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from exchange import nir, npz
from ir.network import Network
from ir.trace import Spikes, Trace
from tests.unlayered.test_bad_input import run_words
from tests.unlayered.verbs import call, refused

EVIL = "\x1b[31mred\x07\u202e<script>alert(1)</script>"


def named(network: Network, name: str) -> Network:
    """The network with another first population."""
    first, *others = network.populations
    renamed = [
        replace(e, pre=name if e.pre == first.name else e.pre, post=name if e.post == first.name else e.post)
        for e in network.projections
    ]
    return replace(network, populations=(replace(first, name=name), *others), projections=tuple(renamed))


def printable(text: str) -> bool:
    return all(c.isprintable() or c == "\n" for c in text)


def test_names_print_without_control_characters_in_every_verb(folder: Path, network: Network):
    npz.save(named(network, EVIL), folder / "evil.npz")
    nir.write(named(network, EVIL), folder / "evil.nir")
    for file in (folder / "evil.npz", folder / "evil.nir"):
        for words in (
            ["inspect", file],
            ["inspect", file, "--json"],
            ["check", file, "--chip", "loihi1"],
            ["map", file, "--chip", "loihi2", "--out", folder / "m.npz", "--explain", "0", "--preset", "fast"],
            ["inspect", folder / "m.npz", "--explain", "core 0"],
            ["run", folder / "m.npz", "--on", "reference", "--data", folder / "data.npz", "--out", folder / "a.npz"],
            ["run", file, "--on", "trainer", "--data", folder / "data.npz", "--out", folder / "b.npz"],
            ["inspect", folder / "a.npz"],
            ["compare", folder / "a.npz", folder / "b.npz"],
        ):
            done = call(*words)
            assert done.exit_code in (0, 1), done.output
            assert printable(done.output), words
    (page_file,) = folder.glob("*.html")
    page = page_file.read_text()
    assert printable(page) and "<script>" not in page and "&lt;script&gt;" in page


def test_names_in_refusals_print_and_are_cut(folder: Path, network: Network):
    for name in (EVIL, "x" * 2_000_000):
        first, *others = named(network, name).projections
        delayed = replace(named(network, name), projections=(replace(first, delay_steps=1), *others))
        npz.save(delayed, folder / "network.npz")
        sentence = refused(2, "map", folder / "network.npz", "--chip", "loihi2", "--out", folder / "out.npz")
        assert printable(sentence) and len(sentence) < 1100 and "use the layered schedule" in sentence


def test_a_long_name_is_cut_in_tables(folder: Path, network: Network):
    npz.save(named(network, "x" * 2_000_000), folder / "network.npz")
    done = call("inspect", folder / "network.npz")
    assert done.exit_code == 0 and len(done.output) < 100_000


def test_the_name_of_a_file_prints_too(folder: Path):
    file = folder / "evil\x1b[31m\x07.npz"
    shutil.copy(folder / "network.npz", file)
    assert printable(call("inspect", file).output)
    file.write_bytes(b"weights, honestly")
    assert printable(refused(2, "inspect", file))


def test_an_archive_handed_as_an_array_is_one_sentence(folder: Path):
    shutil.copy(folder / "data.npz", folder / "data.npy")
    assert "is truncated or no .npy file" in refused(2, *run_words(folder, data="data.npy"))


def test_an_array_by_columns_is_read_as_it_is(folder: Path, stimulus: Any):
    frames = np.asarray(stimulus.frames, ">f8")
    np.save(folder / "rows.npy", frames)
    np.save(folder / "columns.npy", np.asfortranarray(frames))
    traces = []
    for name in ("rows.npy", "columns.npy"):
        assert call(*run_words(folder, data=name)).exit_code == 0
        traces.append(npz.load(folder / "out.npz", Trace))
    assert traces[0].counts.any() and (traces[0].counts == traces[1].counts).all()


FORGED: dict[str, dict[str, Any]] = {
    "a neuron beyond the last": {"neuron": 4000},
    "a negative neuron": {"neuron": -1},
    "a sample that is not there": {"sample": 99},
    "a time step beyond the last": {"t": 1 << 20},
    "a late forward step": {"k": 1 << 20},
    "a time step before the first": {"t": -1},
}


@pytest.mark.parametrize("changes", FORGED.values(), ids=FORGED)
def test_a_forged_trace_is_one_sentence_in_every_verb(folder: Path, changes: dict[str, int]):
    assert call(*run_words(folder)).exit_code == 0
    trace = npz.load(folder / "out.npz", Trace)
    assert trace.spikes is not None and len(trace.spikes)
    forge(trace.spikes, changes)
    npz.save(trace, folder / "forged.npz")
    for words in (["inspect", folder / "forged.npz"], ["compare", folder / "forged.npz", folder / "out.npz"]):
        assert "forged.npz" in refused(2, *words)


def forge(spikes: Spikes, changes: dict[str, int]) -> None:
    """Write into a frozen value, as only a forger does."""
    for name, value in changes.items():
        column = np.array(getattr(spikes, name), np.int64)
        column[0] = value
        object.__setattr__(spikes, name, column)


@pytest.mark.parametrize("verb", ["run", "map", "export"])
def test_a_result_named_by_a_link_to_itself_is_a_sentence(folder: Path, verb: str):
    loop = folder / ("loop.npz" if verb != "export" else "loop.nir")
    loop.symlink_to(loop.name)
    words = {
        "run": run_words(folder)[:-1],
        "map": ["map", folder / "network.npz", "--chip", "loihi2", "--out"],
        "export": ["export", folder / "network.npz", "--to", "nir", "--out"],
    }
    assert "a link that leads to itself" in refused(2, *words[verb], loop)
    assert loop.is_symlink()


def test_a_result_named_by_a_link_goes_where_it_leads(folder: Path):
    (folder / "there").mkdir()
    (folder / "link.npz").symlink_to(Path("there") / "trace.npz")
    assert call(*run_words(folder)[:-1], folder / "link.npz").exit_code == 0
    assert (folder / "link.npz").is_symlink()
    assert npz.load(folder / "there" / "trace.npz", Trace).executor == "E2"


def test_a_link_into_a_folder_that_is_not_there_is_said_before_anything_runs(
    folder: Path, monkeypatch: pytest.MonkeyPatch
):
    (folder / "link.npz").symlink_to(Path("gone") / "trace.npz")
    monkeypatch.setattr("unlayered.execute.run_safely", None)
    assert "there is no folder" in refused(2, *run_words(folder)[:-1], folder / "link.npz")
