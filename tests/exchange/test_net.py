"""lava-dl files: every integer kept, recordings reproduced, chains come back."""

from __future__ import annotations

import gzip
from dataclasses import replace
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from hypothesis import given, settings

from exchange import net
from exchange.onnx.ann import rate_code
from ir.check import FormatError
from ir.connection import apply
from ir.quantized import QuantizedNetwork
from ir.schedule import Schedule
from ir.stimulus import Stimulus
from sim_reference.simulate import run
from tests.exchange.drawn import example, same
from tests.exchange.net_files import layer, save
from tests.interop.net_draw import draw as draw_net
from tests.strategies import seeds
from trainer.execute import run as run_engine

LAYERED = Schedule(kind="layered", F=None)


def lava_dl(name: str) -> Path:
    return example("models", "lava_dl", f"{name}.net")


def mnist(count: int) -> tuple[np.ndarray, np.ndarray]:
    images, labels = (
        np.frombuffer(gzip.open(example("datasets", "mnist", f"t10k-{kind}-ubyte.gz")).read(), np.uint8)
        for kind in ("images-idx3", "labels-idx1")
    )
    return images[16:].reshape(-1, 784)[:count] / 255.0, labels[8:][:count].astype(np.int64)


class TestFilesOfOthers:
    def test_the_new_style_keeps_every_weight(self) -> None:
        network = net.read(lava_dl("mnist_mlp"))
        with h5py.File(lava_dl("mnist_mlp")) as file:
            for i, e in enumerate(network.projections):
                assert np.array_equal(e.connection.weight, file[f"layer/{i}/weight"][()])
        assert [p.n for p in network.populations] == [128, 64, 10]
        assert {(int(p.neuron.decay_u), int(p.neuron.decay_v)) for p in network.populations} == {(410, 410)}

    def test_the_old_style_gives_lava_dls_names_and_shapes(self) -> None:
        network = net.read(lava_dl("pilotnet_snn"))
        assert [p.name for p in network.populations] == [
            *(f"conv-{i}" for i in range(5)),
            *(f"fc-{i}" for i in range(4)),
        ]
        assert network.populations[4].shape == (64, 2, 20)
        assert network.populations[0].neuron.bias_exp == 6

    def test_a_trailing_axis_of_length_one_is_dropped(self) -> None:
        assert [p.shape for p in net.read(lava_dl("tiny")).populations] == [(24, 6, 6), (36, 1, 1)]

    def test_the_input_layers_neurons_can_be_a_population(self) -> None:
        network = net.read(lava_dl("tiny"), input_neurons=True)
        assert (network.inputs[0].name, network.populations[0].name) == ("image", "input")
        assert (
            network.projections[0].connection.weight[0] == 36
            and int(np.asarray(network.populations[0].neuron.bias)) == 34
        )

    def test_pilotnets_first_layer_gives_its_recorded_spikes(self) -> None:
        network = first_layer(net.read(lava_dl("pilotnet_snn"), reset_interval=17, reset_offset=1))
        frames, recorded = (
            np.load(example("models", "pilotnet_snn", f"{name}.npy")).transpose(3, 2, 1, 0).reshape(24, 1, -1)
            for name in ("input", "conv-0")
        )
        trace = run(network, Stimulus(frames[:10].astype(np.int32)), LAYERED)
        assert trace.spikes is not None
        spikes = np.zeros(recorded.shape, bool)
        spikes[trace.spikes.t + 1, 0, trace.spikes.neuron] = True
        assert np.array_equal(spikes[1:11], recorded[1:11])

    def test_mnist_is_read_right_from_rate_coded_digits(self) -> None:
        images, labels = mnist(300)
        trace = run_engine(net.read(lava_dl("mnist_mlp")), Stimulus(rate_code(images, 24, 1.0), labels=labels))
        assert (trace.counts[:, -10:].argmax(1) == labels).mean() >= 0.94


def first_layer(network: QuantizedNetwork) -> QuantizedNetwork:
    return replace(network, populations=network.populations[:1], projections=network.projections[:1], output="conv-0")


class TestRoundTrip:
    @settings(max_examples=60, deadline=None)
    @given(seeds)
    def test_what_net_can_say_comes_back_with_the_same_spikes(self, tmp_path_factory: Any, seed: int) -> None:
        network, path = draw_net(seed), tmp_path_factory.getbasetemp() / "chain.net"
        net.write(network, path)
        back = net.read(path)
        assert [(p.name, p.shape) for p in back.populations] == [(p.name, p.shape) for p in network.populations]
        assert same(back.schedule, network.schedule) and back.inputs == network.inputs
        stimulus = Stimulus(np.random.default_rng(seed).integers(0, 2, (6, 2, network.n_inputs)))
        ours, again = (run(n, stimulus, LAYERED) for n in (network, back))
        assert np.array_equal(ours.counts, again.counts) and np.array_equal(ours.v, again.v)
        net.write(back, path)
        assert same(net.read(path), back)

    @pytest.mark.parametrize("schedule", [Schedule(), Schedule(F=None, order="fifo"), LAYERED])
    def test_the_schedule_it_is_meant_for_is_noted(self, tmp_path: Path, schedule: Schedule) -> None:
        net.write(replace(draw_net(0), schedule=schedule), tmp_path / "a.net")
        assert net.read(tmp_path / "a.net").schedule == schedule

    def test_files_of_others_come_back_whole(self, tmp_path: Path) -> None:
        network = net.read(lava_dl("tiny"))
        net.write(network, tmp_path / "a.net")
        assert same(net.read(tmp_path / "a.net"), network)


class TestWidening:
    def test_a_recurrent_layer_has_a_self_connection(self, tmp_path: Path) -> None:
        network = net.read(save(tmp_path / "a.net", layer(type=np.bytes_(b"dense_rec"), weight_rec=2 * np.eye(2))))
        assert [(e.pre, e.post) for e in network.projections] == [("input", "fc-0"), ("fc-0", "fc-0")]

    def test_a_pool_is_one_kernel_for_every_channel(self, tmp_path: Path) -> None:
        first = {"type": np.bytes_(b"input"), "shape": [2, 4, 4]}
        pool = layer(
            type=np.bytes_(b"pool"),
            shape=[2, 2, 2],
            weight=np.full((1, 1, 2, 2, 1), 6),
            kernelSize=[2, 2],
            stride=[2, 2],
            padding=[0, 0],
        )
        network = net.read(save(tmp_path / "a.net", first, pool))
        assert np.array_equal(apply(network.projections[0].connection, np.ones(32, int)), np.full(8, 24))

    def test_delays_of_neurons_belong_to_what_they_send(self, tmp_path: Path) -> None:
        second = layer(weight=np.ones((2, 2)))
        network = net.read(save(tmp_path / "a.net", layer(delay=[3.0, 5.0]), second))
        assert [np.asarray(e.delay_steps).tolist() for e in network.projections] == [0, [3, 5]]

    def test_delays_of_inputs_stay_with_them(self, tmp_path: Path) -> None:
        network = net.read(save(tmp_path / "a.net", layer(delay=[0, 1, 2])))
        assert np.asarray(network.projections[0].delay_steps).tolist() == [0, 1, 2]

    def test_a_weight_exponent_is_kept(self, tmp_path: Path) -> None:
        assert net.read(save(tmp_path / "a.net", layer(**{"neuron/wgtExp": -3}))).projections[0].weight_exp == -3

    def test_the_largest_threshold_means_a_readout(self, tmp_path: Path) -> None:
        network = net.read(save(tmp_path / "a.net", layer(**{"neuron/vThMant": (1 << 18) - 1})))
        assert network.populations[0].neuron.v_threshold is None


class TestRefusals:
    @pytest.mark.parametrize(
        ("changes", "words"),
        [
            ({"type": np.bytes_(b"average")}, "'average'"),
            ({"neuron/type": np.bytes_(b"RF")}, "RF neurons"),
            ({"neuron/gradedSpike": True}, "graded spikes"),
            ({"neuron/refDelay": 3}, "refDelay"),
            ({"neuron/vThMant": None}, "vThMant"),
            ({"weight": np.full((2, 3), 0.5)}, "whole numbers"),
            ({"weight": np.full((2, 3), np.nan)}, "nan"),
            ({"weight": np.ones((5, 1))}, "for 2 neurons"),
            ({"weight": np.bytes_(b"abc")}, "numbers named 'weight'"),
            ({"shape": [0]}, "shape"),
            ({"delay": np.arange(7)}, "7 delays"),
            ({"delay": 63}, "0..62"),
            ({"delay": -1}, "0..62"),
            ({"bias": np.arange(3)}, "3 numbers for 2 neurons"),
            ({"neuron/wgtExp": [0, 0]}, "2 numbers; give one"),
            ({"neuron/weight_exp": 1}, "no multiples"),
            ({"neuron/weight_exp": -4}, "at most 3"),
            ({"neuron/weight_exp": -1, "neuron/iDecay": 1024}, "keep from step to step"),
            ({"delay": [1, 2]}, "last layer delays"),
            ({"neuron/vDecay": 5000}, "decay_v"),
        ],
    )
    def test_what_has_no_counterpart_is_named(self, tmp_path: Path, changes: dict[str, Any], words: str) -> None:
        with pytest.raises(FormatError, match=words):
            net.read(save(tmp_path / "a.net", layer(**changes)))

    def test_a_nir_file_is_no_net(self) -> None:
        with pytest.raises(FormatError, match="numbered layers"):
            net.read(example("models", "nir", "cnn_sinabs.nir"))
