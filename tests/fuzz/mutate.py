"""Ways to spoil bytes, and hard ways to spoil HDF5 and ONNX files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import h5py
import numpy as np
import onnx
from onnx import helper

Rng = np.random.Generator

SIZES = (b"\xff" * 8, b"\0" * 8, b"\xff" * 7 + b"\x7f", (1 << 33).to_bytes(8, "little"))


def spoil(content: bytes, rng: Rng) -> bytes:
    """Flip, cut, repeat, blank or swap a few bytes."""
    data = bytearray(content)
    for _ in range(int(rng.choice([1, 1, 2, 4, 16]))):
        if not data:
            break
        at, length = int(rng.integers(len(data))), int(rng.integers(1, 64))
        kind = rng.integers(7)
        if kind == 0:
            data[at] ^= 1 << int(rng.integers(8))
        elif kind == 1:
            data[at : at + length] = rng.bytes(min(length, len(data) - at))
        elif kind == 2:
            del data[at : len(data) if rng.random() < 0.3 else at + length]
        elif kind == 3:
            data[at:at] = data[at : at + length]
        elif kind == 4:
            data[at : at + 8] = SIZES[int(rng.integers(len(SIZES)))]
        elif kind == 5:
            other = int(rng.integers(len(data)))
            data[at : at + length] = data[other : other + length]
        else:
            data[at] = int(rng.integers(256))
    return bytes(data)


WILD: tuple[Any, ...] = (
    np.nan, np.inf, -1, 0, 1 << 40, -(1 << 40), np.array([]), np.zeros((0, 2)), np.full(3, np.nan), np.ones((2, 2, 2)),
    np.float16(1), np.bool_(True), np.complex64(1j), "text", "NIRGraph", "", np.bytes_(b"\xff\xfe"), np.uint64(1 << 63),
    np.array([1 << 30, 1 << 30]), np.array(["a", "b"], dtype="S1"), np.array([-5, 3]), np.arange(200),
    np.array([1, 1 << 14, 1 << 14]),
)  # fmt: skip


def rewrite(content: bytes, path: Path, rng: Rng) -> bytes:
    """A sound HDF5 file in which a few entries hold something else, or are gone, moved or linked."""
    path.write_bytes(content)
    with h5py.File(path, "a") as file:
        names: list[str] = []
        file.visit(names.append)
        for _ in range(int(rng.integers(1, 4))):
            name = str(rng.choice(names))
            if name not in file or f"{name}_" in file:
                continue
            kind = rng.integers(6)
            if kind == 0:
                del file[name]
            elif kind == 1:
                file[f"{name}_"] = file[str(rng.choice([n for n in names if n in file]))]
            elif kind == 2:
                link = h5py.SoftLink("/node") if rng.random() < 0.5 else h5py.ExternalLink("/etc/passwd", "/")
                file[f"{name}_"] = link
            elif kind == 3:
                del file[name]
                file.create_dataset(name, (int(rng.integers(1, 1 << 36)),), "f8", chunks=(1 << 16,))
            else:
                del file[name]
                wild = WILD[int(rng.integers(len(WILD)))]
                file[name] = wild
    return path.read_bytes()


OPERATORS = ("Relu", "Add", "Mul", "Reshape", "Loop", "If", "Constant", "Conv", "", "MaxPool")
ATTRIBUTES = ("pads", "strides", "kernel_shape", "group", "axis", "value")


def rewrite_model(content: bytes, rng: Rng) -> bytes:
    """A sound ONNX file in which tensors, names, operators or attributes say something else."""
    model = onnx.ModelProto.FromString(content)
    graph = model.graph
    for _ in range(int(rng.integers(1, 4))):
        kind = rng.integers(8)
        if graph.initializer:
            tensor = graph.initializer[int(rng.integers(len(graph.initializer)))]
            if kind == 0:
                tensor.dims[:] = [int(x) for x in rng.integers(-3, 1 << 33, int(rng.integers(0, 4)))]
            elif kind == 1:
                tensor.data_type = int(rng.integers(0, 30))
            elif kind == 2:
                tensor.ClearField("raw_data")
                tensor.data_location = onnx.TensorProto.EXTERNAL
                where = str(rng.choice(["../x", "/etc/passwd", "x", "", "."]))
                tensor.external_data.add(key="location", value=where)
                tensor.external_data.add(key="offset", value=str(rng.choice(["-1", "x", "9" * 30, "0"])))
            elif kind == 3:
                tensor.raw_data = np.full(len(tensor.raw_data) // 4, np.nan, np.float32).tobytes()
        node = graph.node[int(rng.integers(len(graph.node)))]
        if kind == 4:
            node.op_type = str(rng.choice(OPERATORS))
        elif kind == 5 and node.input:
            values = [name for other in graph.node for name in [*other.output, *other.input]]
            node.input[int(rng.integers(len(node.input)))] = str(rng.choice(values))
        elif kind == 6:
            numbers = [int(x) for x in rng.integers(-4, 1 << 40, 4)]
            node.attribute.append(helper.make_attribute(str(rng.choice(ATTRIBUTES)), numbers))
        elif kind == 7 and model.metadata_props:
            note = spoil(model.metadata_props[0].value.encode(), rng)
            model.metadata_props[0].value = note.decode("utf-8", "replace")
    return model.SerializeToString()
