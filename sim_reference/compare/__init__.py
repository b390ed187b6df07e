"""Whatever judges traces: where two part, how much agrees, and a run in numbers."""

from sim_reference.compare.divergence import Divergence, first_divergence
from sim_reference.compare.equality import Equality
from sim_reference.compare.statistics import Latency, Statistics

__all__ = ["Divergence", "Equality", "Latency", "Statistics", "first_divergence"]
