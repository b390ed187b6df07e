"""SpikingGamma as a value: what it refuses, how it is rounded, and where it may stand in a network."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from exchange import npz
from exchange.chip_toml import find_chip
from exchange.open import WRITERS
from ir.connection import Conv2d, Dense
from ir.envelope import check_envelope
from ir.fixed_point import to_fixed
from ir.formats import Formats
from ir.network import Input, Network, Population, Projection
from ir.neurons import LIF, FixedSpikingGamma, SpikingGamma
from ir.quantized import FixedPopulation
from ir.schedule import Schedule
from mapper import map_network
from mapper.quantize import quantize

LAYERED = Schedule("layered")
TAUS = (5e-3, 10e-3, 10e-3)


def neuron(**changes: object) -> SpikingGamma:
    """Three buckets at 1 ms."""
    return SpikingGamma.of_taus(TAUS, 1e-3, (0.5, 0.25, -0.125), **changes)


def network(*neurons: SpikingGamma | LIF, seed: int = 0) -> Network:
    """A dense chain, 6 inputs, 5 neurons a population."""
    rng = np.random.default_rng(seed)
    names = ["in", *(f"p{i}" for i in range(len(neurons)))]
    sizes = [6, *(5 for _ in neurons)]
    edges = (
        Projection(a, b, Dense(rng.normal(0, 0.5, (m, n)))) for a, b, n, m in zip(names, names[1:], sizes, sizes[1:])
    )
    populations = tuple(Population(name, (5,), each) for name, each in zip(names[1:], neurons))
    return Network((Input("in", (6,)),), populations, tuple(edges), names[-1], schedule=LAYERED)


def test_buckets_lag_by_the_sum_of_the_times_between():
    lags = SpikingGamma((0.5, 0.8, 0.9, 0.95), (1, 1, 1, 1)).lags
    assert np.allclose(lags, [0, 5, 15, 35])


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"keep": (), "bucket_weight": ()}, "SpikingGamma has K = 0 buckets; give 1 to 32"),
        ({"keep": np.full(33, 0.5), "bucket_weight": np.ones(33)}, "SpikingGamma has K = 33 buckets; give 1 to 32"),
        ({"keep": (1.0, 0.5)}, r"decays a_k = \[1.0, 0.5\]; each must lie between 0 and 1, both excluded"),
        ({"keep": (0.5, 0.0)}, "each must lie between 0 and 1, both excluded"),
        ({"keep": (0.5, -0.1)}, "each must lie between 0 and 1, both excluded"),
        ({"keep": (np.nan, 0.5)}, "each must lie between 0 and 1, both excluded"),
        ({"v_threshold": 0.0}, "a threshold of 0; it must be above 0, or None"),
        ({"v_threshold": np.array([0.5, -1.0])}, "a threshold of -1; it must be above 0, or None"),
        ({"v_threshold": np.inf}, "every value must be finite"),
        ({"ceiling": 0.0}, "a ceiling of 0; it must be above 0, or None"),
        ({"ceiling": np.nan}, "SpikingGamma ceiling holds nan .*; every value must be finite"),
        ({"bucket_weight": (np.nan, 1.0)}, "every value must be finite"),
        ({"factor": 0.0}, "SpikingGamma factor is 0.0; give a number above 0"),
        ({"factor": 1e300}, r"SpikingGamma factor is 1e\+300; give a number above 0, 1e-6 to 1e6"),
        ({"bucket_weight": (1.0,)}, r"K = 2 buckets and bucket_weight of shape \(1,\); give \(2,\) or \(n, 2\)"),
        ({"bucket_weight": np.ones((1, 1, 2))}, r"bucket_weight of shape \(1, 1, 2\); give"),
        ({"adaptation": 0.5, "keep_threshold": 0.5}, "threshold would grow without end"),
        ({"strict": 1}, "SpikingGamma strict is 1; give true or false"),
    ],
)
def test_what_no_neuron_can_be_is_refused_in_one_sentence(wrong, sentence):
    with pytest.raises(ValueError, match=sentence):
        SpikingGamma(**{"keep": (0.5, 0.75), "bucket_weight": (1.0, 1.0), **wrong})


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"decay": (), "bucket_weight": ()}, "SpikingGamma has K = 0 buckets; give 1 to 32"),
        ({"decay": (0, 9)}, r"decays D_k, in 1/4096, must lie in 1..4095, it reaches 0..9"),
        ({"decay": (4096, 9)}, r"decays D_k, in 1/4096, must lie in 1..4095"),
        ({"bucket_weight": (128, 0)}, r"bucket_weight must lie in -128..127"),
        ({"bucket_weight": (1, 2, 3)}, r"K = 2 buckets and bucket_weight of shape \(3,\); give \(2,\) or \(n, 2\)"),
        ({"v_threshold": 0}, r"v_threshold must lie in 1..4194303, it reaches 0..0"),
        ({"v_threshold": 1 << 22}, r"v_threshold must lie in 1..4194303"),
        ({"quantum": 1 << 23}, r"quantum must lie in 1..8388607"),
        ({"ceiling": 0}, r"ceiling must lie in 1..8388607, it reaches 0..0"),
        ({"bucket_shift": 16}, r"bucket_shift is 16; it must lie in 0..15"),
        ({"adaptation": 500, "decay_threshold": 500}, "threshold would grow without end"),
    ],
)
def test_integers_outside_their_ranges_are_refused_in_one_sentence(wrong, sentence):
    with pytest.raises(ValueError, match=sentence):
        FixedSpikingGamma(**{"decay": (906, 390), "bucket_weight": (4, 8), **wrong})


@pytest.mark.parametrize("times", [(0, 1e-2), (-1, 1e-2), (np.nan, 1e-2), ("a", 1e-2), (0.02, 0), (0.02, "a")])
def test_times_that_give_no_decay_are_refused_in_one_sentence(times):
    with pytest.raises(ValueError, match=r"(tau_s|dt_s|decays a_k) .*; (give|each must lie)"):
        SpikingGamma.of_taus((times[0], 0.01), times[1], (1.0, 1.0))


def test_bucket_weights_beyond_8_bits_are_refused():
    loud = replace(neuron(), bucket_weight=(1e30, 1.0, 1.0))
    with pytest.raises(ValueError, match=r"has bucket weights up to 1e\+30, and a chip holds 127 at most; retrain"):
        quantize(network(loud), find_chip("loihi2"))


def test_a_network_of_adaptive_thresholds_is_mapped_and_its_receivers_round_what_spikes_carry():
    adaptive = neuron(v_threshold=0.25, adaptation=0.2, keep_threshold=0.6)
    mapped = map_network(network(adaptive, adaptive, neuron(v_threshold=None)), find_chip("loihi2"))
    assert [e.weight_exp for e in mapped.network.projections] == [0, -6, -6]
    assert not check_envelope(mapped.network, find_chip("loihi2"))
    lif = map_network(network(adaptive, LIF()), find_chip("loihi2"))
    assert [x.what for x in check_envelope(lif.network, find_chip("loihi2"))] == ["weights lose bits to exponent -6"]


def test_bucket_weights_are_one_set_or_one_a_neuron():
    with pytest.raises(
        ValueError, match=r"bucket_weight of population 'p0' has shape \(4, 3\); give \(3,\) or \(5, 3\)"
    ):
        network(replace(neuron(), bucket_weight=np.ones((4, 3))))
    with pytest.raises(
        ValueError, match=r"bucket_weight of population 'p' has shape \(2, 1\); give \(1,\) or \(3, 1\)"
    ):
        FixedPopulation("p", (3,), FixedSpikingGamma((9,), ((1,), (1,))))


def test_spikes_are_read_with_the_decay_that_they_were_written_with_and_never_come_back():
    with pytest.raises(
        ValueError, match=r"projection p0 -> p1: what it sends falls by 0\.81.* is read as falling by 0\.5"
    ):
        network(neuron(), SpikingGamma((0.5,), (1,)))
    network(neuron(), LIF())
    loop = Projection("p1", "p0", Dense(np.ones((5, 5))))
    chain = network(neuron(), neuron())
    with pytest.raises(ValueError, match=r"projection p. -> p. lies on a cycle"):
        replace(chain, projections=(*chain.projections, loop))


def test_rounding_keeps_what_a_spike_tells_and_what_its_targets_take_the_same():
    trained = network(neuron(v_threshold=np.full(5, 0.25)), neuron(v_threshold=None))
    formats = Formats.of(find_chip("loihi2"))
    fixed = to_fixed(trained, {"p0": 100.0, "p1": 50.0}, formats)
    hidden = fixed.populations[0].neuron
    assert isinstance(hidden, FixedSpikingGamma)
    assert hidden.decay_shares.tolist() == np.rint(4096 * (1 - np.exp(-1e-3 / np.array(TAUS)))).tolist()
    assert hidden.bucket_shift == 7 and hidden.bucket_weights.tolist() == [64, 32, -16]
    assert (hidden.v_threshold == 0.25 * 100 * 64).all() and (hidden.quantum == 0.5 * 100 * 64).all()
    wanted = trained.projections[1].connection.weight * 0.5 * 50
    assert np.abs(fixed.projections[1].connection.weight - wanted).max() <= 1


def test_a_convolution_reads_sources_of_one_threshold():
    first = Population("p0", (1, 4, 4), neuron(v_threshold=np.linspace(0.1, 0.2, 16)))
    edges = (
        Projection("in", "p0", Dense(np.ones((16, 6)))),
        Projection("p0", "p1", Conv2d(np.ones((1, 1, 3, 3)), (1, 4, 4))),
    )
    second = Population("p1", (1, 2, 2), neuron())
    trained = Network((Input("in", (6,)),), (first, second), edges, "p1", schedule=LAYERED)
    with pytest.raises(ValueError, match="is a convolution whose sources have unlike thresholds; use one"):
        quantize(trained, find_chip("loihi2"))


def test_chips_without_such_neurons_and_the_asynchronous_schedule_are_refused_with_the_reason(tmp_path):
    trained = network(neuron(), neuron(v_threshold=None))
    with pytest.raises(ValueError, match="only microcode can; map to loihi2"):
        map_network(trained, find_chip("loihi1"))
    fixed = quantize(trained, find_chip("loihi2"))
    with pytest.raises(ValueError, match=r"only microcode can, and .*Loihi.* has none; map to loihi2"):
        map_network(fixed, find_chip("loihi1"))
    reason = fixed.populations[0].neuron.refusal(Schedule())
    assert reason is not None and "which the asynchronous schedule does not define; use the layered one" in reason
    for name in WRITERS:
        for value in (trained, fixed):
            with pytest.raises(
                ValueError, match=r"has neurons of model 'spiking_gamma'; an? .* file knows 'lif' alone"
            ):
                WRITERS[name](value, tmp_path / f"network.{name}")


def test_files_hold_it_whole(tmp_path):
    trained = network(neuron(adaptation=0.1, keep_threshold=0.5), neuron(v_threshold=None))
    mapped = map_network(trained, find_chip("loihi2"))
    for value in (trained, mapped):
        npz.save(value, tmp_path / "it.npz")
        again = npz.load(tmp_path / "it.npz")
        assert npz.encoded(again).tobytes() == npz.encoded(value).tobytes()
        body = getattr(again, "network", again)
        assert body.populations[0].neuron.STATES == ("v", "e", "th", "x0", "x1", "x2")


def test_quantized_sums_stay_inside_their_registers_and_a_scale_that_leaves_them_is_refused():
    wide = Projection("in", "p0", Dense(np.full((5, 6), 1.0)))
    slow = SpikingGamma((0.999, 0.9), (1.0, 1.0), 0.5)
    trained = Network((Input("in", (6,)),), (Population("p0", (5,), slow),), (wide,), "p0", schedule=LAYERED)
    fixed = quantize(trained, find_chip("loihi2"))
    map_network(fixed, find_chip("loihi2"))
    louder = to_fixed(trained, {"p0": 250.0}, Formats.of(find_chip("loihi2")))
    with pytest.raises(ValueError, match=r"some input of 0 and 1 brings its buckets to \d+.\d+ times what their"):
        map_network(louder, find_chip("loihi2"))


def test_spikes_too_small_for_slow_buckets_are_refused():
    quiet = FixedSpikingGamma((906, 41), (4, 8), 32, 64)
    trained = quantize(network(neuron()), find_chip("loihi2"))
    dead = replace(trained, populations=(replace(trained.populations[0], neuron=quiet),))
    with pytest.raises(ValueError, match="spikes of 64 register units, and bucket 1 follows no difference below 100"):
        map_network(dead, find_chip("loihi2"))
