"""The tables of ``experiments/clockless.py``: means over mappings, then over seeds, with what seeds differ by."""

from __future__ import annotations

from typing import Any

import numpy as np

Row = dict[str, Any]
CHIPS = (("loihi2", "barrier"), ("seneca", "0 ns"), ("seneca", "200 ns"))


def tables(found: dict[str, Any]) -> list[str]:
    """Lines in Markdown, of what ``measured`` returned for each training and seed."""
    rows = [row for net in found.values() for row in net["rows"]]
    names = list(dict.fromkeys(row["trained"] for row in rows))
    lines: list[str] = []
    for chip, frame in CHIPS:
        mine = [row for row in rows if (row["chip"], row["next_frame"]) == (chip, frame)]
        lines += ["", f"{chip}, next frame: {frame}", "", HEAD, "|---" * HEAD.count(" | ") + "|---|"]
        lines += [_summary(name, mine) for name in names]
    lines += ["", MAPPINGS, "|---|---|---|---|---|---|"]
    for mapping in dict.fromkeys(row["mapping"] for row in rows if row["chip"] == "seneca"):
        mine = [row for row in rows if row["mapping"] == mapping and row["next_frame"] == "0 ns"]
        lines += [_of_mapping(mapping, name, mine) for name in names]
    whole = {who: net for who, net in found.items() if "fit" in net}
    names = [name for name in names if any(who.rpartition(" ")[0] == name for who in whole)]
    return [*lines, "", *_periods(whole, names), "", *_fits(whole, names)] if whole else lines


HEAD = (
    "| trained, seeds | accuracy % | spikes | energy uJ (range) | time us | right after us | these four over layered |"
)
MAPPINGS = "| SENECA, 0 ns | trained | accuracy % | spikes | time us | right after us |"


def _of_seeds(rows: list[Row], value: Any) -> tuple[float, float]:
    """Mean over seeds of the mean over mappings, and the standard deviation over seeds."""
    seeds = sorted({row["seed"] for row in rows})
    means = [np.mean([value(row) for row in rows if row["seed"] == seed and value(row) is not None]) for seed in seeds]
    return float(np.mean(means)), float(np.std(means))


def _accuracy(rows: list[Row]) -> str:
    """In percent, with what seeds differ by where there are several."""
    mean, differs = _of_seeds(rows, lambda r: 100 * r["accuracy"])
    return f"{mean:.1f} ± {differs:.1f}" if len({row["seed"] for row in rows}) > 1 else f"{mean:.1f}"


def _energy(row: Row) -> float:
    return row["energy_pj"]["value"] / 1e6


def _summary(name: str, rows: list[Row]) -> str:
    own, base = ([r for r in rows if r["trained"] == who] for who in (name, "layered"))
    values = {
        "spikes": lambda r: r["spikes"],
        "energy": _energy,
        "time": lambda r: r["time_ps"] / 1e6,
        "right": lambda r: None if r["decision_ps"] is None else r["decision_ps"] / 1e6,
    }
    mean = {what: _of_seeds(own, value)[0] for what, value in values.items()}
    ratios = [mean[what] / _of_seeds(base, value)[0] for what, value in values.items()] if base else []
    n_seeds = len({row["seed"] for row in own})
    low, high = (_of_seeds(own, lambda r, end=end: r["energy_pj"][end] / 1e6)[0] for end in ("low", "high"))
    return (
        f"| {name}, {n_seeds} | {_accuracy(own)} | {mean['spikes']:.0f} | {mean['energy']:.3f} "
        f"({low:.3f} to {high:.3f}) | {mean['time']:.2f} | {mean['right']:.2f} | "
        f"{', '.join(f'{x:.2f}' for x in ratios)} |"
    )


def _of_mapping(mapping: str, name: str, rows: list[Row]) -> str:
    own = [row for row in rows if row["trained"] == name]
    rest = [
        _of_seeds(own, lambda r: r["spikes"])[0],
        _of_seeds(own, lambda r: r["time_ps"] / 1e6)[0],
        _of_seeds(own, lambda r: r["decision_ps"] and r["decision_ps"] / 1e6)[0],
    ]
    return f"| {mapping} | {name} | {_accuracy(own)} | {rest[0]:.0f} | {rest[1]:.2f} | {rest[2]:.2f} |"


def _periods(found: dict[str, Any], names: list[str]) -> list[str]:
    """Accuracy against the frame period, in mean times to quiescence."""
    curves = {name: [net["periods"] for who, net in found.items() if who.rpartition(" ")[0] == name] for name in names}
    shares = [row["share"] for row in next(iter(curves.values()))[0]["curve"]]
    words = ["free" if share is None else f"{share:g}" for share in shares]
    lines = [f"| accuracy % at a frame period of | {' | '.join(words)} | within a point down to us |"]
    lines.append("|---" * (len(shares) + 2) + "|")
    for name, mine in curves.items():
        means = [np.mean([curve["curve"][i]["accuracy"] for curve in mine]) for i in range(len(shares))]
        shortest = ", ".join("none" if c["shortest_ps"] is None else f"{c['shortest_ps'] / 1e6:.2f}" for c in mine)
        lines.append(f"| {name} | {' | '.join(f'{100 * x:.1f}' for x in means)} | {shortest} |")
    late = [
        np.mean([curve["curve"][i]["late"] for mine in curves.values() for curve in mine]) for i in range(len(shares))
    ]
    return [*lines, f"| late events, all | {' | '.join(f'{100 * x:.0f} %' for x in late)} | |"]


def _fits(found: dict[str, Any], names: list[str]) -> list[str]:
    """What ``fit-schedule`` found, and how near it comes where it was not chosen."""
    lines = ["| trained | closest | distance held out | another mapping | layered, held out |", "|---|---|---|---|---|"]
    for name in names:
        mine = [net["fit"] for who, net in found.items() if who.rpartition(" ")[0] == name]
        flags = "; ".join(dict.fromkeys(fit["flags"].replace("--", "") for fit in mine))
        told = [
            ", ".join(f"{fit[k]['distance']:.3f}" for fit in mine)
            for k in ("held_out", "other_mapping", "layered_held_out")
        ]
        lines.append(f"| {name} | {flags} | {' | '.join(told)} |")
    return lines
