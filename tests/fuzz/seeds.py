"""Sound files of every format to start from, and what a verb needs beside them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import h5py
import numpy as np
import onnx
from onnx import helper, numpy_helper
from typer.testing import CliRunner

from exchange import net, nir, npz
from exchange import onnx as own_onnx
from exchange.chip_toml import CHIPS, find_chip
from ir.connection import Conv2d, Dense, Sparse
from ir.mapped import Core, MappedNetwork
from ir.network import Input, Network, Population, Projection
from ir.neurons import LIF, FixedLIF
from ir.quantized import FixedPopulation, FixedProjection, QuantizedNetwork
from ir.schedule import Schedule
from ir.state import State
from ir.stimulus import Stimulus
from ir.trace import Trace
from sim_reference.simulate import run
from trainer.config import SHIPPED
from unlayered.cli import app


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


def small_network(schedule: Schedule | None = None) -> QuantizedNetwork:
    """What stimuli, traces and chips are tried on: three inputs, six neurons, one of them silent."""
    return QuantizedNetwork(
        (Input("in", (3,)),),
        (
            FixedPopulation("a", (4,), FixedLIF(1024, 20)),
            FixedPopulation("b", (2,), FixedLIF(2048, np.array([9, 700]))),
        ),
        (
            FixedProjection("in", "a", Dense(np.array([[9, -3, 2], [7, 7, 0], [0, 9, 9], [-8, 30, 1]]))),
            FixedProjection("a", "b", Dense(np.array([[12, 3, -4, 9], [1, 1, 1, 1]]))),
        ),
        "b",
        schedule=schedule or Schedule(F=2),
    )


def small_stimulus() -> Stimulus:
    """Four time steps of two samples, with an event for each count."""
    frames = np.random.default_rng(1).integers(0, 3, (4, 2, 3)).astype(np.int8)
    t, b, i = (np.repeat(x.reshape(-1), frames.reshape(-1)) for x in np.indices(frames.shape))
    return Stimulus(frames, np.array([5, 9]), np.array([0, 1]), np.stack([b, t, np.arange(len(t)), i], 1))


def small_trace() -> Trace:
    """What the reference simulator makes of them."""
    return run(small_network(), small_stimulus(), record=("v", "u"))


def small_state(schedule: Schedule) -> State:
    """Where the reference simulator left them."""
    state = run(small_network(), small_stimulus(), schedule, keep_state=True).state
    assert state is not None
    return state


def mapped_network() -> MappedNetwork:
    """The small network on two cores."""
    cores = (Core(0), Core(1, 0, 1, 2, 0))
    return MappedNetwork(small_network(), find_chip("loihi2"), np.array([0, 0, 1, 1, 0, 1]), cores, {"km1": 3.0})


def saved(value: Any, path: Path) -> bytes:
    """The bytes of a file of ours."""
    npz.save(value, path)
    return path.read_bytes()


def written(value: Any, path: Path) -> bytes:
    """The bytes of a foreign file."""
    {".nir": nir.write, ".onnx": own_onnx.write, ".net": net.write}[path.suffix](value, path)
    return path.read_bytes()


def as_npy(array: np.ndarray, path: Path) -> bytes:
    """The bytes of a plain array."""
    np.save(path, array)
    return path.read_bytes()


RECORDED = """network = "fixed.net"
input = "input.npy"
steps = 4
delay = 0
marker = 127

[[layer]]
name = "fc-0"
layer = 1
resets = [2]
shift = 0

[[layer]]
name = "fc-1"
layer = 2
"""

SETTINGS = {
    "train": 'data = "digits"\nlayers = ["conv 2 5 stride 4", "avgpool 2", "6", "10"]\ntau_mem_s = 2e-3\n'
    'v_threshold = 0.3\nepochs = 1\nbatch_size = 4\nlearning_rate = 1e-3\nf_drawn = [1, 0]\nf_curriculum = [[0, 2]]\n'
    '[schedule]\nkind = "asynchronous"\nF = 4\norder = "random"\n[options]\nrefractory_dropout = 0.5\n',
    "chip": 'data = "digits"\nlayers = ["10"]\nweight_bits = 8\nchip = "loihi2"\nkeep = "last"\nepochs = 1\n'
    'spike_penalty = 0.1\n[schedule]\nkind = "layered"\n',
}  # fmt: skip


def seeds(folder: Path, kind: str) -> list[bytes]:
    """Sound files of one kind."""
    made = {
        "network.npz": lambda: [saved(f(), folder / "0.npz") for f in (float_network, fixed_network, mapped_network)],
        "trace.npz": lambda: [saved(small_trace(), folder / "0.npz")],
        "state.npz": lambda: [
            saved(small_state(Schedule(kind, None)), folder / "0.npz") for kind in ("layered", "asynchronous")],
        "stimulus.npz": lambda: [
            saved(x, folder / "0.npz") for x in (small_stimulus(), Stimulus(small_stimulus().frames))],
        "stimulus.npy": lambda: [as_npy(small_stimulus().frames.astype(t), folder / "0.npy") for t in ("i1", "f4")],
        "network.nir": lambda: [
            *(written(x, folder / "0.nir") for x in (float_network(), fixed_network())), foreign_nir(folder / "1.nir")],
        "network.onnx": lambda: [
            *(written(x, folder / "0.onnx") for x in (float_network(), fixed_network())), relu_model()],
        "network.net": lambda: [written(x, folder / "0.net") for x in (fixed_network(), small_network())],
        "chip.toml": lambda: [path.read_bytes() for path in sorted(CHIPS.glob("*.toml"))],
        "settings.toml": lambda: [*(t.encode() for t in SETTINGS.values()), (SHIPPED / "digits.toml").read_bytes()],
        "verify.toml": lambda: [RECORDED.encode()],
        "recording.npy": lambda: [(beside(folder, "recordings") / "fc-1-v.npy").read_bytes()],
        "last.pt": lambda: [checkpoint(folder)],
        "diff.json": lambda: [diff_of(folder, *sides) for sides in (("floats.npz", "fixed.npz"), ("fixed.npz",) * 2)],
        "sweep.json": lambda: [sweep_of(folder)],
    }  # fmt: skip
    return made[kind]()


def checkpoint(folder: Path) -> bytes:
    """What a training run of one epoch leaves."""
    words = ["train", str(beside(folder, "settings.toml")), "--out", str(folder / "trained"), "--limit", "12"]
    done = CliRunner().invoke(app, words)
    assert done.exit_code == 0, done.output
    return (folder / "trained" / "last.pt").read_bytes()


def diff_of(folder: Path, *sides: str) -> bytes:
    """What `unlayered diff` prints of two files."""
    paths = [str(beside(folder, name)) for name in sides]
    done = CliRunner().invoke(app, ["diff", *paths, "--data", str(beside(folder, "stimulus.npz")), "--json"])
    assert done.exit_code in (0, 1), done.output
    return done.stdout.encode()


def sweep_of(folder: Path) -> bytes:
    """What `unlayered sweep` leaves of the small network."""
    words = ["sweep", str(beside(folder, "fixed.npz")), "--data", str(beside(folder, "stimulus.npz"))]
    done = CliRunner().invoke(app, [*words, "--F", "2,all", "--order", "fifo", "--out", str(folder / "sweep.json")])
    assert done.exit_code == 0, done.output
    return (folder / "sweep.json").read_bytes()


def beside(folder: Path, name: str) -> Path:
    """A sound file that a verb needs beside a spoilt one; made when first asked for."""
    path = folder / f"sound-{name}"
    if not path.exists():
        if name == "recordings":
            _record(path)
        elif name == "settings.toml":
            path.write_text(SETTINGS["train"])
        elif name == "last.pt":
            path.write_bytes(checkpoint(folder))
        elif name == "fixed.net":
            net.write(small_network(Schedule("layered", None)), path)
        else:
            values = {"trace.npz": small_trace, "fixed.npz": small_network, "floats.npz": small_floats}
            values |= {"stimulus.npz": small_stimulus}
            npz.save(values[name](), path)
    return path


def small_floats() -> Network:
    """A network of floats as wide as the small one."""
    neuron = LIF(0.005, 0.5)
    first, second = Dense(np.full((4, 3), 0.4)), Dense(np.eye(2, 4))
    ends = (Projection("in", "a", first), Projection("a", "b", second))
    return Network((Input("in", (3,)),), (Population("a", (4,), neuron), Population("b", (2,), neuron)), ends, "b")


def _record(folder: Path) -> None:
    """What the layered schedule makes of the small network, as recordings hold it: (N, T)."""
    folder.mkdir()
    (folder / "verify.toml").write_text(RECORDED)
    frames = small_stimulus().frames[:, 0]
    np.save(folder / "input.npy", np.minimum(frames, 1).T)
    trace = run(small_network(), Stimulus(np.minimum(frames, 1)[:, None]), Schedule("layered", None), record=("v", "u"))
    assert trace.v is not None and trace.u is not None
    for name, part in (("fc-0", slice(0, 4)), ("fc-1", slice(4, 6))):
        np.save(folder / f"{name}-u.npy", trace.u[:, 0, part].T)
        np.save(folder / f"{name}-v.npy", trace.v[:, 0, part].T)
