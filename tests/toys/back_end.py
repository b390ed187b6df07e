"""A toy back end: somebody's board that happens to be the plain simulator."""

from __future__ import annotations

from ir.mapped import MappedNetwork
from ir.network import Network
from ir.schedule import Schedule
from ir.stimulus import Stimulus
from ir.trace import Trace
from sim_reference.simulate import run
from unlayered.console import Tick
from unlayered.execute import Executor, RunOptions


def run_on_board(
    network: Network | MappedNetwork, stimulus: Stimulus, schedule: Schedule, options: RunOptions, tick: Tick
) -> Trace:
    """What runs a network and records every spike: integers in, a trace out."""
    assert isinstance(network, MappedNetwork)
    return run(network, stimulus, schedule, progress=tick)


BOARD = Executor("somebody's board", run_on_board, integers_only=True)
"""An entry of ``unlayered.execute.EXECUTORS``."""
