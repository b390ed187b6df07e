"""How neurons reset after a spike: at once or at the start of the next time step, to zero or by subtraction."""

from __future__ import annotations

from typing import Literal, NamedTuple

from ir.schedule import Schedule

ResetName = Literal["zero", "subtract", "zero_late", "subtract_late", "none"]


class Reset(NamedTuple):
    """What a reset means (docs/semantics.md).

    Attributes:
        subtracts: v loses the threshold; else it becomes 0.
        late: at the start of the next time step; until then v stays where it was, and the state ``late`` is 1.
        never: v stays where it was.
    """

    subtracts: bool
    late: bool
    never: bool = False

    @property
    def waits(self) -> bool:
        """Whether neurons fire not before k = depth, may fire there whatever arrives, and keep what comes later in v.

        What a subtraction leaves may lie above the threshold, and layers fire once all of a time step is there.
        """
        return self.subtracts or self.late or self.never

    @property
    def stays(self) -> bool:
        """Whether a spike leaves v where it is."""
        return self.late or self.never


RESETS: dict[str, Reset] = {
    "zero": Reset(subtracts=False, late=False),
    "subtract": Reset(subtracts=True, late=False),
    "zero_late": Reset(subtracts=False, late=True),
    "subtract_late": Reset(subtracts=True, late=True),
    "none": Reset(subtracts=False, late=False, never=True),
}


def reset_refusal(reset: str, refractory: bool, schedule: Schedule) -> str | None:
    """Why a reset has no meaning under a schedule."""
    if not RESETS[reset].waits or refractory or schedule.kind == "layered":
        return None
    how = (
        "never resets"
        if RESETS[reset].never
        else f"resets {'by subtraction' if RESETS[reset].subtracts else 'to zero'}"
    )
    how += " one time step late" if RESETS[reset].late else ""
    return (
        f"{how} without refractoriness, which the asynchronous schedule does not define; use the "
        "layered schedule, reset 'zero', or refractory neurons"
    )
