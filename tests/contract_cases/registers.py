"""What registers hold: charge that comes early or late, sums that wrap, resets, biases."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ir.mapped import one_large_core
from ir.neurons import FixedLIF
from tests.contract_cases.case import ALL, FLAT, KEEPS, LAYERED, SILENT, Case, network

TOP = (1 << 23) - 1


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
