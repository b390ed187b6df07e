"""Pieces on their way to workers on this machine: read from a file as they were, in bundles that are the whole once."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import numpy as np
import pytest

from exchange import npz
from ir.stimulus import Stimulus
from unlayered.cluster.bundles import MOST_BYTES, MOST_PIECES, bundled
from unlayered.cluster.laid import Laid, laid
from unlayered.cluster.packed import Packed
from unlayered.cluster.pool import Pool
from unlayered.execute import RunOptions
from unlayered.pieces import run_to_pieces


@pytest.mark.parametrize("kind", [np.int8, np.int64, np.uint8, np.float32])
@pytest.mark.parametrize("most", [0, 1, 3])
@pytest.mark.parametrize("shape", [(5, 7, 11), (0, 3, 4), (4, 0, 3)])
def test_a_stimulus_is_read_as_it_was_laid_out(tmp_path: Path, kind: type, most: int, shape: tuple[int, ...]):
    rng = np.random.default_rng(1)
    frames = rng.integers(0, most + 1, shape).astype(kind)
    events = np.array([(b, t, 3, i) for t, b, i in np.argwhere(frames)]).reshape(-1, 4)
    whole = Stimulus(frames, rng.permutation(shape[1]), rng.integers(0, 3, shape[1]), events if most == 1 else None)
    there = laid(whole, tmp_path / "0")
    assert there is not None and bytes(npz.encoded(there.stimulus())) == bytes(npz.encoded(whole))
    assert there.stimulus().frames.dtype == whole.frames.dtype and not there.stimulus().frames.flags.writeable
    there.remove()
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("n_pieces", [1, 2, 5, 16, 63])
@pytest.mark.parametrize("n_workers", [1, 2, 7])
def test_bundles_are_all_pieces_once_in_their_order(tmp_path: Path, n_pieces: int, n_workers: int):
    pieces = [Stimulus(np.full((1, 1, 8), i % 100, np.int8), np.array([i])) for i in range(n_pieces)]
    found = list(bundled(iter(pieces), n_pieces, n_workers, tmp_path))
    assert [b.first for b in found] == np.cumsum([0, *(len(b.sent) for b in found)])[:-1].tolist()
    there = [one.stimulus() for bundle in found for one in bundle.sent]
    assert [int(one.sample_ids[0]) for one in there] == list(range(n_pieces))
    assert all(np.array_equal(a.frames, b.frames) for a, b in zip(there, pieces))
    sizes = [len(bundle.sent) for bundle in found]
    assert max(sizes) <= MOST_PIECES and sizes[-1] == 1 and set(sizes[:n_workers]) == {1}
    for bundle in found:
        bundle.remove()
    assert os.listdir(tmp_path) == []


def test_large_pieces_go_alone(tmp_path: Path):
    pieces = [Stimulus(np.zeros((MOST_BYTES // 8, 1, 8), np.int8), np.array([i])) for i in range(12)]
    assert {len(bundle.sent) for bundle in bundled(iter(pieces), 12, 1, tmp_path)} == {1}


def test_where_the_disk_is_full_or_workers_are_elsewhere_samples_travel(tmp_path: Path):
    piece = Stimulus(np.zeros((2, 1, 8), np.int8))
    for folder in (tmp_path / "gone", None):
        (bundle,) = bundled(iter([piece]), 1, 2, folder)
        assert isinstance(bundle.sent[0], Packed)
    (bundle,) = bundled(iter([piece]), 1, 2, tmp_path)
    assert isinstance(bundle.sent[0], Laid)


def quiet(done: int, total: int) -> None:
    pass


def test_workers_here_write_the_files_of_one_process_and_leave_no_other(pool: Pool, mapped, many, tmp_path: Path):
    pytest.importorskip("pyarrow", reason="pyarrow is not installed; pip install 'unlayered[pieces]'")
    stimulus = Stimulus(np.concatenate([many.frames] * 3, 1), labels=np.tile(many.labels, 3))
    words = mapped, stimulus, mapped.network.schedule, "reference", RunOptions(), quiet
    before = set(os.listdir(tempfile.gettempdir()))
    for name, by in (("one", None), ("other", pool.pieces)):
        with run_to_pieces(*words, tmp_path / f"{name}.pieces", by):
            pass
    one, other = (
        {f.name: f.read_bytes() for f in (tmp_path / f"{name}.pieces").iterdir()} for name in ("one", "other")
    )
    assert one == other and len(one) == 37
    left = set(os.listdir(tempfile.gettempdir())) - before
    assert not [name for name in left if name.startswith(f"unlayered-cluster-{os.getpid()}-")]
