"""How a timed run is carried out, when its input enters, and what it refuses before it begins."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from ir.arrays import Ints
from ir.check import require, whole
from ir.chip import Chip
from ir.clockless import Clockless
from ir.graph import is_acyclic
from ir.neurons import as_lif
from ir.quantized import QuantizedNetwork
from ir.runnable import check_run
from ir.schedule import Schedule
from ir.stimulus import Stimulus

MAX_PS = 1 << 50
"""Eighteen minutes: sums of such times stay inside 64 bits."""

EVERY_EVENT = Schedule(kind="asynchronous", F=1, order="fifo", input="queued")
"""What is exact on a chip that serves events one by one in any groups is exact here."""


@dataclass(frozen=True)
class Timekeeping:
    """When frames come, and what a run keeps.

    Attributes:
        frame_detect_ps: from quiescence to the next frame, the time it takes to know of it; 0 is an ideal.
        period_ps: a frame every so often, whether or not the last one is done; None = after quiescence.
        stamp_ps: picoseconds a unit of the events' time stamps, which then say when in its frame an event enters,
            counted from the frame's first; None = all of a frame at once.
        port_ps: between two input events that enter; 0 = no port.
        leak, full, targetless: other than the chip's file says; None = as it says.
    """

    frame_detect_ps: int = 0
    period_ps: int | None = None
    stamp_ps: int | None = None
    port_ps: int = 0
    leak: str | None = None
    full: str | None = None
    targetless: str | None = None

    def __post_init__(self) -> None:
        for name in ("frame_detect_ps", "port_ps"):
            whole(name, getattr(self, name), 0, MAX_PS)
        for name in ("period_ps", "stamp_ps"):
            if getattr(self, name) is not None:
                whole(name, getattr(self, name), 1, MAX_PS)

    def core(self, chip: Chip) -> Clockless:
        """The chip's core with these choices.

        Raises:
            ValueError: the chip has a barrier, or a number that time needs is unknown.
        """
        require(
            chip.clockless is not None,
            f"{chip.title} has a barrier, and time orders nothing on it; map to a clockless chip, e.g. seneca, or run "
            "--on reference",
        )
        assert chip.clockless is not None
        chip.need("a timed run", "core", "packets", "mesh")
        chosen = {name: getattr(self, name) for name in ("leak", "full", "targetless")}
        return replace(chip.clockless, **{name: word for name, word in chosen.items() if word is not None})

    def said(self, core: Clockless) -> dict[str, str]:
        """How time was kept, in words."""
        if self.period_ps is None:
            frames = f"at quiescence + {self.frame_detect_ps / 1e3:g} ns"
            frames += " (knowing of it at once is an ideal)" if self.frame_detect_ps == 0 else ""
        else:
            frames = f"every {self.period_ps / 1e3:g} ns"
        stamps = "a frame at once" if self.stamp_ps is None else f"by time stamps of {self.stamp_ps} ps"
        port = f", an event every {self.port_ps} ps at most" if self.port_ps else ""
        return {
            "next frame": frames,
            "input": stamps + port,
            "leak": core.leak,
            "full queue": core.full,
            "targetless spikes": core.targetless,
            "group": str(core.group),
        }


def entering(stimulus: Stimulus, b: int, t: int, time: Timekeeping) -> tuple[Ints, Ints]:
    """(n,) inputs of a frame's events in their order, and how many ps after the frame each enters."""
    ordered = stimulus.inputs_in_order(b, t)
    after = np.zeros(len(ordered), np.int64)
    if time.stamp_ps is not None:
        assert stimulus.events is not None
        stamps = stimulus.events_in(b, t)[:, 2]
        after = (stamps - stamps.min()) * time.stamp_ps if len(stamps) else after
    behind = np.arange(len(ordered)) * time.port_ps
    return ordered, np.maximum.accumulate(after - behind) + behind if len(ordered) else after


def check_timed(network: QuantizedNetwork, stimulus: Stimulus, time: Timekeeping) -> None:
    """Raise where a network and a stimulus have no meaning without a barrier.

    Raises:
        ValueError: what is wrong, and the way out.
    """
    check_run(network, stimulus, EVERY_EVENT)
    for p in network.populations:
        as_lif(p.name, p.neuron, "the timed executor")
    for p in network.populations:
        require(
            p.neuron.refractory or is_acyclic(network),
            f"population {p.name!r} has no refractoriness in a network with cycles, which nothing would ever stop; "
            "use refractory neurons",
        )
    if time.stamp_ps is not None:
        require(
            stimulus.events is not None,
            "stimulus holds no time stamps; leave stamp_ps out, and all events of a frame enter at once",
        )
        assert stimulus.events is not None
        size = int(np.abs(stimulus.events[:, 2]).max(initial=0))
        require(
            size * time.stamp_ps <= MAX_PS,
            f"time stamps reach {size} x {time.stamp_ps} ps, at most {MAX_PS} ps; use a smaller stamp_ps",
        )
