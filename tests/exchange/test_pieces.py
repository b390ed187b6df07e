"""A trace in pieces: what is read is what was written; damaged, foreign and forged folders are one sentence."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from dataclasses import fields, replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exchange import npz
from exchange.pieces import HEAD, Pieces, open_pieces, sealed
from exchange.pieces_out import save, unfinished
from exchange.seal import seal
from ir.check import FormatError
from ir.trace import Spikes, Trace
from ir.trace_parts import select
from tests.ir.test_trace_parts import drawn, same

pytest.importorskip("pyarrow", reason="pyarrow is not installed; pip install 'unlayered[pieces]'")


def cut(whole: Trace, at: list[int]) -> list[Trace]:
    """The trace in parts that begin at ``at``."""
    edges = [0, *sorted(min(x, len(whole.sample_ids)) for x in at), len(whole.sample_ids)]
    return [select(whole, slice(a, z)) for a, z in pairwise(edges)]


def written(folder: Path, whole: Trace, at: list[int] | None = None) -> Pieces:
    path = folder / "t.pieces"
    shutil.rmtree(path, ignore_errors=True)
    save(cut(whole, [2, 5] if at is None else at), path)
    return open_pieces(path)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**6), st.integers(0, 9), st.lists(st.integers(0, 9), max_size=3), st.booleans())
def test_a_trace_written_in_pieces_and_joined_is_the_trace(tmp_path_factory, seed, samples, at, recorded) -> None:
    folder = tmp_path_factory.mktemp("pieces")
    whole = drawn(seed, samples, recorded)
    found = written(folder, whole, at)
    assert same(found.whole(), whole) and found.ends[-1] == samples and len(found) == len(at) + 1
    for f in fields(Spikes):  # types, too
        one, other = getattr(found.whole().spikes, f.name), getattr(whole.spikes, f.name)
        assert one is other is None or one.dtype == other.dtype


@pytest.mark.parametrize("kind", [np.float32, np.float64, np.int64])
def test_membranes_keep_their_type_and_last_bit(tmp_path: Path, kind: type):
    whole = drawn(4, 6)
    assert whole.spikes is not None
    m = np.random.default_rng(0).normal(1e3, 1e3, len(whole.spikes)).astype(kind)
    whole = replace(whole, spikes=replace(whole.spikes, m=m, ps=np.arange(len(m))), executor="E0", labels=None)
    spikes = written(tmp_path, whole).whole().spikes
    assert spikes is not None and spikes.ps is not None
    assert spikes.m.dtype == kind and spikes.m.tobytes() == m.tobytes() and spikes.ps.tolist() == list(range(len(m)))


def test_a_run_that_only_counted_has_no_spikes_in_pieces_either(tmp_path: Path):
    assert written(tmp_path, replace(drawn(1, 5), spikes=None)).piece(1).spikes is None


def test_any_tool_reads_the_files(tmp_path: Path):
    import pyarrow.parquet as pq

    whole = drawn(2, 6)
    path = written(tmp_path, whole).path
    table = pq.read_table(path / "00000.spikes.parquet")
    first = select(whole, slice(2)).spikes
    assert first is not None and table.column("neuron").to_pylist() == first.neuron.tolist()
    assert np.array_equal(np.load(path / "00000.v.npy"), whole.states["v"][:, :2])
    assert json.loads((path / HEAD).read_text())["pieces"][0]["samples"] == 2


def flip(path: Path, at: int = 30) -> None:
    content = bytearray(path.read_bytes())
    content[at] ^= 4
    path.write_bytes(content)


def shorten(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-3])


def link(path: Path) -> None:
    path.rename(path.parent.parent / "elsewhere")
    path.symlink_to(path.parent.parent / "elsewhere")


@pytest.mark.parametrize("harm", [flip, shorten, Path.unlink, link, lambda path: (path.unlink(), path.mkdir())])
@pytest.mark.parametrize("name", ["00001.spikes.parquet", "00001.v.npy", "00001.rest.npz", HEAD])
def test_a_harmed_file_is_named(tmp_path: Path, name: str, harm: Callable[[Path], None]):
    path = written(tmp_path, drawn(3, 7)).path
    harm(path / name)
    if name == HEAD and harm is link:
        assert open_pieces(path).piece(1)  # what it says is sealed
        return
    with pytest.raises(FormatError) as error:
        open_pieces(path).piece(1)
    assert name in str(error.value) and len(str(error.value)) < 400


def rewritten(path: Path, **changes: object) -> None:
    """Write ``trace.json`` with a right seal, as only a forger does."""
    value = {**json.loads((path / HEAD).read_text()), **changes}
    del value["seal"]
    (path / HEAD).write_text(json.dumps({**value, "seal": seal(value)}))


@pytest.mark.parametrize(
    ("changes", "match"),
    [
        ({"version": 2}, "update unlayered"),
        ({"version": True}, "format version True"),
        ({"format": "other"}, "none of unlayered's"),
        ({"pieces": []}, "damaged"),
        ({"pieces": [{"samples": 1, "files": {"../../x.npy": "1:00000000", "rest.npz": "1:00000000"}}]}, "piece 0"),
        ({"pieces": [{"samples": 1, "files": {"rest.npz": "9999999999999:00000000"}}]}, "piece 0"),
        ({"pieces": [{"samples": -1, "files": {"rest.npz": "9:00000000"}}]}, "piece 0"),
        ({"pieces": [7]}, "piece 0"),
    ],
)
def test_a_forged_head_is_refused(tmp_path: Path, changes: dict, match: str):
    path = written(tmp_path, drawn(3, 7)).path
    rewritten(path, **changes)
    with pytest.raises(FormatError, match=match):
        open_pieces(path).piece(0)


def forged(path: Path, name: str, content: bytes) -> None:
    """Put other content into piece 1, with its right checksum."""
    pieces = json.loads((path / HEAD).read_text())["pieces"]
    pieces[1]["files"][name] = sealed(content)
    (path / f"00001.{name}").write_bytes(content)
    rewritten(path, pieces=pieces)


def parquet(folder: Path, **columns: object) -> bytes:
    import pyarrow as pa
    import pyarrow.parquet as pq

    pq.write_table(pa.table(columns), folder / "x.parquet", compression="zstd")
    return (folder / "x.parquet").read_bytes()


NAMES = ("sample", "t", "k", "neuron", "m", "k_served")


def test_forged_spikes_are_refused(tmp_path: Path):
    import pyarrow as pa

    path = written(tmp_path, drawn(3, 7)).path
    ok = {name: pa.array([1], pa.int64()) for name in NAMES}
    many = {name: pa.array(np.ones(12_000_000, np.int64)) for name in NAMES}
    for columns, match in (
        ({**ok, "more": ok["t"]}, "columns are not those of spikes"),
        ({**ok, "t": pa.array(["a"])}, "type string"),
        ({**ok, "k": pa.array([1.5])}, "type double"),
        ({**ok, "k": pa.array([[1]])}, "type list"),
        ({**ok, "neuron": pa.array([None], pa.int32())}, "without a number"),
        ({**ok, "neuron": pa.array([4000])}, "neuron 4000"),
        ({**ok, "sample": pa.array([1000])}, "sample 1000"),
        (many, "forged"),
    ):
        forged(path, "spikes.parquet", parquet(tmp_path, **columns))
        with pytest.raises(FormatError, match=match):
            open_pieces(path).piece(1)
    for content in (b"", b"PAR1", b"PAR1" + bytes(50) + b"\x20\0\0\0PAR1"):
        forged(path, "spikes.parquet", content)
        with pytest.raises(FormatError, match="damaged or no Parquet file"):
            open_pieces(path).piece(1)


def test_a_piece_of_another_run_is_refused(tmp_path: Path):
    path = written(tmp_path, drawn(3, 7)).path
    other = replace(drawn(3, 3), spikes=None, states={}, executor="E2")
    forged(path, "rest.npz", bytes(npz.encoded(other)))
    with pytest.raises(FormatError, match=r"00001\.rest\.npz: traces differ in executor"):
        assert open_pieces(path).rest
    forged(path, "rest.npz", bytes(npz.encoded(replace(select(drawn(3, 7), slice(3)), spikes=None, states={}))))
    with pytest.raises(FormatError, match="same id"):
        assert open_pieces(path).rest


def test_what_is_there_stays_and_what_is_not_finished_never_appears(tmp_path: Path):
    path = written(tmp_path, drawn(3, 7)).path
    with pytest.raises(FormatError, match="is there already"):
        save([drawn(1, 2)], path)
    with pytest.raises(RuntimeError), unfinished(tmp_path / "u.pieces"):
        raise RuntimeError
    assert sorted(os.listdir(tmp_path)) == ["t.pieces"]


def test_what_a_killed_run_left_goes_with_the_next(tmp_path: Path):
    left = tmp_path / ".u.pieces.0123abcd"
    left.mkdir()
    (left / "00000.v.npy").write_bytes(b"x")
    save([drawn(1, 2)], tmp_path / "u.pieces")
    assert sorted(os.listdir(tmp_path)) == ["u.pieces"]


def test_a_folder_or_file_that_holds_no_pieces_is_one_sentence(tmp_path: Path):
    (tmp_path / "a.pieces").mkdir()
    (tmp_path / "b.pieces").write_text("{}")
    for name, match in (("a.pieces", "holds no trace.json"), ("b.pieces", "no folder"), ("c.pieces", "does not exist")):
        with pytest.raises(FormatError, match=match):
            open_pieces(tmp_path / name)
