"""What the command line says of a chip without a barrier: how time is kept, and what is kept of a run."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from ir.timing import EffectLog
    from ir.trace import Trace
    from targets.clockless.options import Timekeeping
    from unlayered.execute import RunOptions

Clock = Annotated[
    list[str] | None,
    typer.Option("--clock", help="On clockless, how time is kept: KEY=VALUE (docs/clockless.md); may be repeated."),
]
Timeline = Annotated[
    Path | None, typer.Option("--timeline", help="On clockless: draw cores over time, first sample, into this .svg.")
]
Replay = Annotated[
    bool, typer.Option("--replay", help="On clockless: replay every sample's log, without time, and compare.")
]


def timekeeping(words: list[str]) -> Timekeeping:
    """The way of keeping time that ``KEY=VALUE`` words spell.

    >>> timekeeping(["frame_detect_ps=1000", "leak=lazy"]).leak
    'lazy'
    """
    from ir.check import check_choice, require
    from ir.clockless import WORDS
    from targets.clockless.options import Timekeeping

    known = [f.name for f in fields(Timekeeping)]
    found: dict[str, Any] = {}
    for word in words:
        key, sign, value = word.partition("=")
        require(bool(sign), f"--clock {word!r} has no =; write KEY=VALUE")
        check_choice("the key of --clock", key, known)
        require(key not in found, f"--clock gives {key} twice; give it once")
        if key in WORDS:
            check_choice(f"--clock {key}", value, WORDS[key])
            found[key] = value
        else:
            require(value.isdecimal(), f"--clock {key} is {value!r}; give whole picoseconds")
            found[key] = int(value)
    return Timekeeping(**found)


class Kept:
    """What a run leaves beside its trace: the first sample's log as a picture, and where it ended."""

    def __init__(
        self, on: str, clock: list[str] | None, timeline: Path | None, replay: bool, state: Path | None = None
    ) -> None:
        from ir.check import require

        given = {"--clock": clock, "--timeline": timeline, "--replay": replay or None}
        for flag, value in given.items():
            require(value is None or on == "clockless", f"{flag} is for --on clockless; leave it out on {on}")
        self.timeline, self.replay, self.state = timeline, replay, state
        self.time = timekeeping(clock or [])
        self.log: EffectLog | None = None

    @property
    def files(self) -> list[Path]:
        """What will be written."""
        return [path for path in (self.timeline, self.state) if path is not None]

    def options(self) -> dict[str, Any]:
        """Of ``RunOptions``."""
        on_log = None if self.timeline is None else self._keep
        return {"keep_state": self.state is not None, "time": self.time, "on_log": on_log, "replay": self.replay}

    def _keep(self, b: int, log: EffectLog) -> None:
        self.log = log if self.log is None else self.log

    def contents(self, trace: Trace) -> dict[Path, memoryview]:
        """What stands in these files."""
        from exchange import npz

        found: dict[Path, memoryview] = {}
        if self.timeline is not None and self.log is not None:
            from unlayered.report.timeline import timeline

            picture = timeline(trace, self.log, 0, background="#ffffff")
            found[self.timeline] = memoryview(picture.encode())
        if self.state is not None:
            found[self.state] = npz.encoded(trace.state)
        return found


def told_of_replay(options: RunOptions, trace: Trace) -> list[str]:
    """A line on what a replay showed."""
    if not options.replay:
        return []
    return [f"the logs of {len(trace.sample_ids)} samples, replayed without time, give the same spikes and membranes"]
