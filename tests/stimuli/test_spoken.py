"""Spoken digits in SHD's layout: counts that no time step changes, one speaker left out."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import h5py
import numpy as np
import pytest

from ir import FormatError
from stimuli.data_sets import load
from stimuli.spoken import recordings


def written(folder: Path, part: str, n: int, zipped: bool, channels: int = 700, top: int = 10) -> None:
    """A file of the data set with drawn spikes; labels and speakers go round."""
    rng = np.random.default_rng(len(part))
    content = io.BytesIO()
    with h5py.File(content, "w") as file:
        file["labels"], file["extra/speaker"] = np.arange(n) // 6 % top, np.arange(n) % 6
        for name, kind in (("times", np.float16), ("units", np.uint16)):
            file.create_dataset(f"spikes/{name}", (n,), h5py.vlen_dtype(kind))
        for i in range(n):
            m = 0 if i == 3 else 200
            file["spikes/times"][i] = np.sort(rng.random(m) * 1.1).astype(np.float16)
            file["spikes/units"][i] = rng.integers(0, channels, m).astype(np.uint16)
    if zipped:
        with zipfile.ZipFile(folder / f"shd_{part}.h5.zip", "w") as packed:
            packed.writestr(f"shd_{part}.h5", content.getvalue())
    else:
        (folder / f"shd_{part}.h5").write_bytes(content.getvalue())


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    written(tmp_path, "train", 66, True)
    written(tmp_path, "test", 6, False)
    return tmp_path


def test_both_files_are_read_zipped_or_not_and_every_spike_of_the_first_second_counts(folder: Path) -> None:
    found = recordings(folder)
    assert len(found) == 72 and found.begins[4] == found.begins[3]
    some = np.array([70, 3, 1])
    early = [(found.times_us[found.begins[i] : found.begins[i + 1]] < 1_000_000).sum() for i in some]
    coarse, fine = (found.frames(some, n) for n in (100, 1000))
    assert coarse.frames.shape == (100, 3, 70) and fine.frames.shape == (1000, 3, 70)
    assert coarse.frames.sum((0, 2)).tolist() == early and 0 in early
    assert np.array_equal(fine.frames.reshape(100, 10, 3, 70).sum(1), coarse.frames)
    assert coarse.sample_ids is not None and coarse.sample_ids.tolist() == some.tolist()


def test_training_hears_all_speakers_but_the_one_of_the_test(folder: Path) -> None:
    learn, test = (load("shd-like", folder, split) for split in ("train", "test"))
    speakers = recordings(folder).speakers
    assert set(speakers[learn.sample_ids]) == {0, 1, 2, 3, 4} and set(speakers[test.sample_ids]) == {5}
    assert learn.n_samples == 60 and test.n_samples == 12 and learn.frames.shape[0] == 100
    stamped = load("shd-like", folder, "test", limit=5, stamps=True)
    assert stamped.events is not None and len(stamped.events) == stamped.frames.sum()
    with pytest.raises(ValueError, match="speaker is 6; the recordings are of 0, 1, 2, 3, 4, 5"):
        recordings(folder).left_out(6)


def test_files_that_are_absent_or_hold_something_else_say_so(tmp_path: Path) -> None:
    with pytest.raises(FormatError, match=r"put shd_train.h5 and shd_test.h5 there, zipped or not.*--preset digits"):
        load("shd-like", tmp_path)
    written(tmp_path, "train", 66, False)
    written(tmp_path, "test", 66, False, top=20)
    with pytest.raises(FormatError, match=r"shd_test.h5 holds no digits 0 to 9 on 700 channels"):
        load("shd-like", tmp_path)
    written(tmp_path, "test", 6, False, channels=900)
    with pytest.raises(FormatError, match=r"shd_test.h5 holds no digits 0 to 9 on 700 channels"):
        load("shd-like", tmp_path)
    (tmp_path / "shd_test.h5").write_bytes(b"no HDF5 at all")
    with pytest.raises(FormatError, match=r"the train split of shd-like .* is damaged"):
        load("shd-like", tmp_path)
