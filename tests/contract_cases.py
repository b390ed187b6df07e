"""Small runs whose every number follows from docs/semantics.md by hand; each executor is held to them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from ir.connection import Dense
from ir.mapped import Core, MappedNetwork, one_large_core
from ir.network import Input
from ir.neurons import FixedLIF
from ir.quantized import FixedPopulation, FixedProjection, QuantizedNetwork
from ir.schedule import Schedule
from ir.stimulus import Stimulus
from ir.trace import Trace

LAYERED = Schedule(kind="layered", F=None)
ALL = Schedule(F=None)
FLAT = FixedLIF(decay_v=0, v_threshold=10)
SILENT = FixedLIF(decay_v=0, v_threshold=None)
KEEPS = FixedLIF(decay_v=0, v_threshold=None, decay_u=2048)


@dataclass(frozen=True, eq=False)
class Case:
    """A run of one sample and what it must leave behind.

    Attributes:
        spikes: (t, k, neuron, k_served) of each.
        steps: forward steps of each time step.
        v, u: (T, N) at the end of each time step; None = not looked at.
        limits: edges that are reached.
    """

    name: str
    mapped: MappedNetwork
    frames: Sequence[Sequence[int]]
    schedule: Schedule
    spikes: Sequence[tuple[int, int, int, int]] = ()
    steps: Sequence[int] = ()
    v: Sequence[Sequence[int]] | None = None
    u: Sequence[Sequence[int]] | None = None
    limits: Mapping[str, int] = field(default_factory=dict)

    @property
    def stimulus(self) -> Stimulus:
        return Stimulus(np.array(self.frames, np.int64)[:, None])

    def check(self, trace: Trace) -> None:
        """Hold a trace to the case."""
        s = trace.spikes
        assert s is not None
        assert list(zip(s.t.tolist(), s.k.tolist(), s.neuron.tolist(), s.k_served.tolist())) == list(self.spikes)
        assert trace.forward_steps[:, 0].tolist() == list(self.steps)
        for ours, right in ((trace.v, self.v), (trace.u, self.u)):
            assert right is None or (ours is not None and ours[:, 0].tolist() == [list(row) for row in right])
        assert {name: n for name, n in trace.limits_reached.items() if n} == dict(self.limits)


def network(
    inputs: Mapping[str, int],
    neurons: Mapping[str, tuple[int, FixedLIF]],
    edges: Sequence[tuple[Any, ...]],
    arithmetic: str = "lava",
) -> QuantizedNetwork:
    """Edges are (pre, post, weight) or (pre, post, weight, weight_exp); the last population is the output."""
    return QuantizedNetwork(
        tuple(Input(name, (n,)) for name, n in inputs.items()),
        tuple(FixedPopulation(name, (n,), lif) for name, (n, lif) in neurons.items()),
        tuple(FixedProjection(pre, post, Dense(np.array(w, np.int64)), *rest) for pre, post, w, *rest in edges),
        list(neurons)[-1],
        arithmetic=arithmetic,
    )


def on_cores(net: QuantizedNetwork, cores: Sequence[int]) -> MappedNetwork:
    """Neurons where ``cores`` says."""
    return MappedNetwork(net, None, np.array(cores), tuple(Core(i, x=i) for i in range(max(cores) + 1)))


def last_rounds() -> list[Case]:
    """What ends a time step."""
    hidden_waits = network(
        {"in": 1},
        {"hidden": (1, FLAT), "out": (2, FLAT)},
        [("in", "hidden", [[11]]), ("in", "out", [[30], [0]]), ("hidden", "out", [[0], [20]])],
    )
    apart = network(
        {"in": 1},
        {"hidden": (2, FLAT), "out": (4, FLAT)},
        [("in", "hidden", [[11]] * 2), ("in", "out", [[11]] * 4), ("hidden", "out", np.zeros((4, 2)))],
    )
    outputs = network({"in": 1}, {"out": (3, FLAT)}, [("in", "out", [[11]] * 3)])
    silent = network({"in": 1}, {"a": (1, FLAT), "out": (1, FLAT)}, [("in", "a", [[11]]), ("a", "out", [[0]])])
    core = Schedule(F=1, order="fifo", scope="core")
    return [
        Case(
            "an output's entry wins over a hidden one",
            one_large_core(hidden_waits),
            [[1]],
            Schedule(F=1, order="momentum"),
            [(0, 0, 0, 1), (0, 0, 1, 0), (0, 2, 2, 2)],
            [3],
        ),
        Case(
            "a hidden entry wins over an output's, which is dropped",
            one_large_core(hidden_waits),
            [[1]],
            Schedule(F=1, order="fifo"),
            [(0, 0, 0, 0), (0, 0, 1, 1), (0, 1, 2, -1)],
            [2],
        ),
        Case(
            "outputs alone on a core do not prolong a time step",
            on_cores(apart, [0, 0, 1, 1, 1, 1]),
            [[1]],
            core,
            [(0, 0, 0, 0), (0, 0, 1, 1), (0, 0, 2, 0), (0, 0, 3, 1), (0, 0, 4, 2), (0, 0, 5, -1)],
            [3],
        ),
        Case(
            "outputs on every core end it at once",
            on_cores(outputs, [0, 0, 1]),
            [[1], [0]],
            core,
            [(0, 0, 0, 0), (0, 0, 1, -1), (0, 0, 2, 0)],
            [1, 1],
        ),
        Case(
            "the last round serves F",
            one_large_core(outputs),
            [[1]],
            Schedule(F=2, order="fifo"),
            [(0, 0, 0, 0), (0, 0, 1, 0), (0, 0, 2, -1)],
            [1],
        ),
        Case("a projection of zeros is one", one_large_core(silent), [[1]], ALL, [(0, 0, 0, 0)], [2], [[0, 0]]),
    ]


def unconnected_inputs() -> list[Case]:
    """Events that go nowhere take places, and keep no time step going."""
    edges = [("a", "out", [[11, 0], [0, 11]])]
    first = one_large_core(network({"a": 2, "b": 3}, {"out": (2, FLAT)}, edges))
    last = one_large_core(network({"b": 3, "a": 2}, {"out": (2, FLAT)}, edges))
    paced, queued = Schedule(input="paced", R=1, F=None), Schedule(input="queued", F=1, order="fifo")
    ones = [[1, 1, 1, 1, 1]]
    return [
        Case("paced, unconnected last", first, ones, paced, [(0, 0, 0, 0), (0, 1, 1, 1)], [2]),
        Case("paced, unconnected first", last, ones, paced, [(0, 3, 0, 3), (0, 4, 1, 4)], [5]),
        Case("queued, unconnected last", first, ones, queued, [(0, 0, 0, -1), (0, 1, 1, -1)], [2]),
        Case("queued, unconnected first", last, ones, queued, [(0, 3, 0, 4), (0, 4, 1, -1)], [5]),
        Case("only unconnected events, paced", first, [[0, 0, 1, 1, 1]], paced, [], [1]),
        Case("only unconnected events, queued", first, [[0, 0, 1, 1, 1]], queued, [], [1]),
    ]


def early_charge() -> list[Case]:
    """Charge that comes before k = depth to neurons with current memory; its source fires by its bias alone."""
    source = FixedLIF(decay_v=0, v_threshold=10, bias=11, bias_exp=6)
    found = []
    for arithmetic in ("lava", "loihi1"):
        for name, last, spikes, v in (
            ("enters u alone", KEEPS, [], [[320], [800]]),
            ("fires at its depth", FixedLIF(decay_v=0, v_threshold=4, decay_u=2048), [(2, -1)], [[0], [0]]),
            (
                "comes with the bias",
                FixedLIF(decay_v=0, v_threshold=None, decay_u=2048, bias=1, bias_exp=5),
                [],
                [[352], [864]],
            ),
        ):
            net = network(
                {"in": 1},
                {"source": (1, source), "h1": (1, FLAT), "h2": (1, FLAT), "out": (1, last)},
                [("in", "h1", [[1]]), ("h1", "h2", [[1]]), ("h2", "out", [[1]]), ("source", "out", [[5]])],
                arithmetic,
            )
            rows = [(t, k, n, served) for t in (0, 1) for k, n, served in [(0, 0, 0), *((k, 3, k) for k, _ in spikes)]]
            full = [[0, 0, 0, *x] for x in v]
            u = [[0, 0, 0, 320], [0, 0, 0, 480]]
            found.append(Case(f"{name} ({arithmetic})", one_large_core(net), [[0], [0]], ALL, rows, [3, 3], full, u))
    resting = network(
        {"in": 1},
        {"h": (1, FLAT), "out": (1, FixedLIF(decay_v=0, v_threshold=10, decay_u=2048))},
        [("in", "h", [[11]]), ("in", "out", [[11]]), ("h", "out", [[3]])],
    )
    found.append(
        Case(
            "a neuron that rests still gathers current",
            one_large_core(resting),
            [[1], [0]],
            ALL,
            [(0, 0, 0, 0), (0, 0, 1, 0)],
            [2, 1],
            [[0, 0], [0, 448]],
            [[0, 896], [0, 448]],
        )
    )
    return found


TOP = (1 << 23) - 1


def widths() -> list[Case]:
    """Where sums wrap and registers end, under both schedules: one neuron, inputs of 1 in every time step."""
    holds = FixedLIF(decay_v=0, v_threshold=None, decay_u=0)
    top, low = (1 << 31) - 1, -(1 << 31) + (1 << 24)
    rows = [
        ("a sum is exact before its right shift", SILENT, [[1 << 30] * 4], -20, [1 << 18], None, {}),
        ("a right shift floors", SILENT, [[-3]], -1, [-2 << 6], None, {}),
        ("a projection wraps after its shift", SILENT, [[(1 << 30) + 1]], 2, [4 << 6], None, {"int32": 1}),
        ("a drive wraps in register units", SILENT, [[1 << 25]], 0, [-TOP], None, {"int32": 1, "u": 1, "v": 1}),
        ("the same, kept", holds, [[1 << 25]], 0, [-TOP], [low], {"int32": 1, "u": 1, "v": 1}),
        (
            "u + x wraps before the edge of u",
            holds,
            [[(1 << 25) - 1]],
            0,
            [TOP, TOP - 128],
            [top - 63 - (1 << 24), -128],
            {"int32": 1, "u": 2, "v": 1},
        ),
        (
            "v + bias wraps before the clip",
            FixedLIF(decay_v=0, v_threshold=None, bias=32767, bias_exp=16),
            [[0]],
            0,
            [TOP, -TOP, TOP],
            None,
            {"int32": 1, "v": 3},
        ),
    ]
    loihi1 = [
        (
            "loihi1 wraps a bias with i",
            FixedLIF(decay_v=0, v_threshold=None, bias=1, bias_exp=23),
            [[0]],
            0,
            [-TOP],
            None,
            {"u": 1, "v": 1},
        ),
        (
            "loihi1 keeps u without its bias",
            FixedLIF(decay_v=0, v_threshold=None, bias=7, bias_exp=20, decay_u=0),
            [[1 << 14]],
            0,
            [-TOP, -TOP],
            [1 << 20, 2 << 20],
            {"u": 2, "v": 2},
        ),
    ]
    found = [_one_neuron(*row, "lava") for row in rows] + [_one_neuron(*row, "loihi1") for row in loihi1]
    twice = network({"in": 1}, {"out": (1, SILENT)}, [("in", "out", [[top]])] * 2)
    sums = Case("a sum of projections wraps", one_large_core(twice), [[1]], ALL, [], [1], [[-128]], None, {"int32": 1})
    return [replace(c, schedule=s, name=f"{c.name} ({s.kind})") for c in [*found, sums] for s in (ALL, LAYERED)]


def _one_neuron(
    name: str,
    lif: FixedLIF,
    weight: list[list[int]],
    weight_exp: int,
    v: list[int],
    u: list[int] | None,
    limits: dict[str, int],
    arithmetic: str,
) -> Case:
    net = network({"in": len(weight[0])}, {"out": (1, lif)}, [("in", "out", weight, weight_exp)], arithmetic)
    frames = [[1] * len(weight[0])] * len(v)
    currents = None if u is None else [[x] for x in u]
    return Case(name, one_large_core(net), frames, ALL, [], [1] * len(v), [[x] for x in v], currents, limits)


def late_drive() -> list[Case]:
    """The edge of u acts on u, not on a drive that comes late to a neuron with a current."""
    net = network(
        {"in": 1},
        {"h": (1, FLAT), "out": (1, KEEPS)},
        [("in", "h", [[11]]), ("in", "out", [[0]]), ("h", "out", [[(1 << 17) + 1]])],
    )
    u = [[0, 64 - (1 << 23)]]
    limits = {"u": 1, "v": 1}
    return [Case("a late drive", one_large_core(net), [[1]], ALL, [(0, 0, 0, 0)], [2], [[0, TOP]], u, limits)]


def looking_back() -> list[Case]:
    """Layered: which edge of a cycle looks back, and that one on no cycle never does."""
    populations = {"a": (1, FLAT), "b": (1, FLAT)}
    ahead = network({"in": 1}, populations, [("in", "b", [[11]]), ("b", "a", [[11]])])
    cycle = network({"in": 1}, populations, [("in", "b", [[11]]), ("b", "a", [[11]]), ("a", "b", [[1]])])
    own = network({"in": 1}, populations, [("in", "a", [[11]]), ("a", "a", [[11]]), ("a", "b", [[1]])])
    frames = [[1], [0], [0]]
    return [
        Case("no cycle", one_large_core(ahead), frames, LAYERED, [(0, 0, 1, 0), (0, 1, 0, 1)], [2] * 3),
        Case(
            "into what is declared first",
            one_large_core(cycle),
            frames,
            LAYERED,
            [(0, 1, 1, 1), (1, 0, 0, 0)],
            [2] * 3,
            [[0, 0], [0, 64], [0, 64]],
        ),
        Case(
            "onto itself",
            one_large_core(own),
            frames,
            LAYERED,
            [(0, 0, 0, 0), (1, 0, 0, 0), (2, 0, 0, 0)],
            [2] * 3,
            [[0, 64], [0, 128], [0, 192]],
        ),
    ]


def resets() -> list[Case]:
    """An interval of 3 with an offset resets before the time steps t where t + 1 - offset is a multiple of 3."""
    found = []
    for offset, v in ((0, [1, 2, 1, 2, 3]), (1, [1, 2, 3, 1, 2]), (5, [1, 1, 2, 3, 1]), (-2, [1, 2, 3, 1, 2])):
        lif = FixedLIF(decay_v=0, v_threshold=None, reset_interval=3, reset_offset=offset)
        net = network({"in": 1}, {"out": (1, lif)}, [("in", "out", [[1]])])
        for schedule in (ALL, LAYERED):
            name = f"reset at offset {offset} ({schedule.kind})"
            rows = [[64 * x] for x in v]
            found.append(Case(name, one_large_core(net), [[1]] * 5, schedule, [], [1] * 5, rows))
    return found


def biases() -> list[Case]:
    """A bias of which nothing is left in the register is none; one that floors to -1 is one."""
    found = []
    for bias, steps, v in ((1, 1, 0), ([0, 1], 1, 0), (-1, 2, -1), ([1, 3], 2, 1)):
        lif = FixedLIF(decay_v=0, v_threshold=None, bias=bias, bias_exp=-1)
        net = network({"in": 1}, {"h": (1, FLAT), "out": (2, lif)}, [("in", "h", [[1]]), ("h", "out", [[1], [1]])])
        rows = [[0, v if np.ndim(bias) == 0 else 0, v]]
        found.append(Case(f"bias {bias} >> 1", one_large_core(net), [[0]], ALL, [], [steps], rows))
    return found


def without_projections() -> list[Case]:
    """Neurons that live on their bias; every entry is of a population without a projection."""
    lif = FixedLIF(decay_v=0, v_threshold=10, bias=[0, 11, 6], bias_exp=6)
    net = one_large_core(network({"in": 1}, {"out": (3, lif)}, []))
    later = [(0, 0, 1, 0), (1, 0, 1, 0), (1, 0, 2, 0)]
    dropped = [(0, 0, 1, 0), (1, 0, 1, 0), (1, 0, 2, -1)]
    v = [[0, 0, 6 << 6], [0, 0, 0]]
    return [
        Case("no projections, layered", net, [[1], [1]], LAYERED, later, [1, 1], v),
        Case("no projections, F = 1", net, [[1], [1]], Schedule(F=1, order="fifo"), dropped, [1, 1], v),
        Case("no projections, queued", net, [[1], [1]], Schedule(F=1, input="queued", order="fifo"),
             [(0, 0, 1, 0), (1, 0, 1, 0), (1, 0, 2, -1)], [1, 1], v),
    ]  # fmt: skip


CASES = [
    *last_rounds(),
    *unconnected_inputs(),
    *early_charge(),
    *widths(),
    *late_drive(),
    *looking_back(),
    *resets(),
    *biases(),
    *without_projections(),
]
