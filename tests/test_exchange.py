"""Foreign files all the way: read, mapped, run on the reference and on Lava, equal."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from exchange import net, nir
from exchange import onnx as onnx_files
from exchange.chip_toml import CHIPS, load_chip
from exchange.onnx.ann import activations, rate_code
from ir.mapped import one_large_core
from ir.network import Network
from ir.schedule import Schedule
from ir.stimulus import Stimulus
from mapper import map_network
from sim_reference.compare.divergence import first_divergence
from sim_reference.simulate import run
from tests.exchange.drawn import example
from tests.exchange.test_net import lava_dl, mnist
from tests.exchange.test_onnx_import import mnist as train_digits
from tests.exchange.test_onnx_import import trained as trained
from trainer.execute import run as run_engine

LAYERED = Schedule(kind="layered", F=None)
LOIHI2 = load_chip(CHIPS / "loihi2.toml")


def on_lava(*arguments: Any) -> Any:
    pytest.importorskip("lava.magma", reason="lava-nc is not installed here")
    from targets.lava import run as run_lava

    return run_lava(*arguments)


@pytest.mark.lava
@pytest.mark.parametrize(
    ("name", "as_"), [("braille_noDelay_bias_zero", "norse"), ("braille_noDelay_noBias_subtract", "lava-dl")]
)
def test_braille_maps_to_loihi_2_and_runs_on_lava_as_on_the_reference(name: str, as_: str) -> None:
    network = nir.read(example("models", "nir", f"{name}.nir"), as_, 1e-4)
    mapped = map_network(network, LOIHI2)
    frames = (np.random.default_rng(0).random((40, 2, 12)) < 0.15).astype(np.int32)
    reference = run(mapped, Stimulus(frames), LAYERED)
    assert reference.counts[:, reference.population_slice(reference.output)].sum() > 10
    assert first_divergence(reference, on_lava(mapped, Stimulus(frames), LAYERED)) is None


@pytest.mark.lava
def test_lava_dls_mnist_network_runs_on_lava_as_on_the_reference() -> None:
    images, labels = mnist(20)
    mapped = one_large_core(net.read(lava_dl("mnist_mlp")))
    stimulus = Stimulus(rate_code(images, 16, 1.0), labels=labels)
    reference = run(mapped, stimulus, LAYERED)
    assert (reference.counts[:, -10:].argmax(1) == labels).sum() >= 19
    assert first_divergence(reference, on_lava(mapped, stimulus, LAYERED)) is None


def test_a_relu_cnn_keeps_its_accuracy_on_the_chips_integers(trained: Any) -> None:
    path, net_ = trained
    images, labels = train_digits("t10k", 300)
    relu = onnx_files.read_unscaled(path)
    wanted = (activations(relu, images)[relu.output].argmax(1) == labels).mean()
    network = onnx_files.read(path, train_digits("train", 100)[0])
    assert isinstance(network, Network) and net_ is not None
    mapped = map_network(network, LOIHI2)
    stimulus = Stimulus(rate_code(images, 32, 1.0), labels=labels)
    trace = run_engine(mapped.network, stimulus)
    assert trace.v is not None
    assert (trace.v[-1][:, -10:].argmax(1) == labels).mean() >= wanted - 0.01
