"""What a sample costs on a chip: events counted from its spikes, times the chip's constants."""

from mapper.cost.active import UNKNOWN, Delivered, delivered
from mapper.cost.estimate import Cost, estimate
from mapper.cost.events import Events, count_events

__all__ = ["UNKNOWN", "Cost", "Delivered", "Events", "count_events", "delivered", "estimate"]
