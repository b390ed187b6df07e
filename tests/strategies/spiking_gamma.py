"""Drawn layered runs of networks of SpikingGamma, some of their populations LIF."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from hypothesis import strategies as st

from ir.mapped import MappedNetwork
from ir.neurons import FixedSpikingGamma
from ir.neurons.fixed_spiking_gamma import MAX_QUANTUM, MAX_THRESHOLD
from ir.quantized import FixedPopulation, QuantizedNetwork
from ir.schedule import Schedule
from ir.stimulus import Stimulus
from tests.strategies.connections import typical_drive
from tests.strategies.networks import networks
from tests.strategies.options import LAYERED, Draw, seeds
from tests.strategies.runs import partitions, runs, stimuli

CHAINS = Draw(asynchronous=False, chain=True, recurrent=False, arithmetics=("lava", "loihi2"))


@st.composite
def gamma_neurons(
    draw: st.DrawFn, n: int, drive: int, first_decay: int, readout: bool, adapts: bool, rng: np.random.Generator
) -> FixedSpikingGamma:
    """A population's neurons, of thresholds that its drive reaches in most time steps.

    Args:
        drive: a typical one, in weights.
    """
    k = draw(st.integers(1, 6))
    decay = [first_decay, *(draw(st.sampled_from([1, 41, 390, 1024, 2048, 4095])) for _ in range(k - 1))]
    shape = (n, k) if draw(st.booleans()) else (k,)
    weight, shift = rng.integers(-40, 128, shape), draw(st.integers(0, 9))
    if draw(st.integers(0, 7)) == 7:
        weight = rng.choice([-128, 127], shape)
    typical = max(1, (drive << 6) * int(np.abs(weight).mean() * k + 1) >> shift)
    threshold = np.clip(typical * rng.integers(1, 33, (n,)) // 64, 1, MAX_THRESHOLD)
    if draw(st.booleans()):
        threshold = threshold[0]
    quantum = np.clip(threshold * draw(st.sampled_from([1, 2, 2, 2, 3])), 1, MAX_QUANTUM)
    rule = {"strict": draw(st.booleans()), "bucket_shift": shift}
    if draw(st.booleans()):
        ceiling = np.clip(quantum * rng.integers(1, 9, (n,)) // 2, 1, MAX_QUANTUM)
        rule["ceiling"] = ceiling if draw(st.booleans()) else ceiling[0]
    if adapts:
        rule |= {"adaptation": draw(st.sampled_from([1, 400, 1500])), "decay_threshold": draw(st.integers(1600, 4096))}
    return FixedSpikingGamma(decay, weight, None if readout else threshold, quantum, **rule)


@st.composite
def gamma_networks(draw: st.DrawFn, options: Draw = CHAINS, adapts: bool = True) -> QuantizedNetwork:
    """A chain, all of whose SpikingGamma have the same first decay."""
    network = draw(networks(options))
    rng = np.random.default_rng(draw(seeds))
    first_decay = draw(st.sampled_from([100, 743, 906, 2048, 4000]))
    populations: list[FixedPopulation] = []
    for p in network.populations:
        if len(network.populations) > 1 and draw(st.integers(0, 7)) == 7:
            populations.append(p)
            continue
        into = [typical_drive(e.connection, e.weight_exp) for e in network.projections if e.post == p.name]
        readout = p is network.populations[-1] and draw(st.booleans())
        changes = adapts and draw(st.integers(0, 3)) == 3
        neuron = draw(gamma_neurons(p.n, max(into, default=1), first_decay, readout, changes, rng))
        populations.append(replace(p, neuron=neuron))
    network = replace(network, populations=tuple(populations))
    bits = {p.name: p.neuron.payload_bits for p in populations}
    shifted = (replace(e, weight_exp=max(e.weight_exp - bits.get(e.pre, 0), -31)) for e in network.projections)
    return replace(network, projections=tuple(shifted), schedule=LAYERED)


@st.composite
def gamma_cases(
    draw: st.DrawFn, options: Draw = CHAINS, adapts: bool = True
) -> tuple[MappedNetwork, Stimulus, Schedule]:
    """A network on drawn cores, and a stimulus; layered."""
    mapped = draw(partitions(draw(gamma_networks(options, adapts))))
    stimulus = draw(stimuli(mapped.network, options.extremes).filter(lambda s: runs((mapped, s, LAYERED))))
    return mapped, stimulus, LAYERED
