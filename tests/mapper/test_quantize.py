"""Quantization keeps the network, says what it did, and warns with a remedy."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from exchange.chip_toml import find_chip
from ir import LIF, Dense, Input, Network, Population, Projection, QuantizedNetwork, Schedule, Stimulus, Trace
from ir.chip import IntFormat
from ir.envelope import check_envelope
from ir.fixed_point import best_scale, largest_scale, to_fixed, weight_error
from ir.formats import Formats
from mapper.quantization_report import report
from mapper.quantize import DECAY_STEPS, Calibration, mismatch, quantize, search_runs
from mapper.rounding.features import source_counts
from sim_reference.simulate import run as run_integers
from trainer import LIF as Neurons
from trainer import SpikingNetwork
from trainer import run as run_floats

LAYERED = Schedule("layered")
LOIHI2 = find_chip("loihi2")


def network(seed: int = 0) -> Network:
    torch.manual_seed(seed)
    net = SpikingNetwork.sequential(
        (20,), nn.Linear(20, 24, bias=False), Neurons(5e-3, 0.3), nn.Linear(24, 5, bias=False), Neurons(5e-3, 0.2)
    )
    return replace(net.export(), schedule=LAYERED)


def stimulus() -> Stimulus:
    return Stimulus((np.random.default_rng(0).random((6, 40, 20)) < 0.3).astype(np.int8))


def calibration(trained: Network) -> Calibration:
    samples = stimulus()
    return Calibration(
        run_floats(trained, samples, LAYERED), lambda candidate: run_integers(candidate, samples, LAYERED)
    )


@pytest.mark.parametrize("bits", [8, 6, 4, 3, 2])
def test_every_number_lies_in_the_chips_formats(bits: int) -> None:
    chip = find_chip("loihi2")
    fixed, formats = quantize(network(), chip, bits), Formats.of(chip, bits)
    assert formats.weight.n_values == 2**bits
    for p in fixed.projections:
        assert bool(((p.connection.weight - formats.weight.lo) % formats.weight.step == 0).all())
        assert formats.weight.lo <= p.connection.weight.min() and p.connection.weight.max() <= formats.weight.hi
    for p in fixed.populations:
        assert chip.decay.lo <= np.min(p.neuron.decay_v) and np.max(p.neuron.decay_v) <= chip.decay.hi


@pytest.mark.parametrize("bits", [8, 4, 2])
@pytest.mark.parametrize("calibrated", [False, True])
def test_weights_that_all_round_up_stay_inside_the_registers(bits: int, calibrated: bool) -> None:
    """Most weights lie above half a step, so that rounding nearly doubles a sum that the accumulator just holds."""
    chip = find_chip("loihi1")
    step = 1 / 2 ** (bits - 1)
    weight = np.full((2, int(129 / (0.56 * step))), 0.56 * step)
    weight[:, 0], weight[0, 1] = 1.0, -1.0
    trained = tiny(1.0, 1.0)
    wide = replace(
        trained,
        inputs=(Input("in", (weight.shape[1],)),),
        populations=(replace(trained.populations[0], shape=(2,)),),
        projections=(Projection("in", "p", Dense(weight)),),
    )
    known, samples = None, Stimulus(np.ones((1, 1, weight.shape[1]), np.int8))
    if calibrated:
        target = run_floats(wide, samples, LAYERED)
        known = Calibration(target, lambda candidate: run_integers(candidate, samples, LAYERED), samples.frames)
    assert check_envelope(quantize(wide, chip, bits, known), chip, frames=samples.frames) == ()


OTHER_FORMATS = {
    "few weights": {"weight": IntFormat(-8, 7)},
    "three weights": {"weight": IntFormat(-1, 1)},
    "odd range": {"weight": IntFormat(-7, 7)},
    "wide weights": {"weight": IntFormat(-32768, 32767)},
    "coarse thresholds": {"threshold": IntFormat(0, 1000, 64)},
    "small thresholds": {"threshold": IntFormat(0, 100)},
    "coarse biases": {"bias": IntFormat(-4080, 4080, 16)},
    "small biases": {"bias": IntFormat(-3, 3)},
    "short bias exponent": {"bias_exp_max": 3},
    "coarse decays": {"decay": IntFormat(0, 4096, 256)},
}


@pytest.mark.parametrize("bits", [8, 4, 2])
@pytest.mark.parametrize("changes", OTHER_FORMATS.values(), ids=OTHER_FORMATS)
def test_a_chip_of_other_formats_gets_its_own_numbers(changes: dict[str, Any], bits: int) -> None:
    chip, trained = replace(find_chip("loihi2"), **changes), network()
    first, last = trained.populations
    biased = replace(first, neuron=replace(first.neuron, bias=np.linspace(-0.1, 0.2, first.n), tau_syn_s=3e-3))
    fixed = quantize(replace(trained, populations=(biased, last)), chip, bits)
    assert check_envelope(fixed, chip) == ()
    weights = np.concatenate([e.connection.weight.reshape(-1) for e in fixed.projections])
    assert np.unique(weights).size <= 2**bits
    hidden = fixed.populations[0].neuron
    assert hidden.bias is not None and hidden.bias_exp <= chip.bias_exp_max
    if "bias_exp_max" in changes:
        wanted = np.linspace(-0.1, 0.2, first.n) * fixed.populations[0].scale * 64
        np.testing.assert_allclose(np.asarray(hidden.register_bias()), wanted, atol=8)


def test_what_no_number_of_the_chip_can_be_is_refused() -> None:
    chip = find_chip("loihi2")
    with pytest.raises(ValueError, match=r"population 'layer0' has numbers of a sign .* \(weights 0..255"):
        quantize(network(), replace(chip, weight=IntFormat(0, 255)))
    with pytest.raises(ValueError, match=r"population 'layer0' loses 742/4096 a time step, Intel Loihi 2 at most 255"):
        quantize(network(), replace(chip, decay=IntFormat(0, 255)))


def test_the_largest_scale_clips_nothing_and_wastes_nothing() -> None:
    trained, formats = network(), Formats.of(find_chip("loihi2"))
    scale = largest_scale(trained, "layer0", formats)
    weight = trained.projections[0].connection.weight
    assert max(weight.max() * scale / formats.weight.hi, weight.min() * scale / formats.weight.lo) == pytest.approx(1)


def test_few_bits_gain_from_the_best_scale() -> None:
    trained, formats = network(), Formats.of(find_chip("loihi2"), 2)
    best, largest = (f(trained, "layer0", formats) for f in (best_scale, largest_scale))
    assert weight_error(trained, "layer0", best, formats) < weight_error(trained, "layer0", largest, formats)


@pytest.mark.parametrize("bits", [4, 2])
def test_calibration_brings_the_spikes_closer(bits: int) -> None:
    trained, chip = network(), find_chip("loihi2")
    known = calibration(trained)
    plain, tuned = (known.measure(quantize(trained, chip, bits, c)) for c in (None, known))
    before, after = (int(np.abs(t.counts - known.target.counts).sum()) for t in (plain, tuned))
    assert after < before
    assert mismatch(known.target, tuned, "layer0") < mismatch(known.target, plain, "layer0")


def test_the_search_runs_as_often_as_it_says_and_leaves_a_decay_that_helps() -> None:
    trained, known, runs = network(), calibration(network()), 0

    def measure(candidate: QuantizedNetwork) -> Trace:
        nonlocal runs
        runs += 1
        return known.measure(candidate)

    sampled = replace(known, measure=measure, frames=stimulus().frames, record=known.measure)
    fixed = quantize(trained, find_chip("loihi2"), 4, sampled)
    assert runs == search_runs(trained, LOIHI2) == 2 * (11 + 1 + 14 + 9 + 1 + 5)
    for p in fixed.populations:
        assert int(p.neuron.decay_v) in {int(np.rint(4096 * (1 - np.exp(-1 / (5 * step))))) for step in DECAY_STEPS}
    forgetful = replace(trained.populations[0], neuron=replace(trained.populations[0].neuron, tau_mem_s=1e-5))
    assert (
        search_runs(replace(trained, populations=(forgetful, trained.populations[1])), LOIHI2) == 2 * (12 + 14 + 10) + 5
    )


@pytest.mark.parametrize("delay", [5, 8, 30])
def test_spikes_later_than_the_samples_are_long_count_as_none(delay: int) -> None:
    trained, samples = network(), stimulus()
    first, second = trained.projections
    late = replace(trained, projections=(replace(first, delay_steps=np.array([0, delay] * 10)), second))
    counts = source_counts(late, late.projections[0], samples.frames, run_floats(late, samples, LAYERED))
    assert (counts[:, :, ::2] == samples.frames[:, :, ::2]).all()
    assert (counts[delay:, :, 1::2] == samples.frames[: max(6 - delay, 0), :, 1::2]).all()
    assert not counts[:delay, :, 1::2].any()
    known = replace(calibration(late), frames=samples.frames)
    assert quantize(late, LOIHI2, 4, known).projections[0].connection.weight.any()


WEIGHT = Formats.of(LOIHI2).weight


def test_the_report_measures_error_and_rates() -> None:
    trained, chip = network(), LOIHI2
    known = calibration(trained)
    rows = {
        bits: report(
            trained, f := quantize(trained, chip, bits), Formats.of(chip, bits).weight, known.target, known.measure(f)
        )
        for bits in (8, 2)
    }
    assert rows[8][0].weight_error < 0.02 < rows[2][0].weight_error
    assert rows[8][0].rate_trained == pytest.approx(float(known.target.counts[:, :24].mean()) / 6)
    assert all(0 < (r.membrane_used or 0) < 1 and not r.warnings for r in rows[8])


def test_only_weights_beyond_the_format_count_as_clipped() -> None:
    weights = np.array([[1.0, -1.0, 0.01, -0.02, 0.02]])
    trained = replace(tiny(0.5, 1.0), inputs=(Input("in", (5,)),), projections=(Projection("in", "p", Dense(weights)),))
    coarse = Formats.of(LOIHI2, 2)
    for scale, share in ((100.0, 0.0), (300.0, 0.2)):  # 300 lies beyond 128 + 64, -300 rounds to -256
        fixed = to_fixed(trained, {"p": scale}, coarse)
        assert report(trained, fixed, coarse.weight)[0].clipped_share == share


def tiny(threshold: float | None, weight: float) -> Network:
    population = Population("p", (1,), LIF(1e-3, threshold))
    return Network(
        (Input("in", (1,)),),
        (population,),
        (Projection("in", "p", Dense(np.array([[weight]]))),),
        "p",
        schedule=LAYERED,
    )


def warned(trained: Network, fixed: QuantizedNetwork, frame: int | None = None) -> tuple[str, ...]:
    """The warnings of the one population, after a run on six steps of ``frame`` where given."""
    if frame is None:
        return report(trained, fixed, WEIGHT)[0].warnings
    samples = Stimulus(np.full((6, 2, 1), frame, np.int8))
    before, after = run_floats(trained, samples, LAYERED), run_integers(fixed, samples, LAYERED)
    return report(trained, fixed, WEIGHT, before, after)[0].warnings


def only(said: tuple[str, ...], what: str, remedy: str) -> bool:
    """Whether there is one warning, of ``what``, whose way out names ``remedy``."""
    return len(said) == 1 and said[0].startswith(what) and remedy in said[0].partition(";")[2]


def test_a_threshold_that_rounds_to_zero_is_warned_of() -> None:
    trained = tiny(1e-6, 1.0)
    assert only(warned(trained, quantize(trained, LOIHI2)), "threshold rounds to 0", "retrain")


def test_a_silent_population_is_warned_of() -> None:
    trained, formats = tiny(0.5, 1.0), Formats.of(LOIHI2)
    silent = to_fixed(tiny(5.0, 1.0), {"p": 100.0}, formats)
    assert only(warned(trained, silent, frame=1), "no activity", "calibrate with more samples")
    assert only(warned(trained, quantize(trained, LOIHI2), frame=0), "no activity: neither", "samples that drive it")
    vanished = to_fixed(trained, {"p": 0.1}, formats)
    assert only(warned(trained, vanished)[1:], "no activity: every weight", "more bits")
    readout = tiny(None, 1.0)
    assert warned(readout, quantize(readout, LOIHI2), frame=1) == ()


def test_a_saturated_population_is_warned_of() -> None:
    trained, formats = tiny(0.5, 1.0), Formats.of(LOIHI2)
    assert only(warned(trained, to_fixed(trained, {"p": 500.0}, formats)), "saturated: 100 %", "calibrate")
    quiet, firing = tiny(5.0, 1.0), to_fixed(trained, {"p": 100.0}, formats)
    assert only(warned(quiet, firing, frame=1), "saturated: nearly all neurons fire", "calibrate with more samples")
    readout = tiny(None, 1.0)
    kept = replace(readout, populations=(Population("p", (1,), LIF(np.inf, None, bias=40.0)),))
    full = to_fixed(kept, {"p": 100.0}, formats)
    samples = Stimulus(np.ones((40, 1, 1), np.int8))
    before, after = run_floats(kept, samples, LAYERED), run_integers(full, samples, LAYERED)
    assert only(report(kept, full, WEIGHT, before, after)[0].warnings, "saturated: its membrane", "shorter time")
