"""Every mistake in a folder of recordings is one sentence that names it."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ir.check import FormatError
from stimuli.own.data import open_data
from tests.stimuli.own.recordings import EVENT, SMALL, events, folder, write


def said(path: Path, split: str = "train", **options: Any) -> str:
    """The one sentence in which reading all of a folder ends."""
    with pytest.raises(FormatError) as error:
        open_data(f"folder:{path}", None, split, options).stimulus()
    assert "\n" not in str(error.value) and len(str(error.value)) < 1000
    return str(error.value)


def spoilt(name: str, value: Any, at: int = 3) -> Any:
    """Events of which one has another value."""
    made = {n: events(0)[n].astype(np.float64) for n in EVENT.names or ()}
    made[name][at] = value
    return made


def put(where: Path, made: Any) -> None:
    np.savez(where / "train" / "left" / "bad.npz", **made)


def encrypted(where: Path) -> None:
    """Flag every array of the archive as encrypted, in front of it and in the directory at the end."""
    put(where, spoilt("p", 0))
    path = where / "train" / "left" / "bad.npz"
    content = bytearray(path.read_bytes())
    for mark, flags in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        at = content.find(mark)
        while at >= 0:
            content[at + flags] |= 1
            at = content.find(mark, at + 4)
    path.write_bytes(content)


FOLDERS: dict[str, tuple[Callable[[Path], Any], str, str]] = {
    "no train part": (
        lambda p: shutil.rmtree(p / "train"),
        "train",
        "has no train part, whose folders are the classes (it has test)",
    ),
    "no test part": (lambda p: shutil.rmtree(p / "test"), "test", "has no test part (it has train); make "),
    "no part": (
        lambda p: [shutil.rmtree(p / x) for x in ("train", "test")],
        "train",
        "(it has neither train nor test)",
    ),
    "an empty class": (lambda p: (p / "train" / "new").mkdir(), "train", "train/new is empty; put recordings into it"),
    "no class": (lambda p: [shutil.rmtree(x) for x in (p / "train").iterdir()], "train", "train holds no class; put"),
    "a loose file": (lambda p: write(p / "train" / "a.npy", events(0)), "train", "train/a.npy has no label; put"),
    "another ending": (
        lambda p: (p / "train" / "left" / "a.png").write_bytes(b""),
        "train",
        "a.png ends in '.png'; recor",
    ),
    "no ending": (
        lambda p: (p / "train" / "left" / "README").write_bytes(b""),
        "train",
        "README ends in 'nothing'; rec",
    ),
    "a folder in a class": (
        lambda p: (p / "train" / "left" / "x").mkdir(),
        "train",
        "left holds the folder x; put its",
    ),
    "a class of the test part alone": (
        lambda p: os.rename(p / "test" / "left", p / "test" / "lefd"),
        "test",
        "is of class 'lefd' (did you mean left?), which the train part does not have; it has left, middle, right",
    ),
    "frames among events": (
        lambda p: np.save(p / "train" / "left" / "f.npy", np.ones((5, 4))),
        "train",
        "holds frames of shape (5, 4), the first",
    ),
    "a larger sensor": (
        lambda p: write(p / "train" / "left" / "a.npy", events(0, side=9)),
        "train",
        "x = 8 of a sensor with 8 pixels; set sen",
    ),
    "only later events": (
        lambda p: put(p, {"x": [0], "y": [0], "p": [1], "t": [60_000]}),
        "train",
        "none of its events (60000 to 60000 us) lies",
    ),
    "an encrypted archive": (encrypted, "train", "bad.npz: its array x is encrypted; pack it without a password"),
    "NaN in time": (
        lambda p: put(p, spoilt("t", np.nan)),
        "train",
        "bad.npz: event 3 has t = nan; every value must be finite",
    ),
    "an infinite coordinate": (lambda p: put(p, spoilt("x", np.inf)), "train", "event 3 has x = inf; every value"),
    "a negative coordinate": (
        lambda p: put(p, spoilt("y", -1)),
        "train",
        "event 3 lies at y = -1.0; coordinates are whole",
    ),
    "half a pixel": (lambda p: put(p, spoilt("x", 0.5)), "train", "event 3 lies at x = 0.5; coordinates are whole"),
    "a third polarity": (lambda p: put(p, spoilt("p", 2)), "train", "event 3 has polarity 2.0; polarities are 0 and 1"),
    "no order in time": (
        lambda p: put(p, spoilt("t", 0)),
        "train",
        "event 3 has t = 0.0, before the event in front of it",
    ),
    "a negative time": (
        lambda p: put(p, spoilt("t", -5, 0)),
        "train",
        "event 0 has t = -5.0; time begins at 0, or set from",
    ),
    "columns of unlike length": (
        lambda p: put(p, {"x": [1], "y": [1], "t": [1, 2]}),
        "train",
        "its columns have shapes x (1,), y (1,), t (2,)",
    ),
    "text for numbers": (
        lambda p: put(p, {"x": ["1"], "y": [1], "t": ["2"]}),
        "train",
        "its x has type <U1; give numbers",
    ),
    "no y": (lambda p: put(p, {"x": [1], "t": [2]}), "train", "bad.npz has no y, unlike the first sample"),
    "other arrays": (
        lambda p: put(p, {"a": [1], "b": [2]}),
        "train",
        "it holds a, b; give events as t, x, y, p, or one",
    ),
    "other fields": (
        lambda p: np.save(p / "train" / "left" / "a.npy", np.zeros(3, "i4,i4")),
        "train",
        "its fields are f0, f1; events have",
    ),
    "a broken link": (
        lambda p: (p / "train" / "left" / "z.npy").symlink_to("gone.npy"),
        "train",
        "z.npy is missing; check",
    ),
}
"""What is done to a folder, the part that is read, and what is said."""


@pytest.mark.parametrize("mistake", FOLDERS)
def test_a_mistake_in_a_folder_is_one_sentence(mistake: str, tmp_path: Path):
    spoil, split, words = FOLDERS[mistake]
    spoil(folder(tmp_path))
    assert words in said(tmp_path, split, **SMALL)


def test_a_file_that_is_no_folder_is_said(tmp_path: Path):
    (tmp_path / "f").write_text("")
    assert "f is no folder; give the folder that holds train and test" in said(tmp_path / "f")


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        ("gone.npy,1", "line 1: {}/train/gone.npy does not exist; correct the line or delete it"),
        ("../test/left/0.npy,1", "leads out of"),
        ("/etc/passwd,1", "leads out of"),
        ("left/0.npy,1\nleft/0.npy,2", "line 2: {}/train/left/0.npy has a label already"),
        ("left/0.npy,1", "has no label for 11 recordings, first {}/train/left/1.npy; add its line"),
        ("left/0.npy", "line 1: 'left/0.npy' is no pair; give file,label"),
        ("left/0.npy,1,2", "is no pair"),
        ("left/0.npy,", "is no pair"),
        ("", "labels no file of"),
        ("file,label\n", "labels no file of"),
        ('"left/0.npy,1', "cannot be read as CSV"),
        ("\xff\xfe,1", "cannot be read as CSV"),
        ("left/0.npy,99999999999", "a label is 99999999999; numbers of classes lie below"),
    ],
)
def test_a_mistake_in_a_csv_is_one_sentence(lines: str, words: str, tmp_path: Path):
    folder(tmp_path)
    rest = "".join(f"\n{p.relative_to(tmp_path / 'train')},0" for p in sorted((tmp_path / "train").rglob("*.npy"))[1:])
    complete = lines + (rest if "99999" in lines else "")
    (tmp_path / "train" / "labels.csv").write_bytes(complete.encode("latin-1"))
    assert words.format(tmp_path) in said(tmp_path, **SMALL)


def test_a_csv_for_both_parts_refuses_what_lies_in_none(tmp_path: Path):
    write(folder(tmp_path) / "more" / "a.npy", events(0))
    (tmp_path / "labels.csv").write_text("more/a.npy,1")
    assert "line 1: " in said(tmp_path, **SMALL) and "lies in no part; put it below train or test" in said(tmp_path)


@pytest.mark.parametrize(
    "text", ["n_steps = ", "n_step = 3", "n_steps = -1", "\xff", "a = " + "[" * 3000, "x" * 70_000]
)
def test_a_damaged_data_toml_is_one_sentence(text: str, tmp_path: Path):
    (folder(tmp_path) / "data.toml").write_bytes(text.encode("latin-1"))
    assert str(tmp_path / "data.toml") in said(tmp_path)


def test_frames_that_do_not_fit_memory_are_one_sentence(tmp_path: Path):
    words = said(folder(tmp_path), time_unit_us=200_000, sensor=[1280, 720, 2], window_us=10_000)
    assert "do not fit memory; set n_steps, window_us, crop or shrink" in words
