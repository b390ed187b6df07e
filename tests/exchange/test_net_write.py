"""``.net`` files as lava-dl's own reader wants them, and what it cannot run refused, a sentence a kind."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from exchange import net
from exchange.net.netx import check_dense
from ir.connection import Conv2d, Dense
from ir.network import Input, Network, Population, Projection
from ir.neurons import FixedLIF
from ir.quantized import FixedPopulation, FixedProjection, QuantizedNetwork
from ir.schedule import Schedule

LAYERED = Schedule(kind="layered", F=None)
ONE = Dense(np.ones((1, 1)))
KERNEL = np.arange(-3, 5).reshape(2, 1, 2, 2)


def chain(
    first: dict[str, Any] | None = None, second: dict[str, Any] | None = None, **changes: Any
) -> QuantizedNetwork:
    """An image, a convolution and a dense layer."""
    conv = FixedProjection("in", "a", Conv2d(KERNEL, (1, 4, 4)))
    dense = FixedProjection("a", "b", Dense(np.arange(-5, 49).reshape(3, 18) % 50))
    neurons = (FixedPopulation("a", (2, 3, 3), FixedLIF(100, 3)), FixedPopulation("b", (3,), FixedLIF(100, 30)))
    edges = (replace(conv, **(first or {})), replace(dense, **(second or {})))
    return QuantizedNetwork(**{"inputs": (Input("in", (1, 4, 4)),), "populations": neurons, "projections": edges,
                               "output": "b", "schedule": LAYERED, **changes})  # fmt: skip


def with_neuron(**changes: Any) -> QuantizedNetwork:
    """The chain with another first population."""
    network = chain()
    first, second = network.populations
    return replace(network, populations=(replace(first, neuron=replace(first.neuron, **changes)), second))


def loop(delay: int = 0, post: str = "b") -> FixedProjection:
    n = 3 if post == "b" else 18
    return FixedProjection(post, post, Dense(np.eye(n, dtype=int) - 2), 0, delay)


def entries(path: Path) -> dict[str, Any]:
    """Every dataset by its address."""
    found: dict[str, Any] = {}
    with h5py.File(path) as file:
        file.visititems(lambda name, item: found.update({name: item[()]}) if isinstance(item, h5py.Dataset) else None)
    return found


class TestFile:
    def test_an_image_is_flattened_before_a_dense_layer(self, tmp_path: Path) -> None:
        net.write(chain(), tmp_path / "a.net")
        found = entries(tmp_path / "a.net")
        assert [found[f"layer/{i}/type"] for i in range(4)] == [b"input", b"conv", b"flatten", b"dense"]

    def test_an_image_that_goes_straight_into_a_dense_layer_is_too(self, tmp_path: Path) -> None:
        network = chain()
        only = FixedProjection("in", "b", Dense(np.ones((3, 16), int)))
        net.write(replace(network, populations=network.populations[1:], projections=(only,)), tmp_path / "a.net")
        assert entries(tmp_path / "a.net")["layer/1/type"] == b"flatten"

    @pytest.mark.parametrize(("exponent", "weights"), [(1, [6, -4, 10]), (-1, [3, -2, 5]), (0, [6, -4, 10])])
    def test_exponents_are_in_the_weights(self, tmp_path: Path, exponent: int, weights: list[int]) -> None:
        given = Dense(np.array([weights, weights]))
        edge = FixedProjection("in", "b", given, exponent)
        b = FixedPopulation("b", (2,))
        network = QuantizedNetwork((Input("in", (3,)),), (b,), (edge,), "b", schedule=LAYERED)
        if exponent < 0:
            edge = replace(edge, connection=Dense(given.weight * 2))
        net.write(replace(network, projections=(edge,)), tmp_path / "a.net")
        found = entries(tmp_path / "a.net")
        assert not [k for k in found if "Exp" in k or "exp" in k]
        want = given.weight << exponent if exponent > 0 else given.weight
        assert np.array_equal(found["layer/1/weight"], want)

    def test_biases_of_a_channel_are_one_and_others_an_image(self, tmp_path: Path) -> None:
        for bias, want in ((np.repeat([3, 4], 9), [3, 4]), (np.arange(18), None)):
            net.write(with_neuron(bias=bias, bias_exp=6), tmp_path / "a.net")
            found = entries(tmp_path / "a.net")["layer/1/bias"]
            assert found.tolist() == (want or np.arange(18).reshape(2, 3, 3).transpose(2, 1, 0).tolist())


CANNOT: dict[str, tuple[Callable[[], Any], str]] = {
    "floats": (
        lambda: Network((Input("in", (1,)),), (Population("b", (1,)),), (Projection("in", "b", ONE),), "b"),
        "quantize first",
    ),
    "two inputs": (lambda: chain(inputs=(Input("in", (1, 4, 4)), Input("c", (1,)))), "one input"),
    "an output in the middle": (lambda: chain(output="a"), "not the last population"),
    "registers of another chip": (lambda: chain(arithmetic="loihi1"), "not those of loihi1; quantize for loihi2"),
    "registers that hold weights as they are": (lambda: chain(arithmetic="seneca"), "not those of seneca"),
    "a skip edge": (
        lambda: chain(projections=(*chain().projections, FixedProjection("in", "b", Dense(np.ones((3, 16), int))))),
        "'b' is not fed by 'a' alone",
    ),
    "an edge back": (
        lambda: chain(projections=(*chain().projections, FixedProjection("b", "a", Dense(np.ones((18, 3), int))))),
        "'a' is not fed by 'in' alone",
    ),
    "a population that nothing feeds": (lambda: chain(projections=chain().projections[:1]), "not fed by"),
    "reset by subtraction": (lambda: with_neuron(reset="subtract"), "resets by subtraction"),
    "reset by subtraction late": (lambda: with_neuron(reset="subtract_late"), r"\(subtract_late\)"),
    "reset to zero late": (lambda: with_neuron(reset="zero_late"), r"resets one time step late \(zero_late\)"),
    "no reset": (lambda: with_neuron(reset="none"), r"resets never \(none\)"),
    "a bias of the current": (lambda: with_neuron(decay_u=9, bias_u=2), "bias of its current"),
    "a floor": (lambda: with_neuron(v_min=-5), "v_min"),
    "several spikes a step": (lambda: with_neuron(refractory=False), "several times"),
    "a reset schedule": (lambda: with_neuron(reset_interval=4, reset_offset=1), "reset_interval=4, reset_offset=1"),
    "a bias between units": (lambda: with_neuron(bias=3, bias_exp=5), "multiple of 64"),
    "a large bias": (lambda: with_neuron(bias=40_000, bias_exp=6), "32767"),
    "an exponent that rounds": (lambda: chain(second={"weight_exp": -1}), "rounds its sum"),
    "an exponent too large": (lambda: chain(second={"weight_exp": 30}), "int32"),
    "large weights": (lambda: chain(second={"weight_exp": 3}), "clips them to -256..255"),
    "weights that are all 0": (lambda: chain(second={"connection": Dense(np.zeros((3, 18), int))}), "all weights"),
    "a byte without sign": (lambda: chain(second={"connection": Dense(np.full((3, 18), -64))}), "of a single sign"),
    "large sums of a convolution": (lambda: chain(first={"weight_exp": 20}), "wraps them"),
    "a delay into a convolution": (lambda: chain(first={"delay_steps": 1}), "delays on a convolution"),
    "a long delay": (lambda: chain(second={"delay_steps": 63}), "at most 62"),
    "a delay and a self-connection": (
        lambda: chain(projections=(chain().projections[0], replace(chain().projections[1], delay_steps=1), loop())),
        "delays on a self-connection",
    ),
    "a delayed self-connection": (lambda: chain(projections=(*chain().projections, loop(1))), "delays on a self"),
    "two synapses in one place": (
        lambda: chain(projections=(*chain().projections, replace(chain().projections[1], delay_steps=1))),
        "two synapses",
    ),
    "a list as an image": (
        lambda: chain(projections=(
            FixedProjection("in", "a", Dense(np.ones((18, 16), int))),
            FixedProjection("a", "b", Conv2d(np.ones((3, 2, 3, 3), int), (2, 3, 3))),
        )),
        "turn a list into an image",
    ),
    "a wide window": (
        lambda: chain(first={"connection": Conv2d(KERNEL, (1, 4, 4), padding=(128, 128), stride=(127, 127))}),
        "lava-dl holds 127",
    ),
}  # fmt: skip


@pytest.mark.parametrize("kind", CANNOT)
def test_what_net_cannot_say_is_refused(tmp_path: Path, kind: str) -> None:
    make, words = CANNOT[kind]
    with pytest.raises(ValueError, match=words) as caught:
        net.write(make(), tmp_path / "a.net")
    assert not list(tmp_path.iterdir()) and "\n" not in str(caught.value)


KEPT = ([[-256, 254]], [[255, 0]], [[-255, -1]], [[0, -3]], [[127, -128]], [[1]], [[-254, 0]])
CHANGED = ([[-257, 1]], [[255, -1]], [[256]], [[-256]], [[-1]], [[0, -128]], [[0, 0]], [[-239, 0]])


@pytest.mark.parametrize("matrix", KEPT)
def test_weights_that_lava_dl_keeps_pass(matrix: list[list[int]]) -> None:
    check_dense("x", np.array(matrix))


@pytest.mark.parametrize("matrix", CHANGED)
def test_weights_that_lava_dl_changes_do_not(matrix: list[list[int]]) -> None:
    with pytest.raises(ValueError, match="into x"):
        check_dense("x", np.array(matrix))
