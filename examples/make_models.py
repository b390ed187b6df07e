"""Write the small files that the pages' commands use: a network in each format, untrained, for frames of 2 x 20 x 20.

``python examples/make_models.py`` writes them again, the same bits; ``recordings/`` is what `unlayered verify` replays.
"""

from itertools import pairwise
from pathlib import Path

import nir
import numpy as np
import onnx
from onnx import helper, numpy_helper

from exchange import net
from ir.connection import Conv2d, Dense
from ir.mapped import one_large_core
from ir.network import Input
from ir.neurons import FixedLIF
from ir.quantized import FixedPopulation, FixedProjection, QuantizedNetwork
from ir.schedule import Schedule
from ir.stimulus import Stimulus
from sim_reference import fast
from stimuli.data_sets import load

HERE = Path(__file__).parent
SHAPE, KERNEL, CLASSES = (2, 20, 20), (4, 2, 5, 5), 10
HIDDEN = (4, 4, 4)
N_HIDDEN = 64
RECORDED_STEPS = 20


def weights() -> tuple[np.ndarray, np.ndarray]:
    """A convolution with stride 5 and a dense layer; positive on the whole, so that something fires."""
    rng = np.random.default_rng(7)
    kernel = rng.normal(0.4, 0.4, KERNEL).astype(np.float32)
    return kernel, rng.normal(0.2, 0.4, (CLASSES, N_HIDDEN)).astype(np.float32)


def write_nir(path: Path) -> None:
    """A graph as norse exports one: LIF neurons whose time step the file leaves open."""
    kernel, dense = weights()

    def lif(shape: tuple[int, ...]) -> nir.LIF:
        return nir.LIF(tau=np.full(shape, 5e-3), r=np.ones(shape), v_leak=np.zeros(shape), v_threshold=np.ones(shape))

    nodes = {
        "input": nir.Input({"input": np.array(SHAPE)}),
        "conv": nir.Conv2d(SHAPE[1:], kernel, 5, 0, 1, 1, np.zeros(KERNEL[0], np.float32)),
        "hidden": lif(HIDDEN),
        "flatten": nir.Flatten({"input": np.array(HIDDEN)}, 0, -1),
        "dense": nir.Linear(dense),
        "out": lif((CLASSES,)),
        "output": nir.Output({"output": np.array([CLASSES])}),
    }
    names = list(nodes)
    nir.write(str(path), nir.NIRGraph(nodes, list(pairwise(names))))


def write_onnx(path: Path) -> None:
    """An ordinary network of ReLUs."""
    kernel, dense = weights()
    image, scores = (helper.make_tensor_value_info(n, 1, ["batch", *s]) for n, s in (("x", SHAPE), ("y", (CLASSES,))))
    nodes = [
        helper.make_node("Conv", ["x", "kernel"], ["a"], "conv", strides=[5, 5]),
        helper.make_node("Relu", ["a"], ["b"], "hidden"),
        helper.make_node("Flatten", ["b"], ["c"], "flatten"),
        helper.make_node("Gemm", ["c", "dense"], ["d"], "dense", transB=1),
        helper.make_node("Relu", ["d"], ["y"], "out"),
    ]
    constants = [numpy_helper.from_array(kernel, "kernel"), numpy_helper.from_array(dense, "dense")]
    graph = helper.make_graph(nodes, "digits", [image], [scores], constants)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)


def integers() -> QuantizedNetwork:
    """The same layers in integers, as lava-dl trains them."""
    kernel, dense = ((2 * np.rint(16 * w)).astype(np.int32) for w in weights())
    neuron = FixedLIF(decay_u=1024, decay_v=512, v_threshold=600)
    return QuantizedNetwork(
        (Input("input", SHAPE),),
        (FixedPopulation("conv-0", HIDDEN, neuron), FixedPopulation("fc-0", (CLASSES,), neuron)),
        (
            FixedProjection("input", "conv-0", Conv2d(kernel, SHAPE, (5, 5))),
            FixedProjection("conv-0", "fc-0", Dense(dense)),
        ),
        "fc-0",
        arithmetic="lava",
        schedule=Schedule("layered"),
    )


def write_recordings(folder: Path, network: QuantizedNetwork) -> None:
    """Spikes and registers of every layer while two digits pass, as `unlayered verify` reads them."""
    digits = load("digits", split="test", limit=2).frames
    frames = np.minimum(digits, 1).transpose(1, 0, 2).reshape(RECORDED_STEPS, 1, -1)
    trace = fast.run(one_large_core(network), Stimulus(frames), record=("v", "u"))
    assert trace.v is not None and trace.u is not None and trace.spikes is not None
    spikes = np.zeros((RECORDED_STEPS, trace.n_neurons), np.bool_)
    spikes[trace.spikes.t, trace.spikes.neuron] = True
    folder.mkdir(exist_ok=True)
    np.save(folder / "input.npy", frames[:, 0].T.astype(np.bool_))
    lines = ["# What every layer of model.net did in 20 time steps.", 'network = "model.net"', 'input = "input.npy"']
    lines += [f"steps = {RECORDED_STEPS}", "delay = 0  # a spike passes all layers in one time step"]
    for number, name in ((1, "conv-0"), (3, "fc-0")):  # layer 0 is the input, layer 2 a flatten
        part = trace.population_slice(name)
        for end, values in (("", spikes), ("-u", trace.u[:, 0]), ("-v", trace.v[:, 0])):
            np.save(folder / f"{name}{end}.npy", values[:, part].T.astype(np.int32 if end else np.bool_))
        lines += ["[[layer]]", f'name = "{name}"', f"layer = {number}"]
    (folder / "verify.toml").write_text("\n".join(lines) + "\n")


def main() -> None:
    """Write every file."""
    write_nir(HERE / "model.nir")
    write_onnx(HERE / "model.onnx")
    network = integers()
    net.write(network, HERE / "model.net")
    write_recordings(HERE / "recordings", network)


if __name__ == "__main__":
    main()
