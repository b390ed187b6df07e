"""Own recordings and frames become what the built-in data sets are: frames, labels, ids, time stamps."""

from __future__ import annotations

import os
from fractions import Fraction
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from exchange import npz
from ir.check import FormatError
from ir.stimulus import Stimulus
from stimuli.data_sets import load
from stimuli.frames import Binning, stamped, to_frames
from stimuli.own.data import Data, data_of, open_data
from stimuli.own.files import read_file
from stimuli.own.options import DataOptions, options_of
from stimuli.own.recording import recording_of
from stimuli.places import data_folder
from tests.stimuli.own.recordings import SMALL, aedat3, events, folder, write


def opened(path: Path, split: str = "train", **options: Any) -> Data:
    return open_data(f"folder:{path}", None, split, options)


@pytest.mark.parametrize("ending", [".npy", ".npz", ".h5", ".hdf5", ".bin", ".aedat"])
def test_recordings_of_every_ending_are_the_same_frames(tmp_path: Path, ending: str):
    own, plain = opened(folder(tmp_path / "a", ending), **SMALL), opened(folder(tmp_path / "b"), **SMALL)
    np.testing.assert_array_equal(own.frames, plain.frames)
    assert own.frames.shape == (5, 12, 128) and own.frames.sum() > 1000
    assert own.labels.tolist() == [0, 1, 2] * 4 and own.classes == ("left", "middle", "right")
    assert own.input_shape == (2, 8, 8) and own.n_classes == 3 and own.dt_s == 0.01


def test_sensor_and_time_steps_are_found_in_the_train_part_and_hold_for_the_test_part(tmp_path: Path):
    where = folder(tmp_path)
    write(where / "test" / "left" / "long.npy", events(9, us=200_000))
    train, test = opened(where), opened(where, "test")
    assert train.options == test.options == options_of(SMALL, "", DataOptions())
    assert test.frames.shape == (5, 13, 128)


def test_frames_of_a_recording_are_tonics_to_frame(tmp_path: Path):
    made = events(3, n=500)
    found = data_of([(made, 1)], SMALL)
    np.testing.assert_array_equal(
        found.frames[:, 0].reshape(5, 2, 8, 8), to_frames(made, Binning((8, 8, 2), 10_000, 5))
    )


@given(
    seed=st.integers(0, 1000),
    shrink=st.integers(1, 3),
    merge=st.booleans(),
    counts=st.booleans(),
    crop=st.sampled_from([(), (1, 2, 5, 6), (0, 0, 8, 8), (3, 3, 4, 4)]),
    begin=st.sampled_from([0, 7_000]),
)
def test_binning_cropping_shrinking_and_merging_are_what_they_say(seed, shrink, merge, counts, crop, begin):
    """Every event by hand."""
    made = events(seed, n=300)
    chosen = {"shrink": shrink, "merge_polarity": merge, "counts": counts, "crop": list(crop), "begin_us": begin}
    data = data_of([(made, 0)], {**SMALL, **chosen}).stamped()
    left, top, width, height = crop or (0, 0, 8, 8)
    columns, rows = width // shrink, height // shrink
    expected = np.zeros((5, 1 if merge else 2, rows, columns), int)
    for e in made:
        x, y, t = (int(e["x"]) - left) // shrink, (int(e["y"]) - top) // shrink, (int(e["t"]) - begin) // 10_000
        if 0 <= x < columns and 0 <= y < rows and 0 <= t < 5:
            expected[t, 0 if merge else int(e["p"]), y, x] += 1
    stimulus = data.stimulus()
    assert data.input_shape == expected.shape[1:]
    np.testing.assert_array_equal(
        stimulus.frames[:, 0].reshape(expected.shape), expected if counts else np.minimum(expected, 1)
    )
    assert stimulus.events is not None and len(stimulus.events) == stimulus.frames.sum()


def test_time_stamps_are_those_of_the_built_in_data_sets():
    made = events(4, n=400)
    own = data_of([(made, 0)], SMALL).stamped().stimulus().events
    assert own is not None
    theirs = stamped(made, Binning((8, 8, 2), 10_000, 5))
    np.testing.assert_array_equal(own[:, 1:], theirs[np.lexsort((theirs[:, 2], theirs[:, 1], theirs[:, 0]))])


def test_a_clock_in_other_units_or_from_the_first_event_is_the_same_recording():
    made = events(5)
    plain = data_of([(made, 0)], SMALL).frames
    late = {name: made[name].astype(np.int64) for name in made.dtype.names}
    late["t"] = late["t"] - late["t"][0]
    first = data_of([(late, 0)], SMALL).frames
    late["t"] = late["t"] + 1_600_000_000_000_000
    np.testing.assert_array_equal(data_of([(late, 0)], {**SMALL, "from_first": True}).frames, first)
    seconds = {name: made[name].astype(np.float64) for name in made.dtype.names}
    seconds["t"] = seconds["t"] / 1e6
    np.testing.assert_array_equal(data_of([(seconds, 0)], {**SMALL, "time_unit_us": 1e6}).frames, plain)
    signed = {**late, "t": made["t"], "p": np.where(made["p"], 1, -1)}
    np.testing.assert_array_equal(data_of([(signed, 0)], SMALL).frames, plain)


@pytest.mark.parametrize("kind", [np.float16, np.float32, np.float64])
def test_seconds_from_the_first_event_are_rounded_no_more_than_the_file_has_rounded_them(kind: type):
    t = np.array([0.0103, 0.1377, 0.4567, 0.7502], kind)
    columns = {"t": t, "x": np.array([1, 2, 3, 4])}
    found = recording_of(columns, "a.h5", 1e6, from_first=True).t
    exact = [Fraction(float(x)) - Fraction(float(t[0])) for x in t]
    assert found.tolist() == [round(x * 1_000_000) for x in exact]


def test_aedat_3_in_packets_is_the_same_recording(tmp_path: Path):
    made = events(6)
    for label in ("a", "b"):
        (tmp_path / "train" / label).mkdir(parents=True)
        (tmp_path / "train" / label / "0.aedat").write_bytes(aedat3(made))
    own = opened(tmp_path, n_steps=5, camera="gesture", crop=[0, 0, 8, 8])
    np.testing.assert_array_equal(own.frames[:, 0], data_of([(made, 0)], SMALL).frames[:, 0])


AEDAT4 = Path(__file__).with_name("small.aedat4")
"""Written by dv-processing 2.0.4: 40 events, one a millisecond, row by row of 8 x 8 pixels, polarity in turn."""


def test_aedat_4_is_read_by_its_package(tmp_path: Path):
    if find_spec("aedat") is None:
        pytest.skip("the package aedat is not installed")
    columns = read_file(AEDAT4)
    assert isinstance(columns, dict) and columns["t"].tolist() == [1_600_000_000_000_000 + 1000 * i for i in range(40)]
    assert columns["x"].tolist() == [i % 8 for i in range(40)] and columns["p"].tolist() == [i % 2 for i in range(40)]
    assert columns["y"].tolist() == [i // 8 for i in range(40)]
    (tmp_path / "cut.aedat4").write_bytes(AEDAT4.read_bytes()[:700])
    with pytest.raises(FormatError, match=r"cut\.aedat4 is damaged or no AEDAT 4 file"):
        read_file(tmp_path / "cut.aedat4")


def test_aedat_4_without_its_package_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("stimuli.own.aedat4.find_spec", lambda name: None)
    with pytest.raises(FormatError, match=r"small\.aedat4 is read by the package aedat.*; pip install aedat"):
        read_file(AEDAT4)


def test_channels_without_rows_are_a_flat_frame(tmp_path: Path):
    with h5py.File(tmp_path / "0.h5", "w") as file:
        file["times"], file["units"] = np.array([0.001, 0.012, 0.030]), np.array([3, 0, 2])
    (tmp_path / "train" / "a").mkdir(parents=True)
    os.rename(tmp_path / "0.h5", tmp_path / "train" / "a" / "0.h5")
    own = opened(tmp_path, time_unit_us=1e6)
    assert own.input_shape == (1, 4) and own.frames.shape == (4, 1, 4)
    assert [tuple(at) for at in np.argwhere(own.frames[:, 0])] == [(0, 3), (1, 0), (3, 2)]


@pytest.mark.parametrize(
    ("shape", "input_shape"), [((4, 6), (1, 6)), ((4, 3, 5), (1, 3, 5)), ((4, 2, 3, 5), (2, 3, 5))]
)
def test_frames_are_taken_as_they_are(tmp_path: Path, shape: tuple[int, ...], input_shape: tuple[int, ...]):
    frames = np.random.default_rng(0).integers(0, 3, shape)
    for label in ("a", "b"):
        (tmp_path / "train" / label).mkdir(parents=True)
        np.save(tmp_path / "train" / label / "0.npy", frames)
        np.savez(tmp_path / "train" / label / "1.npz", frames=frames.astype(float))
    own = opened(tmp_path)
    assert own.input_shape == input_shape and own.n_steps == 4 and own.frames.dtype.kind == "i"
    for b in range(4):
        np.testing.assert_array_equal(own.frames[:, b], frames.reshape(4, -1))


def test_frames_are_cut_padded_cropped_and_summed():
    frames = np.arange(3 * 2 * 4 * 4).reshape(3, 2, 4, 4)
    pairs = [(frames, 0), (frames[:1], 1)]
    own = data_of(pairs, {"n_steps": 2, "crop": [0, 1, 4, 2], "shrink": 2, "merge_polarity": True})
    assert own.frames.shape == (2, 2, 2) and own.frames[1, 1].sum() == 0
    by_hand = frames[0, :, 1:3].sum(0)
    assert own.frames[0, 0].tolist() == [by_hand[:, :2].sum(), by_hand[:, 2:].sum()]


def test_single_images_are_a_current_or_a_rate():
    light = np.random.default_rng(0).random((1, 6, 6)).astype(np.float32)
    pairs = [(light, 0), ((light * 255).astype(np.uint8), 1)]
    current = data_of(pairs, {"images": "current", "n_steps": 3})
    assert current.frames.shape == (3, 2, 36) and current.frames.dtype == np.float32
    np.testing.assert_array_equal(current.frames[1, 0], light.ravel())
    assert float(np.abs(current.frames[0, 1] - light.ravel()).max()) < 1 / 255
    rate = data_of(pairs[:1], {"images": "rate", "n_steps": 2000, "memory_mb": 0})
    spikes = rate.stimulus().frames
    assert set(np.unique(spikes)) == {0, 1}
    assert float(np.abs(spikes.mean(0)[0] - light.ravel()).max()) < 0.06


def test_labels_come_from_a_csv_in_a_part_or_beside_both(tmp_path: Path):
    where, plain = folder(tmp_path / "a"), opened(folder(tmp_path / "b"), **SMALL)
    rows = {part: sorted((where / part).rglob("*.npy")) for part in ("train", "test")}
    table = "\n".join(f"{p.relative_to(where)},{p.parent.name}" for part in rows.values() for p in part)
    (where / "labels.csv").write_text(f"file,label\n{table}\n")
    both = opened(where, **SMALL)
    assert both.labels.tolist() == [0] * 4 + [1] * 4 + [2] * 4 and both.classes == plain.classes
    np.testing.assert_array_equal(both.frames, plain.frames[:, np.argsort(plain.labels, kind="stable")])
    (where / "labels.csv").unlink()
    number = {"left": 0, "middle": 3, "right": 1}
    for part, paths in rows.items():
        table = "\n".join(f'"{p.relative_to(where / part)}",{number[p.parent.name]}' for p in paths)
        (where / part / "labels.csv").write_text(table)
    numbered = opened(where, "test", **SMALL)
    assert numbered.labels.tolist() == [0] * 4 + [3] * 4 + [1] * 4, "numbers are the labels themselves"
    assert numbered.n_classes == 4 and numbered.classes == ()


def test_numbered_classes_are_in_order_of_their_numbers(tmp_path: Path):
    own = opened(folder(tmp_path, n=1, classes=("10", "9", "1")), **SMALL)
    assert own.classes == ("1", "9", "10") and own.labels.tolist() == [0, 2, 1]


def test_the_folder_says_how_it_becomes_frames_and_a_table_lies_over_that(tmp_path: Path):
    where = folder(tmp_path)
    (where / "data.toml").write_text("window_us = 5000\nn_steps = 4\nsensor = [8, 8, 2]\nmerge_polarity = true\n")
    assert opened(where, "test").frames.shape == (4, 12, 64)
    over = opened(where, n_steps=6, merge_polarity=False)
    assert over.frames.shape == (6, 12, 128) and over.options.window_us == 5000


def test_what_does_not_fit_memory_is_read_when_it_is_needed_and_is_the_same(tmp_path: Path, monkeypatch):
    where = folder(tmp_path / "own")
    held, streamed = opened(where, **SMALL), opened(where, **SMALL, memory_mb=0)
    assert held.fits and not streamed.fits
    index = np.array([5, 0, 7])
    for a, b in ((held, streamed), (held.select(slice(2, 11)), streamed.select(slice(2, 11)))):
        one, other = a.stimulus().select(index), b.read(index)
        np.testing.assert_array_equal(one.frames, other.frames)
        np.testing.assert_array_equal(one.labels, other.labels)
        np.testing.assert_array_equal(one.sample_ids, other.sample_ids)
    monkeypatch.setattr("stimuli.own.data.PIECE_BYTES", 5 * 5 * 128)
    pieces = [piece.stimulus() for piece in streamed.pieces()]
    assert [p.n_samples for p in pieces] == [5, 5, 2]
    np.testing.assert_array_equal(np.concatenate([p.frames for p in pieces], 1), held.frames)


def test_frames_are_kept_in_the_cache_until_a_file_or_an_option_changes(tmp_path: Path, monkeypatch):
    where, cache = folder(tmp_path / "own"), tmp_path / "cache"
    monkeypatch.setenv("UNLAYERED_CACHE", str(cache))

    def frames(**more: Any) -> Any:
        return open_data(f"folder:{where}", None, "train", {**SMALL, **more}, npz).frames

    first = frames()
    (kept,) = cache.iterdir()
    npz.save(Stimulus(first * 0, labels=np.array([0, 1, 2] * 4)), kept)
    assert frames().sum() == 0, "it comes from the cache"
    assert frames(n_steps=4).sum() > 0 and len(list(cache.iterdir())) == 2
    write(where / "train" / "left" / "0.npy", events(77))
    assert frames().sum() > 0
    lazily = open_data(f"folder:{where}", None, "train", {**SMALL, "memory_mb": 0}, npz)
    again = [lazily.read(np.array([3])).frames for _ in range(2)]
    np.testing.assert_array_equal(*again)
    assert len(list(cache.rglob("3.npz"))) == 1


def test_real_n_mnist_as_a_folder_is_the_built_in_data_set(tmp_path: Path):
    import zipfile

    packed = data_folder() / "datasets" / "nmnist_real_subset" / "nmnist_real_subset.zip"
    if not packed.exists():
        pytest.skip("the N-MNIST recordings are not under UNLAYERED_DATA")
    with zipfile.ZipFile(packed) as archive:
        names = [n for n in archive.namelist() if n.startswith("NMNIST/Test")]
        archive.extractall(tmp_path, names)
    theirs = load("nmnist-17", tmp_path, "test")
    os.rename(tmp_path / "NMNIST" / "Test", tmp_path / "train")
    own = opened(tmp_path, sensor=[34, 34, 2], n_steps=10, shrink=2)
    order = np.argsort([int(own.source.said(i)[-9:-4]) for i in range(len(own))])
    np.testing.assert_array_equal(own.frames[:, order], theirs.frames)
    np.testing.assert_array_equal(own.labels[order], theirs.labels)


def test_a_folder_below_root_is_found(tmp_path: Path):
    folder(tmp_path / "own")
    assert open_data("folder:own", tmp_path, "train", SMALL).n_samples == 12
    with pytest.raises(FormatError, match="does not exist; give the folder that holds train and test"):
        open_data("folder:other", tmp_path)
