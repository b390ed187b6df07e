"""Our own files: what stands in them once is decoded once, and what is forged takes neither memory nor a traceback."""

from __future__ import annotations

import io
import json
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from exchange import npz
from ir.check import FormatError, sentence
from ir.connection import Dense
from ir.mapped import MappedNetwork
from ir.network import Network
from ir.stimulus import Stimulus
from ir.trace import Trace
from sim_reference.compare.divergence import first_divergence
from sim_reference.simulate import run

MEASURED = """
import resource, sys
from ir.check import FormatError
from exchange import npz
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
try:
    npz.load(sys.argv[1])
    said = "opened"
except FormatError as error:
    said = str(error)
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024, said)
"""


def pack(path: Path, value: Any, arrays: dict[str, np.ndarray], **changes: Any) -> Path:
    """A file of ours with any header."""
    header = {"format": "unlayered", "version": 1, "value": value, **changes}
    held = {**arrays, npz.HEADER: np.frombuffer(json.dumps(header).encode(), np.uint8)}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for name, values in held.items():
            buffer = io.BytesIO()
            np.save(buffer, values)
            archive.writestr(f"{name}.npy", buffer.getbuffer())
    return path


def array(name: str) -> dict[str, str]:
    return {"type": "array", "name": name}


def opened(path: Path) -> tuple[int, str]:
    """Megabytes that reading a file takes at most, and what was said; in a process of its own."""
    done = subprocess.run([sys.executable, "-c", MEASURED, str(path)], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    megabytes, _, said = done.stdout.partition(" ")
    return int(megabytes), said.strip()


def stimulus_of(frames: Any) -> dict[str, Any]:
    return {"type": "Stimulus", "fields": {"frames": frames}}


ONE = {"a0": np.zeros((1, 1, 8 << 20), np.int8)}
MANY = {f"a{i}": np.zeros((1, 1, 8 << 20), np.int8) for i in range(100)}
BOMBS: dict[str, tuple[Any, dict[str, np.ndarray]]] = {
    "one array 500 times": (stimulus_of({"type": "tuple", "items": [array("a0")] * 500}), ONE),
    "one array in 500 fields": (
        {
            "type": "Stimulus",
            "fields": {"frames": {"type": "dict", "items": {str(i): array("a0") for i in range(500)}}},
        },
        ONE,
    ),
    "100 arrays": (stimulus_of({"type": "tuple", "items": [array(name) for name in MANY]}), MANY),
    "weights of one array": (
        stimulus_of({"type": "tuple", "items": [{"type": "Dense", "fields": {"weight": array("w")}}] * 500}),
        {"w": np.zeros((1 << 10, 1 << 10), np.float64)},
    ),
    "bytes that become 64 bits": (
        {"type": "Sparse", "fields": {"indptr": array("a"), "indices": array("a"), "weight": array("a"), "n_pre": 1}},
        {"a": np.zeros(100 << 20, np.int8)},
    ),
}


@pytest.mark.parametrize(("value", "arrays"), BOMBS.values(), ids=BOMBS)
def test_a_small_file_takes_little_memory(tmp_path: Path, value: Any, arrays: dict[str, np.ndarray]):
    top = value if value["type"] == "Stimulus" else stimulus_of(value)
    path = pack(tmp_path / "bomb.npz", top, arrays)
    assert path.stat().st_size < 6 << 20
    megabytes, said = opened(path)
    assert megabytes < 1024, said
    assert said.startswith(f"{path}") and said == sentence(said)


def test_what_save_packs_well_load_reads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(npz, "FREE_BYTES", 1 << 20)
    silent = Stimulus(np.zeros((40, 50, 1000), np.int8))
    npz.save(silent, tmp_path / "silent.npz")
    assert npz.load(tmp_path / "silent.npz", Stimulus).frames.shape == (40, 50, 1000)
    assert (tmp_path / "silent.npz").stat().st_size > 2_000_000, "kept unpacked, as its reader's budget demands"


def test_an_array_is_shared_by_all_that_refer_to_it(tmp_path: Path, network: Network):
    content = json.loads(np.load(saved(network, tmp_path / "a.npz"))[npz.HEADER].tobytes())["value"]
    neuron = content["fields"]["populations"]["items"][0]["fields"]["neuron"]["fields"]
    neuron["tau_mem_s"] = neuron["v_threshold"]
    with np.load(tmp_path / "a.npz") as held:
        path = pack(tmp_path / "b.npz", content, {k: held[k] for k in held.files if k != npz.HEADER})
    first = npz.load(path, Network).populations[0].neuron
    assert first.tau_mem_s is first.v_threshold


def saved(value: Any, path: Path) -> Path:
    npz.save(value, path)
    return path


def repacked(path: Path, **replaced: bytes) -> Path:
    """The same archive with other members."""
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in {**members, **{f"{k}.npy": v for k, v in replaced.items()}}.items():
            archive.writestr(name, content)
    return path


def member(text: str, data: bytes = b"\0" * 64, version: bytes = b"\x01\x00") -> bytes:
    """An array file with any header."""
    header = text.encode().ljust(118) + b"\n"
    return b"\x93NUMPY" + version + len(header).to_bytes(2, "little") + header + data


HEADERS = {
    "deep": "{'descr': '<f8', 'fortran_order': False, 'shape': " + "(" * 3000 + ")" * 3000 + "}",
    "deep braces": "{" * 9000,
    "signs": "-" * 9000 + "1",
    "no table": "3",
    "no descr": "{'shape': (1,)}",
    "other keys": "{'descr': '<f8', 'fortran_order': False, 'shape': (1,), 'more': 1}",
    "objects": "{'descr': '|O', 'fortran_order': False, 'shape': (1,), }",
    "records": "{'descr': [('a', '<f8')], 'fortran_order': False, 'shape': (1,), }",
    "text": "{'descr': '<U4', 'fortran_order': False, 'shape': (1,), }",
    "unknown type": "{'descr': '<f99', 'fortran_order': False, 'shape': (1,), }",
    "unknown order": "{'descr': '<f8', 'fortran_order': 7, 'shape': (1,), }",
    "negative": "{'descr': '<f8', 'fortran_order': False, 'shape': (-1,), }",
    "huge": "{'descr': '<f8', 'fortran_order': False, 'shape': (4611686018427387904, 4), }",
    "many sides": "{'descr': '<f8', 'fortran_order': False, 'shape': (" + "1," * 70 + "), }",
    "no numbers": "{'descr': '<f8', 'fortran_order': False, 'shape': ('a',), }",
    "torn": "{'descr': '<f8', 'fortran_order': False, 'shape': (1,",
    "letters": "{'descr': '<f8', 'fortran_order': False, 'shape': (1LL,), }",
}


@pytest.mark.parametrize("header", HEADERS.values(), ids=HEADERS)
@pytest.mark.parametrize("which", ["a0", npz.HEADER])
def test_a_header_of_anything_but_numbers_is_one_sentence(tmp_path: Path, header: str, which: str):
    path = repacked(saved(Stimulus(np.ones((1, 1, 8))), tmp_path / "a.npz"), **{which: member(header)})
    with pytest.raises(FormatError, match=r"a\.npz"):
        npz.load(path)


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_only_our_own_packing_is_unpacked(tmp_path: Path, method: int):
    sound = saved(Stimulus(np.ones((1, 1, 8))), tmp_path / "a.npz")
    with zipfile.ZipFile(sound) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(sound, "w", method) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    with pytest.raises(FormatError, match="packed in a way that unlayered never does"):
        npz.load(sound)


VALUES: dict[str, Any] = {
    "no object": 3,
    "no type": {"fields": {}},
    "a list for a type": {"type": ["Stimulus"], "fields": {}},
    "an unknown type": {"type": "os.system", "fields": {}},
    "a part": {"type": "Dense", "fields": {"weight": array("a0")}},
    "no fields": {"type": "Stimulus"},
    "fields of numbers": {"type": "Stimulus", "fields": 3},
    "a missing field": {"type": "Stimulus", "fields": {}},
    "an unknown field": {"type": "Stimulus", "fields": {"frames": array("a0"), "x\x1b[31m": 1}},
    "a missing array": stimulus_of(array("gone\x1b[31m" * 9999)),
    "an array without a name": stimulus_of({"type": "array"}),
    "a tuple of nothing": stimulus_of({"type": "tuple"}),
    "a dictionary of numbers": stimulus_of({"type": "dict", "items": 3}),
    "a stimulus in a stimulus": stimulus_of(stimulus_of(array("a0"))),
    "numbers without end": stimulus_of(1 << 9000),
}


@pytest.mark.parametrize("value", VALUES.values(), ids=VALUES)
def test_a_forged_header_is_one_sentence(tmp_path: Path, value: Any):
    path = pack(tmp_path / "a.npz", value, {"a0": np.ones((1, 1, 2), np.int8)})
    with pytest.raises(FormatError) as caught:
        npz.load(path)
    said = str(caught.value)
    assert said.startswith(str(path)) and said.isprintable() and len(said) < 1100


def test_a_deep_header_is_one_sentence(tmp_path: Path):
    buffer = io.BytesIO()
    np.save(buffer, np.frombuffer(b"[" * 100_000, np.uint8))
    path = repacked(saved(Stimulus(np.ones((1, 1, 8))), tmp_path / "a.npz"), unlayered=buffer.getvalue())
    with pytest.raises(FormatError, match=r"a\.npz"):
        npz.load(path)


@pytest.mark.parametrize("version", [3, -1, "1", None, 1.5, True], ids=repr)
def test_a_version_that_is_not_ours_is_said(tmp_path: Path, version: Any):
    path = pack(tmp_path / "a.npz", stimulus_of(array("a0")), {"a0": np.ones((1, 1, 2), np.int8)}, version=version)
    with pytest.raises(FormatError, match="format version"):
        npz.load(path)


def test_a_network_with_more_parts_than_a_file_holds_is_refused_when_written(
    tmp_path: Path, mapped: MappedNetwork, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(npz, "MAX_HEADER_BYTES", 1000)
    with pytest.raises(FormatError, match="too many parts"):
        npz.save(mapped, tmp_path / "a.npz")
    assert list(tmp_path.iterdir()) == []


def test_a_weight_of_foreign_byte_order_is_read_as_a_number(tmp_path: Path):
    held = Dense(np.array([[1, 2]], ">i4"))
    assert held.weight.dtype.isnative and held.weight.tolist() == [[1, 2]]


def test_a_trace_of_format_version_1_still_opens(tmp_path: Path, mapped: MappedNetwork):
    """Until version 2 membranes and currents were fields of their own."""
    new = run(mapped, Stimulus(np.ones((2, 1, mapped.network.n_inputs), np.int8)), record=("v", "u"))
    path = saved(new, tmp_path / "a.npz")
    with np.load(path) as held:
        header = json.loads(bytes(held["unlayered"]))
    fields = header["value"]["fields"]
    fields |= fields.pop("states")["items"]
    header["version"] = 1
    buffer = io.BytesIO()
    np.save(buffer, np.frombuffer(json.dumps(header).encode(), np.uint8))
    old = npz.load(repacked(path, unlayered=buffer.getvalue()), expect=Trace)
    assert set(old.states) == {"v", "u"} and first_divergence(old, new) is None
    np.testing.assert_array_equal(old.v, new.v)
