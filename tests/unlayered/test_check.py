"""What ``unlayered check`` finds in a file: each node that cannot be read or held, by name."""

from __future__ import annotations

import itertools
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from exchange import npz
from exchange.chip_toml import CHIPS, load_chip
from exchange.open import OPENERS, WRITERS, open_network
from ir.check import FormatError
from ir.connection import Dense
from ir.mapped import MappedNetwork
from ir.network import Input, Network
from ir.neurons import MODELS, FixedLIF, FixedSigmaDelta
from ir.quantized import FixedPopulation, FixedProjection, QuantizedNetwork
from ir.schedule import Schedule
from tests.exchange.drawn import example
from tests.exchange.nir_nodes import AFFINE, chain, lif, write_nodes
from tests.exchange.test_onnx_import import UNSUPPORTED, save, two_layers
from tests.unlayered.verbs import call, refused
from unlayered.check import CHIP_RULES, CheckReport, check_file

LOIHI2 = load_chip(CHIPS / "loihi2.toml")
LOIHI1 = load_chip(CHIPS / "loihi1.toml")


def bad(report: CheckReport) -> list[tuple[str, str]]:
    assert all(row.reason and row.remedy for row in report.nodes if not row.ok)
    assert json.loads(json.dumps(report.as_json()))["ok"] == report.ok
    return [(row.name, row.kind) for row in report.nodes if not row.ok]


class TestNir:
    def test_a_good_file_is_ok(self, tmp_path: Path) -> None:
        report = check_file(write_nodes(tmp_path / "a.nir", *chain(AFFINE, lif(3))), LOIHI2, "norse")
        assert report.ok and [row.kind for row in report.nodes] == ["Input", "Affine", "LIF", "Output"]

    @pytest.mark.parametrize("kind", ["MaxPool2d", "BatchNorm2d", "Sequential", "Sigma", "NIRNode"])
    def test_an_unknown_primitive_is_named(self, tmp_path: Path, kind: str) -> None:
        path = write_nodes(tmp_path / "a.nir", *chain({"type": kind}, AFFINE, lif(3)))
        assert bad(check_file(path, LOIHI2, "norse")) == [("n0", kind)]

    @pytest.mark.parametrize("kind", ["I", "LI", "CubaLI"])
    def test_a_membrane_that_is_sent_on_is_named(self, tmp_path: Path, kind: str) -> None:
        one = np.ones(3)
        leaky = {"type": kind, "tau": one, "tau_mem": one, "tau_syn": one, "r": one, "w_in": one, "v_leak": 0 * one}
        path = write_nodes(tmp_path / "a.nir", *chain(AFFINE, leaky, AFFINE, lif(3)))
        assert bad(check_file(path, LOIHI2, "norse")) == [("n1", kind)]

    def test_every_bad_node_is_listed_at_once(self, tmp_path: Path) -> None:
        path = write_nodes(tmp_path / "a.nir", *chain({"type": "MaxPool2d"}, AFFINE, lif(3, v_leak=np.ones(3))))
        assert bad(check_file(path, LOIHI2, "norse")) == [("n0", "MaxPool2d"), ("n2", "LIF")]

    def test_without_a_framework_every_neuron_asks_for_one(self, tmp_path: Path) -> None:
        report = check_file(write_nodes(tmp_path / "a.nir", *chain(AFFINE, lif(3))), LOIHI2)
        assert bad(report) == [("n1", "LIF")] and "--as norse" in report.nodes[2].remedy

    def test_several_spikes_in_a_time_step_fit_no_chip(self) -> None:
        report = check_file(example("models", "nir", "cnn_sinabs.nir"), LOIHI2, "sinabs")
        assert {kind for _, kind in bad(report)} == {"IF"}

    def test_the_braille_networks_fit_loihi_2(self) -> None:
        assert check_file(example("models", "nir", "braille_noDelay_bias_zero.nir"), LOIHI2, "norse", 1e-4).ok

    def test_a_shape_that_does_not_fit_is_one_bad_row(self, tmp_path: Path) -> None:
        path = write_nodes(tmp_path / "a.nir", *chain({**AFFINE, "weight": np.eye(4)}, lif(3)))
        assert bad(check_file(path, LOIHI2, "norse")) == [("a.nir", "file")]

    def test_the_semantics_table_says_what_was_assumed(self, tmp_path: Path) -> None:
        report = check_file(write_nodes(tmp_path / "a.nir", *chain(AFFINE, lif(3))), LOIHI2, "spikingjelly")
        spike = next(row for row in report.semantics if row.question == "spike")
        assert (spike.file, spike.assumed) == ("not said", "v >= threshold, at most one a time step")
        assert next(row for row in report.semantics if row.question == "time step").assumed == "0.0001 s"

    def test_a_delay_beyond_the_chips_is_named(self, tmp_path: Path) -> None:
        delay = {"type": "Delay", "delay": np.array(0.1)}
        path = write_nodes(tmp_path / "a.nir", *chain(delay, AFFINE, lif(3)))
        assert bad(check_file(path, LOIHI1, "norse")) == [("input -> n2", "projection")]


class TestOnnx:
    @pytest.mark.parametrize("operator", UNSUPPORTED)
    def test_an_unsupported_operator_is_named(self, tmp_path: Path, operator: str) -> None:
        nodes, weights = two_layers()
        nodes[1].op_type = operator
        assert bad(check_file(save(tmp_path / "a.onnx", nodes, weights), LOIHI2)) == [("relu", operator)]

    def test_a_relu_network_is_ok(self, tmp_path: Path) -> None:
        report = check_file(save(tmp_path / "a.onnx", *two_layers()), LOIHI2)
        assert report.ok and [row.kind for row in report.nodes] == ["Gemm", "Relu", "MatMul"]


class TestEnvelope:
    def test_integers_outside_it_are_named_with_their_number(self, tmp_path: Path, mapped: MappedNetwork) -> None:
        first = mapped.network.projections[0]
        fine = replace(first, connection=Dense(first.connection.weight * 2), weight_exp=-1)
        odd = replace(first, connection=Dense(first.connection.weight + 1))
        lossy = replace(first, weight_exp=-2)
        one_sign = replace(first, connection=Dense(np.abs(first.connection.weight) + 1))
        passes = [(fine, ""), (one_sign, "")]
        for changed, says in (*passes, (odd, "odd weights of mixed sign (96)"), (lossy, "lose bits to exponent -2")):
            network = replace(mapped.network, projections=(changed, *mapped.network.projections[1:]))
            npz.save(network, tmp_path / "a.npz")
            report = check_file(tmp_path / "a.npz", LOIHI2)
            assert bool(bad(report)) == (says != "")
            assert report.ok == (says == "")
            assert all(row.name == "in -> hidden" and says in row.reason for row in report.nodes if not row.ok)


def test_a_network_mapped_for_one_chip_is_mapped_anew_for_another(tmp_path: Path, mapped: MappedNetwork) -> None:
    npz.save(mapped, tmp_path / "a.npz")
    assert check_file(tmp_path / "a.npz", LOIHI2).ok
    narrow = replace(LOIHI2, limits=replace(LOIHI2.limits, max_input_axons=7))
    assert bad(check_file(tmp_path / "a.npz", narrow)) == [("network", "mapping")]


def test_a_schedule_that_the_chip_itself_lacks_is_a_row(tmp_path: Path, network: Network) -> None:
    npz.save(network, tmp_path / "a.npz")
    assert bad(check_file(tmp_path / "a.npz", LOIHI1)) == [("network", "schedule")]
    assert check_file(tmp_path / "a.npz", LOIHI2).ok
    npz.save(replace(network, schedule=Schedule("layered")), tmp_path / "a.npz")
    assert check_file(tmp_path / "a.npz", LOIHI1).ok


def test_a_schedule_that_no_executor_runs_is_a_row(tmp_path: Path, network: Network) -> None:
    first, *others = network.projections
    delayed = replace(network, projections=(replace(first, delay_steps=1), *others))
    npz.save(delayed, tmp_path / "a.npz")
    report = check_file(tmp_path / "a.npz", LOIHI2)
    assert bad(report) == [("network", "schedule")] and "layered" in report.nodes[-1].remedy
    npz.save(replace(delayed, schedule=Schedule("layered")), tmp_path / "a.npz")
    assert check_file(tmp_path / "a.npz", LOIHI2).ok


@pytest.mark.parametrize("integers", [False, True], ids=["floats", "integers"])
def test_a_train_folder_is_checked_as_the_network_in_it(
    tmp_path: Path, network: Network, mapped: MappedNetwork, integers: bool
) -> None:
    npz.save(network, tmp_path / "network.npz")
    if integers:
        npz.save(mapped.network, tmp_path / "quantized.npz")
    for chip in (LOIHI1, LOIHI2):
        inner = check_file(tmp_path / ("quantized.npz" if integers else "network.npz"), chip)
        assert check_file(tmp_path, chip) == inner and inner.ok == (chip is LOIHI2)
    done = call("check", tmp_path, "--chip", "loihi2")
    assert done.exit_code == 0 and "What a time step means" in done.stdout


def test_a_folder_without_a_network_and_a_path_to_nothing_are_one_sentence(tmp_path: Path) -> None:
    assert "holds no network.npz; name the folder that" in refused(2, "check", tmp_path, "--chip", "loihi2")
    assert "net does not exist; check the path" in refused(2, "check", tmp_path / "net", "--chip", "loihi2")


class TestOpening:
    def test_net_files_list_their_blocks(self) -> None:
        report = check_file(example("models", "lava_dl", "mnist_mlp.net"), LOIHI2)
        assert report.ok and [row.name for row in report.nodes][:4] == ["input", "fc-0", "fc-1", "fc-2"]

    @pytest.mark.parametrize("ending", [".npz", ".nir", ".onnx", ".net"])
    def test_every_format_opens_by_its_ending(self, tmp_path: Path, ending: str) -> None:
        network = open_network(example("models", "lava_dl", "mnist_mlp.net"))
        path = tmp_path / f"a{ending}"
        if ending == ".npz":
            npz.save(network, path)
        else:
            WRITERS[ending[1:]](network, path)
        assert open_network(path).output == "fc-2"  # type: ignore[union-attr]

    def test_endings_frameworks_and_steps_are_checked(self, tmp_path: Path) -> None:
        assert set(OPENERS) == {".npz", ".nir", ".onnx", ".net"}
        for path, options, words in (
            ("a.pt", {}, "ends in '.pt'"),
            ("a.net", {"as_": "norse"}, "only NIR"),
            ("a.nir", {"as_": "brian"}, "unknown"),
            ("a.nir", {"dt_s": -1.0}, "--dt"),
        ):
            with pytest.raises(FormatError, match=words):
                open_network(tmp_path / path, **options)  # type: ignore[arg-type]


def test_the_rules_of_the_chip_are_those_of_the_networks_neurons(tmp_path: Path) -> None:
    assert CHIP_RULES.keys() == MODELS.keys()
    changes = FixedPopulation("p", (1,), FixedSigmaDelta())
    spikes = FixedPopulation("q", (1,), FixedLIF(100, 5))
    weight = Dense(np.ones((1, 1), np.int32))
    for populations, leak in (
        ((changes,), "none"),
        ((spikes,), "(4096 - decay) / 4096, toward zero"),
        ((changes, spikes), "lif: (4096 - decay) / 4096, toward zero; sigma_delta: none"),
    ):
        names = ["in", *(p.name for p in populations)]
        edges = tuple(FixedProjection(a, b, weight) for a, b in itertools.pairwise(names))
        network = QuantizedNetwork(
            (Input("in", (1,)),), populations, edges, names[-1], schedule=Schedule(kind="layered")
        )
        npz.save(network, tmp_path / "a.npz")
        rows = {row.question: row.chip for row in check_file(tmp_path / "a.npz", LOIHI2).semantics}
        assert rows["leak"] == leak
        assert ("e <- v" in rows["reset"]) == (changes in populations)
