"""What a sample costs on a chip: events counted from its spikes, times the chip's constants."""

from mapper.cost.active import charged
from mapper.cost.estimate import Cost, estimate
from mapper.cost.events import Events, count_events

__all__ = ["Cost", "Events", "charged", "count_events", "estimate"]
