"""What a core without a barrier takes its time by, as data: group, work a spike, queue, packets, what happens when."""

from __future__ import annotations

from dataclasses import dataclass

from ir.check import check_choice, check_type, whole

MOST_PS, MOST = 1 << 30, 1 << 16
"""The longest time of one flit or period, and the most of what is no memory: sums stay inside 64 bits."""

LEAKS = ("sweep", "lazy")
"""``sweep``: every state is read and written at every frame; ``lazy``: at its first touch, with a time stamp."""

FULL = ("block", "drop")
"""What a packet does where a queue is full: it waits at its sender, or its copy is lost and counted."""

TARGETLESS = ("host", "queued")
"""Where spikes go that no neuron hears: off the chip at once, or through the queue of their own core."""

WORDS = {"leak": LEAKS, "full": FULL, "targetless": TARGETLESS}


@dataclass(frozen=True)
class Clockless:
    """How a core works; docs/clockless.md says what each number does.

    Attributes:
        group: events that a service takes at most, G.
        npe: processing elements, neurons that are worked on at once.
        npe_ops: their operations a synapse, and a neuron's leak or bias; as many periods a step of all of them.
        period_ps: of the core's clock (a chip may have none that others share).
        event_periods: to take one event from the queue.
        queue_events: events that the input queue holds.
        state_bits: of one register of a neuron.
        stamp_bits: of the time stamp that a lazy leak keeps with a neuron.
        pointer_ops: controller operations to find where an event's synapses to one population lie.
        step_ops: controller operations a step of the processing elements.
        flit_ps: that a flit takes on a link.
        flit_bits, spikes_a_flit, header_flits, max_flits: of packets.
        leak, full, targetless: words of ``WORDS``.
        multicast: one packet to all its cores; else one each.
    """

    group: int
    npe: int
    npe_ops: int
    period_ps: int
    event_periods: int
    queue_events: int
    state_bits: int
    stamp_bits: int
    pointer_ops: int
    step_ops: int
    flit_ps: int
    flit_bits: int
    spikes_a_flit: int
    header_flits: int
    max_flits: int
    leak: str = "sweep"
    full: str = "block"
    targetless: str = "host"
    multicast: bool = True

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if name in WORDS:
                check_choice(name, value, WORDS[name])
            elif name == "multicast":
                check_type(name, value, bool, "true or false")
            else:
                wide = name.endswith("_ps") or name == "queue_events"
                whole(name, value, 1 if name in AT_LEAST_1 else 0, MOST_PS if wide else MOST)
        if self.max_flits <= self.header_flits:
            raise ValueError(
                f"max_flits is {self.max_flits} with header_flits {self.header_flits}; leave room for spikes"
            )

    @property
    def packet_spikes(self) -> int:
        """Spikes that the longest packet carries."""
        return (self.max_flits - self.header_flits) * self.spikes_a_flit

    def flits(self, n_spikes: int) -> int:
        """Of a packet."""
        return self.header_flits + -(-n_spikes // self.spikes_a_flit)


AT_LEAST_1 = ("group", "npe", "queue_events", "spikes_a_flit", "max_flits")

CORE = ("group", "npe", "npe_ops", "period_ps", "event_periods", "queue_events", "state_bits", "stamp_bits")
CORE_OPS = ("pointer_ops", "step_ops")
PACKETS = ("flit_ps", "flit_bits", "spikes_a_flit", "header_flits", "max_flits")
"""The tables ``[core]`` and ``[packets]`` of a chip file."""

CLOCKLESS_COSTS = (
    *("controller_pj", "npe_pj", "memory_read_pj_bit", "memory_write_pj_bit"),
    *("queue_read_pj_bit", "queue_write_pj_bit", "hop_pj_bit", "static_uw_core"),
)
"""What the operations of such a chip take: energy in pJ an operation or a bit, standing power in uW a core."""
