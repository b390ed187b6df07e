"""Data sets become frames; what is not on disk says where it belongs."""

from __future__ import annotations

import io
import os
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from exchange import npz
from ir import FormatError
from stimuli.camera import DURATION_MS, record
from stimuli.data_sets import load
from stimuli.frames import Binning, to_frames
from stimuli.places import data_folder
from stimuli.readers import read_mnist


def test_the_emulated_camera_is_deterministic_and_in_order() -> None:
    image = np.zeros((28, 28))
    image[8:20, 12:16] = 1
    events = record(image, seed=3)
    np.testing.assert_array_equal(events, record(image, seed=3))
    assert 500 < len(events) < 10_000
    assert bool((np.diff(events["t"]) >= 0).all()) and events["t"].max() < DURATION_MS * 1000
    assert 0.3 < events["p"].mean() < 0.7


def test_an_empty_image_makes_no_events_and_empty_frames() -> None:
    events = record(np.zeros((28, 28)), seed=0)
    assert len(events) == 0
    assert to_frames(events, Binning((34, 34, 2), 10_000, 10)).sum() == 0


def test_frames_hold_each_pixel_once_a_window() -> None:
    events = record(np.eye(28), seed=0)
    frames = to_frames(events, Binning((34, 34, 2), 10_000, 10))
    assert frames.shape == (10, 2, 34, 34) and set(np.unique(frames)) == {0, 1}
    first = events[(events["t"] >= 20_000) & (events["t"] < 30_000)]
    assert frames[2].sum() == len({(e["p"], e["y"], e["x"]) for e in first})


@given(st.data())
def test_frames_equal_those_of_tonic(data: st.DataObject) -> None:
    from tonic.transforms import ToFrame

    width, height, polarities, shrink = (data.draw(st.integers(1, most)) for most in (9, 9, 2, 3))
    binning = Binning((width * shrink, height * shrink, polarities), 7, data.draw(st.integers(1, 6)), shrink)
    n = data.draw(st.integers(1, 40))
    events = np.zeros(n, np.dtype([("x", np.int16), ("y", np.int16), ("t", np.int64), ("p", bool)]))
    for name, most in (("x", width * shrink - 1), ("y", height * shrink - 1), ("t", 60), ("p", polarities - 1)):
        events[name] = data.draw(st.lists(st.integers(0, most), min_size=n, max_size=n))
    events.sort(order="t")
    small = events[events["t"] < 7 * binning.n_steps].copy()
    small["x"] //= shrink
    small["y"] //= shrink
    made = ToFrame((width, height, polarities), time_window=7, include_incomplete=True, start_time=0,
                   end_time=7 * binning.n_steps)  # fmt: skip
    theirs = made(small)[: binning.n_steps] if len(small) else 0
    np.testing.assert_array_equal(to_frames(events, binning), np.minimum(theirs, 1))


def test_digits_are_embedded_and_split_without_overlap() -> None:
    train, test = load("digits", limit=20), load("digits", split="test", limit=20)
    assert train.frames.shape == (10, 20, 800)
    assert train.sample_ids is not None and test.sample_ids is not None
    assert not set(train.sample_ids.tolist()) & set(test.sample_ids.tolist())
    np.testing.assert_array_equal(train.frames, load("digits", limit=20).frames)


def test_absent_recordings_are_told_where_they_belong(tmp_path) -> None:
    with pytest.raises(FormatError, match=r"Train/<0-9>/<5 digits>.bin.*--root"):
        load("nmnist", tmp_path)
    with pytest.raises(FormatError, match="four idx files"):
        read_mnist(tmp_path, "train", None)


def test_an_unknown_name_lists_the_known_ones() -> None:
    with pytest.raises(ValueError, match="'digits'"):
        load("imagenet")


def test_mnist_before_the_camera_resembles_nmnist() -> None:
    if not (data_folder() / "datasets" / "mnist").exists():
        pytest.skip("MNIST is not under UNLAYERED_DATA")
    images, _ = read_mnist(None, "train", 20)
    n = np.mean([len(record(image / 255.0, seed=i)) for i, image in enumerate(images)])
    assert 3000 < n < 5500, "N-MNIST has 4,105 +- 1,172 events a sample"


def test_time_stamps_name_every_count_of_the_frames() -> None:
    stimulus = load("digits", limit=3, stamps=True)
    assert stimulus.events is not None and len(stimulus.events) == stimulus.frames.sum()
    own = stimulus.events[stimulus.events[:, 0] == 1]
    assert bool((own[:, 2] // 10_000 == own[:, 1]).all()), "a stamp lies within its window"


@pytest.mark.parametrize("name", ["shd", "dvsgesture", "cifar10"])
def test_other_absent_data_sets_say_their_folder(name: str, tmp_path) -> None:
    with pytest.raises(FormatError, match="--root"):
        load(name, tmp_path)


def test_shd_files_in_tonics_layout_are_read(tmp_path) -> None:
    folder = data_folder() / "datasets" / "shd_like_fsdd"
    if not folder.exists():
        pytest.skip("the SHD-like recordings are not under UNLAYERED_DATA")
    (tmp_path / "SHD").mkdir()
    with zipfile.ZipFile(folder / "shd_test.h5.zip") as archive:
        archive.extractall(tmp_path / "SHD")
    stimulus = load("shd", tmp_path, "test", 5)
    assert stimulus.frames.shape == (100, 5, 700) and stimulus.frames.sum() > 1000


def test_cifar10_is_a_current_or_a_rate(monkeypatch) -> None:
    if not (data_folder() / "datasets" / "cifar10_jpeg").exists():
        pytest.skip("CIFAR-10 is not under UNLAYERED_DATA")
    direct, rate = load("cifar10", limit=8), load("cifar10-rate", limit=8)
    held = load("cifar10-held", limit=8).frames
    assert held.shape == (5, 8, 3072) and (held == direct.frames).all()
    assert direct.frames.shape == (1, 8, 3072) and direct.frames.dtype == np.float32
    assert abs(float(rate.frames.mean()) - float(direct.frames.mean())) < 0.02


def test_damaged_files_are_one_sentence_that_names_the_data_set(tmp_path) -> None:
    def said(name: str, path: str, content: bytes) -> str:
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_bytes(content)
        with pytest.raises(FormatError) as error:
            load(name, tmp_path)
        return str(error.value)

    recording = "NMNIST/Train/3/00001.bin"
    assert "nmnist under" in said("nmnist", recording, b"abc")
    assert "sensor with 34 pixels" in said("nmnist", recording, bytes([200, 3, 0, 0, 9]) * 4)
    assert "shd under" in said("shd", "SHD/shd_train.h5", b"garbage")
    assert "dvsgesture under" in said("dvsgesture", "DVSGesture/ibmGestureTrain/user01_led/3.npy", b"garbage")
    assert "no idx file" in said("nmnist-like", "train-images-idx3-ubyte", b"ab")
    assert "nmnist-like under" in said("nmnist-like", "train-images-idx3-ubyte", b"\0\0\x08\x03ab")
    assert "cifar10 under" in said("cifar10", "cifar10_jpeg.npz", b"garbage")


@pytest.mark.parametrize("shape", [(1 << 30, 0, 3), (2, 0, 0), (2, 28, 27), (3, 28, 28), (2, 28, 28, 1)])
def test_images_of_another_shape_than_they_are_take_no_memory(tmp_path, shape: tuple[int, ...]) -> None:
    """Found along edges: a side of 0 lets a few bytes claim 2^30 images, whose numbers alone took 8 GB."""
    sides = np.array(shape, ">u4").tobytes()
    content = b"\0\0\x08" + bytes([len(shape)]) + sides + bytes(min(int(np.prod(shape)), 3000))
    (tmp_path / "train-images-idx3-ubyte").write_bytes(content)
    (tmp_path / "train-labels-idx1-ubyte").write_bytes(b"\0\0\x08\x01\0\0\0\x02\1\2")
    with pytest.raises(FormatError, match="download it again"):
        load("mnist", tmp_path)


@pytest.mark.parametrize(
    "changed",
    [{"length": np.array([b"a", b"b"])}, {"length": np.array([0.5, 2.5])}, {"train": np.array([[1], [1]])},
     {"label": np.array(3)}],
)  # fmt: skip
def test_packed_images_of_other_kinds_of_numbers_are_one_sentence(tmp_path, changed: dict) -> None:
    parts = {"header": np.zeros(4, np.uint8), "body": np.zeros(9, np.uint8), "length": np.array([4, 5])}
    np.savez(
        tmp_path / "cifar10_jpeg.npz", **{**parts, "train": np.array([1, 1]), "label": np.array([0, 1]), **changed}
    )
    with pytest.raises(FormatError, match=r"cifar10 under .* is damaged"):
        load("cifar10", tmp_path)


def test_a_packed_file_that_no_zip_reader_knows_is_one_sentence(tmp_path) -> None:
    path = tmp_path / "cifar10_jpeg.npz"
    np.savez(path, header=np.zeros(4, np.uint8))
    content = bytearray(path.read_bytes())
    content[content.rindex(b"PK\x01\x02") + 6] = 110  # needs version 11.0
    path.write_bytes(content)
    with pytest.raises(FormatError, match=r"cifar10 under .* is damaged"):
        load("cifar10", tmp_path)


def test_a_cache_is_not_mixed_up_with_another_folder_of_recordings(tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("UNLAYERED_CACHE", str(tmp_path / "cache"))
    for name, side in (("a", 3), ("b", 7)):
        folder = tmp_path / name / "NMNIST" / "Train" / "0"
        folder.mkdir(parents=True)
        (folder / "00001.bin").write_bytes(bytes([side, 0, 0, 0, 9]))
        monkeypatch.setenv("UNLAYERED_DATA", str(tmp_path / name))
        assert np.flatnonzero(load("nmnist", store=npz).frames[0, 0]).tolist() == [side]


@pytest.mark.parametrize(("kind", "size"), [("PNG", (32, 32)), ("GIF", (32, 32)), ("JPEG", (64, 32))])
def test_a_packed_picture_of_another_kind_or_size_is_one_sentence(tmp_path, kind: str, size: tuple[int, int]) -> None:
    """Pillow would try every format it knows, and load the code of each."""
    held = io.BytesIO()
    Image.new("RGB", size).save(held, kind)
    body = np.frombuffer(held.getvalue(), np.uint8)
    np.savez(
        tmp_path / "cifar10_jpeg.npz", header=np.zeros(0, np.uint8), body=body, length=np.array([len(body)]),
        train=np.array([1]), label=np.array([0]),
    )  # fmt: skip
    with pytest.raises(FormatError, match=r"cifar10 under .* is damaged .*a picture (is no JPEG|has \(64, 32\))"):
        load("cifar10", tmp_path)


def test_times_that_no_recording_has_are_one_sentence(tmp_path) -> None:
    path = tmp_path / "DVSGesture/ibmGestureTrain/user01_led/3.npy"
    path.parent.mkdir(parents=True)
    np.save(path, np.array([[1, 1, 1, 1e306], [1, 1, 0, 2.0]]))
    with pytest.raises(FormatError, match=r"dvsgesture under .* is damaged"):
        load("dvsgesture", tmp_path)


GESTURES = ("user01_led/0", "user01_led/10", "user01_led/2", "user02_fluorescent/1", "user02_fluorescent_led/1")
"""In order of their paths."""


@pytest.mark.parametrize("backwards", [False, True])
def test_ids_of_gestures_depend_neither_on_the_file_system_nor_on_the_limit(
    tmp_path, monkeypatch, backwards: bool
) -> None:
    for i, name in enumerate(GESTURES):
        path = tmp_path / "DVSGesture/ibmGestureTrain" / f"{name}.npy"
        path.parent.mkdir(parents=True, exist_ok=True)
        np.save(path, np.array([[4 * i, 0, 0, 0]]))
    listed = [(path, folders, sorted(files, reverse=backwards)) for path, folders, files in os.walk(tmp_path)]
    listed.sort(key=lambda entry: entry[0], reverse=backwards)
    monkeypatch.setattr(os, "walk", lambda top: [entry for entry in listed if entry[0].startswith(str(top))])
    for limit in (None, 3):
        stimulus = load("dvsgesture", tmp_path, limit=limit)
        n = limit or len(GESTURES)
        assert stimulus.sample_ids is not None and stimulus.labels is not None
        assert stimulus.sample_ids.tolist() == list(range(n))
        assert stimulus.labels.tolist() == [int(Path(name).name) for name in GESTURES[:n]]
        assert [int(np.flatnonzero(stimulus.frames[0, i])[0]) for i in range(n)] == list(range(n))


def test_frames_of_gestures_kept_under_other_ids_are_not_taken(tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("UNLAYERED_CACHE", str(tmp_path / "cache"))
    path = tmp_path / "DVSGesture/ibmGestureTrain/user01_led/3.npy"
    path.parent.mkdir(parents=True)
    np.save(path, np.array([[4, 0, 0, 0]]))
    kept = load("dvsgesture", tmp_path, store=npz)
    (name,) = (tmp_path / "cache").iterdir()
    npz.save(replace(kept, sample_ids=np.array([7])), name.with_name(name.name.replace("-by-path", "")))
    assert load("dvsgesture", tmp_path, store=npz).sample_ids.tolist() == [0]
    npz.save(replace(kept, sample_ids=np.array([7])), name)
    assert load("dvsgesture", tmp_path, store=npz).sample_ids.tolist() == [7]
