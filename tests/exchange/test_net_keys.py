"""No key of a ``.net`` file is dropped: it is read, or the file is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from exchange import net
from exchange.chip_toml import CHIPS, load_chip
from ir.check import FormatError
from tests.exchange.drawn import example
from tests.exchange.net_files import image, layer, save, sliding
from unlayered.check import check_file

KERNEL = np.full((1, 1, 2, 2), 6)


@pytest.mark.parametrize(
    ("entry", "name"),
    [
        ("layer__0__note", "'note'"),
        ("layer__0__stride", "'stride'"),
        ("layer__0__groups", "'groups'"),
        ("layer__0__weight_rec", "'weight_rec'"),
        ("layer__0__weights__real", "'weights'"),
        ("layer__0__neuron__tauRise", "'tauRise'"),
        ("layer__0__neuron__messageBits", "'messageBits'"),
        ("layer__0__neuron__group__x", "'group'"),
        ("note", "'note'"),
        ("simulation__dt", "'dt'"),
    ],
)
def test_an_unknown_entry_is_refused_by_name(tmp_path: Path, entry: str, name: str) -> None:
    with pytest.raises(FormatError, match=f"{name}, unknown here"):
        net.read(save(tmp_path / "a.net", layer(), **{entry: 1}))


def test_an_empty_group_is_refused_too(tmp_path: Path) -> None:
    path = save(tmp_path / "a.net", layer())
    with h5py.File(path, "a") as file:
        file.create_group("layer/0/plasticity")
    with pytest.raises(FormatError, match="'plasticity'"):
        net.read(path)


@pytest.mark.parametrize("address", ["/", "layer", "layer/0", "layer/0/neuron", "layer/0/weight"])
def test_an_attribute_is_refused_wherever_it_is(tmp_path: Path, address: str) -> None:
    path = save(tmp_path / "a.net", layer())
    with h5py.File(path, "a") as file:
        file[address].attrs["scale"] = 2.0
    with pytest.raises(FormatError, match="attribute 'scale'"):
        net.read(path)


def test_a_named_type_is_refused(tmp_path: Path) -> None:
    path = save(tmp_path / "a.net", layer())
    with h5py.File(path, "a") as file:
        file["layer/0/kind"] = np.dtype("i4")
    with pytest.raises(FormatError, match="neither a group nor a dataset"):
        net.read(path)


@pytest.mark.parametrize(
    ("layers", "words"),
    [
        ([layer(inFeatures=4)], "inFeatures of layer 0"),
        ([layer(outFeatures=3)], "outFeatures of layer 0"),
        ([image(1, 4, 4), sliding("pool", (1, 2, 2), KERNEL, inChannels=2)], "inChannels of layer 1"),
        ([image(1, 4, 4), sliding("conv", (1, 3, 3), KERNEL, outChannels=2)], "outChannels of layer 1"),
        ([image(1, 4, 4), {**sliding("conv", (1, 3, 3), KERNEL), "kernelSize": [3, 2]}], "kernelSize of layer 1"),
        ([image(1, 4, 4), {"type": np.bytes_(b"flatten"), "shape": [15]}, layer(weight=np.ones((2, 16)))], "15 values"),
        ([{**image(3), "weight": [1, 2]}, layer()], "2 numbers; give one"),
        ([image(1, 4, 4), sliding("pool", (1, 2, 2), np.full((2, 1, 2, 2), 6))], "give .1, 1, kh, kw."),
    ],
)
def test_what_a_layer_says_of_itself_must_be_so(tmp_path: Path, layers: list[Any], words: str) -> None:
    with pytest.raises(FormatError, match=words):
        net.read(save(tmp_path / "a.net", *layers))


def test_layers_are_numbered_without_a_gap(tmp_path: Path) -> None:
    path = save(tmp_path / "a.net", image(3), layer())
    with h5py.File(path, "a") as file:
        file.move("layer/1", "layer/2")
    with pytest.raises(FormatError, match="layer 1 is missing"):
        net.read(path)


def test_the_time_step_is_read(tmp_path: Path) -> None:
    network = net.read(save(tmp_path / "a.net", layer(), simulation__Ts=5, simulation__tSample=64))
    assert network.dt_s == pytest.approx(5e-3) and network.metadata["steps_a_sample"] == "64"


def test_check_reports_the_input_layers_neurons_that_are_left_out() -> None:
    report = check_file(example("models", "lava_dl", "tiny.net"), load_chip(CHIPS / "loihi2.toml"))
    assert any(row.question == "input" and "weight 36, bias 34 and neurons" in row.assumed for row in report.semantics)
