"""Whatever is wrong with the input: one sentence with the way out, exit 2, no traceback, no half-written file."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

import exchange.npz as npz_module
from exchange import nir, npz
from ir.connection import Dense
from ir.network import Network
from ir.stimulus import Stimulus
from tests.unlayered.verbs import call, refused
from unlayered.cli import app
from unlayered.sources import read_frames


def run_words(folder: Path, **changes: object) -> list[object]:
    """A run that is fine until something is changed."""
    words: dict[str, object] = {"network": "mapped.npz", "on": "reference", "data": "data.npz", **changes}
    data = words["data"] if str(words["data"]).isalpha() else folder / str(words["data"])
    return ["run", folder / str(words["network"]), "--on", words["on"], "--data", data, "--out", folder / "out.npz"]


def truncated(path: Path) -> None:
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])


def flipped(path: Path) -> None:
    content = bytearray(path.read_bytes())
    for i in range(len(content) // 3, len(content) // 2):
        content[i] ^= 0xFF
    path.write_bytes(content)


def foreign(path: Path) -> None:
    np.savez(path, weight=np.ones((3, 3)))


def pickled(path: Path) -> None:
    np.savez(path, unlayered=np.array([{"a": 1}], dtype=object))


def not_a_zip(path: Path) -> None:
    path.write_bytes(b"weights, honestly")


def empty(path: Path) -> None:
    path.write_bytes(b"")


@pytest.mark.parametrize("damage", [truncated, flipped, foreign, pickled, not_a_zip, empty], ids=lambda f: f.__name__)
@pytest.mark.parametrize("name", ["mapped.npz", "data.npz"])
def test_a_damaged_or_foreign_file_is_named(folder: Path, damage: Callable[[Path], None], name: str):
    damage(folder / name)
    assert name in refused(2, *run_words(folder))
    assert not (folder / "out.npz").exists()


@pytest.mark.parametrize("changes", [{"network": "gone.npz"}, {"data": "gone.npz"}, {"data": "gone.npy"}], ids=str)
def test_a_missing_file_is_named(folder: Path, changes: dict[str, str]):
    assert "does not exist" in refused(2, *run_words(folder, **changes))


def test_a_file_of_the_wrong_kind_says_what_it_is(folder: Path):
    assert "holds a Stimulus" in refused(2, *run_words(folder, network="data.npz"))
    assert "holds a MappedNetwork" in refused(2, *run_words(folder, data="mapped.npz"))


def test_frames_of_the_wrong_width_are_refused(folder: Path):
    npz.save(Stimulus(np.ones((5, 2, 7), np.int32)), folder / "narrow.npz")
    assert "7 inputs a frame, the network has 12" in refused(2, *run_words(folder, data="narrow.npz"))


@pytest.mark.parametrize("shape", [(), (12,), (1, 1, 1, 1, 1, 12)], ids=str)
def test_arrays_of_no_known_shape_are_refused(folder: Path, shape: tuple[int, ...]):
    np.save(folder / "odd.npy", np.ones(shape))
    assert "(T, B, N)" in refused(2, *run_words(folder, data="odd.npy"))


@pytest.mark.parametrize("shape", [(0, 3, 12), (5, 0, 12), (5, 3, 0)], ids=str)
def test_empty_arrays_are_refused(folder: Path, shape: tuple[int, ...]):
    np.save(folder / "none.npy", np.ones(shape))
    npz.save(Stimulus(np.ones(shape, np.int32)), folder / "none.npz")
    for name in ("none.npy", "none.npz"):
        assert f"{name} is empty" in refused(2, *run_words(folder, data=name, on="trainer"))


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no pipes here")
def test_a_path_that_is_no_plain_file_is_never_replaced(folder: Path):
    pipe = folder / "pipe.npz"
    os.mkfifo(pipe)
    for words in (["--out", pipe], ["--out", folder / "m.npz", "--report", pipe]):
        assert "no plain file" in refused(2, "map", folder / "network.npz", "--chip", "loihi2", *words)
    assert "no plain file" in refused(2, "export", folder / "network.npz", "--to", "nir", "--out", pipe)
    assert pipe.is_fifo() and not (folder / "m.npz").exists()


def test_a_mapped_network_is_named_so_that_it_can_be_read(folder: Path):
    words = ["map", folder / "network.npz", "--chip", "loihi2", "--out", folder / "mapped.txt"]
    assert "ends in .npz" in refused(2, *words)


@pytest.mark.parametrize("flag", ["--dt", "--as"])
def test_words_for_nir_files_are_not_overlooked_elsewhere(folder: Path, network: Network, flag: str):
    words = ["map", "--chip", "loihi2", "--out", folder / "out.npz", flag, "0.1" if flag == "--dt" else "norse"]
    nir.write(network, folder / "own.nir")
    (folder / "net").mkdir()
    npz.save(network, folder / "net" / "network.npz")
    for name in ("network.npz", "net", *(["own.nir"] if flag == "--dt" else [])):
        assert f"{flag} {words[-1]} has no meaning" in refused(2, *words, folder / name)


def test_results_do_not_overwrite_one_another(folder: Path):
    words = ["map", folder / "network.npz", "--chip", "loihi2", "--out", folder / "map.html"]
    assert "give each a name of its own" in refused(2, *words)
    assert not (folder / "map.html").exists()


def test_a_word_to_explain_is_looked_at_before_anything_is_mapped(folder: Path, monkeypatch: pytest.MonkeyPatch):
    words = ["map", folder / "network.npz", "--chip", "loihi2", "--out", folder / "out.npz"]
    monkeypatch.setattr("unlayered.mapping.map_whole", None)
    assert "there is no population 'deep'" in refused(2, *words, "--explain", "deep[0]")


def test_a_schedule_that_no_executor_runs_is_not_mapped(folder: Path, network: Network):
    first, *others = network.projections
    npz.save(replace(network, projections=(replace(first, delay_steps=1), *others)), folder / "network.npz")
    words = ["map", folder / "network.npz", "--chip", "loihi2", "--out", folder / "out.npz"]
    assert "use the layered schedule" in refused(2, *words)
    assert call(*words, "--schedule", "layered").exit_code == 0


@pytest.mark.parametrize(
    ("chip", "schedule", "said"),
    [
        ("loihi1", "asynchronous", True),
        ("loihi1", "layered", False),
        ("loihi2", "asynchronous", False),
    ],
)
def test_a_schedule_that_the_chip_itself_lacks_is_said(folder: Path, chip: str, schedule: str, said: bool):
    words = ["map", folder / "network.npz", "--chip", chip, "--schedule", schedule, "--out", folder / "out.npz"]
    shown = " ".join(call(*words).stdout.split())
    assert ("itself runs the layered schedule only" in shown) == said
    assert ("itself runs the layered schedule only" in (folder / "out.html").read_text()) == said


def test_names_may_look_like_markup(folder: Path, network: Network):
    first, last = network.populations
    into, out = network.projections
    named = replace(
        network,
        populations=(replace(first, name="a[/b]"), replace(last, name="c[red]")),
        projections=(replace(into, post="a[/b]"), replace(out, pre="a[/b]", post="c[red]")),
        output="c[red]",
    )
    npz.save(named, folder / "network.npz")
    words = ["map", folder / "network.npz", "--chip", "loihi2", "--out", folder / "out.npz", "--explain", "a[/b][0]"]
    for done in (call(*words), call("inspect", folder / "network.npz"), call("inspect", folder / "out.npz")):
        assert done.exit_code == 0 and "a[/b]" in done.stdout and "c[red]" in done.stdout, done.output


def test_arrays_of_objects_are_never_unpickled(folder: Path):
    np.save(folder / "objects.npy", np.array([{}], dtype=object), allow_pickle=True)
    assert "objects.npy" in refused(2, *run_words(folder, data="objects.npy"))


def test_a_weight_that_is_no_number_is_found(folder: Path, network: Network, monkeypatch: pytest.MonkeyPatch):
    weight = network.projections[0].connection.weight.copy()
    weight[2, 3] = np.nan
    monkeypatch.setattr("ir.connection.check_finite", lambda *_: None)
    broken = replace(network.projections[0], connection=Dense(weight))
    npz.save(replace(network, projections=(broken, *network.projections[1:])), folder / "network.npz")
    monkeypatch.undo()
    sentence = refused(2, "map", folder / "network.npz", "--chip", "loihi2", "--out", folder / "out.npz")
    assert "nan at (2, 3)" in sentence and not (folder / "out.npz").exists()


def test_an_unknown_chip_names_those_there_are(folder: Path):
    sentence = refused(2, "map", folder / "network.npz", "--chip", "loihi9", "--out", folder / "out.npz")
    assert "loihi1, loihi2" in sentence


def test_a_network_too_large_for_the_chip_is_refused(folder: Path):
    from exchange.chip_toml import CHIPS

    text = (CHIPS / "loihi2.toml").read_text().replace("max_neurons = { value = 4096", "max_neurons = { value = 1")
    (folder / "tiny.toml").write_text(text.replace("usable_cores = { value = 120", "usable_cores = { value = 3"))
    sentence = refused(2, "map", folder / "network.npz", "--chip", folder / "tiny.toml", "--out", folder / "out.npz")
    assert "cores" in sentence and not (folder / "out.npz").exists()


WRONG_FLAGS = {
    "executor": (["--on", "gpu"], "'reference'"),
    "schedule": (["--schedule", "sometimes"], "'asynchronous', 'layered'"),
    "F": (["--F", "-3"], "whole number or 'all'"),
    "F superscript": (["--F", "²"], "--F is '²'; give a whole number or 'all'"),
    "F zero": (["--F", "0"], "at least 1"),
    "order": (["--order", "lifo"], "'fifo'"),
    "paced": (["--input", "paced"], "needs R"),
    "chip": (["--chip", "abacus"], "loihi1, loihi2"),
}


@pytest.mark.parametrize("flags, way_out", WRONG_FLAGS.values(), ids=WRONG_FLAGS)
def test_wrong_flags_say_what_is_right(folder: Path, flags: list[str], way_out: str):
    words = run_words(folder, network="network.npz")
    assert way_out in refused(2, *words, *flags)


def test_an_unknown_data_set_names_those_there_are(folder: Path):
    assert "digits" in refused(2, *run_words(folder, data="digitz"))


def test_a_full_disk_leaves_no_half_written_file(folder: Path, monkeypatch: pytest.MonkeyPatch):
    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(npz_module.os, "fsync", full)
    before = sorted(folder.iterdir())
    sentence = refused(2, *run_words(folder))
    assert "No space left" in sentence and sorted(folder.iterdir()) == before


@pytest.mark.parametrize("stops_at", [1, 2])
@pytest.mark.parametrize("reason", [OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)), KeyboardInterrupt()], ids=repr)
def test_a_map_and_its_page_appear_together_or_not_at_all(
    folder: Path, stops_at: int, reason: BaseException, monkeypatch: pytest.MonkeyPatch
):
    written = 0

    def stops(_: int) -> None:
        nonlocal written
        written += 1
        if written == stops_at:
            raise reason

    monkeypatch.setattr(npz_module.os, "fsync", stops)
    before = sorted(folder.iterdir())
    words = ["map", folder / "network.npz", "--chip", "loihi2", "--out", folder / "out.npz"]
    refused(2 if isinstance(reason, OSError) else 130, *words)
    assert written == stops_at and sorted(folder.iterdir()) == before


def test_a_folder_that_is_not_there_is_said_before_anything_runs(folder: Path, monkeypatch: pytest.MonkeyPatch):
    words: list[Any] = run_words(folder)
    words[-1] = folder / "nowhere" / "out.npz"
    monkeypatch.setattr("unlayered.execute.run_safely", None)
    assert "there is no folder" in refused(2, *words)


def test_absent_lava_is_exit_3_with_the_way_to_get_it(folder: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("UNLAYERED_LAVA_PYTHON", str(folder / "no-python"))
    sentence = refused(3, *run_words(folder, on="lava"))
    assert "lava-nc" in sentence and not (folder / "out.npz").exists()


def test_doctor_says_what_is_missing_with_exit_3(folder: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("UNLAYERED_LAVA_PYTHON", str(folder / "no-python"))
    done = CliRunner().invoke(app, ["doctor"])
    assert done.exit_code == 3 and "UNLAYERED_LAVA_PYTHON" in done.output


@pytest.mark.parametrize("words", [["train", "--out", "x"], ["train", "--preset", "gigantic", "--out", "x"]], ids=str)
def test_training_without_a_configuration_names_the_presets(words: list[str]):
    assert "digits" in refused(2, *words)


def test_counts_beyond_every_integer_are_real_numbers_without_a_warning(tmp_path: Path):
    frames = np.array([1, 1, 2, 2, 0, 0, 2, 2, 0, -7.1307734e23] + [0] * 14, np.float32).reshape(4, 2, 3)
    np.save(tmp_path / "a.npy", frames)
    assert read_frames(tmp_path / "a.npy").frames.dtype.kind == "f"


def test_a_chip_that_a_map_is_not_of_is_refused(folder: Path):
    words = run_words(folder, network="mapped.npz")
    assert "is mapped onto Intel Loihi 2, --chip says Intel Loihi 1; leave --chip out" in refused(
        2, *words, "--chip", "loihi1"
    )
    assert call(*words, "--chip", "loihi2").exit_code == 0
