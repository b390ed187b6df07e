"""Files taken apart, spoilt inside, and put together again so that sums, sizes and lengths hold."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import onnx
import torch
from onnx import helper, numpy_helper

from exchange.npz import HEADER
from exchange.seal import seal
from exchange.toml import tomllib
from tests.fuzz.mutate import rewrite, rewrite_model
from tests.fuzz.trees import deep, near, pick, places, spoil_array, spoil_tree
from unlayered.sweeping import NOT_SEALED

Rng = np.random.Generator


def spoil_npz(content: bytes, _: Path, rng: Rng) -> bytes:
    """The header as a tree, where there is one, the arrays as arrays; packed anew."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        arrays = {name: np.lib.format.read_array(archive.open(name)) for name in archive.namelist()}
    header = json.loads(arrays.pop(f"{HEADER}.npy").tobytes()) if f"{HEADER}.npy" in arrays else None
    for _ in range(int(rng.choice([1, 1, 1, 2, 4]))):
        kind = rng.random()
        if (kind < 0.5 or header is None) and arrays:
            name = pick(rng, sorted(arrays))
            arrays[name] = spoil_array(arrays[name], rng)
        elif kind < 0.98 and header is not None:
            spoil_tree(header["value"], rng)
        elif header is not None:
            header["value"]["more"] = deep(int(rng.integers(2, 900)))
    if header is not None:
        arrays[f"{HEADER}.npy"] = np.frombuffer(json.dumps(header).encode(), np.uint8)
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED if rng.random() < 0.8 else zipfile.ZIP_STORED) as archive:
        for name, array in arrays.items():
            archive.writestr(name, _npy(array))
            if rng.random() < 0.01:
                archive.writestr(f"more{name}", _npy(array))
    return out.getvalue()


def _npy(array: np.ndarray) -> bytes:
    out = io.BytesIO()
    np.lib.format.write_array(out, array, allow_pickle=False)
    return out.getvalue()


def spoil_npy(content: bytes, _: Path, rng: Rng) -> bytes:
    """The array, or what its header says of it."""
    array = np.load(io.BytesIO(content))
    if rng.random() < 0.7:
        return _npy(spoil_array(array, rng))
    said = {
        "descr": pick(rng, ("<i1", "<f8", ">i4", "|O", "<U4", [("a", "<i4")], "<f16", array.dtype.str)),
        "fortran_order": pick(rng, (True, False, 1, "x")),
        "shape": pick(rng, (array.shape, array.shape[::-1], (1 << 40,), (-1, 3), (1 << 32, 1 << 32), (), "x", (2.5,))),
    }
    text = pick(
        rng, (repr(said), repr(said), repr(said), f"{'(' * 3000}{')' * 3000}", "{" * 90, "-" * 900 + "1", repr({}))
    )
    header = text.encode().ljust(118) + b"\n"
    return b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header + array.tobytes()


def spoil_json(content: bytes, _: Path, rng: Rng) -> bytes:
    """The parsed tree, written again; a sweep mostly under a seal that fits it."""
    tree = json.loads(content)
    for _ in range(int(rng.choice([1, 1, 1, 2, 4]))):
        spoil_tree(tree, rng)
    if "seal" in tree and rng.random() < 0.9:
        tree["seal"] = seal({name: value for name, value in tree.items() if name not in NOT_SEALED})
    return json.dumps(tree).encode()


def spoil_toml(content: bytes, _: Path, rng: Rng) -> bytes:
    """The parsed table, written again."""
    table = tomllib.loads(content.decode())
    for _ in range(int(rng.choice([1, 1, 1, 2, 4]))):
        if rng.random() < 0.02:
            table[f"key{rng.integers(9)}"] = deep(int(rng.integers(2, 400)))
        else:
            spoil_tree(table, rng)
    return "".join(f"{json.dumps(k)} = {_toml(v)}\n" for k, v in table.items()).encode("utf-8", "replace")


def _toml(value: Any) -> str:
    """An inline value; what TOML cannot say is left empty."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{json.dumps(str(k))} = {_toml(v)}" for k, v in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_toml, value)) + "]"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    return '""' if value is None else repr(value).replace("1e", "1.0e") if isinstance(value, float) else repr(value)


def spoil_hdf5(content: bytes, path: Path, rng: Rng) -> bytes:
    """Values in datasets, texts and edges, through h5py; or harder, as ``rewrite`` does."""
    if rng.random() < 0.25:
        return rewrite(content, path, rng)
    path.write_bytes(content)
    with h5py.File(path, "a") as file:
        names: list[str] = []
        file.visititems(lambda name, item: names.append(name) if isinstance(item, h5py.Dataset) else None)
        for _ in range(int(rng.choice([1, 1, 2]))):
            name = pick(rng, names)
            if name in file:
                _spoil_dataset(file, name, rng)
    return path.read_bytes()


def _spoil_dataset(file: h5py.File, name: str, rng: Rng) -> None:
    held = file[name][()]
    if isinstance(held, bytes):
        text = held.decode("utf-8", "replace")
        changed: Any = _text(near(_parsed(text, rng), rng)) if rng.random() < 0.7 else text
    elif held.dtype.kind == "O" and h5py.check_string_dtype(file[name].dtype) is None:
        _spoil_lists(file, name, list(held), rng)
        return
    elif held.dtype.kind == "O":
        texts = [x.decode("utf-8", "replace") for x in held.reshape(-1)]
        other = str(pick(rng, texts)) if texts else ""
        texts[int(rng.integers(len(texts)))] = other if rng.random() < 0.7 else _text(near(other, rng))
        changed = np.array(texts, object).reshape(held.shape)
    else:
        changed = spoil_array(np.asarray(held), rng)
    del file[name]
    if isinstance(changed, str) or changed.dtype.kind == "O":
        file.create_dataset(name, data=changed, dtype=h5py.string_dtype())
    else:
        file.create_dataset(name, data=changed)


def _spoil_lists(file: h5py.File, name: str, lists: list[np.ndarray], rng: Rng) -> None:
    """Lists of numbers, of which one is spoilt, lost, or there twice."""
    kind, at = file[name].dtype, int(rng.integers(len(lists) or 1))
    lists = lists or [np.zeros(1)]
    change = int(rng.integers(6))
    if change < 2:
        lists[at : at + 1] = [lists[at]] * (2 * change)
    else:
        made = spoil_array(lists[at], rng).reshape(-1)
        lists[at] = made if made.dtype.kind in "biuf" else made[:0].astype(np.float64)
    del file[name]
    held = np.empty(len(lists), object)
    for i, one in enumerate(lists):
        with np.errstate(all="ignore"):
            held[i] = one.astype(h5py.check_vlen_dtype(kind))
    file.create_dataset(name, data=held, dtype=kind)


def _text(value: Any) -> str:
    """What HDF5 can hold of a text."""
    return str(value).replace("\0", "").encode("utf-8", "replace").decode()


def _parsed(text: str, rng: Rng) -> str:
    """JSON spoilt as a tree where the text is some."""
    try:
        tree = json.loads(text)
    except ValueError:
        return text
    if isinstance(tree, (dict, list)):
        spoil_tree(tree, rng)
    return json.dumps(tree)


def spoil_onnx(content: bytes, _: Path, rng: Rng) -> bytes:
    """Values of tensors and attributes, names, the note; or harder, as ``rewrite_model`` does."""
    if rng.random() < 0.25:
        return rewrite_model(content, rng)
    model = onnx.ModelProto.FromString(content)
    graph = model.graph
    for _ in range(int(rng.choice([1, 1, 2]))):
        kind = rng.random()
        if kind < 0.35 and graph.initializer:
            at = int(rng.integers(len(graph.initializer)))
            _spoil_tensor(graph.initializer[at], rng)
        elif kind < 0.6:
            _spoil_attribute(pick(rng, graph.node), rng)
        elif kind < 0.8 and model.metadata_props:
            prop = pick(rng, model.metadata_props)
            prop.value = _text(_parsed(prop.value, rng))
        elif kind < 0.9:
            node = pick(rng, graph.node)
            node.name = _text(near(node.name or "n", rng))
        else:
            _spoil_shape(pick(rng, (*graph.input, *graph.output)), rng)
    return model.SerializeToString()


def _spoil_tensor(tensor: onnx.TensorProto, rng: Rng) -> None:
    name = tensor.name
    array = spoil_array(numpy_helper.to_array(tensor), rng)
    if array.dtype.kind in "biuf" and array.dtype.isnative:
        tensor.CopyFrom(numpy_helper.from_array(array, name))


def _spoil_attribute(node: onnx.NodeProto, rng: Rng) -> None:
    numbers = [a for a in node.attribute if a.type in (a.INT, a.FLOAT, a.INTS, a.FLOATS)]
    if not numbers:
        return
    changed = pick(rng, numbers)
    value: Any = helper.get_attribute_value(changed)
    if isinstance(value, list) or not isinstance(value, (int, float)):
        value = list(value)
        if value:
            at = int(rng.integers(len(value)))
            value[at] = _in_64_bits(near(value[at], rng))
    else:
        value = _in_64_bits(near(value, rng))
    name = changed.name
    changed.CopyFrom(helper.make_attribute(name, value) if value != [] else changed)


def _in_64_bits(value: Any) -> Any:
    return min(max(value, -(1 << 63)), (1 << 63) - 1) if isinstance(value, int) else value


def _spoil_shape(value: onnx.ValueInfoProto, rng: Rng) -> None:
    dims = value.type.tensor_type.shape.dim
    if dims:
        size = _in_64_bits(near(pick(rng, dims).dim_value, rng))
        pick(rng, dims).dim_value = size if isinstance(size, int) else 0


def spoil_checkpoint(content: bytes, _: Path, rng: Rng) -> bytes:
    """Weights, optimizer, history, as torch saves them."""
    tree = torch.load(io.BytesIO(content), weights_only=True)
    for _ in range(int(rng.choice([1, 1, 2]))):
        tensors = [(here, key) for here, key in places(tree) if isinstance(here[key], torch.Tensor)]
        if tensors and rng.random() < 0.4:
            here, key = pick(rng, tensors)
            array = spoil_array(here[key].numpy(), rng)
            if array.dtype.kind in "bif" and array.dtype.isnative:
                here[key] = torch.as_tensor(np.ascontiguousarray(array))
        else:
            spoil_tree(tree, rng)
    out = io.BytesIO()
    torch.save(tree, out)
    return out.getvalue()


SPOILERS: dict[str, Callable[[bytes, Path, Rng], bytes]] = {
    ".npz": spoil_npz,
    ".npy": spoil_npy,
    ".toml": spoil_toml,
    ".json": spoil_json,
    ".nir": spoil_hdf5,
    ".net": spoil_hdf5,
    ".h5": spoil_hdf5,
    ".onnx": spoil_onnx,
    ".pt": spoil_checkpoint,
}
"""By the ending of a file."""
