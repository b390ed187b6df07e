"""What the stages say to one another: frozen values, numpy only."""

from ir.arithmetic import ARITHMETICS, Arithmetic
from ir.check import CapacityError, FormatError, TargetError
from ir.chip import Chip, IntFormat
from ir.connection import Connection, Conv2d, Dense, Sparse
from ir.contract import CONTRACT
from ir.mapped import Core, MappedNetwork, one_large_core
from ir.network import Input, Network, Population, Projection
from ir.neurons import LIF, FixedLIF
from ir.quantized import FixedPopulation, FixedProjection, QuantizedNetwork
from ir.schedule import Schedule
from ir.state import State
from ir.stimulus import Stimulus
from ir.trace import Spikes, Trace

__all__ = [
    "ARITHMETICS",
    "CONTRACT",
    "LIF",
    "Arithmetic",
    "CapacityError",
    "Chip",
    "Connection",
    "Conv2d",
    "Core",
    "Dense",
    "FixedLIF",
    "FixedPopulation",
    "FixedProjection",
    "FormatError",
    "Input",
    "IntFormat",
    "MappedNetwork",
    "Network",
    "Population",
    "Projection",
    "QuantizedNetwork",
    "Schedule",
    "Sparse",
    "Spikes",
    "State",
    "Stimulus",
    "TargetError",
    "Trace",
    "one_large_core",
]
