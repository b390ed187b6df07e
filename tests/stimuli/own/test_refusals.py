"""Every mistake in own data is one sentence that names the file; nothing in a file is executed."""

from __future__ import annotations

import os
import pickle
import zipfile
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ir.check import FormatError
from stimuli.own.data import data_of
from stimuli.own.files import READERS, read_file
from stimuli.own.options import DataOptions, options_of, options_of_words
from tests.stimuli.own.recordings import EVENT, SMALL, aedat3, events, write


@pytest.mark.parametrize(
    ("first", "other", "words"),
    [
        ((5, 4), (5, 3), "has shape (5, 3), sample 0 has (5, 4); give one shape"),
        ((5, 4), (6, 4), "has shape (6, 4), sample 0 has (5, 4); give one shape; set n_steps to cut and pad"),
        ((5, 2, 3, 3), (5, 3, 3), "has shape (5, 3, 3)"),
        ((5,), (5,), "sample 0 has shape (5,); frames are (T, N), (T, H, W) or (T, C, H, W)"),
        ((1, 1, 1, 1, 1), (1,), "frames are (T, N)"),
        ((0, 4), (0, 4), "sample 0 is empty (shape (0, 4))"),
    ],
)
def test_frames_of_other_shapes_are_refused(first: tuple[int, ...], other: tuple[int, ...], words: str):
    with pytest.raises(FormatError) as error:
        data_of([(np.ones(first), 0), (np.ones(other), 1)]).stimulus()
    assert words in str(error.value)


@pytest.mark.parametrize(
    ("frames", "words"),
    [
        (np.array([[np.nan]]), "sample 0 holds nan at (0, 0); every value must be finite"),
        (np.array([[-1]]), "sample 0 holds -1 at (0, 0); counts are at least 0"),
        (np.array([["a"]]), "sample 0 holds <U1 of shape (1, 1)"),
        (np.array([[1j]]), "sample 0 holds complex128"),
        (np.array([[None]], object), "that is no array of numbers"),
        ([[1, 2], [3]], "numpy cannot take"),
        (np.zeros(3, "i4,i4"), "has neither frames nor events; events have t, x, y, p"),
    ],
)
def test_frames_that_are_none_are_refused(frames: Any, words: str):
    with pytest.raises(FormatError) as error:
        data_of([(frames, 0)]).stimulus()
    assert words in str(error.value)


@pytest.mark.parametrize("label", [-1, 1.5, "a", None, [0, 1], True, 1 << 40])
def test_labels_that_are_no_class_are_refused(label: Any):
    with pytest.raises(FormatError, match=r"sample 0 (has the label|is labelled|holds a)"):
        data_of([(np.ones((2, 2)), label)])


class Short(list):
    """Says that it has more items than it has."""

    def __len__(self) -> int:
        return 3


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (None, "a NoneType is no data; give folder:PATH, a Dataset"),
        (np.ones((3, 2)), "a ndarray is no data"),
        ({"a": 1}, "a dict is no data"),
        (5, "a int is no data"),
        ([], "own holds no samples"),
        ([1, 2], "sample 0 is a int; give a pair"),
        ([(1, 2, 3)], "sample 0 is a tuple of 3; give a pair"),
        (Short([(np.ones((2, 2)), 0)]), "the data say that they have 3 samples, and have no sample 1"),
        (iter([(np.ones((10, 3, 2)), np.arange(3))]), "batch 0 has 3 labels and samples of shape (10, 3, 2)"),
        (iter([(np.ones((3, 2)), np.ones((3, 2), int))]), "batch 0 has labels of shape (3, 2)"),
    ],
)
def test_what_is_no_data_is_said(value: Any, words: str):
    with pytest.raises(FormatError) as error:
        data_of(value).stimulus()
    assert words in str(error.value)


def test_a_loader_that_does_not_fit_is_refused_with_the_way_out():
    with pytest.raises(FormatError, match=r"more than 1 MB \(memory_mb\); give its Dataset"):
        data_of(iter([(np.ones((2, 100_000)), np.arange(2))] * 2), {"memory_mb": 1})


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"n_step": 3}, "unknown keys n_step (did you mean n_steps?)"),
        ({"n_steps": 1.5}, "n_steps is 1.5; give a whole number"),
        ({"n_steps": True}, "n_steps is True"),
        ({"window_us": 0}, "window_us is 0; it must lie in 1.."),
        ({"counts": 1}, "counts is 1; give true or false"),
        ({"sensor": [8, 8]}, "sensor is [8, 8]; give [W, H, P]"),
        ({"sensor": "8x8"}, "sensor is '8x8'; give [W, H, P]"),
        ({"sensor": [8, 0, 2]}, "a number of sensor is 0"),
        ({"sensor": [8, 8, 3]}, "polarities are 1 or 2"),
        ({"crop": [0, 0, 0, 4]}, "a number of crop is 0"),
        ({"images": "burst"}, "images is 'burst'"),
        ({"camera": "davis"}, "camera is 'davis'"),
        ({"time_unit_us": 0}, "time_unit_us is 0"),
        ({"time_unit_us": float("nan")}, "time_unit_us is nan"),
        ({"crop": [4, 0, 5, 4]}, "it leaves the frame"),
        ({"shrink": 9}, "shrink is 9 and leaves nothing"),
        ([1], "make it a table"),
    ],
)
def test_an_option_that_makes_no_sense_is_refused_by_name(options: Any, words: str):
    with pytest.raises(FormatError) as error:
        data_of([(events(0), 0)], options if isinstance(options, list) else {**SMALL, **options}).stimulus()
    assert words in str(error.value)


@pytest.mark.parametrize("word", ["n_steps", "n_steps=", "=3", "n_steps=abc", "n_steps=3\nn=4", "a.b=3", "n_steps=3 4"])
def test_a_word_that_is_no_key_and_value_is_refused(word: str):
    with pytest.raises(FormatError, match="give KEY=VALUE"):
        options_of_words([word])


def test_words_are_values_as_toml_has_them():
    words = ["n-steps=20", "crop = [0,0,4,4]", "counts=true", 'camera="dvs128"']
    made = options_of(options_of_words(words), "")
    assert made == DataOptions(n_steps=20, crop=(0, 0, 4, 4), counts=True, camera="dvs128")


class Evil:
    """Would run a command where a pickle is read."""

    def __reduce__(self) -> Any:
        return os.mkdir, ("executed",)


def test_no_file_executes_anything(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    np.save("a.npy", np.array([Evil()], object), allow_pickle=True)
    np.savez("a.npz", t=np.array([Evil()], object), x=np.zeros(1))
    for ending in set(READERS) - {".bin"}:  # of which any five bytes are an event
        Path(f"b{ending}").write_bytes(pickle.dumps(Evil()))
    with h5py.File("c.h5", "w") as file:
        file["t"] = np.array([b"text"])
    with h5py.File("d.h5", "w") as file:
        file["t"] = h5py.ExternalLink("c.h5", "/t")
    with h5py.File("e.h5", "w") as file:
        file["t"], file["x"] = h5py.SoftLink("/x"), np.zeros(3)
    for path in sorted(tmp_path.iterdir()):
        with pytest.raises(FormatError, match=str(path)):
            read_file(path)
    assert not Path("executed").exists()


def test_a_file_that_claims_more_than_it_holds_takes_no_memory(tmp_path: Path):
    head = (
        b"\x93NUMPY\x01\x00v\x00"
        + b"{'descr': '<i8', 'fortran_order': False, 'shape': (99999999999,), }".ljust(117)
        + b"\n"
    )
    (tmp_path / "a.npy").write_bytes(head + b"\0" * 80)
    with zipfile.ZipFile(tmp_path / "a.npz", "w") as archive:
        archive.writestr("t.npy", head + b"\0" * 80)
    with zipfile.ZipFile(tmp_path / "bomb.npz", "w", zipfile.ZIP_BZIP2) as archive:
        archive.writestr("t.npy", b"\0" * 50_000_000)
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.create_dataset("t", (1 << 40,), "i8", chunks=(1024,), compression="gzip")
    (tmp_path / "a.aedat").write_bytes(aedat3(np.zeros(5, EVENT)).replace(b"\5\0\0\0\5\0\0\0\5\0\0\0", b"\xff" * 12))
    for path in sorted(tmp_path.iterdir()):
        with pytest.raises(FormatError, match=str(path)):
            read_file(path)


DRAWS = int(os.environ.get("UNLAYERED_DRAWS", "100"))


@pytest.mark.parametrize("ending", [".npy", ".npz", ".h5", ".bin", ".aedat", ".aedat3"])
@settings(max_examples=DRAWS)
@given(cut=st.floats(0, 1), spoil=st.lists(st.tuples(st.floats(0, 0.999), st.integers(0, 255)), max_size=4))
def test_a_damaged_file_is_read_or_refused_in_one_sentence(tmp_path_factory, ending: str, cut: float, spoil: Any):
    where = tmp_path_factory.getbasetemp() / f"damaged{ending.replace('3', '')}"
    made = events(1, n=40)
    if ending == ".aedat3":
        content = bytearray(aedat3(made))
    else:
        write(where, made)
        content = bytearray(where.read_bytes())
    for at, value in spoil:
        content[int(at * len(content))] = value
    where.write_bytes(content[: int(cut * len(content)) + 1] if cut < 0.5 else content)
    try:
        data_of([(raw, 0)] if isinstance(raw := read_file(where), dict) else [(np.asarray(raw), 0)], SMALL).stimulus()
    except FormatError as error:
        assert "\n" not in str(error)
