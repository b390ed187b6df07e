"""What is served when, and what ends a time step."""

from __future__ import annotations

import numpy as np

from ir.mapped import one_large_core
from ir.neurons import FixedLIF
from ir.schedule import Schedule
from tests.contract_cases.case import ALL, FLAT, LAYERED, Case, network, on_cores


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
