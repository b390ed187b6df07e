"""What a ``.net`` layer means: as slayer trains it and netx runs it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from exchange import net
from ir.compose import dense_weight
from ir.connection import Conv2d, apply
from ir.quantized import FixedProjection, QuantizedNetwork
from ir.schedule import Schedule
from ir.stimulus import Stimulus
from sim_reference.simulate import run
from tests.exchange.net_files import image, layer, save, sliding

LAYERED = Schedule(kind="layered", F=None)
NEVER = {"neuron/vThMant": (1 << 18) - 1}


def membranes(network: QuantizedNetwork, frames: Any) -> np.ndarray:
    """(T, N) in units of a weight."""
    trace = run(network, Stimulus(np.asarray(frames)[:, None]), LAYERED)
    assert trace.v is not None
    return trace.v[:, 0] / 64


class TestWeightExp:
    """slayer's WgtScaleBatchNorm divides the drive and the bias by 2^weight_exp."""

    @pytest.mark.parametrize("exponent", [-3, -1, 0, 1, 2, 3])
    def test_it_divides_drive_and_bias(self, tmp_path: Path, exponent: int) -> None:
        given = {"weight": np.array([[8.0, -16, 24]] * 2), "bias": [3, -5], "neuron/vDecay": 0, **NEVER}
        scaled = layer(**given, **{"neuron/weight_exp": np.array([exponent], np.float32)})
        v = membranes(net.read(save(tmp_path / "a.net", scaled)), [[1, 0, 1]])
        assert v[0].tolist() == [(32 + 3) / 2.0**exponent, (32 - 5) / 2.0**exponent]

    def test_it_divides_recurrent_weights_too(self, tmp_path: Path) -> None:
        rec = {"type": np.bytes_(b"dense_rec"), "weight_rec": 4 * np.eye(2), "weight": np.full((2, 3), 2)}
        network = net.read(save(tmp_path / "a.net", layer(**rec, **{"neuron/weight_exp": 1})))
        assert [int(e.connection.weight.max()) for e in network.projections] == [1, 2]


class TestIntegrator:
    """A layer without neurons: netx gives it a current that never leaks."""

    def test_a_last_layer_without_neurons_sums_what_it_gets(self, tmp_path: Path) -> None:
        bare = {k: v for k, v in layer(weight=np.array([[1, 2, 3], [4, 5, -6]])).items() if not k.startswith("neuron")}
        network = net.read(save(tmp_path / "a.net", bare))
        assert membranes(network, [[1, 0, 0], [0, 1, 0], [0, 0, 1]]).tolist() == [[1, 4], [3, 9], [6, 3]]
        assert network.populations[0].neuron.v_threshold is None

    def test_a_convolution_has_none(self, tmp_path: Path) -> None:
        conv = {k: v for k, v in sliding("conv", (1, 3, 3), np.ones((1, 1, 2, 2))).items() if "neuron" not in k}
        with pytest.raises(ValueError, match="layer 1 has no neurons"):
            net.read(save(tmp_path / "a.net", image(1, 4, 4), conv))


class TestPools:
    def pooled(self, tmp_path: Path, given: tuple[int, ...], shape: tuple[int, ...], kernel: int) -> Any:
        pool = sliding("pool", shape, np.full((1, 1, kernel, kernel, 1), 6))
        return net.read(save(tmp_path / "a.net", image(*given), pool)).projections[0].connection

    def test_a_side_that_the_kernel_does_not_divide_is_filled_with_zeros(self, tmp_path: Path) -> None:
        c = self.pooled(tmp_path, (2, 5, 3), (2, 3, 2), 2)
        assert isinstance(c, Conv2d) and c.out_shape == (2, 3, 2)
        assert apply(c, np.ones(30, int)).reshape(2, 3, 2)[1].tolist() == [[24, 12], [24, 12], [12, 6]]

    def test_a_file_may_leave_the_rest_out(self, tmp_path: Path) -> None:
        c = self.pooled(tmp_path, (2, 5, 3), (2, 2, 1), 2)
        assert apply(c, np.ones(30, int)).tolist() == [24] * 4

    def test_where_slayers_window_slides_into_the_next_channel_so_does_ours(self, tmp_path: Path) -> None:
        c = self.pooled(tmp_path, (2, 5, 3), (2, 2, 1), 3)
        values = np.arange(30)
        stacked = np.zeros((14, 3), int)
        stacked[:5], stacked[7:12] = values[:15].reshape(5, 3), values[15:].reshape(5, 3)
        want = [int(stacked[3 * i : 3 * i + 3].sum()) * 6 for i in range(4)]
        assert apply(c, values).tolist() == want and want[2] != int(stacked[7:10].sum()) * 6

    def test_another_shape_is_refused(self, tmp_path: Path) -> None:
        with pytest.raises(ValueError, match="layer 1 says shape"):
            self.pooled(tmp_path, (2, 5, 3), (2, 4, 2), 2)


class TestDelays:
    def delays(self, network: QuantizedNetwork) -> list[Any]:
        return [np.asarray(e.delay_steps).tolist() for e in network.projections]

    def test_a_delay_a_channel_belongs_to_what_the_channel_sends(self, tmp_path: Path) -> None:
        conv = sliding("conv", (2, 3, 3), np.ones((2, 1, 2, 2)), delay=[0, 4])
        network = net.read(save(tmp_path / "a.net", image(1, 4, 4), conv, layer(weight=np.ones((2, 18)))))
        assert self.delays(network) == [0, [0] * 9 + [4] * 9]

    def test_a_pools_delays_are_a_channels(self, tmp_path: Path) -> None:
        pool = sliding("pool", (2, 2, 2), np.ones((1, 1, 2, 2)), delay=[3, 1])
        network = net.read(save(tmp_path / "a.net", image(2, 4, 4), pool, layer(weight=np.ones((2, 8)))))
        assert self.delays(network) == [0, [3] * 4 + [1] * 4]

    def test_a_delay_a_synapse_delays_each(self, tmp_path: Path) -> None:
        weight, delay = np.arange(1, 7).reshape(2, 3), np.array([[0, 1, 2], [1, 1, 0]])
        network = net.read(save(tmp_path / "a.net", layer(weight=weight, delay=delay, **{**NEVER, "neuron/vDecay": 0})))
        assert sorted(self.delays(network)) == [0, 1, 2]
        assert membranes(network, [[1, 1, 1], [0, 0, 0], [0, 0, 0]]).tolist() == [[1, 6], [3, 15], [6, 15]]

    def test_delays_before_and_behind_add_up(self, tmp_path: Path) -> None:
        second = layer(weight=np.ones((2, 2)), delay=np.array([[1, 1], [2, 2]]))
        network = net.read(save(tmp_path / "a.net", layer(delay=[3.0, 5.0]), second))
        found: list[FixedProjection] = [e for e in network.projections if e.post == "fc-1"]
        total = sum(dense_weight(e.connection) * int(np.asarray(e.delay_steps)) for e in found)
        assert np.asarray(total).tolist() == [[4, 6], [5, 7]]

    def test_one_number_of_a_last_layer_delays_its_inputs(self, tmp_path: Path) -> None:
        assert self.delays(net.read(save(tmp_path / "a.net", layer(delay=2)))) == [2]


class TestChannels:
    def test_decays_and_thresholds_a_channel_are_spread(self, tmp_path: Path) -> None:
        own = {"neuron/iDecay": [1, 2], "neuron/vDecay": [3, 4], "neuron/vThMant": [5, 6], "bias": [7, 8]}
        conv = sliding("conv", (2, 3, 3), np.ones((2, 1, 2, 2)), **own)
        n = net.read(save(tmp_path / "a.net", image(1, 4, 4), conv)).populations[0].neuron
        for value, pair in ((n.decay_u, (1, 2)), (n.decay_v, (3, 4)), (n.v_threshold, (5, 6)), (n.bias, (7, 8))):
            assert np.asarray(value).tolist() == [pair[0]] * 9 + [pair[1]] * 9

    def test_an_image_of_biases_is_width_first(self, tmp_path: Path) -> None:
        conv = sliding("conv", (2, 3, 2), np.ones((2, 1, 2, 2)), bias=np.arange(12).reshape(2, 3, 2))
        n = net.read(save(tmp_path / "a.net", image(1, 4, 3), conv)).populations[0].neuron
        assert np.asarray(n.bias).tolist() == np.arange(12).reshape(2, 3, 2).transpose(2, 1, 0).reshape(-1).tolist()

    def test_a_list_of_an_image_is_refused(self, tmp_path: Path) -> None:
        conv = sliding("conv", (2, 3, 2), np.ones((2, 1, 2, 2)), bias=np.arange(12))
        with pytest.raises(ValueError, match="one a channel"):
            net.read(save(tmp_path / "a.net", image(1, 4, 3), conv))
