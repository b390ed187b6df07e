"""Drawn chips without a barrier, ways of keeping time, and whole timed cases."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from hypothesis import strategies as st

from exchange.chip_toml import find_chip
from ir.arithmetic import ARITHMETICS
from ir.chip import Chip, Mesh
from ir.clockless import Clockless
from ir.graph import is_acyclic
from ir.mapped import Core, MappedNetwork
from ir.quantized import QuantizedNetwork
from ir.runnable import check_run
from ir.stimulus import Stimulus
from targets.clockless.options import EVERY_EVENT, Timekeeping
from tests.strategies.networks import networks
from tests.strategies.options import Draw, seeds
from tests.strategies.runs import ONE_BY_ONE, stamped, stimuli

TIMED = Draw(extremes=True, repeated=True, wide=True, max_populations=5, max_side=9, arithmetics=tuple(ARITHMETICS))
"""What the timed executor is held to; networks that would never end are left out."""


@dataclass(frozen=True)
class TimedCase:
    """Everything a timed run takes."""

    mapped: MappedNetwork
    stimulus: Stimulus
    time: Timekeeping


@st.composite
def clockless_chips(draw: st.DrawFn, roomy: bool = False) -> Chip:
    """SENECA with other numbers; not ``roomy``: queues that small may be full."""
    header, spikes = draw(st.integers(0, 1)), draw(st.integers(1, 3))
    most = draw(st.integers(1, 3))
    core = Clockless(
        group=draw(st.sampled_from([1, 1, 2, 3, 8, 1000])),
        npe=draw(st.integers(1, 5)),
        npe_ops=draw(st.integers(0, 3)),
        period_ps=draw(st.sampled_from([0, 1, 7, 1000, 5000])),
        event_periods=draw(st.integers(0, 2)),
        queue_events=1 << 20 if roomy else draw(st.sampled_from([1 << 20, 1 << 20, 30, 20, 14, 10, 7, 4, 1])),
        state_bits=16,
        stamp_bits=draw(st.integers(0, 8)),
        pointer_ops=10,
        step_ops=2,
        flit_ps=draw(st.sampled_from([0, 0, 1, 100, 5000, 100_000])),
        flit_bits=32,
        spikes_a_flit=spikes,
        header_flits=header,
        max_flits=header + most,
        leak=draw(st.sampled_from(["sweep", "lazy"])),
        full=draw(st.sampled_from(["block", "block", "drop"])),
        targetless=draw(st.sampled_from(["host", "queued"])),
        multicast=draw(st.booleans()),
    )
    return replace(find_chip("seneca"), clockless=core, mesh=Mesh(4, 3, 2, 24, 2, 2))


@st.composite
def places(draw: st.DrawFn, network: QuantizedNetwork, chip: Chip) -> MappedNetwork:
    """Neurons on one to five cores, anyhow, some of them empty, anywhere on the board."""
    rng = np.random.default_rng(draw(seeds))
    n_cores, mesh = draw(st.integers(1, 5)), chip.mesh
    n_places = mesh.width * mesh.height * mesh.cores_per_tile * mesh.chips_x * mesh.chips_y
    shape = mesh.chips_x * mesh.chips_y, mesh.height, mesh.width, mesh.cores_per_tile
    at = np.array(np.unravel_index(rng.choice(n_places, n_cores, replace=False), shape)).T.tolist()
    cores = tuple(Core(i, board, x, y, slot) for i, (board, y, x, slot) in enumerate(at))
    owner = np.repeat(np.arange(len(network.populations)), [p.n for p in network.populations])
    by_population = rng.integers(0, n_cores, len(network.populations))[owner]
    anyhow = rng.integers(0, n_cores, network.n_neurons)
    return MappedNetwork(network, chip, by_population if draw(st.booleans()) else anyhow, cores)


@st.composite
def times(draw: st.DrawFn, with_stamps: bool) -> Timekeeping:
    """After quiescence, on a period, by time stamps, through a port."""
    return Timekeeping(
        frame_detect_ps=draw(st.sampled_from([0, 1, 5000])),
        period_ps=draw(st.sampled_from([None, None, 1, 1000, 100_000, 10_000_000])),
        stamp_ps=draw(st.sampled_from([1, 300])) if with_stamps else None,
        port_ps=draw(st.sampled_from([0, 0, 1, 2500])),
    )


def ends(network: QuantizedNetwork, stimulus: Stimulus) -> bool:
    """Whether a run of it ends, and is exact."""
    if not all(p.neuron.refractory for p in network.populations) and not is_acyclic(network):
        return False
    if not 0 <= int(stimulus.frames.min(initial=0)) <= int(stimulus.frames.max(initial=0)) <= ONE_BY_ONE:
        return False
    try:
        check_run(network, stimulus, EVERY_EVENT)
    except ValueError:
        return False
    return True


@st.composite
def timed_cases(draw: st.DrawFn, options: Draw = TIMED, roomy: bool = False) -> TimedCase:
    """A network, a mapping onto a drawn chip, a stimulus, a way of keeping time."""
    network = draw(networks(options))
    stimulus = draw(stimuli(network, max_samples=2).filter(lambda x: ends(network, x)))
    if draw(st.booleans()):
        stimulus = draw(stamped(stimulus))
    chip = draw(clockless_chips(roomy))
    return TimedCase(draw(places(network, chip)), stimulus, draw(times(stimulus.events is not None)))
