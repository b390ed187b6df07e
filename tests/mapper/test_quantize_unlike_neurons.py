"""A neuron with far larger numbers than its neighbours takes nothing from them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from exchange import npz
from exchange.chip_toml import find_chip
from ir import LIF, Dense, Input, Network, Population, Projection, QuantizedNetwork, Schedule, Stimulus, Trace
from ir.connection import Conv2d
from ir.envelope import check_envelope
from mapper.quantize import Calibration, mismatch, quantize
from mapper.rounding.neurons import own_scale
from sim_reference.simulate import run as run_integers
from trainer import run as run_floats

LOIHI2 = find_chip("loihi2")
LAYERED, RANDOM, FIFO = Schedule("layered"), Schedule(F=4, order="random"), Schedule(F=4, order="fifo")
MOMENTUM = Schedule(F=4, order="momentum")
STIMULUS = Stimulus((np.random.default_rng(0).random((6, 12, 20)) < 0.3).astype(np.int8))


def network(kind: str, schedule: Schedule) -> Network:
    rng = np.random.default_rng(1)
    weight, threshold = rng.normal(0.05, 0.3, (16, 20)), np.full(16, 1.0)
    if kind == "outlier":
        weight[3, 5] = 1000 * np.abs(weight).max()
    else:
        threshold = np.geomspace(1, 1000, 16)
        weight *= threshold[:, None]
    p = Population("p", (16,), LIF(5e-3, threshold, bias=0.05 * threshold))
    return Network((Input("in", (20,)),), (p,), (Projection("in", "p", Dense(weight)),), "p", schedule=schedule)


def calibration(trained: Network) -> Calibration:
    target = run_floats(trained, STIMULUS)
    return Calibration(target, lambda q: run_integers(q, STIMULUS, trained.schedule), STIMULUS.frames)


def lost(target: Trace, found: Trace) -> list[int]:
    """Neurons whose spikes differ by more than half."""
    wanted, got = target.counts.sum(0), found.counts.sum(0)
    return [i for i in range(len(wanted)) if wanted[i] and abs(int(got[i]) - int(wanted[i])) > 0.5 * wanted[i]]


@pytest.mark.parametrize("schedule", [LAYERED, RANDOM, FIFO], ids=["layered", "random", "fifo"])
@pytest.mark.parametrize("kind", ["outlier", "thresholds"])
@pytest.mark.parametrize("calibrated", [False, True])
@pytest.mark.parametrize("bits", [8, 4])
def test_no_other_neuron_is_lost(kind: str, schedule: Schedule, calibrated: bool, bits: int) -> None:
    trained = network(kind, schedule)
    known = calibration(trained)
    fixed = quantize(trained, LOIHI2, bits, known if calibrated else None)
    assert check_envelope(fixed, LOIHI2, frames=STIMULUS.frames) == ()
    others = [i for i in lost(known.target, known.measure(fixed)) if kind != "outlier" or i != 3]
    assert not others
    if calibrated and bits == 8:
        assert mismatch(known.target, known.measure(fixed), "p") < 0.1


def test_under_momentum_an_outlier_is_clipped_for_the_others_sake() -> None:
    trained = network("outlier", MOMENTUM)
    known = calibration(trained)
    for c in (None, known):
        fixed = quantize(trained, LOIHI2, 8, c)
        assert np.ndim(fixed.populations[0].scale) == 0
        assert not [i for i in lost(known.target, known.measure(fixed)) if i != 3]


@pytest.mark.parametrize("order", ["momentum", "random", "fifo"])
def test_scales_are_a_neurons_own_where_no_queue_compares_membranes(order: str) -> None:
    trained = network("thresholds", Schedule(F=4, order=order))  # type: ignore[arg-type]
    p = trained.populations[0]
    assert own_scale(trained, p, LOIHI2) == (order != "momentum")
    assert own_scale(replace(trained, schedule=Schedule(F=None, order=order)), p, LOIHI2)  # type: ignore[arg-type]
    assert not own_scale(replace(trained, schedule=LAYERED), p, find_chip("loihi1"))
    reads = replace(p, neuron=LIF(5e-3, None))
    assert not own_scale(replace(trained, schedule=LAYERED), reads, LOIHI2)


def test_a_kernel_keeps_one_scale_a_channel() -> None:
    rng = np.random.default_rng(2)
    kernel = rng.normal(0.1, 0.3, (3, 1, 3, 3)) * np.array([1.0, 100.0, 1000.0])[:, None, None, None]
    c = Conv2d(kernel, (1, 4, 5))
    p = Population("p", c.out_shape, LIF(5e-3, np.repeat([1.0, 100.0, 1000.0], c.n_post // 3)))
    trained = Network((Input("in", (1, 4, 5)),), (p,), (Projection("in", "p", c),), "p", schedule=LAYERED)
    known = calibration(trained)
    fixed = quantize(trained, LOIHI2, 8, known)
    scales = np.asarray(fixed.populations[0].scale).reshape(3, -1)
    assert (scales == scales[:, :1]).all() and scales[0, 0] > 50 * scales[2, 0]
    assert mismatch(known.target, known.measure(fixed), "p") < 0.1


def test_scales_of_neurons_come_back_from_a_file(tmp_path: Path) -> None:
    fixed = quantize(network("thresholds", LAYERED), LOIHI2)
    npz.save(fixed, tmp_path / "q.npz")
    again = npz.load(tmp_path / "q.npz")
    assert isinstance(again, QuantizedNetwork)
    np.testing.assert_array_equal(again.populations[0].scale, fixed.populations[0].scale)


def test_the_trainer_runs_such_integers_spike_for_spike() -> None:
    fixed = quantize(network("thresholds", LAYERED), LOIHI2)
    np.testing.assert_array_equal(run_floats(fixed, STIMULUS).counts, run_integers(fixed, STIMULUS).counts)


@pytest.mark.parametrize("scale", [np.zeros(16), np.full(16, np.nan), np.ones(3)])
def test_scales_that_are_none_are_refused(scale: np.ndarray) -> None:
    fixed = quantize(network("thresholds", LAYERED), LOIHI2)
    with pytest.raises(ValueError, match="scale of population 'p'"):
        replace(fixed.populations[0], scale=scale)
