"""Files to start from and ways to spoil them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import h5py
import numpy as np
import onnx
from onnx import helper, numpy_helper

from ir.connection import Conv2d, Dense, Sparse
from ir.formats import net, nir, npz
from ir.formats import onnx as own_onnx
from ir.network import LIF, Input, Network, Population, Projection
from ir.quantized import FixedLIF, FixedPopulation, FixedProjection, QuantizedNetwork

Rng = np.random.Generator


def float_network() -> Network:
    """Two populations, a convolution, a dense and a sparse projection."""
    conv = Conv2d(np.ones((2, 1, 2, 2)), (1, 3, 3))
    loop = Sparse(np.array([0, 1, 2]), np.array([0, 1]), np.array([0.5, 0.5]), 2)
    second = LIF(np.inf, np.array([1.0, 2.0]), 0.01)
    populations = (Population("a", (2, 2, 2), LIF(0.02, bias=0.1)), Population("b", (2,), second))
    ends = (Projection("in", "a", conv), Projection("a", "b", Dense(np.ones((2, 8))), 2), Projection("b", "b", loop))
    return Network((Input("in", (1, 3, 3)),), populations, ends, "b")


def fixed_network() -> QuantizedNetwork:
    """A chain of two populations."""
    populations = (FixedPopulation("a", (4,), FixedLIF(128, 40, bias=3, bias_exp=6)), FixedPopulation("b", (2,)))
    first, second = Dense(np.full((4, 3), 20)), Dense(np.full((2, 4), 30))
    ends = (FixedProjection("in", "a", first), FixedProjection("a", "b", second, 1, 1))
    return QuantizedNetwork((Input("in", (3,)),), populations, ends, "b")


def relu_model() -> bytes:
    """Gemm, Relu, Conv, pooling, normalization."""
    nodes = [
        helper.make_node("Conv", ["x", "k", "kb"], ["c"], pads=[1, 1, 1, 1], strides=[1, 1]),
        helper.make_node("BatchNormalization", ["c", "g", "be", "m", "va"], ["n"]),
        helper.make_node("Relu", ["n"], ["r"]),
        helper.make_node("AveragePool", ["r"], ["p"], kernel_shape=[2, 2], strides=[2, 2]),
        helper.make_node("Flatten", ["p"], ["f"]),
        helper.make_node("Gemm", ["f", "w", "wb"], ["y"], transB=1),
    ]
    weights = {"k": np.ones((2, 1, 3, 3)), "kb": np.ones(2), "g": np.ones(2), "be": np.zeros(2), "m": np.zeros(2),
               "va": np.ones(2), "w": np.ones((3, 8)), "wb": np.zeros(3)}  # fmt: skip
    inputs = [helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, ("b", 1, 4, 4))]
    outputs = [helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, None)]
    tensors = [numpy_helper.from_array(v.astype(np.float32), k) for k, v in weights.items()]
    return helper.make_model(helper.make_graph(nodes, "g", inputs, outputs, tensors)).SerializeToString()


def seeds(folder: Path) -> dict[str, list[bytes]]:
    """Sound files of every format, by ending."""
    found: dict[str, list[bytes]] = {}
    writers = {".npz": lambda n, p: npz.save(n, p), ".nir": nir.write, ".onnx": own_onnx.write}
    for ending, write in writers.items():
        for i, network in enumerate((float_network(), fixed_network())):
            write(network, folder / f"{i}{ending}")
            found.setdefault(ending, []).append((folder / f"{i}{ending}").read_bytes())
    net.write(fixed_network(), folder / "a.net")
    found[".net"] = [(folder / "a.net").read_bytes()]
    found[".onnx"].append(relu_model())
    found[".nir"].append(foreign_nir(folder / "b.nir"))
    return found


def foreign_nir(path: Path) -> bytes:
    """A small NIR file with a subgraph, as another framework would write it."""
    one = np.ones(2)
    lif = {
        "type": "CubaLIF",
        "v_leak": 0 * one,
        **dict.fromkeys(("tau_mem", "tau_syn", "r", "w_in", "v_threshold"), one),
    }
    ends = {"input": {"type": "Input", "shape": np.array([2])}, "output": {"type": "Output", "shape": np.array([2])}}
    inner = {
        "type": "NIRGraph",
        "edges": [("input", "fc"), ("fc", "lif"), ("lif", "rec"), ("rec", "lif"), ("lif", "output")],
        "nodes": {
            **ends,
            "fc": {"type": "Affine", "weight": np.eye(2), "bias": one},
            "rec": {"type": "Linear", "weight": np.eye(2)},
            "lif": lif,
        },
    }
    edges = [("input", "sub"), ("sub", "output")]
    with h5py.File(path, "w") as file:
        file["version"] = "1.0.4"
        put(file.create_group("node"), {"type": "NIRGraph", "edges": edges, "nodes": {**ends, "sub": inner}})
    return path.read_bytes()


def put(group: h5py.Group, tree: dict[str, Any]) -> None:
    """A nested dictionary as HDF5."""
    for key, value in tree.items():
        if isinstance(value, dict):
            put(group.create_group(key), value)
        elif isinstance(value, list):
            group.create_dataset(key, data=np.array(value, dtype=object), dtype=h5py.string_dtype())
        else:
            group[key] = value


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


def mutant(ending: str, content: bytes, folder: Path, rng: Rng) -> bytes:
    """One spoilt file."""
    if rng.random() < 0.5:
        if ending in (".nir", ".net"):
            return rewrite(content, folder / "rewritten.h5", rng)
        if ending == ".onnx":
            return rewrite_model(content, rng)
    return spoil(content, rng)
