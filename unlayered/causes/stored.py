"""Two traces that lie on disk in pieces, compared without ever being held."""

from __future__ import annotations

from ir.trace import Trace
from sim_reference.compare.divergence import Divergence
from sim_reference.compare.in_pieces import Gathered, InPieces, later, side_by_side
from unlayered.causes.pair import NO_NETWORK, where_they_part
from unlayered.causes.value import Diff
from unlayered.console import Tick


def diff_of_stored(a: tuple[str, InPieces], b: tuple[str, InPieces], tau_steps: float, tick: Tick) -> Diff:
    """How far two traces are apart and where they part; why is not looked for: that takes whole runs.

    Raises:
        ValueError: they are not runs of the same samples and neurons.
    """
    gathered, first = Gathered(tau_steps), None
    n = len(a[1].rest.sample_ids)
    for begin, one, other in side_by_side(a[1], b[1]):
        gathered.add(one, other)
        first = first or _part(one, other, begin)
        tick(begin + len(one.sample_ids), n)
    names = f"{a[0]} ({a[1].rest.executor})", f"{b[0]} ({b[1].rest.executor})"
    executors = a[1].rest.executor, b[1].rest.executor
    return Diff(names, executors, gathered.difference(), first, notes=() if first is None else (NO_NETWORK,))


def _part(a: Trace, b: Trace, begin: int) -> Divergence | None:
    return later(where_they_part(a, b), begin)
